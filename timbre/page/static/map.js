// The map: library notes as dots on a plane, the heat map below, and the pointer.
import { palette, pitchColor } from "./colors.js";
import { Drawing } from "./drawing.js";
import { Labels } from "./labels.js";

const REACH = 9; // px from the pointer to a note that it selects
const STEP = 0.02; // share of the view that an arrow key moves
const MAX_POINTS = 128; // of a drawn path
const MOST = { desk: 20000, phone: 2500 }; // dots that are drawn at a time
const FIRST = 4; // notes of each instrument that are drawn before all others
const CLOSEST = 40; // zoom
const FLIGHT = 500; // ms
const EDGE = 24; // px between the cursor and the edge of the view, when keys move it

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
    this.found = null;
    this.shown = [];
    this.labels = new Labels(space);
    this.order = mixed(space.instruments);
    this.colors();
    this.listen();
    new ResizeObserver(() => this.resize()).observe(this.canvas);
  }

  // Shows a plane or a view of surfaces.js.
  setPlane(plane) {
    this.plane = plane;
    const { dim, points } = this.space, count = points.length / dim;
    this.projected = plane.positions || new Float64Array(2 * count);
    for (let n = 0; !plane.positions && n < count; n++) this.projected.set(plane.coordinates(points.subarray(n * dim, n * dim + dim)), 2 * n);
    this.labels.place(this.projected);
    this.heat = null;
    this.showAll();
  }

  coordinates(z) {
    return this.plane.coordinates(z);
  }

  point(at) {
    return this.plane.point(at);
  }

  moved(z, du, dv) {
    return this.plane.moved(z, du, dv);
  }

  showAll() {
    cancelAnimationFrame(this.flight);
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

  // Where a note is on the screen.
  place(n) {
    return this.toScreen([this.projected[2 * n], this.projected[2 * n + 1]]);
  }

  zoomBy(factor, x = this.width / 2, y = this.height / 2) {
    cancelAnimationFrame(this.flight);
    const before = this.fromScreen(x, y);
    this.zoom = Math.min(CLOSEST, Math.max(0.5, this.zoom * factor));
    const after = this.fromScreen(x, y);
    this.center = this.center.map((value, n) => value + before[n] - after[n]);
    this.draw();
  }

  // Highlights notes, or none for null.
  setFound(notes) {
    this.found = notes && new Set(notes);
    this.draw();
  }

  // Whether a note is highlighted by the legend or a search, or nothing is.
  counts(n) {
    return (this.chosen === null || this.words[n] === this.chosen) && (!this.found?.size || this.found.has(n));
  }

  // Moves the view to some notes, without the outermost tenths of them.
  flyTo(notes) {
    cancelAnimationFrame(this.flight);
    const ends = [0, 1].map((k) => {
      const line = notes.map((n) => this.projected[2 * n + k]).sort((a, b) => a - b), out = Math.floor(line.length / 10);
      return [line[out], line[line.length - 1 - out]];
    });
    const unit = this.scale.map((value) => value / this.zoom), from = [...this.center, this.zoom];
    const room = ends.map(([low, high], k) => (0.5 * [this.width, this.height][k]) / Math.max((high - low) * unit[k], 1e-9));
    const to = [...ends.map(([low, high]) => (low + high) / 2), Math.min(8, Math.max(1, Math.min(...room)))];
    const begin = performance.now(), still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const step = () => {
      const share = still ? 1 : Math.min(1, (performance.now() - begin) / FLIGHT), eased = share * share * (3 - 2 * share);
      const [u, v, zoom] = from.map((value, n) => (n < 2 ? value + eased * (to[n] - value) : value * (to[n] / value) ** eased));
      [this.center, this.zoom] = [[u, v], zoom];
      this.draw();
      if (share < 1) this.flight = requestAnimationFrame(step);
    };
    step();
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
    for (const n of this.shown) {
      if (!this.counts(n)) continue;
      const [a, b] = this.place(n), distance = (a - x) ** 2 + (b - y) ** 2;
      if (distance < least) [nearest, least] = [n, distance];
    }
    return nearest;
  }

  // How many dots are drawn at a time.
  get most() {
    return matchMedia("(pointer: coarse), (max-width: 900px)").matches ? MOST.phone : MOST.desk;
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
    if (steps) {
      this.emit("drag", this.moved(this.cursor, (steps[0] * far * this.width) / su, (steps[1] * far * this.height) / sv));
      this.showCursor();
    }
    else if (event.key === " ") event.repeat || this.emit("press", this.cursor);
    else if (event.key === "Enter") this.addPoint();
    else if (event.key === "+" || event.key === "-") this.zoomBy(event.key === "+" ? 1.25 : 0.8, ...this.toScreen(this.coordinates(this.cursor)));
    else return;
    event.preventDefault();
  }

  // Moves the view if the cursor is outside it or at its edge.
  showCursor() {
    const at = this.toScreen(this.coordinates(this.cursor)), sizes = [this.width, this.height];
    const over = at.map((value, n) => value - Math.min(sizes[n] - EDGE, Math.max(EDGE, value)));
    if (over.some(Boolean)) this.shift({ from: over }, [0, 0]);
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
    cancelAnimationFrame(this.flight);
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

  // The path in the form that engines expect.
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

// The order in which dots are drawn, of which a phone draws the first in view: some of each instrument, then the others,
// mixed by a golden-ratio hash (always in the same way), since in their own order the last family would hide the others.
function mixed(instruments) {
  const hash = (n) => Math.imul(n, 2654435769) >>> 0, counts = new Map(), late = new Uint8Array(instruments.length);
  const order = Uint32Array.from(instruments.keys()).sort((a, b) => hash(a) - hash(b));
  for (const n of order) {
    const before = counts.get(instruments[n]) || 0;
    counts.set(instruments[n], before + 1);
    late[n] = before < FIRST ? 0 : 1;
  }
  return order.sort((a, b) => late[a] - late[b] || hash(a) - hash(b));
}
