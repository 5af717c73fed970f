// The page: holds the point and the note settings, and connects map, sound, keys and panels. An engine (that of server.js,
// or one in the page) answers its questions and makes the sound.
import { Keys, noteName } from "./keys.js";
import { ramp } from "./colors.js";
import { Exporting } from "./exporting.js";
import { keepFocus } from "./focus.js";
import { SpaceMap } from "./map.js";
import { Panels } from "./panels.js";
import { Midi } from "./ports.js";
import { Search } from "./search.js";
import { Sound } from "./sound.js";
import { Plane, View } from "./surfaces.js";
import { recall, remember, say, tell } from "./user.js";

const find = (id) => document.getElementById(id);
const STEADY = 0.5; // s after which a steady note is frozen
const PLANES = { "": "overview", families: "families", heard: "what is heard", pca: "principal components" };
const VIEWS = { umap: "UMAP" }; // positions of notes that cannot be decoded

class Page {
  constructor(engine, space) {
    this.engine = engine;
    this.space = space;
    this.z = space.start;
    this.pitch = 57;
    this.velocity = 0.8;
    this.sound = new Sound(engine, space.sample_rate);
    this.map = new SpaceMap(space);
    this.keys = new Keys((key, pitch) => this.begin(key, pitch), (key) => this.sound.off(key));
    this.exporting = new Exporting(this);
    this.midi = new Midi(this);
    this.panels = new Panels(this);
    this.search = new Search(this);
    this.heats = new Map();
  }

  // Moves to a point: updates the sound, the map, the sliders, and a moment later the list and the address.
  go(z, from = null) {
    this.z = Array.from(z);
    this.map.cursor = this.z;
    this.sound.send({ do: "at", point: this.z });
    this.map.draw(false);
    this.panels.follow(from);
    clearTimeout(this.later);
    this.later = setTimeout(() => this.settle(), 160);
  }

  async settle() {
    history.replaceState(null, "", this.link());
    const point = this.z, nearest = await this.engine.ask("nearest", { z: point });
    if (nearest && point === this.z) this.panels.showNearest(nearest);
    const found = this.space.axes.length ? await this.panels.measure(point) : null;
    if (found && point === this.z) this.panels.showAxes(found.values);
  }

  link() {
    const hash = `#z=${this.z.map((value) => Number(value.toFixed(4))).join(",")}&p=${this.pitch ?? "none"}&v=${this.velocity}`;
    const { name, sample_rate, digest } = this.space.identity;
    return `${hash}${find("plane").value ? `&plane=${find("plane").value}` : ""}&space=${encodeURIComponent(name)},${sample_rate},${digest}`;
  }

  // Whether an address belongs to this space; if not, a sentence of the engine is shown.
  async isOurs(values) {
    const dim = values.get("z").split(",").length;
    const [digest, rate, ...name] = (values.get("space") || "").split(",").reverse();
    if (dim === this.space.dim && (!digest || digest === this.space.identity.digest)) return true;
    const made = { dim, digest, sample_rate: rate, name: name.reverse().join(",") };
    return Boolean(await this.engine.ask("address", Object.fromEntries(Object.entries(made).filter(([, value]) => value))));
  }

  // Goes to the point of the address, as written by link().
  async readLink() {
    const values = new URLSearchParams(location.hash.slice(1));
    if (values.has("z") && !(await this.isOurs(values))) return;
    const z = (values.get("z") || "").split(",").map(Number);
    const plane = values.get("plane") || "";
    const exists = [...find("plane").options].some((option) => option.value === plane);
    if (exists && plane !== find("plane").value) {
      find("plane").value = plane;
      await this.choosePlane();
    }
    this.setPitch(values.get("p") === "none" ? null : this.within(values.get("p"), 12, 127, this.pitch));
    this.setVelocity(this.within(values.get("v"), 0.05, 1, this.velocity));
    if (!values.has("z")) return;
    if (z.every(Number.isFinite)) this.go(z);
    else say("The point in the address must have numbers only.");
  }

  within(text, low, high, fallback) {
    const value = text === null ? NaN : Number(text);
    return value >= low && value <= high ? value : fallback;
  }

  begin(key, pitch = this.pitch) {
    this.sound.on(key, pitch, this.velocity, this.z);
  }

  // Plays a short note, unless notes sound already.
  briefly() {
    if (this.sound.begun.size && !this.sound.begun.has("brief")) return;
    this.begin("brief");
    clearTimeout(this.ending);
    this.ending = setTimeout(() => this.sound.off("brief"), 900);
  }

  setPitch(pitch) {
    this.pitch = pitch;
    find("unpitched").checked = pitch === null;
    if (pitch !== null) find("pitch").value = pitch;
    tell(find("pitch"), pitch === null ? "none" : noteName(pitch));
    this.offerHeat();
  }

  setVelocity(velocity) {
    this.velocity = velocity;
    find("velocity").value = velocity;
    tell(find("velocity"), velocity.toFixed(2));
  }

  async choosePlane() {
    const plane = await this.surface(find("plane").value);
    if (plane) this.map.setPlane(plane);
    [find("name-u").textContent, find("name-v").textContent] = this.map.plane?.labels || ["", ""];
    if (!plane) return void (find("plane").value = this.shownPlane || "");
    this.shownPlane = find("plane").value;
    find("heat").disabled = plane instanceof View;
    this.map.cursor = this.z;
    await this.showHeat();
  }

  // The plane or view of a name: none, a kind of plane, a view, or two axes.
  async surface(name) {
    if (!(name in VIEWS)) {
      const plane = await this.engine.ask("plane", { axes: name });
      return plane && new Plane(plane);
    }
    const begun = performance.now(), tell = () => {
      const seconds = Math.round((performance.now() - begun) / 1000);
      find("name-u").textContent = `computing ${VIEWS[name]}, up to half a minute: ${seconds} s …`;
    };
    const timer = setInterval(tell, 1000), view = (tell(), await this.engine.ask("view", { name }));
    clearInterval(timer);
    return view && new View({ ...view, positions: floats(view.positions) }, this.space);
  }

  async showHeat(again = false) {
    const name = find("heat").value, axes = find("plane").value;
    find("heat-legend").hidden = !name || find("heat").disabled;
    if (find("heat-legend").hidden) return this.map.setHeat(null);
    if (again || this.heatPitch === undefined) this.heatPitch = this.pitch;
    const key = `${axes} ${this.heatPitch}`;
    if (!this.heats.has(key)) {
      find("heat-low").textContent = "decoding 1,600 points …";
      find("heat-high").textContent = find("heat-unit").textContent = "";
      this.map.setHeat(null);
      const maps = await this.engine.ask("heat", { axes, pitch: this.heatPitch });
      if (!maps) return void (find("heat-legend").hidden = true);
      this.heats.set(key, maps);
    }
    if (name !== find("heat").value || axes !== find("plane").value) return;
    this.map.setHeat(this.heats.get(key), name);
    this.describeHeat(this.heats.get(key).maps[name]);
    this.offerHeat();
  }

  describeHeat({ low, high, unit }) {
    const short = (value) => String(Number(value.toPrecision(3)));
    find("heat-low").textContent = short(low);
    find("heat-high").textContent = `${short(high)} ${unit}`;
    find("heat-unit").textContent = this.heatPitch === null ? "without pitch" : `at ${noteName(this.heatPitch)}`;
    const pen = find("heat-ramp").getContext("2d"), color = ramp();
    for (let x = 0; x < 96; x++) {
      pen.fillStyle = `rgb(${color(x / 95).join(" ")})`;
      pen.fillRect(x, 0, 1, 8);
    }
  }

  offerHeat() {
    const other = find("heat").value && this.heatPitch !== undefined && this.heatPitch !== this.pitch;
    find("heat-again").hidden = !other;
    find("heat-again").textContent = this.pitch === null ? "without pitch" : `at ${noteName(this.pitch)}`;
  }

  legend() {
    find("legend").replaceChildren(...[...this.map.key].map(([word, color]) => {
      const item = document.createElement("li"), button = document.createElement("button");
      button.setAttribute("aria-pressed", this.map.chosen === word);
      button.innerHTML = '<svg viewBox="0 0 10 10" aria-hidden="true"><circle cx="5" cy="5" r="5"/></svg>';
      button.firstChild.style.fill = color;
      button.append(word.replaceAll("_", " "));
      button.addEventListener("click", () => {
        this.map.chosen = this.map.chosen === word ? null : word;
        this.legend();
        this.map.draw();
      });
      item.append(button);
      return item;
    }));
  }

  showState(state) {
    const { ring, latency } = this.sound, engine = Object.values(state.latency).reduce((sum, value) => sum + value, 0);
    find("state").innerHTML = "<b></b> · load <b></b> · underruns <b></b> · latency <b></b>";
    const texts = [`${state.voices} of ${state.limit} voices`, `${Math.round(100 * state.load)} %`, ring.underruns, `${Math.round(latency + engine)} ms`];
    find("state").querySelectorAll("b").forEach((spot, n) => (spot.textContent = texts[n]));
    find("state").title = `Latency: page ${Math.round(latency)} ms, engine ${Math.round(engine)} ms. Underruns of the engine: ${state.underruns}. Decoder: ${state.runtime}.`;
    this.keys.show(state.notes.filter((note) => note !== null));
    this.map.sounding = state.voices ? state.point : null;
    this.map.draw(false);
  }

  wire() {
    const { map, sound } = this;
    map.addEventListener("press", ({ detail }) => {
      this.go(detail);
      this.begin("map");
    });
    map.addEventListener("drag", ({ detail }) => {
      this.go(detail);
      if (document.activeElement === map.canvas) this.speak();
    });
    map.addEventListener("release", () => find("latch").checked || sound.off("map"));
    map.addEventListener("drawn", ({ detail }) => this.panels.drawn(detail));
    sound.addEventListener("state", ({ detail }) => this.showState(detail));
    sound.addEventListener("hello", () => this.restore());
    sound.addEventListener("closed", ({ detail }) => this.closed(detail));
    this.wireBar();
    this.wireSound();
    addEventListener("hashchange", () => this.readLink());
  }

  // Sends the settings of the page to a new socket.
  restore() {
    find("taken").close();
    this.sound.send({ do: "hold", seconds: find("steady").checked ? STEADY : null });
    this.sound.setGain();
    this.sound.send({ do: "at", point: this.z });
  }

  closed({ reason }) {
    find("state").textContent = "The sound has stopped.";
    find("taken-why").textContent = reason || "The sound has stopped.";
    find("taken").show();
  }

  speak() {
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => {
      const [u, v] = this.map.coordinates(this.z).map((value) => value.toFixed(2));
      find("spoken").textContent = `${u}, ${v}; nearest: ${find("nearest").querySelector(".name")?.textContent || ""}`;
    }, 500);
  }

  wireBar() {
    const { map } = this;
    for (const tool of ["play", "draw"]) {
      find(`tool-${tool}`).addEventListener("click", () => {
        map.tool = tool;
        for (const other of ["play", "draw"]) find(`tool-${other}`).setAttribute("aria-pressed", other === tool);
      });
    }
    find("plane").addEventListener("change", () => this.choosePlane().then(() => this.settle()));
    find("heat").addEventListener("change", () => this.showHeat());
    find("heat-again").addEventListener("click", () => this.showHeat(true));
    find("color").addEventListener("change", () => {
      [map.colorBy, map.chosen] = [find("color").value, null];
      map.colors();
      this.legend();
      map.draw();
    });
    const cursor = () => map.toScreen(map.coordinates(this.z));
    find("zoom-in").addEventListener("click", () => map.zoomBy(1.4, ...cursor()));
    find("zoom-out").addEventListener("click", () => map.zoomBy(1 / 1.4, ...cursor()));
    find("zoom-all").addEventListener("click", () => map.showAll());
    find("theme").addEventListener("click", () => this.setTheme({ auto: "light", light: "dark", dark: "auto" }[this.theme]));
    this.setTheme(recall("theme") || "auto");
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.setTheme(this.theme));
  }

  setTheme(theme) {
    this.theme = theme;
    remember("theme", theme);
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    const shown = { auto: "Auto", light: "Light", dark: "Dark" }[theme];
    find("theme").textContent = shown;
    find("theme").setAttribute("aria-label", theme === "auto" ? "Auto: colours of the system" : `${shown} colours`);
    this.map.draw();
    if (this.map.heat) this.showHeat();
  }

  wireSound() {
    find("volume").addEventListener("input", () => this.sound.setVolume(Number(find("volume").value)));
    find("record").addEventListener("click", () => this.sound.record());
    this.sound.addEventListener("recording", ({ detail }) => {
      find("record").textContent = detail === null ? "Record" : `Stop ${Math.floor(detail / 60)}:${String(Math.floor(detail % 60)).padStart(2, "0")}`;
      find("record").classList.toggle("main", detail !== null);
    });
    find("panic").addEventListener("click", () => this.panels.silence());
    addEventListener("keydown", (event) => event.key === "Escape" && this.panels.silence());
    find("pitch").addEventListener("input", () => {
      this.setPitch(Number(find("pitch").value));
      if (this.sound.begun.has("slider")) this.begin("slider");
    });
    find("velocity").addEventListener("input", () => this.setVelocity(Number(find("velocity").value)));
    find("unpitched").addEventListener("change", () => this.setPitch(find("unpitched").checked ? null : Number(find("pitch").value)));
    find("steady").addEventListener("change", () => this.sound.send({ do: "hold", seconds: find("steady").checked ? STEADY : null }));
    find("latch").addEventListener("change", () => find("latch").checked || this.sound.off("map"));
    find("take").addEventListener("click", () => this.sound.start());
    for (const id of ["pitch", "velocity"]) this.panels.audition(find(id));
    for (const id of ["pitch", "velocity"]) find(id).addEventListener("change", () => this.settle());
  }
}

function floats(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

export async function begin(engine) {
  const space = await engine.ask("space");
  if (!space) return;
  for (const part of document.querySelectorAll("[data-needs]")) part.hidden = !space.can[part.dataset.needs];
  if (typeof space.points === "string") space.points = floats(space.points);
  find("space-name").textContent = `${space.name} · ${space.count.toLocaleString("en")} sounds · ${space.dim} dimensions`;
  document.title = `${space.name} – timbre`;
  const words = space.axes.length > 1 ? space.axes : [...space.axes, ...["z0", "z1", "z2"].slice(space.axes.length, space.dim)];
  const pairs = words.flatMap((a, n) => words.slice(n + 1).map((b) => [a, b]));
  const kinds = [...Object.entries(PLANES), ...Object.entries(VIEWS).filter(([view]) => space.can.views.includes(view))];
  find("plane").append(...kinds.map(([kind, text]) => new Option(text, kind)), ...pairs.map(([a, b]) => new Option(`${a} · ${b}`.replaceAll("_", " "), `${a},${b}`)));
  const page = new Page(engine, space);
  window.timbre = page;
  page.wire();
  keepFocus();
  page.legend();
  page.setPitch(page.pitch);
  page.setVelocity(page.velocity);
  await page.choosePlane();
  page.map.cursor = page.z;
  page.panels.follow();
  if (space.left_out) say(space.left_out);
  await page.readLink();
  await Promise.all([page.settle(), page.panels.loadPresets(), page.exporting.load()]);
  document.documentElement.dataset.ready = "yes";
}

