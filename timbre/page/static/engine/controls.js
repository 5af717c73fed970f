// Commands of the page for an engine, as timbre/playback/controls.py takes them.
import { Path } from "./path.js";

const REACH = 100, KEPT = 3, NOTES = 256; // largest coordinate and share of the point of all notes; notes that are remembered
const TOWARDS = "towards:";

export class Controls {
  constructor(engine, space) {
    Object.assign(this, { engine, space });
    this.notes = new Map();
  }

  // Carries out a command, an object with the name `do` and its values.
  carryOut({ do: name, ...values }) {
    if (!Object.hasOwn(COMMANDS, name)) throw new Error(`The field do of a message must be one of ${Object.keys(COMMANDS).join(", ")}.`);
    COMMANDS[name](this, values);
  }

  // Shapes the note of a key by values of their targets: bend, gain, the name of an axis, the number of a dimension, or
  // towards:PRESET.
  express(key, values) {
    const note = this.notes.get(key) || { values: {}, along: this.space.axes.note(this.engine.follower.point) };
    Object.assign(note.values, values);
    this.notes.delete(key);
    this.notes.set(key, note);
    if (this.notes.size > NOTES) this.notes.delete(this.notes.keys().next().value);
    const { bend = 0, gain = 0, ...targets } = note.values, offset = new Float32Array(this.space.facts.dim);
    let keep = 1;
    for (const [to, value] of Object.entries(targets)) {
      const part = this.part(to, value, note);
      if (to.startsWith(TOWARDS)) keep -= value;
      for (let n = 0; n < offset.length; n++) offset[n] += part[n] || 0;
    }
    keep = Math.min(Math.max(keep, -KEPT), KEPT);
    this.engine.shape(key, { bend: within(bend, 96), gain: 10 ** (Math.min(Math.max(gain, -100), 24) / 20), keep, offset: offset.map((value) => within(value, REACH)) });
  }

  // What a value of a target adds to the point of a note.
  part(to, value, { along }) {
    const { facts } = this.space;
    if (facts.axes.includes(to)) return along(to, value);
    if (to.startsWith(TOWARDS)) {
      const preset = facts.presets.find(({ name }) => name === to.slice(TOWARDS.length));
      if (!preset) throw new Error(`There is no preset ${to.slice(TOWARDS.length)}.`);
      return preset.points[0].map((one) => value * one);
    }
    if (!(/^\d+$/.test(to) && Number(to) < facts.dim)) throw new Error(`A note has no ${to}.`);
    return { [Number(to)]: value };
  }
}

const within = (value, most) => Math.min(Math.max(value, -most), most);

const COMMANDS = {
  note_on(controls, { key, pitch, velocity, values }) {
    controls.notes.delete(key);
    if (values && Object.keys(values).length) controls.express(key, values);
    controls.engine.noteOn(key, pitch ?? NaN, velocity);
  },
  note_off(controls, { key }) {
    controls.notes.delete(key);
    controls.engine.noteOff(key);
  },
  express: (controls, { key, values }) => controls.express(key, values),
  sustain: ({ engine }, { down }) => engine.sustain(down),
  bend: ({ engine }, { semitones }) => (engine.bendTarget = semitones),
  at: ({ engine, space }, { point, glide = 0 }) => engine.follower.glide(space.checked(point), glide),
  path({ engine, space }, { path, duration = 4, loop = false }) {
    if (path) engine.follower.follow(space.path(path), duration, loop);
    else engine.follower.glide(engine.follower.point, 0);
  },
  hold: ({ engine }, { seconds }) => (engine.hold = seconds ?? Infinity),
  gain: ({ engine }, { decibels }) => engine.setGain(decibels),
  panic(controls) {
    controls.notes.clear();
    controls.engine.panic();
  },
};
