// The page of `timbre app`: its engine answers questions by HTTP, and plays through a socket.
import { begin } from "./main.js";
import { say } from "./user.js";

class ServerEngine {
  live = `ws://${location.host}/live`;

  // A worker that speaks the messages of socket.js.
  worker() {
    return new Worker(new URL("socket.js", import.meta.url));
  }

  // The answer to a question: a value, or bytes of a sound file; null if it was refused, which is said.
  async ask(what, values = {}, verb = "GET") {
    const { file, ...words } = values, sends = verb === "POST" || verb === "PUT";
    const query = sends && !file ? "" : `?${new URLSearchParams(Object.entries(words).map(([key, value]) => [key, value ?? "none"]))}`;
    const body = !sends ? {} : file ? { body: file } : { body: JSON.stringify(words), headers: { "Content-Type": "application/json" } };
    let answer;
    try {
      answer = await fetch(`api/${what}${query}`, { method: verb, ...body });
    } catch {
      say("The server does not answer; check that timbre app is running.");
      return null;
    }
    if (answer.ok) return answer.headers.get("Content-Type").includes("json") ? answer.json() : answer.arrayBuffer();
    const refusal = await answer.json().catch(() => ({}));
    say(refusal.error || `The server refused the request (status ${answer.status}).`);
    return null;
  }
}

begin(new ServerEngine());
