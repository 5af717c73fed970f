// The panels beside the map.
import { json, posted, ask, save, say } from "./net.js";
import { noteName } from "./keys.js";

const find = (id) => document.getElementById(id);
const LONGEST = 20 * 2 ** 20; // bytes that the server takes

export class Panels {
  constructor(page) {
    this.page = page;
    this.axes = page.space.axes.map((name, n) => this.slider("axes", name.replaceAll("_", " "), n, (value) => this.alongAxis(n, value)));
    this.dims = page.space.ranges.map((_, n) => this.slider("dims", `z${n}`, n, (value) => this.alongDim(n, value)));
    find("dims-box").open = !page.space.axes.length;
    this.sounding(find("morph"));
    this.wire();
  }

  slider(box, name, n, moved) {
    const [low, high] = this.page.space.ranges[n], wide = 0.25 * (high - low);
    const label = document.createElement("label"), input = document.createElement("input"), output = document.createElement("output");
    label.className = "slider";
    Object.assign(input, { type: "range", min: low - wide, max: high + wide, step: 0.01 });
    input.dataset.axis = name;
    input.addEventListener("input", () => moved(Number(input.value)));
    label.append(name, input, output);
    find(box).append(label);
    this.sounding(input);
    return { input, output };
  }

  // While a slider is dragged it is heard.
  sounding(input) {
    let held = false;
    input.addEventListener("pointerdown", () => {
      held = true;
      if (!this.page.sound.begun.size) this.page.begin("slider");
    });
    for (const kind of ["pointerup", "pointercancel"]) addEventListener(kind, () => held && ((held = false), this.page.sound.off("slider")));
    input.addEventListener("keydown", (event) => {
      if (!event.key.startsWith("Arrow") || event.repeat || this.page.sound.begun.size) return;
      this.page.begin("slider");
      this.page.sound.off("slider");
    });
  }

  // A named axis: the dimensions without a name come along, as in Space.move.
  alongAxis(n, value) {
    const { space, z } = this.page, step = value - z[n];
    this.page.go(z.map((own, at) => own + step * space.directions[n][at]), this.axes[n].input);
  }

  alongDim(n, value) {
    this.page.go(this.page.z.map((own, at) => (at === n ? value : own)), this.dims[n].input);
  }

  // The sliders show where the place is; the one that is moved is left alone.
  follow(from = null) {
    for (const list of [this.axes, this.dims]) {
      list.forEach(({ input, output }, n) => {
        if (input !== from) input.value = this.page.z[n];
        output.textContent = this.page.z[n].toFixed(2);
      });
    }
  }

  wire() {
    const { page } = this;
    find("link").addEventListener("click", () => this.copy());
    for (const name of ["A", "B"]) {
      find(`set-${name.toLowerCase()}`).addEventListener("click", () => this.mark(name));
      find(`go-${name.toLowerCase()}`).addEventListener("click", () => this.morph(name === "A" ? 0 : 1, true));
    }
    find("morph").addEventListener("input", () => this.morph(Number(find("morph").value)));
    find("path-play").addEventListener("click", () => this.playPath());
    find("path-wav").addEventListener("click", () => this.saveWav());
    find("path-json").addEventListener("click", () => this.savePath());
    find("path-clear").addEventListener("click", () => page.map.setWay({ points: [], times: [] }));
    find("keep").addEventListener("submit", (event) => {
      event.preventDefault();
      this.keep({ kind: "line", points: [page.z], times: [0] });
    });
    find("keep-path").addEventListener("click", () => find("keep").reportValidity() && this.keep(page.map.way()));
    find("file").addEventListener("change", () => find("file").files[0] && this.placeFile(find("file").files[0]));
    this.wireDrop();
  }

  wireDrop() {
    let inside = 0;
    const show = (by) => (find("over").hidden = (inside += by) <= 0);
    addEventListener("dragenter", () => show(1));
    addEventListener("dragleave", () => show(-1));
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      event.preventDefault();
      show(-inside);
      const file = event.dataTransfer.files[0];
      if (file) this.placeFile(file);
    });
  }

  async copy() {
    const address = new URL(this.page.link(), location.href).href;
    try {
      await navigator.clipboard.writeText(address);
      find("link").textContent = "Copied";
    } catch {
      history.replaceState(null, "", this.page.link());
      find("link").textContent = "It is in the address bar";
    }
    setTimeout(() => (find("link").textContent = "Copy link"), 2000);
  }

  mark(name) {
    this.page.map.marks[name] = this.page.z;
    find(`go-${name.toLowerCase()}`).disabled = false;
    find("morph").disabled = Object.keys(this.page.map.marks).length < 2;
    if (!find("morph").disabled) this.showMorph(name === "A" ? 0 : 1);
    this.page.map.draw(false);
  }

  morph(share, heard = false) {
    const { A, B } = this.page.map.marks, at = A && B ? A.map((a, n) => (1 - share) * a + share * B[n]) : A || B;
    if (heard && !this.page.sound.begun.size) {
      this.page.begin("a/b");
      setTimeout(() => this.page.sound.off("a/b"), 900);
    }
    this.showMorph(share);
    this.page.go(at);
  }

  showMorph(share) {
    find("morph").value = share;
    find("morph-out").textContent = share === 0 ? "A" : share === 1 ? "B" : `${Math.round(100 * share)} % B`;
  }

  drawn(seconds) {
    const some = this.page.map.path.length > 1;
    for (const id of ["path-play", "path-wav", "path-json", "keep-path"]) find(id).disabled = !some;
    find("path-clear").disabled = !this.page.map.path.length;
    if (seconds) find("path-seconds").value = Math.min(60, Math.max(0.5, seconds)).toFixed(1);
  }

  get seconds() {
    return Math.min(60, Math.max(0.5, Number(find("path-seconds").value) || 4));
  }

  playPath() {
    if (this.playing) return this.endPath();
    const { page } = this, loop = find("path-loop").checked;
    page.begin("path");
    page.sound.send({ do: "path", path: page.map.way(), duration: this.seconds, loop });
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
    this.page.sound.panic();
  }

  async saveWav() {
    const { page } = this, button = find("path-wav");
    button.disabled = true;
    button.textContent = "Rendering …";
    const wanted = { path: page.map.way(), pitch: page.pitch, velocity: page.velocity, duration: this.seconds };
    const answer = await ask("/api/render", posted(wanted));
    button.disabled = false;
    button.textContent = "Save WAV";
    if (answer) save(await answer.blob(), "path.wav");
  }

  async savePath() {
    const answer = await ask("/api/path", posted({ path: this.page.map.way() }));
    if (answer) save(await answer.blob(), "path.json");
  }

  // A known sound: its name goes there; as recorded, and as decoded from its point.
  sound(note) {
    const { page } = this, item = document.createElement("li");
    const recorded = button("Original", `${note.name} as recorded`, () => page.sound.play(`/api/original?name=${encodeURIComponent(note.name)}`));
    recorded.disabled = !page.space.originals;
    if (recorded.disabled) recorded.title = "Start timbre app with --notes FOLDER to hear recordings";
    const far = document.createElement("span");
    far.className = "far";
    far.textContent = note.distance.toFixed(2);
    item.append(goTo(note.name, () => page.go(note.point)), far, recorded, button("Decoded", `${note.name} as decoded`, () => page.sound.play(this.decodedAt(note))));
    return item;
  }

  decodedAt({ point, pitch, velocity }) {
    return `/api/sound?z=${point.join(",")}&pitch=${pitch ?? "none"}&velocity=${velocity ?? 0.8}`;
  }

  showNear(notes) {
    find("near").replaceChildren(...notes.map((note) => this.sound(note)));
  }

  async placeFile(file) {
    if (file.size > LONGEST) return say(`${file.name} is larger than 20 MiB, which is the most that is taken.`);
    find("placed").replaceChildren(paragraph(`Listening to ${file.name} …`));
    const found = await json(`/api/place?name=${encodeURIComponent(file.name.slice(-200))}`, { method: "POST", body: file });
    find("placed").replaceChildren();
    if (!found) return;
    this.page.map.placed.push(found);
    this.showPlaced(found, file);
    if (found.pitch_midi !== null) this.page.setPitch(Math.round(found.pitch_midi));
    this.page.go(found.point);
  }

  showPlaced(found, file) {
    const { page } = this, head = document.createElement("h3"), verdict = paragraph(""), word = document.createElement("span"), list = document.createElement("ol");
    head.textContent = `◆ ${found.name}`;
    word.className = found.stranger ? "stranger" : "familiar";
    word.textContent = found.stranger ? "A stranger" : "Familiar";
    const pitch = found.pitch_midi === null ? "without pitch" : noteName(found.pitch_midi);
    verdict.append(word, `: ${pitch}; likelier than ${found.percentile.toFixed(1)} % of known sounds; decoded with an error of ${found.error_db.toFixed(1)} dB`);
    if (found.error_percentile !== null) verdict.append(`, which ${found.error_percentile.toFixed(1)} % of held-out sounds reach`);
    verdict.append(".");
    const row = document.createElement("div");
    row.className = "row";
    const note = { point: found.point, pitch: found.pitch_midi, velocity: found.velocity };
    row.append(button("Original", "Your sound as it is", () => page.sound.play(file)), button("Decoded", "Your sound as decoded", () => page.sound.play(this.decodedAt(note))), button("Go there", "Go to your sound", () => page.go(found.point)));
    list.className = "sounds";
    list.append(...found.neighbours.map((neighbour) => this.sound(neighbour)));
    find("placed").replaceChildren(head, verdict, row, paragraph("Its neighbours:"), list);
  }

  async loadPresets() {
    const presets = await json("/api/presets");
    if (presets) this.showPresets(presets);
  }

  showPresets(presets) {
    find("presets").replaceChildren(...presets.map((preset) => {
      const item = document.createElement("li"), way = preset.points.length > 1;
      const name = goTo(preset.name, () => this.recall(preset));
      if (way) name.append(" ⤳");
      name.title = way ? `A path of ${preset.duration} s` : "A place";
      item.append(name, button("Remove", `Remove ${preset.name}`, async () => {
        const left = await json(`/api/presets?name=${encodeURIComponent(preset.name)}`, { method: "DELETE" });
        if (left) this.showPresets(left);
      }));
      return item;
    }));
  }

  recall(preset) {
    this.endPath();
    this.page.go(preset.points[0]);
    if (preset.points.length < 2) return;
    this.page.map.setWay(preset);
    find("path-seconds").value = preset.duration;
    find("path-loop").checked = preset.loop;
    this.playPath();
  }

  async keep(path) {
    const wanted = { name: find("keep-name").value.trim(), path, duration: this.seconds, loop: find("path-loop").checked };
    const presets = await json("/api/presets", posted(wanted, "PUT"));
    if (!presets) return;
    find("keep-name").value = "";
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
