// Decodes frames, renders notes, plays events and answers questions with the engine of the page; see tests/test_web.py.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [, , page, folder] = process.argv;
const load = (name) => import(pathToFileURL(path.join(page, "engine", name)));
const bytes = (name) => {
  const file = fs.readFileSync(path.join(folder, "data", name));
  return file.buffer.slice(file.byteOffset, file.byteOffset + file.length);
};
const { Space } = await load("space.js");
const { Engine } = await load("engine.js");
const { Controls } = await load("controls.js");
const { Decoder } = await load("decoder.js");
const { Tensors } = await load("tensors.js");
const request = JSON.parse(fs.readFileSync(path.join(folder, "request.json")));
const answer = {};

try {
  const space = new Space(JSON.parse(fs.readFileSync(path.join(folder, "data", "space.json"))), bytes("sound.safetensors"), bytes("notes.safetensors"));
  answer.fast = Boolean(space.decoder.kernel.code);
  if (request.frames) answer.frames = request.frames.map((frame) => levels(request.plain ? plain(space) : space.decoder, frame));
  if (request.events) answer.sound = Array.from(played(space, request));
  if (request.offsets) answer.offsets = request.offsets.map(([point, name, step]) => space.axes.note(point)(name, step));
  if (request.storm) Object.assign(answer, stormed(space, request.storm));
  if (request.questions) answer.answers = { list: request.questions.map(([what, values]) => answered(space, what, values)) };
} catch (error) {
  answer.error = error.message;
}
fs.writeFileSync(path.join(folder, "answer.json"), JSON.stringify(answer));

function plain({ facts }) {
  return new Decoder(facts.sound, new Tensors(bytes("sound.safetensors")), true);
}

function levels(decoder, { point, pitch, velocity, time, release }) {
  const parts = { partials: new Float32Array(decoder.harmonics), envelope: new Float32Array(decoder.bins), noise: new Float32Array(decoder.bins) };
  decoder.decode(Float32Array.from(point), pitch ?? NaN, velocity ?? NaN, time, release, parts);
  return [...parts.partials, ...parts.envelope, ...parts.noise];
}

function played(space, { events, settings, length, block }) {
  const engine = new Engine(space.decoder, space.inverter, { ...settings, point: settings.point || space.facts.start }), controls = new Controls(engine, space);
  const out = new Float32Array(length), waiting = [...events];
  for (let at = 0; at < length; at += block) {
    while (waiting.length && waiting[0][0] <= at) {
      const [, command] = waiting.shift();
      if (command.do === "shape") engine.shape(command.key, { ...command, gain: 10 ** (command.gain / 20) });
      else controls.carryOut(command);
    }
    out.set(engine.render(Math.min(block, length - at)), at);
  }
  return out;
}

function answered(space, what, values) {
  try {
    const found = space.answer(what, values);
    return found instanceof ArrayBuffer ? Buffer.from(found).toString("base64") : found;
  } catch (error) {
    return { error: error.message };
  }
}

// Random commands, right and wrong, between blocks of sound; then silence.
function stormed(space, { seed, count }) {
  const engine = new Engine(space.decoder, space.inverter, { voices: 4, point: space.facts.start }), controls = new Controls(engine, space);
  let state = seed, largest = 0, refused = 0;
  const draw = (low, high) => low + ((state = Math.imul(state, 1664525) + 1013904223) >>> 8) / 16777216 * (high - low);
  const pick = (...values) => values[Math.floor(draw(0, values.length))];
  const point = () => space.facts.start.map(() => draw(-150, 150)), wild = () => pick(draw(-200, 200), 1e9, -1e9, 0);
  const commands = [
    () => ({ do: "note_on", key: pick(..."abcdefgh"), pitch: pick(null, draw(0, 140)), velocity: draw(0, 1), values: pick(undefined, { bend: draw(-96, 96) }) }),
    () => ({ do: "note_on", key: pick(..."abcdefgh"), pitch: draw(12, 127), velocity: draw(0, 1) }),
    () => ({ do: "note_off", key: pick(..."abcdefgh") }),
    () => ({ do: "express", key: pick(..."abcdefgh"), values: { [pick("bend", "gain", "0", "2", "99", "towards:Dot", "towards:none", "brightness")]: wild() } }),
    () => ({ do: "at", point: pick(point(), [1], null, space.facts.start), glide: draw(0, 2) }),
    () => ({ do: "path", path: pick(null, { points: [point(), point()], times: [0, 1] }), duration: draw(0.01, 1), loop: draw(0, 1) > 0.5 }),
    () => ({ do: pick("hold", "none", "toString"), seconds: pick(null, draw(0.01, 2)) }),
    () => ({ do: "gain", decibels: draw(-100, 24) }),
    () => ({ do: "sustain", down: draw(0, 1) > 0.5 }),
    () => ({ do: "bend", semitones: draw(-48, 48) }),
    () => ({ do: "panic" }),
  ];
  for (let n = 0; n < count; n++) {
    try {
      controls.carryOut(pick(...commands)());
    } catch {
      refused += 1;
    }
    if (n % 4 === 0) for (const value of engine.render(64)) largest = Math.max(largest, Number.isFinite(value) ? Math.abs(value) : Infinity);
  }
  controls.carryOut({ do: "panic" });
  engine.render(engine.rate);
  return { largest, refused, left: Math.max(...engine.render(2048).map(Math.abs)), sounding: engine.sounding.length };
}
