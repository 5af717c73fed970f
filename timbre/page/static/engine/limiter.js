// Keeps every sample within the ceiling, 1.5 or 5 ms late (timbre/audio/limiter.py).
const CEILING = 0.99, RELEASE = 0.1, INAUDIBLE = 1e-7; // of full scale; s; of a gain that has recovered

export class Limiter {
  constructor(rate, lookAhead) {
    this.latency = Math.max(1, Math.round(lookAhead * rate));
    this.leak = Math.exp(-1 / (RELEASE * rate));
    this.size = this.latency + 1;
    [this.waiting, this.needed, this.cut] = [0, 1, 2].map(() => new Float64Array(this.size));
    this.at = this.sum = this.last = this.busy = this.calm = 0;
  }

  // Limits samples in place.
  push(samples) {
    for (let n = 0; n < samples.length; n++) samples[n] = this.one(samples[n]);
  }

  one(sample) {
    const { waiting, needed, cut, size, leak } = this, at = this.at, loud = Math.abs(sample);
    waiting[at] = sample;
    needed[at] = loud > CEILING ? 1 - CEILING / loud : 0;
    if (needed[at] > 0) this.busy = size;
    let most = 0;
    if (this.busy > 0) {
      this.busy -= 1;
      for (let n = 0; n < size; n++) if (needed[n] > most) most = needed[n];
    }
    this.last = Math.max(most, leak * this.last);
    if (this.last < INAUDIBLE) this.last = 0;
    this.sum += this.last - cut[at];
    cut[at] = this.last;
    this.calm = this.last ? 0 : this.calm + 1;
    if (this.calm >= size) this.sum = 0; // without what rounding has left
    this.at = (at + 1) % size;
    return waiting[this.at] * (1 - this.sum / size);
  }
}
