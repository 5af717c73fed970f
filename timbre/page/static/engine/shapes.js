// The bend, gain and place of each voice, smoothed (timbre/playback/engine/note_shapes.py).
const MOST = 256; // keys whose shapes are kept

export class NoteShapes {
  constructor(voices, dim) {
    const plain = () => ({ bend: 0, keep: 1, gain: 1, offset: new Float32Array(dim) });
    this.plain = plain();
    this.now = Array.from({ length: voices }, plain);
    this.to = Array.from({ length: voices }, plain);
    this.before = new Float64Array(voices).fill(1); // gains at the start of the current frame
    this.keys = new Map();
  }

  // Shapes the notes of a key: those of some voices, and those that begin later.
  set(key, shape, voices) {
    this.keys.delete(key);
    this.keys.set(key, shape);
    if (this.keys.size > MOST) this.keys.delete(this.keys.keys().next().value);
    for (const voice of voices) this.to[voice] = shape;
  }

  // Gives a voice that begins a note the shape of its key, at once.
  begin(key, voice) {
    const shape = this.keys.get(key) || this.plain;
    this.to[voice] = shape;
    this.now[voice] = { ...shape, offset: Float32Array.from(shape.offset) };
  }

  forget(key = null) {
    if (key === null) this.keys.clear();
    else this.keys.delete(key);
  }

  // Moves on by one frame, by shares of what is left.
  advance(bendShare, share) {
    this.now.forEach((now, voice) => {
      const to = this.to[voice];
      now.bend += bendShare * (to.bend - now.bend);
      now.keep += share * (to.keep - now.keep);
      for (let n = 0; n < now.offset.length; n++) now.offset[n] += share * (to.offset[n] - now.offset[n]);
      this.before[voice] = now.gain;
      now.gain += share * (to.gain - now.gain);
    });
  }

  // Writes the point of a voice, where that of all is `point`.
  place(voice, point, reach, out) {
    const { keep, offset } = this.now[voice];
    for (let n = 0; n < point.length; n++) out[n] = Math.min(Math.max(keep * point[n] + offset[n], -reach), reach);
    return out;
  }
}
