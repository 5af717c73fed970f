// What the channel messages of MIDI mean, with the zones of MPE (MIDI Polyphonic Expression); as timbre/synth/channels.py and
// zones.py have it, where every rule is explained. tests/test_page_midi.py compares the two on random messages.
export const VOLUME = 7, EXPRESSION = 11, PEDAL = 64, SLIDE = 74, SOUND_OFF = 120, RESET = 121, NOTES_OFF = 123;
export const CENTER = 64, LARGEST = 127;
const DATA = 6, DATA_CENTS = 38, OTHERS = [98, 99], FINE = 100, COARSE = 101;
export const PARAMETERS = [DATA, DATA_CENTS, ...OTHERS, FINE, COARSE];
const NONE = [127, 127], BEND_PARAMETER = [0, 0], ZONE_PARAMETER = [0, 6];
const MEMBER_RANGE = 48, MOST_RANGE = 96; // semitones
const DEFAULTS = [[1, 0], [EXPRESSION, 127], [65, 0], [66, 0], [67, 0]]; // what controller 121 resets
const MANAGERS = [0, 15], MEMBERS = 15, BETWEEN = 14;
const ALL = [...Array(16).keys()];

// The lower zone, managed by channel 0, the upper one, managed by channel 15, and plain channels, which manage themselves.
export class Zones {
  counts = [0, 0];
  managers = [...ALL];

  // Gives the zone of a manager a number of members; returns the channels whose zone is new or has changed.
  configure(channel, count) {
    const zone = MANAGERS.indexOf(channel), before = this.managers;
    if (zone < 0) return [];
    this.counts[zone] = count = Math.min(count, MEMBERS);
    this.counts[1 - zone] = Math.min(this.counts[1 - zone], Math.max(0, BETWEEN - count));
    const [lower, upper] = this.counts;
    this.managers = ALL.map((n) => (lower && n <= lower ? 0 : upper && n >= 15 - upper ? 15 : n));
    const group = this.group(channel);
    return ALL.filter((n) => n === channel || group.includes(n) || before[n] !== this.managers[n]);
  }

  group(channel) {
    return ALL.filter((n) => n === channel || this.managers[n] === channel);
  }

  isMember(channel) {
    return this.managers[channel] !== channel;
  }

  inZone(channel) {
    return this.managers.filter((manager) => manager === this.managers[channel]).length > 1;
  }
}

// Sixteen channels. Subclasses say what these do: start, end, follow, silence, program.
export class Channels {
  constructor(bendRange = 2, members = 0) {
    this.bendRange = bendRange;
    this.zones = new Zones();
    this.zones.configure(0, members);
    this.down = ALL.map(() => new Map());
    this.sustained = ALL.map(() => new Map());
    this.channels = ALL.map(() => fresh());
  }

  // Carries out a message: its status byte, 0x80 to 0xEF, and its data bytes.
  receive(status, first, second = 0) {
    const kind = status & 0xf0, number = status & 0x0f, channel = this.channels[number];
    if (kind === 0x90 && second) this.strike(number, first, second / LARGEST);
    else if (kind === 0x80 || kind === 0x90) this.lift(number, first, kind === 0x80 ? second : CENTER);
    else if (kind === 0xa0) {
      const note = this.down[number].get(first) || this.sustained[number].get(first);
      if (!note || this.zones.isMember(number)) return;
      note.pressure = second;
      this.follow(number, "pressure", first);
    } else if (kind === 0xb0) this.control(number, first, second);
    else if (kind === 0xc0) {
      if (!this.zones.isMember(number)) this.program(first);
    } else if (kind === 0xd0) {
      channel.pressure = first;
      this.follow(number, "pressure");
    } else if (kind === 0xe0) {
      const position = ((second << 7) | first) - 8192;
      channel.bend = position / (position > 0 ? 8191 : 8192);
      this.follow(number, "bend");
    }
  }

  // Volume and expression of a channel, dB.
  levelOf(number) {
    const { values } = this.channels[number];
    return [VOLUME, EXPRESSION].reduce((sum, controller) => sum + decibels(values.get(controller) ?? LARGEST), 0);
  }

  // How far a note is bent, semitones.
  bendOn(note) {
    const [own, manager] = this.shaping(note), bent = own.bend * this.rangeOf(note.channel);
    return manager === null ? bent : bent + this.channels[manager].bend * this.rangeOf(manager);
  }

  // Where what shapes a note stands, 0 to 127: that of its channel and of the manager of its zone together.
  positionOn(note, source) {
    if (source === "velocity") return note.velocity * LARGEST;
    if (source === "release") return note.release;
    if (!this.shapes(note.channel, source)) return restOf(source);
    const [own, manager] = this.shaping(note);
    const parts = [positionIn(own, source), source === "pressure" ? note.pressure : restOf(source)];
    return together(source, manager === null ? parts : [...parts, positionIn(this.channels[manager], source)]);
  }

  shapes(number, source) {
    return typeof source !== "number" || this.zones.inZone(number);
  }

  // The notes that a message on a channel shapes now.
  following(number) {
    if (this.zones.isMember(number)) return [...this.down[number].values()];
    const group = this.zones.group(number);
    return [...notesOf(this.down, group), ...notesOf(this.sustained, group)];
  }

  shaping(note) {
    const manager = this.zones.managers[note.channel];
    return manager === note.channel ? [this.channels[manager], null] : [note.up || this.channels[note.channel], manager];
  }

  strike(number, key, velocity) {
    const before = this.down[number].get(key) || this.sustained[number].get(key);
    if (before) this.finish(before);
    const note = { channel: number, key, velocity, release: CENTER, pressure: 0, up: null };
    this.down[number].set(key, note);
    this.start(note);
  }

  lift(number, key, velocity) {
    const note = this.down[number].get(key), own = this.channels[number];
    this.down[number].delete(key);
    if (!note) return void (this.sustained[number].has(key) || this.end({ channel: number, key, velocity: 0, release: velocity, pressure: 0, up: null }));
    Object.assign(note, { release: velocity, up: { ...own, values: new Map(own.values) } });
    if (this.isPedalDown(number)) this.sustained[number].set(key, note);
    else this.end(note);
  }

  finish(note) {
    this.down[note.channel].delete(note.key);
    this.sustained[note.channel].delete(note.key);
    this.end(note);
  }

  isPedalDown(number) {
    return this.channels[number].pedal || this.channels[this.zones.managers[number]].pedal;
  }

  press(number, down) {
    this.channels[number].pedal = down;
    for (const note of down ? [] : notesOf(this.sustained, this.zones.group(number))) this.isPedalDown(note.channel) || this.finish(note);
  }

  control(number, controller, value) {
    const group = this.zones.group(number);
    if (controller >= NOTES_OFF) for (const note of notesOf(this.down, group)) this.lift(note.channel, note.key, CENTER);
    else if (controller === SOUND_OFF) {
      this.forget(group);
      this.silence(number);
    } else if (controller === RESET) {
      for (const channel of group) this.press(channel, false); // first, so that notes end as they are
      for (const channel of group) this.reset(channel);
    } else if (controller === PEDAL) this.press(number, value >= 64);
    else if (PARAMETERS.includes(controller)) this.parameter(number, controller, value);
    else if (controller < SOUND_OFF) {
      this.channels[number].values.set(controller, value);
      this.follow(number, controller);
    }
  }

  forget(channels) {
    for (const number of channels) {
      this.down[number].clear();
      this.sustained[number].clear();
      Object.assign(this.channels[number], { bend: 0, pedal: false });
    }
  }

  reset(number) {
    const channel = this.channels[number];
    Object.assign(channel, { parameter: NONE, bend: 0, pressure: 0 });
    for (const note of this.down[number].values()) {
      if (!note.pressure) continue;
      note.pressure = 0;
      this.follow(number, "pressure", note.key);
    }
    const defaults = this.zones.inZone(number) ? [...DEFAULTS, [SLIDE, CENTER]] : DEFAULTS;
    const moved = defaults.filter(([controller, value]) => (channel.values.get(controller) ?? value) !== value);
    for (const [controller, value] of moved) channel.values.set(controller, value);
    this.followAll(number, moved.map(([controller]) => controller));
  }

  followAll(number, controllers) {
    for (const controller of controllers) this.follow(number, controller);
    this.follow(number, "bend");
    this.follow(number, "pressure");
  }

  // Makes, changes or ends a zone: its notes end, and its channels start afresh.
  configure(number, members) {
    const changed = this.zones.configure(number, members);
    for (const note of [...notesOf(this.down, changed), ...notesOf(this.sustained, changed)]) this.finish(note);
    for (const channel of changed) {
      const { parameter, values } = this.channels[channel];
      this.channels[channel] = { ...fresh(), parameter };
      this.followAll(channel, [...values.keys()]);
    }
  }

  // Chooses a parameter, or sets the bend range or a zone.
  parameter(number, controller, value) {
    const channel = this.channels[number], is = (other) => channel.parameter.every((half, n) => half === other[n]);
    if (OTHERS.includes(controller)) channel.parameter = NONE;
    else if (controller === COARSE) channel.parameter = [value, channel.parameter[1]];
    else if (controller === FINE) channel.parameter = [channel.parameter[0], value];
    else if (is(BEND_PARAMETER)) this.setRange(number, controller, value);
    else if (is(ZONE_PARAMETER) && controller === DATA) this.configure(number, value);
  }

  // Sets the bend range of a channel, and with it those of all members of its zone; one that is too wide changes nothing.
  setRange(number, controller, value) {
    const member = this.zones.isMember(number), before = this.channels[number].range || [Math.trunc(member ? MEMBER_RANGE : this.bendRange), 0];
    const range = controller === DATA ? [value, 0] : [before[0], value];
    if (range[0] + range[1] / 100 > MOST_RANGE) return;
    const manager = this.zones.managers[number];
    for (const one of member ? this.zones.group(manager).filter((n) => n !== manager) : [number]) {
      this.channels[one].range = range;
      if (this.channels[one].bend) this.follow(one, "bend");
    }
  }

  rangeOf(number) {
    const own = this.channels[number].range;
    if (own) return own[0] + own[1] / 100;
    return this.zones.isMember(number) ? MEMBER_RANGE : this.bendRange;
  }
}

// Level of a volume or expression of 0 to 127, dB, as in General MIDI.
export function decibels(value) {
  return value ? 40 * Math.log10(value / LARGEST) : -100;
}

// Where a source stands before it moves.
export function restOf(source) {
  return ["bend", SLIDE, "release"].includes(source) ? CENTER : 0;
}

function together(source, positions) {
  const rest = restOf(source), away = positions.reduce((sum, position) => sum + (position - rest), 0);
  return Math.min(Math.max(rest + away, 0), LARGEST);
}

function positionIn(channel, source) {
  if (source === "bend") return CENTER + channel.bend * (channel.bend > 0 ? LARGEST - CENTER : CENTER);
  return source === "pressure" ? channel.pressure : (channel.values.get(source) ?? restOf(source));
}

function fresh() {
  return { parameter: NONE, range: null, bend: 0, pressure: 0, pedal: false, values: new Map() };
}

function notesOf(notes, channels) {
  return channels.flatMap((number) => [...notes[number].values()]);
}
