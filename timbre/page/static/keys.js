// The piano keys, played by mouse, touch, or the computer's keys from anywhere on the page.
const ROW = ["KeyA", "KeyW", "KeyS", "KeyE", "KeyD", "KeyF", "KeyT", "KeyG", "KeyY", "KeyH", "KeyU", "KeyJ", "KeyK", "KeyO", "KeyL", "KeyP", "Semicolon", "Quote"];
const BLACK = [1, 3, 6, 8, 10];
const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];
const WIDTH = 34; // px of a white key

export function noteName(pitch) {
  const whole = Math.round(pitch), cents = Math.round(100 * (pitch - whole));
  return `${NAMES[((whole % 12) + 12) % 12]}${Math.floor(whole / 12) - 1}${cents ? ` ${cents > 0 ? "+" : ""}${cents} ct` : ""}`;
}

export class Keys {
  constructor(on, off) {
    [this.on, this.off] = [on, off];
    this.box = document.getElementById("keys");
    this.lowest = 48;
    this.held = new Map();
    this.sounding = new Set();
    document.getElementById("octave-down").addEventListener("click", () => this.shift(-12));
    document.getElementById("octave-up").addEventListener("click", () => this.shift(12));
    new ResizeObserver(() => this.build()).observe(this.box);
    this.listen();
  }

  shift(by) {
    this.lowest = Math.min(84, Math.max(24, this.lowest + by));
    this.octaves = 0;
    this.build();
  }

  build() {
    const octaves = Math.max(1, Math.min(4, Math.floor(this.box.clientWidth / (7 * WIDTH))));
    if (octaves === this.octaves) return;
    this.octaves = octaves;
    const whites = 7 * octaves + 1;
    let white = 0;
    this.box.replaceChildren();
    for (let pitch = this.lowest; pitch <= this.lowest + 12 * octaves; pitch++) {
      const key = document.createElement("button"), black = BLACK.includes(pitch % 12);
      key.className = black ? "black" : "white";
      key.dataset.pitch = pitch;
      key.tabIndex = pitch === this.lowest ? 0 : -1;
      key.setAttribute("aria-label", noteName(pitch));
      if (pitch % 12 === 0) key.textContent = noteName(pitch);
      if (black) {
        key.style.left = `${(100 * (white - 0.3)) / whites}%`;
        key.style.width = `${60 / whites}%`;
      } else white += 1;
      this.box.append(key);
    }
    this.paint();
  }

  paint() {
    for (const key of this.box.children) key.classList.toggle("down", this.sounding.has(Number(key.dataset.pitch)));
  }

  // Marks the pitches that sound, as reported by the engine.
  show(notes) {
    this.sounding = new Set(notes.map((note) => Math.round(note)));
    for (const pitch of this.held.values()) this.sounding.add(pitch);
    this.paint();
  }

  press(who, pitch) {
    if (this.held.get(who) === pitch) return;
    this.release(who);
    this.held.set(who, pitch);
    this.sounding.add(pitch);
    this.on(`key ${pitch}`, pitch);
    this.paint();
  }

  release(who) {
    const pitch = this.held.get(who);
    if (pitch === undefined) return;
    this.held.delete(who);
    if ([...this.held.values()].includes(pitch)) return;
    this.sounding.delete(pitch);
    this.off(`key ${pitch}`);
    this.paint();
  }

  listen() {
    const pitchOf = (event) => Number(document.elementFromPoint(event.clientX, event.clientY)?.closest("#keys button")?.dataset.pitch);
    this.box.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const pitch = pitchOf(event);
      if (!Number.isNaN(pitch)) this.press(event.pointerId, pitch);
      event.target.releasePointerCapture?.(event.pointerId);
    });
    addEventListener("pointermove", (event) => {
      if (!this.held.has(event.pointerId)) return;
      const pitch = pitchOf(event);
      if (!Number.isNaN(pitch)) this.press(event.pointerId, pitch);
    });
    for (const kind of ["pointerup", "pointercancel"]) addEventListener(kind, (event) => this.release(event.pointerId));
    this.box.addEventListener("keydown", (event) => this.walk(event));
    this.box.addEventListener("keyup", (event) => [" ", "Enter"].includes(event.key) && this.release("focus"));
    this.box.addEventListener("focusout", () => this.release("focus"));
    addEventListener("keydown", (event) => this.typed(event));
    addEventListener("keyup", (event) => this.release(event.code));
    addEventListener("blur", () => [...this.held.keys()].forEach((who) => this.release(who)));
  }

  walk(event) {
    const key = event.target.closest("button"), step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      const next = step < 0 ? key.previousElementSibling : key.nextElementSibling;
      if (next) [key.tabIndex, next.tabIndex] = [-1, 0];
      next?.focus();
    } else if (event.key === " " || event.key === "Enter") this.press("focus", Number(key.dataset.pitch));
    else return;
    event.preventDefault();
  }

  typed(event) {
    const busy = event.target.closest("input:not([type=range]):not([type=checkbox]), select, textarea");
    if (busy || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = ROW.indexOf(event.code);
    if (at >= 0) this.press(event.code, this.lowest + at);
    else if (event.code === "KeyZ" || event.code === "KeyX") this.shift(event.code === "KeyZ" ? -12 : 12);
  }
}
