// The page without a server, as `timbre export --to web` writes it: its engine answers and plays in workers.
import { spaceFiles } from "./engine/files.js";
import { begin } from "./main.js";
import { recall, remember, say } from "./user.js";

const FOLDER = new URL("../data/", import.meta.url).href;

class PageEngine {
  live = "page";

  constructor() {
    this.questions = new Map();
    this.files = spaceFiles(FOLDER);
    this.thinker = this.started();
    this.player = this.started(); // is ready while the page is looked at, so that the first note sounds at once
    this.thinker.onmessage = ({ data }) => this.answered(data);
  }

  started() {
    const worker = new Worker(new URL("engine/worker.js", import.meta.url), { type: "module" });
    this.files.then((files) => worker.postMessage({ files }), (error) => worker.postMessage({ broken: error.message }));
    return worker;
  }

  worker() {
    return this.player;
  }

  answered({ question, answer = null, error }) {
    if (error) say(error);
    this.questions.get(question)?.(answer);
    this.questions.delete(question);
  }

  // The answer to a question: a value, or bytes of a sound file; null if it was refused, which is said.
  async ask(what, values = {}, verb = "GET") {
    const answer = await new Promise((resolve) => {
      const question = this.questions.size ? Math.max(...this.questions.keys()) + 1 : 1;
      this.questions.set(question, resolve);
      this.thinker.postMessage({ question, what, values });
    });
    if (what !== "presets" || !answer) return answer;
    return this.presets(answer, values, verb);
  }

  // The presets of the space, and those of this space that are saved in this browser. The player has to know them, too.
  async presets(shipped, values, verb) {
    const [{ identity }] = await this.files;
    this.own ??= new Stored(`presets ${identity.digest}`);
    const { path, ...preset } = values;
    if (verb === "PUT") this.own.change((own) => [...own.filter(({ name }) => name !== preset.name), { ...preset, ...path }]);
    if (verb === "DELETE") this.own.change((own) => own.filter(({ name }) => name !== preset.name));
    const own = this.own.values, names = new Set(own.map(({ name }) => name));
    const presets = [...own, ...shipped.filter(({ name }) => !names.has(name))];
    this.player.postMessage({ presets });
    return presets;
  }
}

// A list that the browser keeps.
class Stored {
  constructor(name) {
    this.name = name;
    try {
      this.values = JSON.parse(recall(name)) || [];
    } catch {
      this.values = [];
    }
  }

  change(how) {
    this.values = how(this.values);
    if (!remember(this.name, JSON.stringify(this.values))) say("This browser does not keep presets; they last until the page is closed.");
  }
}

// The files are kept for use without a network, where the browser allows it: on HTTPS and on this computer.
navigator.serviceWorker?.register(new URL("../service.js", import.meta.url)).catch(() => {});
begin(new PageEngine());
