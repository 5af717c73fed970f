// The worker of a page without a server: it answers questions, or it plays. The page starts one for each, so that a long
// answer does not delay the sound. It speaks as socket.js does, see there.
import { Controls } from "./controls.js";
import { Engine } from "./engine.js";
import { Space } from "./space.js";

const BLOCK = 512, MOST_AHEAD = 1; // samples at a time; s
const STATE = 200, RING = 100; // ms between reports
const FULL_LOAD = 1, HIGH_LOAD = 0.85, LOW_LOAD = 0.6, INTERVAL = 200, CALM = 3000; // when to give up a voice, and to allow one again
let ready = null, live = null, waiting = [];
const space = new Promise((resolve, reject) => (ready = { resolve, reject }));
space.catch(() => {}); // commands that await it report the error

onmessage = async ({ data }) => {
  try {
    if (data.files) ready.resolve(new Space(...data.files));
    else if (data.broken) ready.reject(new Error(data.broken));
    else if (data.question) await answer(data);
    else if (data.presets) (await space).facts.presets = data.presets;
    else if (data.open) play(await space, data.ring);
    else if (live) live.controls.carryOut(JSON.parse(data.send));
    else waiting.push(JSON.parse(data.send)); // until the sound is open
  } catch (error) {
    if (data.files) ready.reject(error);
    else postMessage({ error: error.message });
  }
};

function play(loaded, ring) {
  live?.end();
  live = new Live(loaded, ring);
  const early = waiting;
  waiting = [];
  for (const command of early) live.controls.carryOut(command);
}

async function answer({ question, what, values }) {
  try {
    postMessage({ question, answer: (await space).answer(what, values) });
  } catch (error) {
    postMessage({ question, error: error.message });
  }
}

// Sends the ring as many samples as it asks for.
class Live {
  constructor(space, ring) {
    this.engine = new Engine(space.decoder, space.inverter, { point: space.facts.start });
    this.controls = new Controls(this.engine, space);
    this.ring = ring;
    [this.sent, this.ringAt, this.decided, this.calm, this.underruns] = [0, 0, performance.now(), 0, 0];
    ring.onmessage = ({ data }) => this.feed(data);
    postMessage({ hello: { sample_rate: this.engine.rate } });
    this.timer = setInterval(() => postMessage({ state: this.state() }), STATE);
  }

  end() {
    clearInterval(this.timer);
    this.ring.onmessage = null;
  }

  feed(ring) {
    const { engine } = this, room = () => Math.min(ring.ahead, MOST_AHEAD * engine.rate) - (this.sent - ring.played);
    for (let left = room(); left > 0; left = room()) {
      const block = engine.render(Math.min(left, BLOCK));
      this.sent += block.length;
      this.ring.postMessage(block.buffer, [block.buffer]);
    }
    const now = performance.now();
    this.govern(now, ring.underruns);
    if (now - this.ringAt < RING) return;
    this.ringAt = now;
    postMessage({ ring });
  }

  // Gives up a voice where the machine is too slow, and allows one again after three calm seconds. A load that the sound
  // kept ahead still covers is borne: other programs come and go.
  govern(now, underruns) {
    if (now - this.decided < INTERVAL) return;
    const { engine } = this, slow = engine.load > (underruns > this.underruns ? HIGH_LOAD : FULL_LOAD);
    this.calm = engine.load > HIGH_LOAD ? 0 : this.calm + now - this.decided;
    [this.decided, this.underruns] = [now, underruns];
    if (slow && engine.sounding.length > 1) engine.shed();
    else if (this.calm >= CALM && engine.load < LOW_LOAD) [this.calm, engine.limit] = [0, Math.min(engine.limit + 1, engine.voices.length)];
  }

  state() {
    const { engine } = this, sounding = engine.sounding;
    return {
      point: Array.from(engine.follower.point), voices: sounding.length, limit: engine.limit, load: engine.load, underruns: 0,
      notes: sounding.filter((voice) => !voice.released).map(({ pitch }) => (Number.isNaN(pitch) ? null : pitch)),
      latency: { look_ahead: (1000 * engine.limiter.latency) / engine.rate }, peak: engine.peak, shed: engine.shedNotes,
      stolen: engine.stolen, sample_rate: engine.rate, seconds: engine.made / engine.rate, runtime: engine.decoder.kernel.code ? "WebAssembly" : "JavaScript",
    };
  }
}
