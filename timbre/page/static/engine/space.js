// A space that an export has written: its facts, decoder, inverter and library notes, and answers to the page's questions.
import { Atlas } from "./atlas.js";
import { Axes } from "./axes.js";
import { Decoder } from "./decoder.js";
import { Inverter } from "./inverter.js";
import { rendered } from "./offline.js";
import { Path } from "./path.js";
import { Tensors } from "./tensors.js";
import { wavFile } from "../wav.js";

export class Space {
  // `facts` is space.json; `sound` and `notes` are the bytes of sound.safetensors and notes.safetensors.
  constructor(facts, sound, notes) {
    const weights = new Tensors(sound, "sound.safetensors"), tensors = new Tensors(notes, "notes.safetensors");
    this.facts = facts;
    this.decoder = new Decoder(facts.sound, weights);
    this.inverter = new Inverter(facts.sound, weights);
    this.atlas = new Atlas(facts, tensors, this.decoder, weights);
    this.axes = new Axes(facts.axes, tensors, facts.dim);
  }

  // The answer to a question of the page: a value, or the bytes of a sound file. An Error has a sentence for the user.
  answer(what, values) {
    if (!Object.hasOwn(ANSWERS, what)) throw new Error("This page cannot do that without timbre; use timbre app.");
    return ANSWERS[what](this, values);
  }

  checked(point) {
    const fits = Array.isArray(point) && point.length === this.facts.dim && point.every((value) => Math.abs(value) <= 1e6);
    if (!fits) throw new Error(`The point must have ${this.facts.dim} numbers up to 1,000,000.`);
    return Float32Array.from(point);
  }

  path({ points, times }) {
    points.forEach((point) => this.checked(point));
    return new Path(points, times);
  }
}

const ANSWERS = {
  space({ facts, atlas }) {
    const { sound, planes, presets, ...page } = facts;
    return { ...page, points: atlas.points };
  },
  plane({ facts }, { axes = "" }) {
    if (!Object.hasOwn(facts.planes, axes)) throw new Error("The space does not determine such a plane; choose another one.");
    return facts.planes[axes];
  },
  presets: ({ facts }) => facts.presets,
  nearest(space, { z }) {
    const { facts, atlas } = space;
    return atlas.nearest(space.checked(z)).map(([n, dissimilarity]) => ({
      name: facts.notes[n], instrument: facts.instruments[n], family: facts.families[n], pitch: facts.pitches[n],
      velocity: facts.velocities[n], point: Array.from(atlas.point(n)), dissimilarity,
    }));
  },
  axes(space, { z, axis = "", value = 0 }) {
    const point = space.checked(z), moved = axis ? space.axes.moved(point, axis, value) : Array.from(point);
    return { point: moved, values: space.axes.at(moved) };
  },
  draw: (space, { near = null }) => ({ point: space.atlas.draw(near && space.checked(near)) }),
  sound: (space, { z, pitch = 60, velocity = 0.8, duration = 2 }) => file(space, new Path([Array.from(space.checked(z))], [0]), pitch, velocity, duration),
  render: (space, { path, pitch = 60, velocity = 0.8, duration = 2 }) => file(space, space.path(path), pitch, velocity, duration),
  path({ facts }, { path }) {
    return { format: "timbre-path", version: 2, kind: "line", dim: facts.dim, space: facts.identity, times: path.times, points: path.points };
  },
  address({ facts }, { dim, digest = "", sample_rate: rate, name = "another space" }) {
    const own = facts.identity;
    if (Number(dim) === own.dim && (!digest || digest === own.digest)) return {};
    throw new Error(`The address was made with ${name} (${rate || "?"} Hz, ${dim} dimensions), and this is ${own.name} (${own.sample_rate} Hz, ${own.dim} dimensions).`);
  },
};

function file(space, path, pitch, velocity, duration) {
  return wavFile(rendered(space, path, pitch, velocity, duration), space.inverter.rate);
}
