// The engine: voices decoded and inverted once a hop, and mixed (timbre/playback/engine/engine.py). It knows no device
// and no clock.
import { Follower } from "./path.js";
import { Limiter } from "./limiter.js";
import { NoteShapes } from "./shapes.js";
import { Voice } from "./voice.js";

const STARTS = 2; // notes that start in one step; the rest of a larger chord follows within milliseconds
const LOOK_AHEAD = 0.0015, HEADROOM = 0.5; // s of the limiter; gain that leaves room for several voices
const CUT = 0.008, BEND_SMOOTHING = 0.01, LOAD_SMOOTHING = 0.5; // s: fade of a note that is cut short, and time constants
const LOWEST = 12, HIGHEST = 127; // MIDI

export class Engine {
  constructor(decoder, inverter, { voices = 8, seed = 0, point, reach = 100 }) {
    Object.assign(this, { decoder, inverter, reach, seed, rate: inverter.rate });
    this.voices = Array.from({ length: voices }, (_, index) => new Voice(inverter, index, point.length));
    this.limit = voices;
    this.stepsPerHop = [4, 3, 2, 1].find((parts) => inverter.hop % parts === 0);
    this.step = inverter.hop / this.stepsPerHop;
    this.frameRate = inverter.rate / inverter.hop;
    this.follower = new Follower(point, this.frameRate);
    this.shapes = new NoteShapes(voices, point.length);
    [this.hold, this.pedal, this.bend, this.bendTarget] = [Infinity, false, 0, 0];
    this.gain = this.gainTarget = HEADROOM;
    this.tails = new Float64Array(Math.max(Math.round(CUT * inverter.rate), this.step)); // the notes cut short
    this.limiter = new Limiter(inverter.rate, LOOK_AHEAD);
    this.levels = { partials: new Float32Array(decoder.harmonics), envelope: new Float32Array(decoder.bins), noise: new Float32Array(decoder.bins) };
    this.place = new Float32Array(point.length);
    this.mix = new Float64Array(this.step);
    this.left = 0; // samples of the mix that are not taken yet
    this.steps = this.notes = this.made = this.shedNotes = this.stolen = this.peak = this.load = 0;
  }

  get sounding() {
    return this.voices.filter((voice) => !voice.free);
  }

  // The next samples.
  render(count) {
    const started = performance.now(), out = new Float32Array(count);
    for (let at = 0; at < count; ) {
      if (!this.left) this.nextStep();
      const taken = Math.min(this.left, count - at), from = this.step - this.left;
      for (let n = 0; n < taken; n++) out[at + n] = this.mix[from + n];
      [at, this.left] = [at + taken, this.left - taken];
    }
    this.made += count;
    const seconds = count / this.rate, share = Math.min(1, seconds / LOAD_SMOOTHING);
    this.load += share * ((performance.now() - started) / 1000 / seconds - this.load);
    return out;
  }

  noteOn(key, pitch, velocity) {
    this.release(key, false);
    if (this.sounding.length >= this.limit) {
      this.cut(this.leastAudible());
      this.stolen += 1;
    }
    this.notes += 1;
    const voice = this.voices.find((one) => one.free);
    voice.begin(key, pitch, velocity, this.seed + this.notes, this.notes);
    this.shapes.begin(key, voice.index);
  }

  noteOff(key) {
    this.shapes.forget(key);
    this.release(key, this.pedal);
  }

  // Shapes one note: its point is `keep` times that of all notes plus `offset`; bend in semitones, gain an amplitude.
  shape(key, shape) {
    const held = this.sounding.filter((voice) => voice.key === key && !voice.released && !voice.sustained);
    this.shapes.set(key, { ...shape, offset: Float32Array.from(shape.offset) }, held.map((voice) => voice.index));
  }

  sustain(down) {
    this.pedal = down;
    for (const voice of this.voices) if (voice.sustained && !down) voice.letGo();
  }

  setGain(decibels) {
    this.gainTarget = HEADROOM * 10 ** (decibels / 20);
  }

  panic() {
    for (const voice of this.sounding) this.cut(voice);
    this.shapes.forget();
    [this.pedal, this.bendTarget] = [false, 0];
  }

  // Allows one voice fewer than sound now, but at least one: the machine is too slow.
  shed() {
    this.limit = Math.max(1, Math.min(this.limit, this.sounding.length) - 1);
    while (this.sounding.length > this.limit) {
      this.cut(this.leastAudible());
      this.shedNotes += 1;
    }
  }

  release(key, pedal) {
    for (const voice of this.sounding) {
      if (voice.key !== key || voice.released) continue;
      if (pedal) voice.sustained = true;
      else voice.letGo();
    }
  }

  // The quietest released voice, or the oldest.
  leastAudible() {
    const order = (voice) => [voice.released ? 0 : 1, voice.released ? voice.level : 0, voice.number];
    return this.sounding.reduce((best, voice) => {
      const [a, b] = [order(voice), order(best)], at = a.findIndex((value, n) => value !== b[n]);
      return at >= 0 && a[at] < b[at] ? voice : best;
    });
  }

  cut(voice) {
    voice.end(this.tails.length).forEach((value, n) => (this.tails[n] += value));
  }

  nextStep() {
    if (this.steps % this.stepsPerHop === 0) this.nextHop();
    this.steps += 1;
    this.startNewNotes();
    const { mix, step, tails } = this;
    mix.fill(0);
    for (const voice of this.sounding) if (!voice.fresh) voice.take(mix);
    for (let n = 0; n < step; n++) {
      const gain = this.gain + (n / Math.max(step - 1, 1)) * (this.gainTarget - this.gain);
      mix[n] = (mix[n] + tails[n]) * gain;
    }
    tails.copyWithin(0, step);
    tails.fill(0, tails.length - step);
    this.gain = this.gainTarget;
    this.limiter.push(mix);
    this.peak = mix.reduce((most, value) => Math.max(most, Math.abs(value)), this.peak * 0.98);
    this.left = step;
  }

  // Frees the voices that are finished, moves the point and the bend, and makes a hop for each voice.
  nextHop() {
    for (const voice of this.sounding) if (voice.finished) voice.end(0);
    const sounding = this.sounding.filter((voice) => !voice.fresh);
    this.follower.advance(!sounding.length);
    const share = sounding.length ? 1 - Math.exp(-1 / (BEND_SMOOTHING * this.frameRate)) : 1;
    this.bend += share * (this.bendTarget - this.bend);
    this.shapes.advance(share, this.follower.share);
    for (const voice of sounding) {
      this.decode(voice);
      voice.add(this.shapes.before[voice.index], this.shapes.now[voice.index].gain);
    }
  }

  // Gives the oldest of the new notes their first hop, which lies between two frames.
  startNewNotes() {
    const fresh = this.voices.filter((voice) => voice.fresh).sort((a, b) => a.number - b.number).slice(0, STARTS);
    for (const voice of fresh) {
      this.decode(voice);
      this.decode(voice);
      voice.start(this.shapes.now[voice.index].gain);
    }
  }

  // Prepares the next frame of a voice. Where nothing has changed since the last one, it is the last one.
  decode(voice) {
    const { decoder, inverter, levels, shapes, follower, place } = this, [time, release] = voice.advance(this.hold);
    const pitch = Math.min(Math.max(voice.pitch + this.bend + shapes.now[voice.index].bend, LOWEST), HIGHEST);
    shapes.place(voice.index, follower.point, this.reach, place);
    if (voice.stays(pitch, time, release, place)) return;
    decoder.decode(place, pitch, voice.velocity, time, release, levels);
    inverter.prepare(pitch, levels, voice.next());
  }
}
