// Live sound: messages to the engine, samples back. If the browser allows no worklet, single notes instead.
import { save, say } from "./user.js";
import { wavFile } from "./wav.js";

const AHEAD = 0.06; // s of sound buffered in the page at first
const PEAK = 0.5; // of single sounds, so that recorded and decoded notes have about the same level
const LONGEST = 600; // s of a recording
const MIN_LENGTH = 350; // ms of a note, even after a short click

export class Sound extends EventTarget {
  constructor(engine, rate) {
    super();
    this.engine = engine;
    this.rate = rate;
    this.context = null;
    this.open = false;
    this.ring = { filled: 0, underruns: 0, ahead: 0 };
    this.begun = new Map();
    this.volume = 0.8;
    this.decibels = 0;
    this.recorded = null; // parts of a recording
  }

  // Must be called from a user gesture: browsers allow no sound before one.
  start() {
    if (!this.context) {
      this.context = new AudioContext({ sampleRate: this.rate, latencyHint: "interactive" });
      this.gain = new GainNode(this.context, { gain: this.volume });
      this.gain.connect(this.context.destination);
      this.live = Boolean(this.context.audioWorklet);
      if (!this.live) say("Browsers allow live sound on localhost and HTTPS only; this page plays single notes.");
    }
    if (this.context.state === "suspended") this.context.resume();
    if (this.live && !this.open) this.connect();
  }

  async connect() {
    this.open = true;
    this.worker ??= this.makeWorker();
    if (!this.node) {
      const ahead = Math.round(AHEAD * this.rate);
      this.loading ??= this.context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
      await this.loading;
      this.node = new AudioWorkletNode(this.context, "timbre-ring", { numberOfInputs: 0, outputChannelCount: [1], processorOptions: { ahead } });
      this.node.connect(this.gain);
      this.node.port.onmessage = ({ data }) => this.keep(data);
      if (this.recorded) this.node.port.postMessage({ record: true });
    }
    const { port1, port2 } = new MessageChannel();
    this.node.port.postMessage({ source: port1 }, [port1]);
    this.worker.postMessage({ open: this.engine.live, ring: port2 }, [port2]);
  }

  makeWorker() {
    const worker = this.engine.worker();
    worker.onmessage = ({ data }) => {
      if (data.ring) this.ring = data.ring;
      if (data.closed) this.open = false;
      if (data.error) say(data.error);
      for (const kind of ["hello", "state", "closed", "ring"]) {
        if (data[kind]) this.dispatchEvent(new CustomEvent(kind, { detail: data[kind] }));
      }
    };
    return worker;
  }

  send(message) {
    if (this.open && this.worker) this.worker.postMessage({ send: JSON.stringify(message) });
  }

  // Begins a note; values shape it by itself, see ports.js.
  on(key, pitch, velocity, point, values = {}) {
    this.start();
    if (!this.live) return this.single(point, pitch, velocity);
    clearTimeout(this.begun.get(key)?.timer);
    this.begun.set(key, { time: performance.now(), timer: 0 });
    this.send({ do: "note_on", key, pitch, velocity, values });
  }

  off(key, least = MIN_LENGTH) {
    const note = this.begun.get(key);
    if (!note) return;
    const left = least - (performance.now() - note.time);
    const end = () => {
      this.begun.delete(key);
      this.send({ do: "note_off", key });
    };
    clearTimeout(note.timer);
    if (left > 0) note.timer = setTimeout(end, left);
    else end();
  }

  panic() {
    for (const { timer } of this.begun.values()) clearTimeout(timer);
    this.begun.clear();
    this.send({ do: "panic" });
    this.clip?.stop();
  }

  single(point, pitch, velocity) {
    this.play(this.engine.ask("sound", { z: [...point], pitch, velocity, duration: 1.5 }));
  }

  // Plays the bytes of a sound file, one at a time.
  async play(asked) {
    this.start();
    const bytes = await asked;
    if (!bytes) return;
    const buffer = await this.context.decodeAudioData(bytes).catch(() => null);
    if (!buffer) return say("The browser cannot play this file; it may still be possible to locate it.");
    this.clip?.stop();
    this.clip = new AudioBufferSourceNode(this.context, { buffer });
    const level = new GainNode(this.context, { gain: PEAK / Math.max(1e-3, peak(buffer)) });
    this.clip.connect(level).connect(this.gain);
    this.clip.start();
  }

  setVolume(value) {
    this.volume = value;
    this.gain?.gain.setTargetAtTime(value, this.context.currentTime, 0.02);
  }

  // Begins to record what is played, or ends it and saves the WAV file.
  record() {
    if (this.recorded) return this.node ? this.node.port.postMessage({ record: false }) : this.keep(null);
    this.start();
    if (!this.live) return;
    this.recorded = [];
    this.dispatchEvent(new CustomEvent("recording", { detail: 0 }));
    this.node?.port.postMessage({ record: true });
  }

  // A part of the recording, or null at its end.
  keep(part) {
    if (part) this.recorded?.push(part);
    const parts = this.recorded, count = parts.reduce((sum, { length }) => sum + length, 0), seconds = count / this.rate;
    if (part) {
      this.dispatchEvent(new CustomEvent("recording", { detail: seconds }));
      if (seconds > LONGEST) this.record();
      return;
    }
    this.recorded = null;
    this.dispatchEvent(new CustomEvent("recording", { detail: null }));
    const samples = new Float32Array(count);
    parts.reduce((at, some) => (samples.set(some, at), at + some.length), 0);
    save(new Blob([wavFile(samples, this.rate)], { type: "audio/wav" }), "timbre.wav");
  }

  // Sets the level of the engine, dB, or sends it again.
  setGain(decibels = this.decibels) {
    this.decibels = decibels;
    this.send({ do: "gain", decibels });
  }

  get latency() {
    return 1000 * (this.ring.filled / this.rate + (this.context?.baseLatency || 0) + (this.context?.outputLatency || 0));
  }
}

function peak(buffer) {
  let most = 0;
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    for (const value of buffer.getChannelData(channel)) most = Math.max(most, Math.abs(value));
  }
  return most;
}
