// Whole sounds: a point or a path as one note (timbre/space/renderer.py).
import { Limiter } from "./limiter.js";

const LOOK_AHEAD = 0.005, FADE = 0.02, RELEASED = 0.15; // s: of the limiter; at the end; before the end
const MOST = 60; // s

// The samples of a sound that moves along a path, released 0.15 s before its end.
export function rendered({ decoder, inverter }, path, pitch, velocity, duration, seed = 0) {
  const { rate, hop } = inverter, length = Math.round(Math.min(duration, MOST) * rate), count = 1 + Math.floor(length / hop);
  const release = Math.max(duration - RELEASED, 0.5 * duration), out = new Float32Array(count * hop), phases = inverter.begin();
  const levels = { partials: new Float32Array(decoder.harmonics), envelope: new Float32Array(decoder.bins), noise: new Float32Array(decoder.bins) };
  let [before, after] = [inverter.frame(), inverter.frame()];
  for (let n = 0; n < count; n++) {
    const point = path.at(count > 1 ? n / (count - 1) : 0);
    decoder.decode(Float32Array.from(point), pitch ?? NaN, velocity, (n * hop) / rate, release, levels);
    inverter.prepare(pitch ?? NaN, levels, after);
    if (n) inverter.render(before, after, phases, seed, out.subarray((n - 1) * hop, n * hop));
    [before, after] = [after, before];
  }
  inverter.render(before, before, phases, seed, out.subarray((count - 1) * hop));
  return finished(out.subarray(0, length), velocity * velocity, rate);
}

// Gain, a fade at the end, and the limiter.
function finished(samples, gain, rate) {
  const fade = Math.min(Math.round(FADE * rate), samples.length), begin = samples.length - fade;
  const limiter = new Limiter(rate, LOOK_AHEAD), late = limiter.latency, out = new Float32Array(samples.length);
  for (let n = 0; n < samples.length + late; n++) {
    const edge = n < begin ? 1 : 0.5 + 0.5 * Math.cos(Math.PI * Math.min((n - begin + 1) / fade, 1));
    const value = limiter.one(n < samples.length ? samples[n] * gain * edge : 0);
    if (n >= late) out[n - late] = value;
  }
  return out;
}
