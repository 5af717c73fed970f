// One note of the engine: its clock, its level, and the samples made so far (timbre/playback/engine/voice.py).
export const HELD = 1e9; // s: release time of a note that is held
const SILENT_LEVEL = 3e-5, SILENT_HOPS = 6; // amplitude of a silent hop, and of how many a note is finished
const RING_TIME = 1, FADE = 0.3; // s after the release until a note that still sounds fades out, and of that fade

export class Voice {
  constructor(inverter, index, dim) {
    Object.assign(this, { inverter, index });
    this.frameTime = inverter.hop / inverter.rate;
    this.pool = [inverter.frame(), inverter.frame()];
    this.frames = [...this.pool];
    this.settled = new Float64Array(dim + 3); // what the last frame was decoded from
    this.sound = new Float32Array(4 * inverter.hop);
    this.hop = new Float32Array(inverter.hop);
    this.clear(null, NaN, 0, 0);
  }

  clear(key, pitch, velocity, number) {
    Object.assign(this, { key, pitch, velocity, number });
    this.fresh = key !== null; // the note has no samples yet
    this.released = this.sustained = false;
    this.level = this.lastGain = 1;
    this.clock = this.sinceRelease = this.silentHops = this.made = this.taken = 0;
    this.release = HELD;
    this.settled.fill(NaN);
  }

  get free() {
    return this.key === null;
  }

  get gain() {
    return this.velocity * this.velocity;
  }

  begin(key, pitch, velocity, seed, number) {
    this.clear(key, pitch, velocity, number);
    this.seed = seed;
    this.phases = this.inverter.begin();
  }

  // Lets the note die away.
  letGo() {
    this.released = true;
    this.sustained = false;
  }

  // The time of the next frame and of the release, s after the onset; moves the clock on by a frame. Until the release
  // the clock stops at `hold`.
  advance(hold) {
    if (this.released && this.release === HELD) this.release = this.clock;
    const now = this.clock;
    if (this.released) {
      this.sinceRelease += this.frameTime;
      this.clock += this.frameTime;
    } else if (now < hold) this.clock = Math.min(now + this.frameTime, hold);
    return [now, this.release];
  }

  // Whether the next frame is that of the last one, since it is decoded from the same numbers; then there are two of it.
  stays(pitch, time, release, place) {
    const { settled } = this, now = [pitch, time, release];
    let same = true;
    for (let n = 0; n < settled.length; n++) {
      const value = n < 3 ? now[n] : place[n - 3];
      same &&= Object.is(value, settled[n]);
      settled[n] = value;
    }
    if (same) this.frames[0] = this.frames[1];
    return same;
  }

  // The frame that is prepared next; the last one comes before it.
  next() {
    const last = this.frames[1];
    this.frames = [last, this.pool[last === this.pool[0] ? 1 : 0]];
    return this.frames[1];
  }

  // The samples between the last two frames.
  rendered() {
    this.inverter.render(this.frames[0], this.frames[1], this.phases, this.seed, this.hop);
    return this.hop;
  }

  // Takes the first hop of a note, by a gain.
  start(gain) {
    const sound = this.rendered();
    [this.made, this.taken, this.fresh] = [sound.length, 0, false];
    this.lastGain = this.gain * gain;
    for (let n = 0; n < sound.length; n++) this.sound[n] = sound[n] * this.lastGain;
  }

  // Takes one more hop, by gains at its start and its end.
  add(from, to) {
    const sound = this.rendered(), count = sound.length, left = this.made - this.taken;
    this.sound.copyWithin(0, this.taken, this.made);
    [this.made, this.taken] = [left + count, 0];
    const first = this.gain * from, last = this.gain * to;
    let most = 0, loudest = 0;
    for (let n = 0; n < count; n++) {
      most = Math.max(most, Math.abs(sound[n]));
      const value = sound[n] * (first + (n / (count - 1)) * (last - first)) * this.fade(n / (count - 1));
      this.sound[left + n] = value;
      loudest = Math.max(loudest, Math.abs(value));
    }
    [this.lastGain, this.level] = [last, loudest];
    this.silentHops = most * this.gain < SILENT_LEVEL ? this.silentHops + 1 : 0; // one that is turned down may come back
  }

  // Adds the next samples to a mix.
  take(mix) {
    for (let n = 0; n < mix.length; n++) mix[n] += this.sound[this.taken + n];
    this.taken += mix.length;
  }

  get finished() {
    return this.silentHops >= SILENT_HOPS || this.sinceRelease > RING_TIME + FADE;
  }

  // Cuts the note short, frees the voice, and returns its last samples, faded out: as many as asked for, or fewer.
  end(count) {
    const rest = [...this.sound.subarray(this.taken, this.made)];
    if (!this.fresh && rest.length < count) {
      this.frames[0] = this.frames[1];
      for (const value of this.rendered()) rest.push(value * this.lastGain);
    }
    [this.key, this.fresh] = [null, false];
    const length = Math.min(count, rest.length);
    return rest.slice(0, length).map((value, n) => value * (0.5 + 0.5 * Math.cos((Math.PI * (n + 1)) / length)));
  }

  // The gain, at a share of a hop, of a note that does not die away by itself.
  fade(share) {
    if (this.sinceRelease <= RING_TIME) return 1;
    const time = (this.sinceRelease - RING_TIME - (1 - share) * this.frameTime) / FADE;
    return Math.cos(0.5 * Math.PI * Math.min(Math.max(time, 0), 1));
  }
}
