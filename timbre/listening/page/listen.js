"use strict";
// One listener's way through a blind test: what is played and rated, in an order of their own, kept until it is saved.

const test = window.TEST;
const main = document.getElementById("main");
const store = `timbre-listen-${test.id}`;
const columns = ["test", "participant", "trial", "order", "sound", "other", "value", "plays", "seconds"];
const words = {
  quality: ["bad", "poor", "fair", "good", "excellent"],
  pairs: ["the same or nearly", "alike", "different", "very different", "as different as can be"],
};
const tasks = {
  quality: "You hear a reference and several sounds. Rate how close each sound is to the reference: 100 is no difference that you can hear. One of the sounds is the reference itself, hidden.",
  pairs: "You hear two sounds. Rate how different their timbre is: 0 is the same sound, 100 is as different as any two of the sounds can be.",
  sorting: "Sort the sounds into groups: sounds of similar timbre go into one group. Make as many groups as you like, two or more.",
};

// --- an element with properties, attributes (a name with a hyphen, or role) and children
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties))
    if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  element.append(...children);
  return element;
}
const button = (text, onclick, properties = {}) => make("button", { type: "button", textContent: text, onclick, ...properties });
const say = (text) => { document.getElementById("message").textContent = text; };

// --- a shuffle that depends on the listener and a name only, so that a reload finds the same order
function shuffled(list, name) {
  let state = 2166136261;
  for (const char of `${saved.participant}/${test.id}/${name}`) state = Math.imul(state ^ char.codePointAt(0), 16777619);
  const draw = (below) => {
    state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
    return ((state >>> 0) / 4294967296) * below | 0;
  };
  for (let k = 0; k < 8; k++) draw(1);
  const result = [...list];
  for (let at = result.length - 1; at > 0; at--) {
    const other = draw(at + 1);
    [result[at], result[other]] = [result[other], result[at]];
  }
  return result;
}

// --- what is kept: {participant, at, answers: {trial: {values, plays, seconds, groups}}}
let saved = null, keeps = true;
function load() {
  try {
    const found = JSON.parse(localStorage.getItem(store));
    saved = found && typeof found.participant === "string" && found.answers ? found : null;
  } catch { keeps = false; }
}
function keep() {
  try { localStorage.setItem(store, JSON.stringify(saved)); } catch { keeps = false; }
}
function forget() {
  try { localStorage.removeItem(store); } catch { /* nothing was kept */ }
  saved = null;
}

function total() {
  const always = test.trials.filter((trial) => trial.always).length;
  return test.limit ? Math.min(test.trials.length, Math.max(test.limit, always + 1)) : test.trials.length;
}

function order() {
  const some = shuffled(test.trials.filter((trial) => !trial.always), "trials");
  const always = test.trials.filter((trial) => trial.always);
  const part = some.slice(0, total() - always.length);
  return shuffled([...part, ...always], "order");
}

// --- playing: one sound at a time, always from its beginning
const players = new Map();
let current = null;
function player(sound) {
  if (!players.has(sound)) {
    const audio = new Audio(`sounds/${sound}.wav`);
    audio.preload = "auto";
    audio.onerror = () => say("A sound does not load. Check the connection and reload the page; your answers are kept.");
    players.set(sound, audio);
  }
  return players.get(sound);
}
function stop() {
  if (!current) return;
  current.audio.pause();
  current.element.classList.remove("playing");
  current.done?.();
  current = null;
}
function play(sound, element) {
  stop();
  const audio = player(sound);
  return new Promise((done) => {
    current = { audio, element, done };
    element.classList.add("playing");
    audio.onended = stop;
    audio.currentTime = 0;
    audio.play().catch((problem) => { if (problem.name !== "AbortError") say("The browser does not play this sound. Try another browser."); stop(); });
  });
}

// --- pages
function show(title, ...content) {
  stop();
  say("");
  const heading = make("h2", { textContent: title, tabIndex: -1 });
  main.replaceChildren(heading, ...content);
  heading.focus();
  scrollTo(0, 0);
}

function welcome() {
  document.getElementById("progress").textContent = "";
  const sample = test.trials[0].reference || test.trials[0].sounds[0];
  const code = make("input", { id: "code", value: saved ? saved.participant : "", maxLength: 40, autocomplete: "off", spellcheck: false, "aria-describedby": "code-hint" });
  const begin = () => {
    const name = code.value.trim() || Array.from(crypto.getRandomValues(new Uint8Array(6)), (v) => "abcdefghjkmnpqrstuvwxyz23456789"[v % 31]).join("");
    if (!/^[A-Za-z0-9_-]{1,40}$/.test(name)) return say("A code has letters, digits, - and _, 40 at most.");
    const other = saved && saved.participant !== name && Object.keys(saved.answers).length;
    if (other && !confirm(`Discard the answers of ${saved.participant} in this browser? To save them, cancel and continue as ${saved.participant}.`)) return;
    if (!saved || saved.participant !== name) saved = { participant: name, at: 0, answers: {} };
    keep();
    next();
  };
  const again = saved
    ? [make("p", { textContent: `This browser has answers of ${saved.participant}: ${Object.values(saved.answers).filter((a) => a.done).length} trials.` })]
    : [];
  show("Welcome", make("p", { textContent: tasks[test.task] }),
    make("p", { textContent: "Use headphones and a quiet room. Set the volume with this sound, then leave it as it is." }),
    make("p", {}, button("Play a sound", (event) => play(sample, event.currentTarget))),
    ...again,
    make("label", { for: "code", textContent: "Your code, if you were given one" }), code,
    make("p", { id: "code-hint", className: "hint", textContent: "Without one you get a random code. Nothing else about you is recorded." }),
    make("div", { className: "buttons" }, button(saved ? "Continue" : "Begin", begin, { className: "main", id: "begin" }),
      ...(saved ? [button("Discard these answers", () => { if (confirm("Discard the answers in this browser?")) { forget(); welcome(); } })] : [])),
    make("p", { className: "hint", textContent: `${test.task === "sorting" ? "Everything is on one page." : `${total()} trials.`} Keys: digits play sounds, Tab and arrows move. Answers stay in this browser until you save them at the end.` }));
}

function next() {
  const trials = order();
  while (saved.at < trials.length && saved.answers[trials[saved.at].id]?.done) saved.at++;
  if (saved.at >= trials.length) return finish();
  if (test.task === "pairs" && !saved.heard) return hearAll(trials);
  const trial = trials[saved.at];
  document.getElementById("progress").textContent = `${saved.at + 1} of ${trials.length}`;
  const answer = (saved.answers[trial.id] ??= { values: {}, plays: {}, groups: {}, seconds: 0 });
  for (const sound of [trial.reference, ...trial.sounds]) if (sound) player(sound);
  const upcoming = trials[saved.at + 1];
  if (upcoming) for (const sound of upcoming.sounds) player(sound);
  answer.began = performance.now();
  ({ quality, pairs, sorting })[test.task](trial, answer);
}

function done(trial, answer, missing) {
  if (missing) return say(missing);
  answer.seconds += Math.round((performance.now() - answer.began) / 100) / 10;
  answer.done = true;
  saved.at++;
  keep();
  next();
}

function hearAll(trials) {
  const sounds = shuffled([...new Set(trials.filter((t) => !t.always).flatMap((t) => t.sounds))], "all");
  const list = make("div", { className: "buttons" }, ...sounds.map((sound, at) => button(`${at + 1}`, (event) => play(sound, event.currentTarget), { "aria-label": `Play sound ${at + 1}` })));
  show("First, hear all sounds", make("p", { textContent: "Hear how different they can be before you rate." }), list,
    button("Go on", () => { saved.heard = true; keep(); next(); }, { className: "main", id: "next" }));
}

const counted = (answer, sound) => { answer.plays[sound] = (answer.plays[sound] || 0) + 1; keep(); };

function slider(answer, key, label) {
  const output = make("output", { textContent: "not rated" });
  const input = make("input", { type: "range", min: 0, max: 100, step: 1, value: answer.values[key] ?? 50, "aria-label": label });
  const tell = () => {
    const value = answer.values[key];
    const word = value === undefined ? "not rated" : words[test.task][Math.min(4, Math.floor(value / 20))];
    input.setAttribute("aria-valuetext", value === undefined ? word : `${value}, ${word}`);
    output.textContent = value === undefined ? word : test.task === "quality" ? `${value} ${word}` : value;
    input.classList.toggle("untouched", value === undefined);
  };
  const set = () => { answer.values[key] = Number(input.value); tell(); keep(); };
  input.oninput = set;
  input.onclick = set;
  input.onkeydown = (event) => { if (event.key === "Enter") set(); };
  tell();
  return [input, output];
}

function quality(trial, answer) {
  const sounds = shuffled(trial.sounds, trial.id);
  const names = sounds.map((_, at) => String.fromCharCode(65 + at));
  const rows = sounds.map((sound, at) =>
    make("div", { className: "row", role: "group", "aria-label": `Sound ${names[at]}` },
      button(`Sound ${names[at]}`, (event) => { play(sound, event.currentTarget); counted(answer, sound); }, { "data-key": at + 1 }),
      ...slider(answer, sound, `Rating of sound ${names[at]}, 0 to 100`)));
  show(`Trial ${saved.at + 1}`, make("p", { textContent: "How close is each sound to the reference?" }),
    make("div", { className: "buttons" }, button("Reference", (event) => { play(trial.reference, event.currentTarget); counted(answer, trial.reference); }, { className: "main", "data-key": 0 })),
    make("div", { className: "scale", "aria-hidden": true }, make("span", { className: "five" }, ...words.quality.map((word) => make("i", { textContent: word })))),
    ...rows, make("div", { className: "buttons" }, button("Next", () => {
      const open = names.filter((_, at) => !answer.plays[sounds[at]] || answer.values[sounds[at]] === undefined);
      const heard = answer.plays[trial.reference];
      done(trial, answer, !heard ? "Play the reference first." : open.length ? `Play and rate: ${open.join(", ")}.` : "");
    }, { className: "main", id: "next" })));
}

function pairs(trial, answer) {
  const sounds = shuffled(trial.sounds, trial.id);
  const hear = (at, element) => { counted(answer, sounds[at]); return play(sounds[at], element); };
  const buttons = ["First sound", "Second sound"].map((name, at) => button(name, (event) => hear(at, event.currentTarget), { "data-key": at + 1 }));
  const both = button("Play both", async () => { await hear(0, buttons[0]); await new Promise((go) => setTimeout(go, 300)); if (!current && buttons[1].isConnected) hear(1, buttons[1]); }, { className: "main", "data-key": 0 });
  show(`Trial ${saved.at + 1}`, make("p", { textContent: "How different are the two sounds?" }),
    make("div", { className: "buttons" }, both, ...buttons),
    make("div", { className: "scale", "aria-hidden": true }, make("span", {}, make("i", { textContent: "the same" }), make("i", { textContent: "very different" }))),
    make("div", { className: "row" }, make("span", { textContent: "Difference" }), ...slider(answer, "pair", "How different, 0 to 100")),
    make("div", { className: "buttons" }, button("Next", () => done(trial, answer,
      sounds.some((sound) => !answer.plays[sound]) ? "Play both sounds first." : answer.values.pair === undefined ? "Rate how different they are: move the slider." : ""), { className: "main", id: "next" })));
}

function sorting(trial, answer) {
  const sounds = shuffled(trial.sounds, trial.id);
  const names = new Map(sounds.map((sound, at) => [sound, `Sound ${at + 1}`]));
  let chosen = null;
  const area = make("div");
  const tile = (sound) => button(names.get(sound), (event) => {
    chosen = sound;
    for (const one of area.querySelectorAll("[data-sound]")) one.setAttribute("aria-pressed", one === event.currentTarget);
    play(sound, event.currentTarget);
    counted(answer, sound);
  }, { "data-sound": sound, "aria-pressed": sound === chosen });
  const put = (group) => {
    if (!chosen) return say("Choose a sound first: press its button.");
    const moved = chosen;
    if (group) answer.groups[moved] = group; else delete answer.groups[moved];
    keep();
    say("");
    draw();
    area.querySelector(`[data-sound="${moved}"]`).focus();
  };
  const box = (title, members, group, text) => make("section", { className: "group", "aria-label": title }, make("h3", { textContent: title }),
    make("div", { className: "tiles" }, ...members.map(tile)), button(text, () => put(group), { "data-group": group }));
  const draw = () => {
    stop();
    const used = [...new Set(Object.values(answer.groups))].sort((a, b) => a - b);
    const fresh = Math.max(0, ...used) + 1;
    const rest = sounds.filter((sound) => !answer.groups[sound]);
    area.replaceChildren(box(`Not sorted yet: ${rest.length}`, rest, 0, "Take the chosen sound out of its group"),
      ...used.map((group, at) => box(`Group ${at + 1}`, sounds.filter((sound) => answer.groups[sound] === group), group, "Put the chosen sound here")),
      box("A new group", [], fresh, "Put the chosen sound into a new group"));
  };
  show("Sort the sounds", make("p", { textContent: "Press a sound to hear and choose it; then press the button of a group." }), area,
    make("div", { className: "buttons" }, button("Finish", () => {
      const rest = sounds.filter((sound) => !answer.groups[sound]);
      const count = new Set(Object.values(answer.groups)).size;
      done(trial, answer, rest.length ? `Sort the other ${rest.length} too.` : count < 2 ? "Make two groups or more." : "");
    }, { className: "main", id: "next" })));
  draw();
}

// --- the results
function rows() {
  const result = [columns];
  order().forEach((trial, at) => {
    const answer = saved.answers[trial.id];
    if (!answer?.done) return;
    const row = (sound, other, value, plays) => result.push([test.id, saved.participant, trial.id, at + 1, sound, other, value, plays, answer.seconds]);
    if (test.task === "pairs") {
      const [first, second] = shuffled(trial.sounds, trial.id);
      row(first, second, answer.values.pair, answer.plays[first] + answer.plays[second]);
    } else for (const sound of trial.sounds) row(sound, "", (test.task === "sorting" ? answer.groups : answer.values)[sound], answer.plays[sound] || 0);
  });
  return result.map((cells) => cells.join(",")).join("\n") + "\n";
}

function finish() {
  document.getElementById("progress").textContent = "Done";
  const text = rows(), name = `${test.id}-${saved.participant}.csv`;
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: name, hidden: true });
  const area = make("textarea", { value: text, readOnly: true, id: "csv", "aria-label": "Your answers as text" });
  show("Thank you", make("p", { textContent: `Save your answers and send the file ${name} to the person who gave you this test.` }), link,
    make("div", { className: "buttons" }, button("Save my answers", () => link.click(), { className: "main", id: "save" }),
      button("Copy them as text", async () => {
        area.select();
        try { await navigator.clipboard.writeText(text); } catch { document.execCommand("copy"); }
        say("Copied.");
      }), button("Next listener", () => { if (confirm("Are the answers saved? They are removed from this browser.")) { forget(); welcome(); } })),
    area, ...(keeps ? [] : [make("p", { textContent: "This browser keeps nothing: save before you close this page." })]));
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=range]), textarea")) return;
  if (event.key === "Escape") stop();
  const found = /^[0-9]$/.test(event.key) && main.querySelector(`[data-key="${event.key}"]`);
  if (found) { event.preventDefault(); found.click(); }
});
document.getElementById("title").textContent = document.title = test.title;
load();
saved ??= null;
welcome();
document.documentElement.dataset.ready = "";
