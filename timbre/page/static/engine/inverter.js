// The portable inverter: from what sounds in frames to samples (timbre/spectral/inversion/portable.py).
import { fft, RealFFT } from "./fft.js";

const TURN = 2 ** 40; // steps of a phase in a turn
const MOST_TONES = 32, PROMINENT = 3, SURE = 6; // oscillators; dB by which a peak begins to be a tone, and surely is one
const FADE = 0.04, RISE = 0.003; // share of the band over which the highest partials fade out; s in which a sound begins
const FINE = 32; // samples of a period for each partial, with which cubic interpolation is exact to 1e-4
const NEPER = Math.LN10 / 20; // per dB

export class Inverter {
  constructor(facts, tensors) {
    const { bins, portable } = facts;
    Object.assign(this, { bins, rate: facts.sample_rate, hop: facts.hop_length, ...portable });
    this.limit = this.rate / 2;
    const get = (name, shape) => tensors.get(`inverter.${name}`, shape);
    for (const name of ["white", "single", "centers", "below", "above"]) this[name] = get(name, [bins]);
    [this.combs, this.bandAt, this.signs] = [get("combs"), get("band_at"), get("signs")];
    [this.binBands, this.binGain] = ["bin_bands", "bin_gain"].map((name) => get(name, [this.fft_size / 2 + 1]));
    this.taps = get("taps", [this.fft_size - this.hop]);
    this.filter = new RealFFT(this.fft_size);
    this.whole = fft(this.fft_size);
    this.samples = new Float64Array(this.fft_size);
    this.gains = new Float64Array(this.fft_size / 2 + 1);
    this.mixed = [new Float64Array(this.fft_size), new Float64Array(this.fft_size)];
    this.periods = new Map();
    this.comb = new Float32Array(bins);
    this.rest = new Float32Array(bins);
    this.parts = [0, 1].map(() => new Float64Array(this.hop));
  }

  // A keyframe for `prepare`.
  frame() {
    const { bins, fft_size: size, period_size: most } = this;
    return { hz: 0, size: 16, period: new Float32Array(most), tones: new Float32Array(bins), tonesHz: new Float64Array(bins), noise: new Float64Array(size / 2 + 1) };
  }

  // The phases of a sound that begins.
  begin() {
    return { harmonics: 0, tones: new Float64Array(this.bins), time: 0 };
  }

  // Makes a keyframe of levels in dB, as the decoder writes them; pitch may be NaN.
  prepare(pitch, { partials, envelope, noise }, frame) {
    frame.hz = Number.isNaN(pitch) ? 0 : 440 * 2 ** ((pitch - 69) / 12);
    if (frame.hz) this.preparePeriod(pitch, partials, envelope, frame);
    this.prepareTones(noise, frame);
    this.prepareNoise(frame);
  }

  preparePeriod(pitch, partials, envelope, frame) {
    const { combs, comb, bins, bandAt, signs, hz } = { ...this, hz: frame.hz };
    const top = Math.min(this.limit, 0.5 * this.rate), count = Math.min(this.partials, Math.ceil(top / hz));
    const size = Math.min(this.period_size, Math.max(16, 2 ** Math.ceil(Math.log2(FINE * count))));
    if (!this.periods.has(size)) this.periods.set(size, [new RealFFT(size), new Float64Array(size / 2 + 1)]);
    const [transform, spectrum] = this.periods.get(size);
    spectrum.fill(0);
    const place = clamped((pitch - this.comb_low) / this.comb_step, combs.length / bins), row = Math.floor(place);
    for (let k = 0, at = row * bins; k < bins; k++, at++) comb[k] = combs[at] + (place - row) * (combs[at + bins] - combs[at]);
    for (let n = 1; n <= count; n++) {
      const edge = Math.min(1, (top - n * hz) / (FADE * top));
      if (edge <= 0) break;
      const band = along(bandAt, (n * hz) / this.grid_hz);
      const level = (n <= partials.length ? partials[n - 1] : along(envelope, band)) + along(comb, band);
      spectrum[n] = 0.5 * size * signs[n - 1] * edge * Math.exp(NEPER * level);
    }
    transform.symmetric(spectrum, frame.period);
    frame.size = size;
  }

  // Finds the peaks of noise levels, and leaves the levels without them in `rest`.
  prepareTones(noise, { tones, tonesHz }) {
    const { bins, below, above, rest, single, centers } = this, top = 0.98 * Math.min(this.limit, 0.5 * this.rate);
    for (let k = 0; k < bins; k++) {
      const excess = Math.max(noise[k] - Math.max(noise[below[k]], noise[above[k]]), 0);
      rest[k] = noise[k] - excess * Math.min(Math.max((excess - PROMINENT) / (SURE - PROMINENT), 0), 1);
      const left = k ? noise[k - 1] : 400, right = k + 1 < bins ? noise[k + 1] : 400;
      tones[k] = 0;
      tonesHz[k] = centers[k];
      if (!(noise[k] > left && noise[k] >= right && excess > PROMINENT)) continue;
      const offset = Math.min(Math.max((0.5 * (right - left)) / Math.max(2 * noise[k] - left - right, 1e-3), -0.5), 0.5);
      const peak = noise[k] + 0.25 * (right - left) * offset;
      const power = Math.max(Math.exp(2 * NEPER * peak) - Math.exp(2 * NEPER * rest[k]), 0);
      tonesHz[k] = along(centers, k + offset);
      if (tonesHz[k] < top) tones[k] = Math.sqrt(power) * Math.exp(-NEPER * single[k]);
    }
  }

  prepareNoise({ noise }) {
    const { rest, white, bins, binBands, binGain, gains, filter, samples, taps, fft_size: size } = this;
    for (let k = 0; k < bins; k++) rest[k] -= white[k];
    for (let k = 0; k < gains.length; k++) gains[k] = binGain[k] ? Math.exp(NEPER * along(rest, binBands[k])) * binGain[k] : 0;
    filter.symmetric(gains, samples);
    const half = taps.length >> 1;
    for (let n = 0; n < half; n++) samples[size - half + n] *= taps[n];
    for (let n = half; n < taps.length; n++) samples[n - half] *= taps[n];
    samples.fill(0, taps.length - half, size - half);
    filter.forward(samples);
    noise.set(filter.re.subarray(0, noise.length));
  }

  // Writes the samples from one keyframe to the next, a hop later, and moves the phases on by a hop.
  render(before, after, phases, seed, out) {
    const { hop, rate } = this;
    this.noise(before, after, phases.time, seed, out);
    this.harmonics(before, after, phases, out);
    this.oscillators(before, after, phases, out);
    const rise = RISE * rate;
    for (let n = 0; n < hop && phases.time + n < rise; n++) out[n] *= 0.5 - 0.5 * Math.cos((Math.PI * (phases.time + n)) / rise);
    phases.time += hop;
  }

  turns(twiceHz) {
    return Math.round(((twiceHz * 0.5 * this.hop) / this.rate) * TURN);
  }

  harmonics(before, after, phases, out) {
    const first = before.hz || after.hz, last = after.hz || before.hz, { hop, rate } = this;
    if (!first) return;
    const bend = ((0.5 * rate) / hop) * (last - first), begin = phases.harmonics / TURN;
    for (let n = 0; n < hop; n++) {
      const time = n / rate, turns = begin + (first + bend * time) * time, turn = turns - Math.floor(turns);
      const start = before.hz ? read(before, turn) : 0, end = after.hz ? read(after, turn) : 0;
      out[n] += start + (n / hop) * (end - start);
    }
    phases.harmonics = (phases.harmonics + this.turns(first + last)) % TURN;
  }

  oscillators(before, after, phases, out) {
    const { bins, rate } = this, begin = handedOn(before.tones, phases.tones), one = before.tones, other = after.tones;
    let chosen = [];
    for (let k = 0; k < bins; k++) if (one[k] > 0 || other[k] > 0) chosen.push(k);
    if (chosen.length > MOST_TONES) chosen = chosen.sort((a, b) => Math.max(one[b], other[b]) - Math.max(one[a], other[a])).slice(0, MOST_TONES);
    for (const k of chosen) {
      const low = one[k] > 0 ? before.tonesHz[k] : after.tonesHz[k], high = other[k] > 0 ? after.tonesHz[k] : low;
      addTone(out, one[k], other[k], (2 * Math.PI * begin[k]) / TURN, (2 * Math.PI * low) / rate, (2 * Math.PI * high) / rate);
    }
    for (let k = 0; k < bins; k++) {
      const low = one[k] > 0 ? before.tonesHz[k] : after.tonesHz[k], high = other[k] > 0 ? after.tonesHz[k] : low;
      phases.tones[k] = (begin[k] + this.turns(low + high)) % TURN;
    }
  }

  noise(before, after, time, seed, out) {
    const { fft_size: size, hop, samples, filter, whole, taps } = this, [re, im] = this.mixed, half = taps.length >> 1;
    for (let n = 0; n < size; n++) samples[n] = whiteNoise(time + n - half, seed);
    filter.forward(samples);
    for (let k = 0, m = 0; k <= size / 2; k++, m = size - k) {
      // One complex transform for both: the sound of the first filter is its real part, that of the second its imaginary one.
      const a = before.noise[k], b = after.noise[k], r = filter.re[k], i = filter.im[k];
      re[k] = r * a - i * b;
      im[k] = i * a + r * b;
      re[m] = r * a + i * b;
      im[m] = r * b - i * a;
    }
    re[0] = filter.re[0] * before.noise[0];
    im[0] = filter.re[0] * after.noise[0];
    re[size / 2] = filter.re[size / 2] * before.noise[size / 2];
    im[size / 2] = filter.re[size / 2] * after.noise[size / 2];
    whole.inverse(re, im);
    for (let n = 0; n < hop; n++) out[n] = (re[half + n] + (n / hop) * (im[half + n] - re[half + n])) / size;
  }
}

// Adds a sine whose amplitude and angle per sample go in lines from those at the start of a hop to those at its end. It is
// a complex number that turns; how far it turns in a sample turns as well.
function addTone(out, from, to, angle, low, high) {
  const count = out.length, bend = (high - low) / (2 * count), step = (to - from) / count;
  const fasterR = Math.cos(2 * bend), fasterI = Math.sin(2 * bend);
  let re = Math.cos(angle), im = Math.sin(angle), turnR = Math.cos(low + bend), turnI = Math.sin(low + bend);
  for (let n = 0; n < count; n++) {
    out[n] += (from + n * step) * im;
    const next = re * turnR - im * turnI;
    im = re * turnI + im * turnR;
    re = next;
    const faster = turnR * fasterR - turnI * fasterI;
    turnI = turnR * fasterI + turnI * fasterR;
    turnR = faster;
  }
}

// White noise, uniform, of mean 0 and variance 1: a hash of the sample's number.
export function whiteNoise(number, seed) {
  let mixed = (number + Math.imul(seed, 0x9e3779b1)) | 0;
  for (let round = 0; round < 2; round++) mixed = Math.imul(mixed ^ (mixed >>> 16), 0x45d9f3b);
  mixed ^= mixed >>> 16;
  return ((mixed >>> 0) * (2 / 4294967296) - 1) * 1.7320508;
}

// A value of a period at a turn, 0 to 1, by Lagrange's cubic.
function read({ period, size }, turn) {
  const place = turn * size, whole = Math.floor(place), x = place - whole, mask = size - 1;
  const a = period[(whole - 1) & mask], b = period[whole & mask], c = period[(whole + 1) & mask], d = period[(whole + 2) & mask];
  return ((x - 1) * (x - 2) * (3 * (x + 1) * b - x * a) + x * (x + 1) * ((x - 1) * d - 3 * (x - 2) * c)) / 6;
}

// Phases in which a band without a tone has that of a neighbour with one.
function handedOn(tones, phases) {
  const count = tones.length, out = new Float64Array(count);
  for (let k = 0; k < count; k++) {
    const left = (k + count - 1) % count, right = (k + 1) % count;
    out[k] = phases[tones[k] > 0 ? k : tones[left] > 0 ? left : tones[right] > 0 ? right : k];
  }
  return out;
}

const clamped = (place, size) => Math.min(Math.max(place, 0), size - 1.001);

// A value of a table between its places.
function along(table, place) {
  const at = clamped(place, table.length), low = Math.floor(at);
  return table[low] + (at - low) * (table[low + 1] - table[low]);
}
