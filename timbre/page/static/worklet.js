// Plays the samples that arrive, from a ring buffer, and reports how many it has played, so that the engine sends more.
const SIZE = 1 << 16, MAX_AHEAD = 1 << 14; // samples
const REPORT = 2; // calls between reports
const PART = 1 << 15; // samples of a recording sent at a time
const CALM = 10; // s without an underrun, after which the buffer target is lowered

class Ring extends AudioWorkletProcessor {
  constructor(options) {
    super();
    this.samples = new Float32Array(SIZE);
    this.ahead = this.least = options.processorOptions.ahead;
    this.reset();
    this.port.onmessage = ({ data }) => {
      if (data.source) this.listen(data.source);
      if ("record" in data) this.record(data.record);
    };
  }

  // Sends what is played from now on, in parts; the last part ends with null.
  record(on) {
    if (this.part) this.port.postMessage(this.part.slice(0, this.kept));
    if (this.part && !on) this.port.postMessage(null);
    this.part = on ? new Float32Array(PART) : null;
    this.kept = 0;
  }

  keep(out) {
    if (this.kept + out.length > PART) this.record(true);
    this.part.set(out, this.kept);
    this.kept += out.length;
  }

  reset() {
    this.at = this.filled = this.played = this.underruns = this.quanta = this.calm = 0;
    this.filling = true;
  }

  listen(source) {
    this.reset();
    this.source = source;
    source.onmessage = ({ data }) => this.push(new Float32Array(data));
  }

  push(block) {
    const start = (this.at + this.filled) % SIZE, first = Math.min(block.length, SIZE - start);
    this.samples.set(block.subarray(0, first), start);
    this.samples.set(block.subarray(first), 0);
    this.filled = Math.min(SIZE, this.filled + block.length);
  }

  process(_, [[out]]) {
    if (this.filling && this.filled >= this.ahead) this.filling = false;
    if (!this.filling) this.take(out);
    if (this.part) this.keep(out);
    if (this.source && this.quanta++ % REPORT === 0) {
      const { played, filled, ahead, underruns } = this;
      this.source.postMessage({ played, filled, ahead, underruns });
    }
    return true;
  }

  take(out) {
    const count = Math.min(out.length, this.filled);
    for (let n = 0; n < count; n++) out[n] = this.samples[(this.at + n) % SIZE];
    this.at = (this.at + count) % SIZE;
    this.filled -= count;
    this.played += count;
    if (count < out.length) {
      // Underrun: buffer more from now on.
      this.underruns += 1;
      this.filling = true;
      this.ahead = Math.min(MAX_AHEAD, Math.round(this.ahead * 1.5));
      this.calm = 0;
    } else if ((this.calm += count) > CALM * sampleRate) {
      this.ahead = Math.max(this.least, Math.round(this.ahead * 0.8));
      this.calm = 0;
    }
  }
}

registerProcessor("timbre-ring", Ring);
