// The MIDI panel: asks the browser for MIDI, lists the inputs, plays by one of them, and shows and learns what moves what.
import { MidiInput } from "./midi.js";
import { clamp, isCommon, usualMapping } from "./mapping.js";
import { loadMapping, writeMapping } from "./mappingfile.js";
import { recall, remember, save, say } from "./user.js";

const find = (id) => document.getElementById(id);
const LOWEST = 12; // MIDI note
const PAUSE = 20; // ms between messages that shape one note; engines smooth over as much
const NO_MIDI = "This browser has no Web MIDI; use Chrome, Edge or Firefox, at localhost or by HTTPS.";
const REFUSED = "The browser refused MIDI; allow it for this page in the browser's settings, and connect again.";

export class Midi {
  constructor(page) {
    this.page = page;
    this.waiting = new Map();
    this.name = `midi ${page.space.identity.digest}`;
    this.mapping = this.kept();
    this.renew();
    find("midi-connect").addEventListener("click", () => this.connect());
    find("midi-port").addEventListener("change", () => this.listen(find("midi-port").value));
    find("midi-mpe").addEventListener("change", () => this.renew());
    find("midi-learn").addEventListener("click", () => this.learn());
    find("midi-save").addEventListener("click", () => save(new Blob([writeMapping(this.mapping)], { type: "application/toml" }), "mapping.toml"));
    find("midi-load").addEventListener("click", () => find("midi-file").click());
    find("midi-file").addEventListener("change", () => this.load(find("midi-file").files[0]));
    this.showMoves();
  }

  // A new interpreter; the notes of the old one end.
  renew() {
    if (this.input) this.silence(true);
    this.input = new MidiInput(this.page.space, this, this.mapping, { members: find("midi-mpe").checked ? 15 : 0 });
  }

  async connect() {
    this.page.sound.start();
    if (!navigator.requestMIDIAccess) return this.tell(NO_MIDI);
    try {
      this.access = await navigator.requestMIDIAccess();
    } catch {
      return this.tell(REFUSED);
    }
    this.access.onstatechange = () => this.list();
    find("midi-connect").hidden = true;
    find("midi-port").closest("label").hidden = false;
    this.list();
  }

  // Lists the inputs that are plugged in, and listens to the one that was chosen, or else to the first.
  list() {
    const names = [...this.access.inputs.values()].filter(({ state }) => state !== "disconnected").map(({ name }) => name);
    find("midi-port").replaceChildren(...(names.length ? names : [""]).map((name) => new Option(name || "none", name)));
    const chosen = this.chosen ?? recall("midi port"), first = names.find((name) => !name.includes("Through")) ?? names[0];
    find("midi-port").value = names.includes(chosen) ? chosen : "";
    if (names.includes(chosen)) return this.listen(chosen);
    if (this.port) {
      this.silence(true);
      this.port = undefined;
      this.tell(`${chosen} was unplugged; plug it in again, or choose another input.`);
    } else if (this.chosen !== undefined) return;
    else if (first === undefined) this.tell("No MIDI input was found; plug one in.");
    else this.listen(first, false);
  }

  listen(name, keep = true) {
    const port = [...this.access.inputs.values()].find((one) => one.name === name && one.state !== "disconnected");
    if (!port || (port === this.port && port.onmidimessage)) return;
    if (this.port) {
      this.silence(true);
      this.port.onmidimessage = null;
    }
    [this.port, this.chosen] = [port, name];
    find("midi-port").value = name;
    if (keep) remember("midi port", name);
    port.onmidimessage = ({ data }) => this.input.handle(data);
    this.tell(`Playing by ${name}.`);
  }

  tell(text) {
    find("midi-state").textContent = text;
  }

  // Forgets the notes of the interpreter; with `audible`, they end.
  silence(audible = false) {
    this.waiting.clear();
    this.input.forget([...this.input.channels.keys()]);
    if (audible) this.page.sound.panic();
  }

  // What the interpreter calls. Values by target become a plain object.

  noteOn(key, pitch, velocity, values) {
    if (pitch < LOWEST) return;
    this.waiting.delete(key);
    const { sound, z } = this.page;
    sound.on(key, pitch, velocity, z, Object.fromEntries(values));
  }

  noteOff(key) {
    this.flush(key);
    this.page.sound.off(key, 0);
  }

  // The first change is sent at once; those that follow within a pause, as one message for each note at its end.
  express(key, values) {
    this.waiting.set(key, values);
    this.pause ||= this.flushAll();
  }

  // Sends what waits, and tells whether there was anything; if so, a pause begins.
  flushAll() {
    const keys = [...this.waiting.keys()];
    for (const key of keys) this.flush(key);
    if (keys.length) setTimeout(() => (this.pause = this.flushAll()), PAUSE);
    return keys.length > 0;
  }

  flush(key) {
    const values = this.waiting.get(key);
    this.waiting.delete(key);
    if (values) this.page.sound.send({ do: "express", key, values: Object.fromEntries(values) });
  }

  gain(decibels) {
    this.page.sound.setGain(decibels);
  }

  axis(to, value) {
    const { panels, space } = this.page;
    if (typeof to === "number") panels.alongDim(to, value);
    else panels.alongAxis(space.axes.indexOf(to), clamp(value, [-3, 3]));
  }

  preset(number) {
    const preset = this.page.panels.presets[number];
    if (preset) this.page.panels.recall(preset, false);
    else say(`There is no preset ${number}; this space has ${this.page.panels.presets.length}, from 0.`);
  }

  panic() {
    this.waiting.clear();
    this.page.sound.panic();
  }

  // The mapping of this space that was kept, or the usual one. Entries whose target is gone are left out.
  kept() {
    const { axes, dim } = this.page.space, usual = usualMapping(this.page.space);
    const exists = ({ to }) => (typeof to === "number" ? to < dim : ["gain", "bend", "bend_range", ...axes].includes(to) || !isCommon(to));
    try {
      const { controls, notes } = JSON.parse(recall(this.name)) || usual;
      return { controls: controls.filter(exists), notes: notes.filter(exists) };
    } catch {
      return usual;
    }
  }

  change(mapping) {
    this.mapping = mapping;
    this.input.setMapping(mapping);
    remember(this.name, JSON.stringify(mapping));
    this.showMoves();
  }

  // Takes the mapping of a file, as `timbre play --mapping` does; one that is wrong changes nothing.
  async load(file) {
    if (!file) return;
    try {
      const mapping = await loadMapping(file, this.page.space, this.page.panels.presets.map(({ name }) => name));
      this.input.learn(null);
      this.change(mapping);
      this.tell(`Loaded ${file.name}.`);
    } catch (error) {
      this.tell(error.message);
    }
    find("midi-file").value = ""; // the same file can be chosen again
  }

  // Waits for what moves next; a second press stops waiting.
  learn() {
    const learning = !this.input.lesson, text = find("midi-target").value;
    const to = /^\d+$/.test(text) ? Number(text) : text;
    this.input.learn(learning ? to : null, () => this.change(this.input.mapping));
    this.showLearning(learning);
    if (learning) this.tell(`Move what is to move ${named(to)}: a controller; or press, slide, bend or release one MPE note.`);
    else this.tell("Stopped waiting.");
  }

  showLearning(learning) {
    find("midi-learn").textContent = learning ? "Stop" : "Learn";
  }

  // Lists what moves what, each with a button that removes it, and the targets.
  showMoves() {
    const { controls, notes } = this.mapping;
    const common = controls.map((one) => [`Controller ${one.cc}: ${named(one.to)}`, () => this.change({ controls: controls.filter((other) => other !== one), notes })]);
    const own = notes.map((one) => [`${title(one.source)}: ${named(one.to)} of each note`, () => this.change({ controls, notes: notes.filter((other) => other !== one) })]);
    find("midi-moves").replaceChildren(...[...own, ...common].map(([text, remove]) => entry(text, remove)));
    this.showLearning(false);
    if (this.input.lesson === null && this.port) this.tell(`Playing by ${this.port.name}.`);
  }

  // What can be moved: axes, the note itself, presets and dimensions.
  showTargets(presets) {
    const { axes, dim } = this.page.space, before = find("midi-target").value;
    const groups = { Axes: axes, Note: ["gain", "bend"], "Towards a preset": presets.map(({ name }) => `towards:${name}`), Dimensions: [...Array(dim).keys()] };
    find("midi-target").replaceChildren(...Object.entries(groups).filter(([, members]) => members.length).map(([name, members]) => {
      const group = document.createElement("optgroup");
      group.label = name;
      group.append(...members.map((to) => new Option(named(to), to)));
      return group;
    }));
    if (before) find("midi-target").value = before;
    if (!find("midi-target").value) find("midi-target").selectedIndex = 0;
  }
}

function entry(text, remove) {
  const item = document.createElement("li"), words = document.createElement("span"), button = document.createElement("button");
  words.className = "name";
  words.textContent = text;
  Object.assign(button, { textContent: "Remove", type: "button" });
  button.setAttribute("aria-label", `Remove ${text}`);
  button.addEventListener("click", remove);
  item.append(words, button);
  return item;
}

function named(to) {
  if (typeof to === "number") return `z${to}`;
  return { gain: "loudness", bend: "pitch" }[to] || to.replace("towards:", "towards ").replaceAll("_", " ");
}

function title(source) {
  return typeof source === "number" ? `Controller ${source}` : source[0].toUpperCase() + source.slice(1);
}
