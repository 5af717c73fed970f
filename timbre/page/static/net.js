// Requests to the server, and messages for the user. Errors are shown in the server's words.
let timer = 0;

export function say(text) {
  const box = document.getElementById("message");
  box.textContent = text;
  box.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => (box.hidden = true), 7000);
}

export async function ask(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    say("The server does not answer; check that timbre app is running.");
    return null;
  }
  if (answer.ok) return answer;
  const refusal = await answer.json().catch(() => ({}));
  say(refusal.error || `The server refused the request (status ${answer.status}).`);
  return null;
}

export async function json(address, options) {
  const answer = await ask(address, options);
  return answer && answer.json();
}

export async function wav(address) {
  const answer = await ask(address);
  return answer && answer.arrayBuffer();
}

export function posted(value, method = "POST") {
  return { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) };
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
