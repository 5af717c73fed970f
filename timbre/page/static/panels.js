// The panels beside the map.
import { noteName } from "./keys.js";
import { save, say, tell } from "./user.js";

const find = (id) => document.getElementById(id);
const MAX_UPLOAD = 20 * 2 ** 20; // bytes

export class Panels {
  constructor(page) {
    this.page = page;
    this.presets = [];
    this.axes = page.space.axes.map((name, n) => this.slider("axes", name.replaceAll("_", " "), [-2, 2], (value) => this.alongAxis(n, value)));
    this.dims = page.space.ranges.map((range, n) => this.slider("dims", `z${n}`, range, (value) => this.alongDim(n, value)));
    find("dims-box").open = !page.space.axes.length;
    this.audition(find("morph"));
    this.wire();
  }

  slider(box, name, [low, high], moved) {
    const wide = 0.25 * (high - low);
    const label = document.createElement("label"), input = document.createElement("input"), output = document.createElement("output");
    output.setAttribute("aria-hidden", true);
    label.className = "slider";
    Object.assign(input, { type: "range", min: low - wide, max: high + wide, step: 0.01 });
    input.dataset.axis = name;
    input.addEventListener("input", () => moved(Number(input.value)));
    label.append(name, input, output);
    find(box).append(label);
    this.audition(input);
    return input;
  }

  // Plays a note while a slider is dragged.
  audition(input) {
    let pressed = false;
    input.addEventListener("pointerdown", () => {
      pressed = true;
      if (!this.page.sound.begun.size) this.page.begin("slider");
    });
    for (const kind of ["pointerup", "pointercancel"]) addEventListener(kind, () => pressed && ((pressed = false), this.page.sound.off("slider")));
    input.addEventListener("keydown", (event) => {
      if (!event.key.startsWith("Arrow") || event.repeat || this.page.sound.begun.size) return;
      this.page.begin("slider");
      this.page.sound.off("slider");
    });
  }

  // Moves along a named axis, from where the point was when this axis began to move. The engine finds the point; while
  // it does, only the newest value is kept.
  async alongAxis(n, value) {
    const { page } = this, busy = this.wanted !== undefined;
    this.wanted = [n, value];
    while (!busy && this.wanted) {
      const [axis, to] = this.wanted, before = page.z;
      this.wanted = null;
      if (this.swept?.axis !== axis || this.swept.end !== before) this.swept = { axis, begin: before };
      const found = await this.measure(this.swept.begin, { axis: page.space.axes[axis], value: to });
      if (!found || page.z !== before) continue;
      page.go(found.point);
      this.swept.end = page.z;
      this.showAxes(found.values);
    }
    if (!busy) this.wanted = undefined;
  }

  // The values of a point's sound on the named axes.
  measure(z, more = {}) {
    return this.page.engine.ask("axes", { z, pitch: this.page.pitch, ...more });
  }

  showAxes(values) {
    this.axes.forEach((input, n) => {
      input.disabled = values[n] === null;
      tell(input, values[n] === null ? "–" : values[n].toFixed(2));
      if (!input.matches(":active")) input.value = values[n] ?? 0;
    });
  }

  alongDim(n, value) {
    this.page.go(this.page.z.map((own, index) => (index === n ? value : own)), this.dims[n]);
  }

  // Sets the sliders of dimensions to the point, except the one that is being moved.
  follow(from = null) {
    this.dims.forEach((input, n) => {
      if (input !== from) input.value = this.page.z[n];
      tell(input, this.page.z[n].toFixed(2));
    });
  }

  wire() {
    const { page } = this;
    find("link").addEventListener("click", () => this.copy());
    find("surprise").addEventListener("click", () => this.surprise());
    for (const name of ["A", "B"]) {
      find(`set-${name.toLowerCase()}`).addEventListener("click", () => this.mark(name));
      find(`go-${name.toLowerCase()}`).addEventListener("click", () => this.morph(name === "A" ? 0 : 1, true));
    }
    find("morph").addEventListener("input", () => this.morph(Number(find("morph").value)));
    find("path-play").addEventListener("click", () => this.playPath());
    find("path-wav").addEventListener("click", () => this.downloadWav());
    find("path-json").addEventListener("click", () => this.downloadPath());
    find("path-clear").addEventListener("click", () => page.map.setPath({ points: [], times: [] }));
    find("save").addEventListener("submit", (event) => {
      event.preventDefault();
      this.savePreset({ kind: "line", points: [page.z], times: [0] });
    });
    find("save-path").addEventListener("click", () => find("save").reportValidity() && this.savePreset(page.map.pathValue()));
    find("file").addEventListener("change", () => find("file").files[0] && this.locateFile(find("file").files[0]));
    this.wireDrop();
  }

  wireDrop() {
    let inside = 0;
    const show = (by) => (find("drop-hint").hidden = (inside += by) <= 0 || !this.page.space.can.place);
    addEventListener("dragenter", () => show(1));
    addEventListener("dragleave", () => show(-1));
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      event.preventDefault();
      show(-inside);
      const file = event.dataTransfer.files[0];
      if (file && this.page.space.can.place) this.locateFile(file);
    });
  }

  async copy() {
    const address = new URL(this.page.link(), location.href).href;
    try {
      await navigator.clipboard.writeText(address);
      find("link").textContent = "Copied";
    } catch {
      history.replaceState(null, "", this.page.link());
      find("link").textContent = "The link is in the address bar";
    }
    setTimeout(() => (find("link").textContent = "Copy link"), 2000);
  }

  // Goes to a random point, plays it, and says what lies next to it.
  async surprise() {
    const { page } = this, near = find("surprise-where").value ? { near: page.z } : {};
    page.sound.start();
    const drawn = await page.engine.ask("draw", near);
    if (!drawn) return;
    page.go(drawn.point);
    page.briefly();
    page.speak();
  }

  mark(name) {
    this.page.map.marks[name] = this.page.z;
    find(`go-${name.toLowerCase()}`).disabled = false;
    find("morph").disabled = Object.keys(this.page.map.marks).length < 2;
    if (!find("morph").disabled) this.showMorph(name === "A" ? 0 : 1);
    this.page.map.draw(false);
  }

  morph(share, audible = false) {
    const { A, B } = this.page.map.marks, at = A && B ? A.map((a, n) => (1 - share) * a + share * B[n]) : A || B;
    this.showMorph(share);
    this.page.go(at);
    if (audible) this.page.briefly();
  }

  showMorph(share) {
    find("morph").value = share;
    tell(find("morph"), share === 0 ? "A" : share === 1 ? "B" : `${Math.round(100 * share)} % B`);
  }

  drawn(seconds) {
    const drawn = this.page.map.path.length > 1;
    for (const id of ["path-play", "path-wav", "path-json", "save-path"]) find(id).disabled = !drawn;
    find("path-clear").disabled = !this.page.map.path.length;
    this.page.exporting.drawn(drawn);
    if (seconds) find("path-seconds").value = Math.min(60, Math.max(0.5, seconds)).toFixed(1);
  }

  get seconds() {
    return Math.min(60, Math.max(0.5, Number(find("path-seconds").value) || 4));
  }

  playPath(sounding = true) {
    if (this.playing) return this.endPath();
    const { page } = this, loop = find("path-loop").checked;
    if (sounding) page.begin("path");
    page.sound.send({ do: "path", path: page.map.pathValue(), duration: this.seconds, loop });
    find("path-play").textContent = "Stop";
    this.playing = true;
    if (!loop) this.ending = setTimeout(() => this.endPath(), 1000 * this.seconds + 200);
  }

  endPath() {
    clearTimeout(this.ending);
    if (!this.playing) return;
    this.playing = false;
    find("path-play").textContent = "Play";
    this.page.sound.off("path");
    this.page.sound.send({ do: "path", path: null });
  }

  silence() {
    this.endPath();
    this.page.midi.silence();
    this.page.sound.panic();
  }

  async downloadWav() {
    const { page } = this, button = find("path-wav");
    if (this.rendering) return;
    this.rendering = true;
    button.textContent = "Rendering …";
    const values = { path: page.map.pathValue(), pitch: page.pitch, velocity: page.velocity, duration: this.seconds };
    const wav = await page.engine.ask("render", values, "POST");
    this.rendering = false;
    button.textContent = "Download WAV";
    if (wav) save(new Blob([wav], { type: "audio/wav" }), "path.wav");
  }

  async downloadPath() {
    const file = await this.page.engine.ask("path", { path: this.page.map.pathValue() }, "POST");
    if (file) save(new Blob([JSON.stringify(file)], { type: "application/json" }), "path.json");
  }

  // An item for a library note: a link to its point, the recording, and the decoded note.
  sound(note) {
    const { page } = this, item = document.createElement("li");
    const recorded = button("Recorded", `Recorded: ${note.name}`, () => page.sound.play(page.engine.ask("original", { name: note.name })));
    const dissimilarity = document.createElement("span");
    dissimilarity.className = "dissimilarity";
    dissimilarity.textContent = note.dissimilarity.toFixed(2);
    dissimilarity.title = "Dissimilarity: 0 is the same sound, 1 the mean of two instruments";
    const decoded = button("Decoded", `Decoded: ${note.name}`, () => page.sound.play(this.decoded(note)));
    item.append(goTo(note.name, () => page.go(note.point)), dissimilarity, ...(page.space.can.originals ? [recorded] : []), decoded);
    return item;
  }

  decoded({ point, pitch, velocity }) {
    return this.page.engine.ask("sound", { z: point, pitch, velocity: velocity ?? 0.8 });
  }

  showNearest(notes) {
    find("nearest").replaceChildren(...notes.map((note) => this.sound(note)));
  }

  async locateFile(file) {
    if (file.size > MAX_UPLOAD) return say(`An upload must have at most 20 MiB; ${file.name} is larger.`);
    find("located").replaceChildren(paragraph(`Locating ${file.name} …`));
    const location = await this.page.engine.ask("place", { name: file.name.slice(-200), file }, "POST");
    find("located").replaceChildren();
    if (!location) return;
    this.page.map.located.push(location);
    this.showLocation(location, file);
    if (location.pitch_midi !== null) this.page.setPitch(Math.round(location.pitch_midi));
    this.page.go(location.point);
  }

  showLocation(location, file) {
    const { page } = this, head = document.createElement("h3"), verdict = paragraph(""), word = document.createElement("span"), list = document.createElement("ol");
    head.textContent = `◆ ${location.name}`;
    word.className = location.out_of_distribution ? "unfamiliar" : "familiar";
    word.textContent = location.out_of_distribution ? "Unfamiliar" : "Familiar";
    const pitch = location.pitch_midi === null ? "without pitch" : noteName(location.pitch_midi);
    verdict.append(word, `: ${pitch}; likelier than ${location.percentile.toFixed(1)} % of the library notes; reconstruction error ${location.error_db.toFixed(1)} dB`);
    if (location.error_percentile !== null) verdict.append(`, which ${location.error_percentile.toFixed(1)} % of the held-out notes reach`);
    verdict.append(".");
    const row = document.createElement("div");
    row.className = "row";
    const note = { point: location.point, pitch: location.pitch_midi, velocity: location.velocity };
    row.append(button("Recorded", "Recorded: your sound", () => page.sound.play(file.arrayBuffer())), button("Decoded", "Decoded: your sound", () => page.sound.play(this.decoded(note))), button("Go there", "Go there: the point of your sound", () => page.go(location.point)));
    list.className = "sounds";
    list.append(...location.neighbours.map((neighbour) => this.sound(neighbour)));
    find("located").replaceChildren(head, verdict, row, paragraph("Nearest library notes:"), list);
  }

  async loadPresets() {
    const presets = await this.page.engine.ask("presets");
    if (presets) this.showPresets(presets);
  }

  // Lists presets under the headings of their groups, which fold; those without a group stand outside.
  showPresets(presets) {
    this.presets = presets;
    this.page.exporting.showPresets(presets);
    this.page.midi.showTargets(presets);
    const list = find("presets"), open = new Set([...list.querySelectorAll("details[open]")].map((box) => box.dataset.group));
    const groups = new Map();
    for (const preset of presets) groups.set(preset.group || "", [...(groups.get(preset.group || "") || []), preset]);
    if (!open.size) open.add([...groups.keys()].find((group) => group));
    list.replaceChildren(...[...groups].flatMap(([group, members]) => {
      const items = members.map((preset) => this.presetItem(preset));
      return group ? [folding(group, items, open.has(group))] : items;
    }));
  }

  presetItem(preset) {
    const item = document.createElement("li"), isPath = preset.points.length > 1;
    const name = goTo(preset.name, () => this.recall(preset));
    name.classList.toggle("path", isPath);
    name.title = isPath ? `Path of ${preset.duration} s` : "Point";
    if (preset.pitches) name.title += `, ${preset.pitches.map(noteName).join(" to ")}`;
    item.append(name);
    if (this.page.space.can.save) item.append(button("Delete", `Delete ${preset.name}`, async () => {
      const left = await this.page.engine.ask("presets", { name: preset.name }, "DELETE");
      if (left) this.showPresets(left);
    }));
    return item;
  }

  recall(preset, sounding = true) {
    this.endPath();
    const { page } = this, [low, high] = preset.pitches || [12, 127];
    if (page.pitch !== null) page.setPitch(Math.min(Math.max(page.pitch, Math.ceil(low)), Math.floor(high)));
    page.go(preset.points[0]);
    if (preset.points.length < 2) return;
    this.page.map.setPath(preset);
    find("path-seconds").value = preset.duration;
    find("path-loop").checked = preset.loop;
    this.playPath(sounding);
  }

  async savePreset(path) {
    const preset = { name: find("save-name").value.trim(), path, duration: this.seconds, loop: find("path-loop").checked };
    const presets = await this.page.engine.ask("presets", preset, "PUT");
    if (!presets) return;
    find("save-name").value = "";
    this.showPresets(presets);
  }
}

function button(text, title, done) {
  const made = document.createElement("button");
  Object.assign(made, { textContent: text, title, type: "button" });
  made.setAttribute("aria-label", title);
  made.addEventListener("click", done);
  return made;
}

// A heading with its items, which folds.
function folding(title, items, open) {
  const item = document.createElement("li"), box = document.createElement("details"), list = document.createElement("ul");
  const summary = document.createElement("summary"), heading = document.createElement("h3"), count = document.createElement("small");
  Object.assign(box, { className: "inner", open });
  box.dataset.group = title;
  Object.assign(list, { className: "sounds" });
  heading.textContent = title;
  count.textContent = ` ${items.length}`;
  heading.append(count);
  summary.append(heading);
  list.append(...items);
  box.append(summary, list);
  item.append(box);
  return item;
}

function goTo(name, done) {
  const made = button(name, `Go to ${name}`, done);
  made.className = "name";
  return made;
}

function paragraph(text) {
  const made = document.createElement("p");
  made.textContent = text;
  return made;
}
