// The map: library notes as dots on a plane, the heat map below, and the pointer.
import { palette, pitchColor } from "./colors.js";
import { Drawing } from "./drawing.js";

const REACH = 9; // px from the pointer to a note that it selects
const STEP = 0.02; // share of the view that an arrow key moves
const MAX_POINTS = 128; // of a drawn path

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
    this.located = [];
    this.cursor = null;
    this.sounding = null;
    this.colors();
    this.listen();
    new ResizeObserver(() => this.resize()).observe(this.canvas);
  }

  setPlane(plane) {
    this.plane = plane;
    const { dim, points } = this.space, count = points.length / dim;
    this.projected = new Float64Array(2 * count);
    // In order of families the last one would hide the others; a golden-ratio hash mixes them, always in the same way.
    this.order = Uint32Array.from({ length: count }, (_, n) => n).sort((a, b) => (Math.imul(a, 2654435769) >>> 0) - (Math.imul(b, 2654435769) >>> 0));
    for (let n = 0; n < count; n++) this.projected.set(this.coordinates(points.subarray(n * dim, n * dim + dim)), 2 * n);
    this.heat = null;
    this.showAll();
  }

  // Coordinates u and v of a point in the plane.
  coordinates(z) {
    const { readout, origin } = this.plane;
    return readout.map((row) => row.reduce((sum, weight, n) => sum + weight * (z[n] - origin[n]), 0));
  }

  // The point at coordinates u and v of the plane.
  point([u, v]) {
    const { origin, directions } = this.plane;
    return origin.map((value, n) => value + u * directions[0][n] + v * directions[1][n]);
  }

  // A point moved along the directions of the plane; its offset from the plane stays.
  moved(z, du, dv) {
    const { directions } = this.plane;
    return Array.from(z, (value, n) => value + du * directions[0][n] + dv * directions[1][n]);
  }

  showAll() {
    this.zoom = 1;
    this.center = this.plane.extent.map(([low, high]) => (low + high) / 2);
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

  // Pixels per unit of u and v; equal if distances in the plane are those of the space.
  get scale() {
    const [u, v] = this.plane.extent.map(([low, high]) => high - low);
    const scale = [this.width / u, this.height / v].map((value) => value * this.zoom);
    return this.plane.isometric ? Array(2).fill(Math.min(...scale)) : scale;
  }

  toScreen([u, v]) {
    const [su, sv] = this.scale;
    return [this.width / 2 + (u - this.center[0]) * su, this.height / 2 - (v - this.center[1]) * sv];
  }

  fromScreen(x, y) {
    const [su, sv] = this.scale;
    return [this.center[0] + (x - this.width / 2) / su, this.center[1] - (y - this.height / 2) / sv];
  }

  zoomBy(factor, x = this.width / 2, y = this.height / 2) {
    const before = this.fromScreen(x, y);
    this.zoom = Math.min(40, Math.max(0.5, this.zoom * factor));
    const after = this.fromScreen(x, y);
    this.center = this.center.map((value, n) => value + before[n] - after[n]);
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

  setHeat(result, name) {
    this.heat = result && { ...result.maps[name], evidence: result.evidence, pitch: result.pitch };
    this.draw();
  }

  // Draws at the next frame; without `ground`, the thousands of notes are not drawn again.
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

  // The index of the note at a position of the screen, or -1.
  noteAt(x, y) {
    let nearest = -1, least = REACH * REACH;
    for (let n = 0; n < this.shades.length; n++) {
      if (this.chosen !== null && this.words[n] !== this.chosen) continue;
      const [a, b] = this.toScreen([this.projected[2 * n], this.projected[2 * n + 1]]), distance = (a - x) ** 2 + (b - y) ** 2;
      if (distance < least) [nearest, least] = [n, distance];
    }
    return nearest;
  }

  note(n) {
    const { dim, points } = this.space;
    return Array.from(points.subarray(n * dim, n * dim + dim));
  }

  emit(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }

  listen() {
    const where = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    let pressed = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      if (pressed !== null || (event.pointerType === "mouse" && event.button > 1)) return;
      this.canvas.setPointerCapture(event.pointerId);
      const at = where(event);
      pressed = { id: event.pointerId, from: at, pan: event.shiftKey || event.button === 1, moved: false };
      this.tip.hidden = true;
      if (pressed.pan) return;
      const note = this.tool === "play" ? this.noteAt(...at) : -1;
      if (this.tool === "draw") this.begin(at);
      this.emit("press", note < 0 ? this.point(this.fromScreen(...at)) : this.note(note));
    });
    this.canvas.addEventListener("pointermove", (event) => {
      const at = where(event);
      if (!pressed) return this.hover(at, event);
      if (event.pointerId !== pressed.id) return;
      pressed.moved ||= Math.hypot(at[0] - pressed.from[0], at[1] - pressed.from[1]) > 4;
      if (!pressed.moved) return;
      if (pressed.pan) return this.shift(pressed, at);
      if (this.tool === "draw") this.extend(at);
      this.emit("drag", this.point(this.fromScreen(...at)));
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(kind, (event) => {
        if (!pressed || event.pointerId !== pressed.id) return;
        const { pan } = pressed;
        pressed = null;
        if (pan) return;
        this.emit("release");
        if (this.tool === "draw") this.finish();
      });
    }
    this.canvas.addEventListener("pointerleave", () => (this.tip.hidden = true));
    this.canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(-Math.sign(event.deltaY) * 0.18), ...where(event));
    }, { passive: false });
    this.canvas.addEventListener("keydown", (event) => this.press(event));
    this.canvas.addEventListener("keyup", (event) => event.key === " " && this.emit("release"));
    this.canvas.addEventListener("blur", () => this.emit("release"));
  }

  press(event) {
    const far = (event.shiftKey ? 5 : 1) * STEP, [su, sv] = this.scale;
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (steps) this.emit("drag", this.moved(this.cursor, (steps[0] * far * this.width) / su, (steps[1] * far * this.height) / sv));
    else if (event.key === " ") event.repeat || this.emit("press", this.cursor);
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

  shift(pressed, at) {
    const [su, sv] = this.scale;
    this.center = [this.center[0] - (at[0] - pressed.from[0]) / su, this.center[1] + (at[1] - pressed.from[1]) / sv];
    pressed.from = at;
    this.draw();
  }

  begin(at) {
    this.path = [this.point(this.fromScreen(...at))];
    this.times = [0];
    this.start = performance.now();
  }

  extend(at) {
    const now = performance.now() - this.start;
    if (now <= this.times.at(-1)) return;
    this.path.push(this.point(this.fromScreen(...at)));
    this.times.push(now);
  }

  finish() {
    if (this.path.length > MAX_POINTS) {
      const kept = Array.from({ length: MAX_POINTS }, (_, n) => Math.round((n * (this.path.length - 1)) / (MAX_POINTS - 1)));
      [this.path, this.times] = [kept.map((n) => this.path[n]), kept.map((n) => this.times[n])];
    }
    if (this.path.length < 2) this.path = [];
    this.emit("drawn", this.path.length ? this.times.at(-1) / 1000 : 0);
    this.draw(false);
  }

  addPoint() {
    const last = this.path.at(-1);
    if (last && last.every((value, n) => Math.abs(value - this.cursor[n]) < 1e-6)) return;
    this.path = [...this.path, Array.from(this.cursor)];
    this.times = this.path.map((_, n) => n);
    this.emit("drawn", 0);
    this.draw(false);
  }

  // The path in the form that the server expects.
  pathValue() {
    const end = this.times.at(-1) || 1;
    return { kind: "line", points: this.path, times: this.times.map((time) => time / end) };
  }

  setPath({ points, times }) {
    [this.path, this.times] = [points, times];
    this.emit("drawn", 0);
    this.draw(false);
  }
}
