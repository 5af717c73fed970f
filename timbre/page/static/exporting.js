// The panel that exports a point, a path or a preset for other software. The engine runs one export at a time; the
// page asks how far it is, also after it has been loaded again.

const find = (id) => document.getElementById(id);
const INTERVAL = 500; // ms between questions
const POINT = "point", PATH = "path"; // sources; a preset is "preset " and its name

export class Exporting {
  constructor(page) {
    this.page = page;
    const source = find("export-source");
    source.append(new Option("this point", POINT), new Option("this path", PATH));
    source.addEventListener("change", () => this.chosen());
    find("export-format").addEventListener("change", () => this.describe());
    find("export").addEventListener("submit", (event) => {
      event.preventDefault();
      this.begin();
    });
    find("export-cancel").addEventListener("click", () => this.cancel());
    find("export-file").addEventListener("click", () => this.fetched());
    this.drawn(false);
    this.suggestName();
  }

  // The labels of the settings.
  get settings() {
    return [...find("export").querySelectorAll("[data-setting]")];
  }

  ask(values, verb) {
    return this.page.engine.ask("export", values, verb);
  }

  // The formats, and an export that began before the page was loaded.
  async load() {
    const answer = this.page.space.can.export && (await this.ask());
    if (!answer) return;
    this.formats = Object.fromEntries(answer.formats.map((format) => [format.name, format]));
    find("export-format").replaceChildren(...answer.formats.map(({ name }) => new Option(name, name)));
    this.describe();
    if (answer.export) this.show(answer.export);
  }

  // Says what the format is, and shows the settings that it uses: the positions of the knob only for a path.
  describe() {
    const { text, settings } = this.formats[find("export-format").value], moves = this.moves();
    find("export-text").textContent = text;
    for (const label of this.settings) {
      label.hidden = !settings.includes(label.dataset.setting) || (label.dataset.of === "path" && !moves);
    }
  }

  // Whether the source is a path.
  moves() {
    const { value } = find("export-source");
    const points = this.presets?.find(({ name }) => `preset ${name}` === value)?.points ?? [];
    return value === PATH || points.length > 1;
  }

  chosen() {
    this.suggestName();
    if (this.formats) this.describe();
  }

  // Whether there is a path on the map.
  drawn(drawn) {
    const source = find("export-source");
    source.options[1].disabled = !drawn;
    if (!drawn && source.value === PATH) this.choose(POINT);
  }

  showPresets(presets) {
    this.presets = presets;
    const source = find("export-source"), before = source.value, group = document.createElement("optgroup");
    source.querySelector("optgroup")?.remove();
    group.label = "Presets";
    group.append(...presets.map(({ name }) => new Option(name, `preset ${name}`)));
    if (presets.length) source.append(group);
    source.value = before;
    if (!source.value) this.choose(POINT);
  }

  choose(source) {
    find("export-source").value = source;
    this.chosen();
  }

  // A preset keeps its name.
  suggestName() {
    const input = find("export-name"), { value } = find("export-source"), preset = value.startsWith("preset ");
    input.value = preset ? value.slice(7) : `my ${value}`;
    input.disabled = preset;
  }

  path(source) {
    if (source === PATH) return this.page.map.pathValue();
    return source === POINT ? { kind: "line", points: [this.page.z], times: [0] } : null;
  }

  async begin() {
    const path = this.path(find("export-source").value), format = find("export-format").value;
    const shown = this.settings.filter((label) => !label.hidden);
    const settings = Object.fromEntries(shown.map((one) => [one.dataset.setting, one.querySelector("input").value.trim()]));
    const name = find("export-name").value.trim();
    const values = { format, name, path, unpitched: this.page.pitch === null, settings };
    const begun = await this.ask(values, "POST");
    if (!begun) return;
    this.mine = true;
    this.show(begun);
    find("export-cancel").focus();
  }

  async cancel() {
    clearTimeout(this.timer);
    await this.ask({}, "DELETE");
    this.end("Cancelled; nothing is left of it.");
  }

  // Asks again and again, until the export has ended.
  async follow() {
    const answer = await this.ask();
    if (answer?.export) this.show(answer.export);
    else this.end(answer ? "The export was cancelled or downloaded by another page." : "The server does not answer.");
  }

  show(running) {
    find("export-file").hidden = true;
    if (running.state === "failed") return this.end(running.error);
    if (running.state === "done") return this.offer(running);
    const bar = find("export-progress");
    find("export-begin").disabled = true;
    find("export-cancel").hidden = bar.hidden = false;
    if (running.steps) [bar.max, bar.value] = [running.steps, running.done];
    else bar.removeAttribute("value");
    find("export-left").textContent = remaining(running.left);
    find("export-left").hidden = running.left === null;
    this.say(this.progress(running));
    this.timer = setTimeout(() => this.follow(), INTERVAL);
  }

  // Changes every quarter, so that screen readers do not read every step.
  progress({ name, done, steps, size }) {
    if (!steps) return `Preparing ${name} …`;
    const quarter = Math.floor((4 * done) / steps);
    return `Exporting ${name}, about ${megabytes(size)}: ${quarter ? `${25 * quarter} % done` : "begun"} …`;
  }

  offer({ file, size, notice }) {
    const link = find("export-file");
    link.textContent = `Download ${file}`;
    link.hidden = false;
    this.end(`${file} is ready, ${megabytes(size)}. ${notice}`);
    if (this.mine) link.click();
    this.mine = false;
  }

  // The server removes a file that it has sent.
  fetched() {
    setTimeout(() => (find("export-file").hidden = true), 0);
  }

  end(text) {
    find("export-begin").disabled = false;
    for (const id of ["export-cancel", "export-progress", "export-left"]) find(id).hidden = true;
    this.say(text);
  }

  say(text) {
    if (find("export-state").textContent !== text) find("export-state").textContent = text;
  }
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

// Not in the region that screen readers follow, as it changes all the time.
function remaining(seconds) {
  if (seconds === null) return "";
  const minutes = Math.round(seconds / 60);
  return `${seconds < 90 ? `${Math.ceil(seconds)} s` : `${minutes} min`} left`;
}
