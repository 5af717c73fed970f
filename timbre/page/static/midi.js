// Plays by MIDI and MPE: messages to calls of `controls` (noteOn, noteOff, express, gain, axis, preset, panic), as
// timbre/playback/inputs/midi.py has it.
import { Channels, EXPRESSION, VOLUME, decibels, restOf } from "./channels.js";
import { bound, clamp, control, controlled, isCommon, limitsOf, noteControl, reserved, sourceOf, valuesAt } from "./mapping.js";

const FAR = 42; // of 127, by which a source moves that is to be learned for notes

export class MidiInput extends Channels {
  constructor(space, controls, mapping, { bendRange = 2, members = 0 } = {}) {
    super(bendRange, members);
    Object.assign(this, { space, controls, lesson: null, volume: 0, expression: 0, last: new Map() });
    this.setMapping(mapping);
  }

  setMapping(mapping) {
    this.mapping = mapping;
    this.sources = new Set(mapping.notes.map(sourceOf));
  }

  // Carries out the bytes of a message; those that are for no channel are ignored.
  handle([status, first = 0, second = 0]) {
    if (status < 0x80 || status >= 0xf0) return;
    this.notice(status & 0xf0, status & 0x0f, first, second);
    this.receive(status, first, second);
  }

  // Assigns what moves next to a target, then calls `learned` with what it was; null stops waiting.
  learn(to, learned) {
    this.lesson = to === null ? null : { to, learned, seen: new Map() };
  }

  notice(kind, channel, first, second) {
    const { lesson } = this, member = this.zones.isMember(channel);
    if (kind === 0xb0 && !reserved(first)) {
      const name = 128 * channel + first, last = this.last.get(name);
      this.last.set(name, second);
      if (lesson && isCommon(lesson.to) && !member && last !== second) this.assign(control(this.space, first, lesson.to));
    }
    const [source, position] = moved(kind, first, second);
    if (!lesson || source === null || !(member || source === "pressure")) return;
    const name = `${channel} ${source}`;
    if (!lesson.seen.has(name)) lesson.seen.set(name, source === "release" ? restOf(source) : position);
    if (Math.abs(position - lesson.seen.get(name)) > FAR) this.assign(noteControl(source, lesson.to));
  }

  assign(entry) {
    const { learned } = this.lesson;
    this.lesson = null;
    this.setMapping(bound(this.mapping, entry));
    learned(entry);
  }

  start(note) {
    const values = new Map([...this.values(note)].filter(([, value]) => value));
    this.controls.noteOn(keyOf(note), note.key, note.velocity, values);
  }

  end(note) {
    if (note.up && this.sources.has("release")) this.controls.express(keyOf(note), this.values(note));
    this.controls.noteOff(keyOf(note));
  }

  follow(number, source, key = null) {
    if (typeof source === "number" && this.movesAll(number, source)) {
      const value = this.channels[number].values.get(source);
      if (value !== undefined) this.move(source, value);
    } else if (this.sources.has(source) || ["bend", VOLUME, EXPRESSION].includes(source)) {
      for (const note of this.following(number)) {
        if (key === null || note.key === key) this.controls.express(keyOf(note), this.values(note));
      }
    }
  }

  movesAll(number, controller) {
    return !this.zones.isMember(number) && !(this.sources.has(controller) && this.zones.inZone(number));
  }

  // What shapes a note now, by target.
  values(note) {
    const values = valuesAt(this.mapping.notes, (source) => this.positionOn(note, source));
    if (!this.sources.has("bend")) values.set("bend", (values.get("bend") || 0) + this.bendOn(note));
    const level = this.zones.isMember(note.channel) ? this.levelOf(note.channel) : 0;
    if (level) values.set("gain", (values.get("gain") || 0) + level);
    for (const to of ["bend", "gain"]) if (values.has(to)) values.set(to, clamp(values.get(to), limitsOf(to)));
    return values;
  }

  silence() {
    this.forget([...this.channels.keys()]);
    this.controls.panic();
  }

  program(number) {
    this.controls.preset(number);
  }

  move(controller, value) {
    const found = this.mapping.controls.find(({ cc }) => cc === controller);
    if (found?.to === "bend_range") this.setBendRange(controlled(found, value));
    else if (found && found.to !== "gain") this.controls.axis(found.to, controlled(found, value));
    else if (found) this.level(controlled(found, value), this.expression);
    else if (controller === EXPRESSION) this.level(this.volume, decibels(value));
  }

  setBendRange(semitones) {
    this.bendRange = semitones;
    this.channels.forEach((channel, number) => this.zones.isMember(number) || (channel.range = null));
  }

  level(volume, expression) {
    Object.assign(this, { volume, expression });
    this.controls.gain(clamp(volume + expression, limitsOf("gain")));
  }
}

// What a message moves, of all that can shape notes, and where to, 0 to 127.
function moved(kind, first, second) {
  if (kind === 0xb0) return [reserved(first) ? null : first, second];
  if (kind === 0xa0) return ["pressure", second];
  if (kind === 0xd0) return ["pressure", first];
  if (kind === 0xe0) return ["bend", ((second << 7) | first) / 128];
  return kind === 0x80 ? ["release", second] : [null, 0];
}

function keyOf(note) {
  return `midi-${note.channel}-${note.key}`;
}
