// Fast Fourier transforms of sizes that are powers of two, in double precision.
const MADE = new Map();

export function fft(size) {
  if (!MADE.has(size)) MADE.set(size, new FFT(size));
  return MADE.get(size);
}

// Transforms of complex numbers: arrays of real and imaginary parts, in place.
class FFT {
  constructor(size) {
    this.size = size;
    this.cos = Float64Array.from({ length: size / 2 }, (_, n) => Math.cos((2 * Math.PI * n) / size));
    this.sin = Float64Array.from({ length: size / 2 }, (_, n) => -Math.sin((2 * Math.PI * n) / size));
    const bits = Math.log2(size);
    this.swaps = [];
    for (let n = 0; n < size; n++) {
      let other = 0;
      for (let bit = 0; bit < bits; bit++) if (n & (1 << bit)) other |= 1 << (bits - 1 - bit);
      if (other > n) this.swaps.push(n, other);
    }
    this.swaps = Uint32Array.from(this.swaps);
  }

  forward(re, im) {
    const { size, cos, sin, swaps } = this;
    for (let n = 0; n < swaps.length; n += 2) {
      const a = swaps[n], b = swaps[n + 1], r = re[a], i = im[a];
      re[a] = re[b];
      im[a] = im[b];
      re[b] = r;
      im[b] = i;
    }
    for (let n = 0; n < size; n += 4) fourth(re, im, n); // the first two stages need no products
    for (let half = 4, stride = size / 8; half < size; half *= 2, stride /= 2) {
      for (let start = 0; start < size; start += 2 * half) {
        for (let k = 0, turn = 0; k < half; k++, turn += stride) {
          const a = start + k, b = a + half, c = cos[turn], s = sin[turn];
          const r = re[b] * c - im[b] * s, i = re[b] * s + im[b] * c;
          re[b] = re[a] - r;
          im[b] = im[a] - i;
          re[a] += r;
          im[a] += i;
        }
      }
    }
  }

  // The inverse, times `size`: with real and imaginary parts exchanged.
  inverse(re, im) {
    this.forward(im, re);
  }
}

function fourth(re, im, n) {
  const r0 = re[n] + re[n + 1], i0 = im[n] + im[n + 1], r1 = re[n] - re[n + 1], i1 = im[n] - im[n + 1];
  const r2 = re[n + 2] + re[n + 3], i2 = im[n + 2] + im[n + 3], r3 = re[n + 2] - re[n + 3], i3 = im[n + 2] - im[n + 3];
  re[n] = r0 + r2;
  im[n] = i0 + i2;
  re[n + 2] = r0 - r2;
  im[n + 2] = i0 - i2;
  re[n + 1] = r1 + i3;
  im[n + 1] = i1 - r3;
  re[n + 3] = r1 - i3;
  im[n + 3] = i1 + r3;
}

// Transforms of real numbers, through complex ones of half the size.
export class RealFFT {
  constructor(size) {
    this.size = size;
    this.half = fft(size / 2);
    this.re = new Float64Array(size / 2 + 1);
    this.im = new Float64Array(size / 2 + 1);
    this.cos = Float64Array.from({ length: size / 4 + 1 }, (_, n) => Math.cos((2 * Math.PI * n) / size));
    this.sin = Float64Array.from({ length: size / 4 + 1 }, (_, n) => Math.sin((2 * Math.PI * n) / size));
  }

  // The spectrum of samples (size,), in `re` and `im` (size / 2 + 1).
  forward(samples) {
    const { re, im, cos, sin } = this, count = this.size / 2;
    for (let n = 0; n < count; n++) {
      re[n] = samples[2 * n];
      im[n] = samples[2 * n + 1];
    }
    this.half.forward(re, im);
    re[count] = re[0];
    im[count] = im[0];
    for (let k = 0; k <= count / 2; k++) {
      const m = count - k, evenR = 0.5 * (re[k] + re[m]), evenI = 0.5 * (im[k] - im[m]);
      const oddR = 0.5 * (im[k] + im[m]), oddI = -0.5 * (re[k] - re[m]);
      const r = oddR * cos[k] + oddI * sin[k], i = oddI * cos[k] - oddR * sin[k];
      re[k] = evenR + r;
      im[k] = evenI + i;
      re[m] = evenR - r;
      im[m] = i - evenI;
    }
  }

  // The samples (size,) of a real spectrum (size / 2 + 1), which are symmetric around the first one.
  symmetric(spectrum, out) {
    const { re, im, cos, sin, size } = this, count = size / 2;
    for (let k = 0; k <= count / 2; k++) {
      const m = count - k, even = spectrum[k] + spectrum[m], odd = spectrum[k] - spectrum[m];
      re[k] = even - odd * sin[k];
      im[k] = odd * cos[k];
      re[m] = even + odd * sin[k];
      im[m] = odd * cos[k];
    }
    this.half.inverse(re, im);
    for (let n = 0; n < count; n++) {
      out[2 * n] = re[n] / size;
      out[2 * n + 1] = im[n] / size;
    }
  }
}
