// The decoder of a space: what sounds in a frame at a point, pitch, velocity and time (timbre/models/decoder.py).
import { Kernel, layer, layerSize } from "./kernel.js";

const PITCH_CENTRES = Array.from({ length: 13 }, (_, n) => 24 + 7 * n); // MIDI
const RELEASES = [0.01, 0.03, 0.1, 0.3]; // s, constants of what follows a release
const LEAST = 1e-6, EPSILON = 1e-5; // power in a band at which half of it is a partial's; of variances
const MIDDLE_C = 60, REACH = 3; // MIDI; standard deviations beyond the usual distance from the center

export class Decoder {
  // `facts` is the description of the space, space.json; `tensors` are its weights.
  constructor(facts, tensors, plain = false) {
    Object.assign(this, { dim: facts.dim, bins: facts.bins, harmonics: facts.harmonics, longest: facts.longest, constants: facts.constants });
    this.nyquist = facts.sample_rate / 2;
    this.channels = facts.channels;
    this.tensors = tensors;
    this.kernel = new Kernel(this.size(facts), plain);
    this.layers = this.layersOf(facts.blocks);
    this.vectors = Object.fromEntries(["embedding.no_pitch", "embedding.no_velocity", "norm.weight", "norm.bias", ...Array.from({ length: facts.blocks }, (_, n) => [`blocks.${n}.norm.weight`, `blocks.${n}.norm.bias`]).flat()].map((name) => [name, tensors.get(`decoder.${name}`, [this.channels])]));
    const floats = (count) => this.kernel.floats(4 * Math.ceil(count / 4));
    const { dim, bins, harmonics, channels } = this;
    this.latent = floats(dim);
    [this.bumps, this.strength, this.times] = [floats(PITCH_CENTRES.length + 1), floats(2), floats(6 + this.constants.length)];
    [this.clock, this.first, this.second] = [floats(64), floats(64), floats(64)];
    [this.hidden, this.normed, this.inner, this.part] = [floats(channels), floats(channels), floats(channels), floats(channels)];
    [this.film, this.out] = [floats(2 * channels), floats(2 * bins + harmonics)];
    this.limits = tensors.get("decoder.limits", [2 * bins + harmonics]);
    this.responses = new Responses(tensors, bins, harmonics);
    this.flow = tensors.has("pitch_flow.moved") ? new PitchFlow(tensors, this.kernel, dim) : null;
    this.whitening = tensors.has("whitening.root") ? [tensors.get("whitening.root", [dim, dim]), tensors.get("whitening.mean", [dim])] : null;
    this.tensors = null;
  }

  // Floats of all weights and activations in the kernel's memory.
  size({ dim, bins, harmonics, channels, blocks }) {
    const block = 2 * layerSize(channels, channels) + layerSize(2 * channels, 64);
    const flow = 8 * (layerSize(64, dim + 1) + layerSize(64, 64) + layerSize(2 * dim, 64));
    return layerSize(channels, dim) + 3 * layerSize(channels, 20) + 3 * layerSize(64, 64) + blocks * block + layerSize(2 * bins + harmonics, channels) + flow + 16 * channels + 8 * bins + 16 * dim + 4096;
  }

  layersOf(blocks) {
    const { channels, dim, bins, harmonics, constants } = this;
    const made = (name, rows, columns) => {
      const weights = this.tensors.get(`decoder.${name}.weight`, [rows, columns]), bias = this.tensors.get(`decoder.${name}.bias`, [rows]);
      return [name, layer(this.kernel, weights, bias, columns)];
    };
    return Object.fromEntries([
      made("point", channels, dim), made("embedding.pitch", channels, PITCH_CENTRES.length + 1), made("embedding.velocity", channels, 2),
      made("time.0", 64, 6 + constants.length), made("time.2", 64, 64), made("head", 2 * bins + harmonics, channels),
      ...Array.from({ length: blocks }, (_, n) => [made(`blocks.${n}.inner`, channels, channels), made(`blocks.${n}.outer`, channels, channels), made(`blocks.${n}.film`, 2 * channels, 64)]).flat(),
    ]);
  }

  // Writes levels in dB: of the first partials, of the envelope and of the noise in the bands. Pitch and velocity may be
  // NaN; `time` and `release` are s after the onset.
  decode(point, pitch, velocity, time, release, { partials, envelope, noise }) {
    this.toLatent(point, pitch);
    this.network(pitch, velocity, time, release);
    const { out, bins, harmonics } = this;
    for (let n = 0; n < bins; n++) {
      envelope[n] = 20 * out[n] - 40;
      noise[n] = 20 * out[bins + n] - 50;
    }
    for (let n = 0; n < harmonics; n++) partials[n] = 10 * out[2 * bins + n];
    if (harmonics) this.responses.addMeans(Number.isNaN(pitch) ? 0 : pitch, this.nyquist, envelope, partials);
  }

  // The latent point of a point of the space at a pitch.
  toLatent(point, pitch) {
    const { latent, dim } = this;
    if (this.whitening) {
      const [root, mean] = this.whitening;
      latent.set(mean);
      for (let k = 0; k < dim; k++) for (let n = 0; n < dim; n++) latent[n] += point[k] * root[k * dim + n];
    } else latent.set(point);
    this.flow?.inverse(latent, Number.isNaN(pitch) ? 0 : (pitch - MIDDLE_C) / 12);
    return latent.subarray(0, dim); // what follows fills the vector up with zeros
  }

  apply(name, x, y) {
    this.kernel.apply(this.layers[name], x, y);
    return y;
  }

  network(pitch, velocity, time, release) {
    const { hidden, normed, inner, part, film, channels, layers } = this;
    this.apply("point", this.latent, hidden);
    this.embed(pitch, velocity);
    this.timeFeatures(time, release);
    silu(this.apply("time.0", this.times, this.first));
    silu(this.apply("time.2", this.first, this.clock));
    for (let block = 0; `blocks.${block}.inner` in layers; block++) {
      this.apply(`blocks.${block}.film`, this.clock, film);
      this.normalize(hidden, `blocks.${block}.norm`);
      this.apply(`blocks.${block}.inner`, normed, inner);
      for (let n = 0; n < channels; n++) inner[n] = inner[n] * (1 + film[n]) + film[channels + n];
      silu(inner);
      this.apply(`blocks.${block}.outer`, inner, part);
      for (let n = 0; n < channels; n++) hidden[n] += part[n];
    }
    this.normalize(hidden, "norm");
    const { out, limits } = this;
    this.apply("head", normed, out);
    for (let n = 0; n < limits.length; n++) if (out[n] > limits[n]) out[n] = limits[n];
  }

  embed(pitch, velocity) {
    const { hidden, bumps, strength, part, vectors } = this;
    PITCH_CENTRES.forEach((centre, n) => (bumps[n] = Math.exp(-0.5 * ((pitch - centre) / 7) ** 2)));
    bumps[PITCH_CENTRES.length] = (pitch - MIDDLE_C) / 24;
    const byPitch = Number.isNaN(pitch) ? vectors["embedding.no_pitch"] : this.apply("embedding.pitch", bumps, part);
    for (let n = 0; n < this.channels; n++) hidden[n] += byPitch[n];
    [strength[0], strength[1]] = [velocity - 0.5, (velocity - 0.5) ** 2];
    const byVelocity = Number.isNaN(velocity) ? vectors["embedding.no_velocity"] : this.apply("embedding.velocity", strength, part);
    for (let n = 0; n < this.channels; n++) hidden[n] += byVelocity[n];
  }

  timeFeatures(time, release) {
    const { times, constants, longest } = this;
    const since = Math.max(time - release, 0), held = Math.min(Math.max(Math.min(time, release), 0), longest);
    times[0] = held / longest;
    constants.forEach((constant, n) => (times[1 + n] = Math.exp(-held / constant)));
    times[1 + constants.length] = Math.min(since, 1);
    RELEASES.forEach((constant, n) => (times[2 + constants.length + n] = -Math.expm1(-since / constant)));
  }

  normalize(values, name) {
    const { channels, normed } = this, weight = this.vectors[`${name}.weight`], bias = this.vectors[`${name}.bias`];
    let mean = 0, variance = 0;
    for (let n = 0; n < channels; n++) mean += values[n] / channels;
    for (let n = 0; n < channels; n++) variance += (values[n] - mean) ** 2 / channels;
    const scale = 1 / Math.sqrt(variance + EPSILON);
    for (let n = 0; n < channels; n++) normed[n] = (values[n] - mean) * scale * weight[n] + bias[n];
  }
}

function silu(values) {
  for (let n = 0; n < values.length; n++) values[n] /= 1 + Math.exp(-values[n]);
}

// The pitch flow, from the middle-C position of a point to its latent point (timbre/models/pitch_flow.py).
class PitchFlow {
  constructor(tensors, kernel, dim) {
    const [count] = tensors.shape("pitch_flow.moved");
    const get = (name, shape) => tensors.get(`pitch_flow.${name}`, shape);
    this.dim = dim;
    this.kernel = kernel;
    [this.center, this.scale, this.free] = [get("center", [dim]), get("scale", [dim]), get("free", [dim])];
    const moved = get("moved", [count, dim]);
    this.steps = Array.from({ length: count }, (_, n) => ({
      moved: moved.subarray(n * dim, (n + 1) * dim),
      layers: [[0, 64, dim + 1], [2, 64, 64], [4, 2 * dim, 64]].map(([index, rows, columns]) => layer(kernel, get(`nets.${n}.${index}.weight`, [rows, columns]), get(`nets.${n}.${index}.bias`, [rows]), columns)),
    })).reverse();
    this.start = new Float32Array(dim);
    this.most = Math.sqrt(this.free.reduce((sum, value) => sum + value, 0)) + REACH;
    [this.seen, this.first, this.second, this.change] = [dim + 1, 64, 64, 2 * dim].map((size) => kernel.floats(4 * Math.ceil(size / 4)));
  }

  // Moves a point (dim,) in place; `away` is the distance from middle C in octaves.
  inverse(z, away) {
    const { dim, center, scale, free, seen, first, second, change, kernel } = this;
    for (let n = 0; n < dim; n++) z[n] = (z[n] - center[n]) / scale[n];
    this.start.set(z.subarray(0, dim));
    for (const { moved, layers } of this.steps) {
      for (let n = 0; n < dim; n++) seen[n] = z[n] * free[n] * (1 - moved[n]);
      seen[dim] = away;
      kernel.apply(layers[0], seen, first);
      silu(first);
      kernel.apply(layers[1], first, second);
      silu(second);
      kernel.apply(layers[2], second, change);
      for (let n = 0; n < dim; n++) {
        const stretch = Math.tanh(away * change[dim + n]) * free[n];
        z[n] += moved[n] * ((z[n] - away * change[n]) * Math.exp(-stretch) - z[n]);
      }
    }
    this.keepWithinReach(z);
    for (let n = 0; n < dim; n++) z[n] = center[n] + scale[n] * z[n];
  }

  // Moves a standardised point, which was moved from `start`, back to where notes lie; named axes stay.
  keepWithinReach(z) {
    const { start, free, dim } = this;
    let [begin, far, square, along] = [0, 0, 0, 0];
    for (let n = 0; n < dim; n++) {
      const step = free[n] * (z[n] - start[n]);
      begin += (free[n] * start[n]) ** 2;
      far += (free[n] * z[n]) ** 2;
      square += step * step;
      along += free[n] * start[n] * step;
    }
    const most = Math.max(Math.sqrt(begin), this.most);
    if (Math.sqrt(far) <= most) return;
    square = Math.max(square, 1e-9);
    const whole = (Math.sqrt(Math.max(along * along + square * (most * most - begin), 0)) - along) / square;
    const share = (whole * most * most) / far;
    for (let n = 0; n < dim; n++) if (free[n]) z[n] = start[n] + share * (z[n] - start[n]);
  }
}

// Responses of the bands to sinusoids, of which nearly all are zero: those of a row lie side by side.
class Responses {
  constructor(tensors, bins, harmonics) {
    [this.first, this.begin, this.values] = ["first", "begin", "values"].map((name) => tensors.get(`responses.${name}`));
    [this.gridHz] = tensors.get("responses.grid_hz", [1]);
    Object.assign(this, { bins, harmonics });
    const { first, begin, values } = this, rows = first.length;
    const fits = begin.length === rows + 1 && begin[0] === 0 && begin[rows] === values.length && first.every((low, row) => low >= 0 && begin[row + 1] >= begin[row] && low + begin[row + 1] - begin[row] <= bins);
    if (rows < 2 || !fits) throw new Error(`responses in ${tensors.name} must fit the bands; export the space again.`);
    this.power = new Float32Array(harmonics * bins);
    this.total = new Float32Array(bins);
    this.spans = new Int32Array(2 * harmonics);
  }

  // Adds to each partial's level the mean of the envelope across the partial.
  addMeans(pitch, nyquist, envelope, partials) {
    const { power, total, spans, bins, harmonics } = this, hz = 440 * 2 ** ((pitch - 69) / 12);
    total.fill(0);
    for (let n = 0; n < harmonics; n++) {
      const row = power.subarray(n * bins, (n + 1) * bins);
      const [low, high] = this.interpolated((n + 1) * hz, nyquist, row);
      for (let k = low; k < high; k++) total[k] += row[k] *= row[k];
      [spans[2 * n], spans[2 * n + 1]] = [low, high];
    }
    for (let k = 0; k < bins; k++) total[k] = 1 / (total[k] + LEAST);
    for (let n = 0; n < harmonics; n++) {
      let sum = 0, size = 0;
      for (let k = spans[2 * n], at = n * bins + k; k < spans[2 * n + 1]; k++, at++) {
        sum += envelope[k] * total[k] * power[at];
        size += total[k] * power[at];
      }
      partials[n] += sum / (size + LEAST);
    }
  }

  // Writes the response to a sinusoid to a row, and returns the bands that it reaches.
  interpolated(hz, nyquist, out) {
    if (hz >= nyquist) return [0, 0];
    const { first, begin, values } = this;
    const position = Math.min(hz / this.gridHz, first.length - 1.001), row = Math.floor(position), share = position - row;
    const size = (n) => begin[n + 1] - begin[n];
    const low = size(row) ? first[row] : first[row + 1], next = size(row + 1) ? first[row + 1] : low;
    const from = Math.min(low, next), to = Math.max(low + size(row), next + size(row + 1));
    out.fill(0, from, to);
    for (let k = 0; k < size(row); k++) out[low + k] += (1 - share) * values[begin[row] + k];
    for (let k = 0; k < size(row + 1); k++) out[next + k] += share * values[begin[row + 1] + k];
    return [from, to];
  }
}
