// The map: notes as points, heat beneath, a place that is pointed at.
import { palette, pitchColor } from "./colors.js";
import { Drawing } from "./drawing.js";

const REACH = 9; // px around a note that count as its own
const STEP = 0.02; // of the view for an arrow key
const MOST = 128; // points of a drawn path

export class SpaceMap extends Drawing {
  constructor(space) {
    super();
    this.space = space;
    this.ground = document.getElementById("ground");
    this.canvas = document.getElementById("map");
    this.tip = document.getElementById("tip");
    this.colorBy = "family";
    this.chosen = null;
    this.tool = "play";
    this.zoom = 1;
    this.path = [];
    this.marks = {};
    this.placed = [];
    this.cursor = null;
    this.sounding = null;
    this.colors();
    this.listen();
    new ResizeObserver(() => this.resize()).observe(this.canvas);
  }

  setPlane(plane) {
    this.plane = plane;
    const { dim, points } = this.space, count = points.length / dim;
    this.seen = new Float64Array(2 * count);
    // Families come one after the other, and the last would hide the others: a golden-ratio hash mixes them, the same way each time.
    this.order = Uint32Array.from({ length: count }, (_, n) => n).sort((a, b) => (Math.imul(a, 2654435769) >>> 0) - (Math.imul(b, 2654435769) >>> 0));
    for (let n = 0; n < count; n++) this.seen.set(this.coordinates(points.subarray(n * dim, n * dim + dim)), 2 * n);
    this.heat = null;
    this.all();
  }

  // u and v of a point, and back.
  coordinates(z) {
    const { readout, origin } = this.plane;
    return readout.map((row) => row.reduce((sum, weight, n) => sum + weight * (z[n] - origin[n]), 0));
  }

  place([u, v]) {
    const { origin, directions } = this.plane;
    return origin.map((value, n) => value + u * directions[0][n] + v * directions[1][n]);
  }

  // The point moved within the plane's directions: what lies beside the plane stays.
  moved(z, du, dv) {
    const { directions } = this.plane;
    return Array.from(z, (value, n) => value + du * directions[0][n] + dv * directions[1][n]);
  }

  all() {
    this.zoom = 1;
    this.middle = this.plane.extent.map(([low, high]) => (low + high) / 2);
    this.draw();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas, ratio = devicePixelRatio || 1;
    for (const canvas of [this.ground, this.canvas]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    this.width = width;
    this.height = height;
    this.draw();
  }

  // px per unit of u and v; the same where distances in the plane are those of the space.
  get scale() {
    const [u, v] = this.plane.extent.map(([low, high]) => high - low);
    const scale = [this.width / u, this.height / v].map((value) => value * this.zoom);
    return this.plane.isometric ? Array(2).fill(Math.min(...scale)) : scale;
  }

  toScreen([u, v]) {
    const [su, sv] = this.scale;
    return [this.width / 2 + (u - this.middle[0]) * su, this.height / 2 - (v - this.middle[1]) * sv];
  }

  fromScreen(x, y) {
    const [su, sv] = this.scale;
    return [this.middle[0] + (x - this.width / 2) / su, this.middle[1] - (y - this.height / 2) / sv];
  }

  zoomBy(factor, x = this.width / 2, y = this.height / 2) {
    const before = this.fromScreen(x, y);
    this.zoom = Math.min(40, Math.max(0.5, this.zoom * factor));
    const after = this.fromScreen(x, y);
    this.middle = this.middle.map((value, n) => value + before[n] - after[n]);
    this.draw();
  }

  colors() {
    const { families, instruments, pitches } = this.space;
    if (this.colorBy === "pitch") {
      this.shades = pitches.map(pitchColor);
      this.words = pitches.map((pitch) => (pitch === null ? "unpitched" : `octave ${Math.floor(pitch / 12) - 1}`));
      this.key = new Map([...new Set(this.words)].sort().map((word) => [word, this.shades[this.words.indexOf(word)]]));
    } else {
      this.words = this.colorBy === "family" ? families : instruments;
      this.key = palette(this.words);
      this.shades = this.words.map((word) => this.key.get(word));
    }
  }

  setHeat(found, name) {
    this.heat = found && { ...found.maps[name], evidence: found.evidence, pitch: found.pitch };
    this.draw();
  }

  // Draws at the next frame; what only moves leaves the ground with its thousands of notes alone.
  draw(ground = true) {
    this.stale ||= ground;
    if (this.waiting || !this.width || !this.plane) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      if (this.stale) this.drawGround();
      this.stale = false;
      this.drawTop();
    });
  }

  // The number of the note at a place of the screen, or -1.
  noteAt(x, y) {
    let best = -1, least = REACH * REACH;
    for (let n = 0; n < this.shades.length; n++) {
      if (this.chosen !== null && this.words[n] !== this.chosen) continue;
      const [a, b] = this.toScreen([this.seen[2 * n], this.seen[2 * n + 1]]), far = (a - x) ** 2 + (b - y) ** 2;
      if (far < least) [best, least] = [n, far];
    }
    return best;
  }

  note(n) {
    const { dim, points } = this.space;
    return Array.from(points.subarray(n * dim, n * dim + dim));
  }

  tell(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }

  listen() {
    const where = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    let held = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      if (held !== null || (event.pointerType === "mouse" && event.button > 1)) return;
      this.canvas.setPointerCapture(event.pointerId);
      const at = where(event);
      held = { id: event.pointerId, from: at, pan: event.shiftKey || event.button === 1, moved: false };
      this.tip.hidden = true;
      if (held.pan) return;
      const hit = this.tool === "play" ? this.noteAt(...at) : -1;
      if (this.tool === "draw") this.begin(at);
      this.tell("press", hit < 0 ? this.place(this.fromScreen(...at)) : this.note(hit));
    });
    this.canvas.addEventListener("pointermove", (event) => {
      const at = where(event);
      if (!held) return this.hover(at, event);
      if (event.pointerId !== held.id) return;
      held.moved ||= Math.hypot(at[0] - held.from[0], at[1] - held.from[1]) > 4;
      if (!held.moved) return;
      if (held.pan) return this.shift(held, at);
      if (this.tool === "draw") this.extend(at);
      this.tell("drag", this.place(this.fromScreen(...at)));
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(kind, (event) => {
        if (!held || event.pointerId !== held.id) return;
        const { pan } = held;
        held = null;
        if (pan) return;
        this.tell("release");
        if (this.tool === "draw") this.finish();
      });
    }
    this.canvas.addEventListener("pointerleave", () => (this.tip.hidden = true));
    this.canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(-Math.sign(event.deltaY) * 0.18), ...where(event));
    }, { passive: false });
    this.canvas.addEventListener("keydown", (event) => this.press(event));
    this.canvas.addEventListener("keyup", (event) => event.key === " " && this.tell("release"));
    this.canvas.addEventListener("blur", () => this.tell("release"));
  }

  press(event) {
    const far = (event.shiftKey ? 5 : 1) * STEP, [su, sv] = this.scale;
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (steps) this.tell("drag", this.moved(this.cursor, (steps[0] * far * this.width) / su, (steps[1] * far * this.height) / sv));
    else if (event.key === " ") event.repeat || this.tell("press", this.cursor);
    else if (event.key === "Enter") this.addPoint();
    else if (event.key === "+" || event.key === "-") this.zoomBy(event.key === "+" ? 1.25 : 0.8, ...this.toScreen(this.coordinates(this.cursor)));
    else return;
    event.preventDefault();
  }

  hover(at, event) {
    const hit = event.pointerType === "mouse" ? this.noteAt(...at) : -1;
    this.tip.hidden = hit < 0;
    if (hit < 0) return;
    this.tip.textContent = this.space.notes[hit];
    const left = Math.min(at[0] + 12, this.width - this.tip.offsetWidth - 4);
    this.tip.style.transform = `translate(${left}px, ${Math.max(2, at[1] - 30)}px)`;
  }

  shift(held, at) {
    const [su, sv] = this.scale;
    this.middle = [this.middle[0] - (at[0] - held.from[0]) / su, this.middle[1] + (at[1] - held.from[1]) / sv];
    held.from = at;
    this.draw();
  }

  begin(at) {
    this.path = [this.place(this.fromScreen(...at))];
    this.times = [0];
    this.start = performance.now();
  }

  extend(at) {
    const now = performance.now() - this.start;
    if (now <= this.times.at(-1)) return;
    this.path.push(this.place(this.fromScreen(...at)));
    this.times.push(now);
  }

  finish() {
    if (this.path.length > MOST) {
      const kept = Array.from({ length: MOST }, (_, n) => Math.round((n * (this.path.length - 1)) / (MOST - 1)));
      [this.path, this.times] = [kept.map((n) => this.path[n]), kept.map((n) => this.times[n])];
    }
    if (this.path.length < 2) this.path = [];
    this.tell("drawn", this.path.length ? this.times.at(-1) / 1000 : 0);
    this.draw(false);
  }

  addPoint() {
    const last = this.path.at(-1);
    if (last && last.every((value, n) => Math.abs(value - this.cursor[n]) < 1e-6)) return;
    this.path = [...this.path, Array.from(this.cursor)];
    this.times = this.path.map((_, n) => n);
    this.tell("drawn", 0);
    this.draw(false);
  }

  // The path as the server takes it.
  way() {
    const end = this.times.at(-1) || 1;
    return { kind: "line", points: this.path, times: this.times.map((time) => time / end) };
  }

  setWay({ points, times }) {
    [this.path, this.times] = [points, times];
    this.tell("drawn", 0);
    this.draw(false);
  }
}
