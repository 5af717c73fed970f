// Mapping files, as timbre/playback/inputs/mapping.py reads and writes them: TOML of plain keys, and of tables in lists.
// What is wrong with one is said in an Error with one sentence.
import { SOUND_OFF } from "./channels.js";
import { control, isCommon, limitsOf, noteControl, reserved, sourceOf, usualMapping } from "./mapping.js";

const MOST = 1 << 20, LONGEST = 1000; // bytes of a file, characters of a line
const SOURCES = ["slide", "pressure", "bend", "release", "velocity"], STYLES = ["absolute", "relative"];
const CURVES = [0.1, 10], COMMON = { __proto__: null, gain: [-100, 24], bend_range: [0, 48] };
const isWhole = (value) => typeof value === "bigint";
const KINDS = {
  "a text": (value) => typeof value === "string",
  "a whole number": isWhole,
  "a number": (value) => isWhole(value) || typeof value === "number",
  "a text or a whole number": (value) => isWhole(value) || typeof value === "string",
};
const SHAPE = { to: "a text or a whole number", low: "a number", high: "a number", curve: "a number" };
const FIELDS = { control: { cc: "a whole number", ...SHAPE }, note: { source: "a text or a whole number", ...SHAPE, style: "a text" } };
const REQUIRED = ["cc", "source", "to"];

const short = (text) => (text.length > 60 ? `${text.slice(0, 59)}…` : text);
const shown = (value) => (typeof value === "string" ? `'${short(value)}'` : short(String(value ?? "none")));
const within = (value, [low, high]) => low <= value && value <= high;
function require(fine, sentence) {
  if (!fine) throw new Error(sentence);
}

// The mapping of a file, {name, size, arrayBuffer()}, for a space; `presets` are the names of those that there are.
export async function loadMapping(file, space, presets) {
  require(file.size <= MOST, `${file.name} must be a mapping file of 1 MiB or less, got ${file.size.toLocaleString("en")} bytes; choose another file.`);
  try {
    return readMapping(new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer()), space, presets);
  } catch (error) {
    throw new Error(`${file.name}: ${error instanceof TypeError ? "a mapping file must be text in UTF-8; choose another file." : error.message}`);
  }
}

export function readMapping(text, space, presets) {
  const { keys, tables } = readToml(text);
  for (const key of [...keys.keys(), ...tables.keys()]) require(["format", "version", "control", "note"].includes(key), `Unknown setting ${key}; the settings are: format, version, control, note.`);
  require(keys.get("format") === "timbre-mapping", `format must be 'timbre-mapping', got ${shown(keys.get("format"))}; choose a mapping file.`);
  require(keys.get("version") === 1n, `version must be one of 1, got ${shown(keys.get("version"))}.`);
  const listed = (name) => tables.get(name) ?? keys.get(name) ?? [];
  for (const name of ["control", "note"]) require(Array.isArray(listed(name)), `${name} must be a list of tables, got ${shown(keys.get(name))}.`);
  for (const name of ["format", "version"]) require(!tables.has(name), `${name} must be given once, and is no table.`);
  const controls = listed("control").map((table, n) => readControl(fields("control", table, `control ${n + 1}.`), space));
  const notes = listed("note").map((table, n) => readNote(fields("note", table, `note ${n + 1}.`), space, presets));
  require(new Set(controls.map(({ cc }) => cc)).size === controls.length, "Each controller must have one entry in the mapping, got two; remove one.");
  require(new Set(notes.map((one) => `${sourceOf(one)} ${typeof one.to} ${one.to}`)).size === notes.length, "Each way to shape a note must have one entry in the mapping, got two; remove one.");
  return { controls, notes: tables.has("note") || keys.has("note") ? notes : usualMapping(space).notes };
}

export function writeMapping({ controls, notes }) {
  const lines = ['format = "timbre-mapping"', "version = 1", ...(notes.length ? [] : ["note = []"])];
  for (const [name, entries] of [["control", controls], ["note", notes]]) {
    for (const entry of entries) lines.push("", `[[${name}]]`, ...Object.entries(entry).map(([key, value]) => `${key} = ${JSON.stringify(value)}`));
  }
  return `${lines.join("\n")}\n`;
}

// The values of a table by their keys, as plain numbers and texts.
function fields(kind, table, prefix) {
  const kinds = FIELDS[kind], found = {};
  for (const key of table.keys()) require(Object.hasOwn(kinds, key), `Unknown setting ${prefix}${key}; the settings are: ${Object.keys(kinds).join(", ")}.`);
  for (const key of REQUIRED) require(!(key in kinds) || table.has(key), `${prefix}${key} must be given, got none.`);
  for (const [key, value] of table) {
    require(KINDS[kinds[key]](value), `${prefix}${key} must be ${kinds[key]}, got ${shown(value)}.`);
    found[key] = isWhole(value) ? Number(value) : value;
    require(typeof value === "string" || Number.isFinite(found[key]), `${prefix}${key} must be a finite number, got ${shown(value)}.`);
  }
  return found;
}

function readControl(given, space) {
  const { cc, to } = given, { axes, dim } = space;
  require(within(cc, [0, SOUND_OFF - 1]) && !reserved(cc), `A controller must be a number from 0 to 119 except 6, 38, 64 and 98 to 101, got ${cc}.`);
  const known = typeof to === "number" ? within(to, [0, dim - 1]) : [...axes, ...Object.keys(COMMON)].includes(to);
  require(known, `There is no axis ${shown(to)} for a controller; there are ${[...axes, `0 to ${dim - 1}`, "gain"].join(", ")} and bend_range.`);
  return shaped({ ...control(space, cc, to), ...given }, `Controller ${cc}`, COMMON[to] || limitsOf(to));
}

function readNote(given, space, presets) {
  const { source, to, style } = given, { axes, dim } = space;
  require(typeof source === "string" ? SOURCES.includes(source) : within(source, [0, SOUND_OFF - 1]), `What shapes a note must be one of ${SOURCES.join(", ")}, or the number of a controller from 0 to 119, got ${shown(source)}.`);
  require(!reserved(source), `Controllers 6, 38, 64 and 98 to 101 must not shape notes, got ${source}.`);
  const known = typeof to === "number" ? within(to, [0, dim - 1]) : ["bend", "gain", ...axes].includes(to) || !isCommon(to);
  require(known, `A note must be shaped along ${[...axes, `0 to ${dim - 1}`, "bend", "gain"].join(", ")} or towards:PRESET, got ${shown(to)}.`);
  const preset = isCommon(to) || to === "bend" ? null : to.slice(to.indexOf(":") + 1);
  require(preset === null || presets.includes(preset), `There is no preset ${shown(preset)}; save it in this page first, or name another one.`);
  require(style === undefined || STYLES.includes(style), `style must be one of ${STYLES.join(", ")}, got ${shown(style)}.`);
  return shaped({ ...noteControl(source, to, style), ...given }, String(source), limitsOf(to));
}

function shaped(entry, name, limits) {
  const { to, low, high, curve } = entry;
  require(within(low, limits) && within(high, limits), `${name} must move ${to} between ${limits.join(" and ")}, got ${low} to ${high}.`);
  require(within(curve, CURVES), `${name} must have a curve from 0.1 to 10, got ${curve}.`);
  return entry;
}

// TOML that has one value in each line: a text, a number, true, false or an empty list; and tables in lists, [[name]].
// Whole numbers are of the type bigint.
const KEY = /^([A-Za-z0-9_-]+)[ \t]*=[ \t]*/, TABLE = /^\[\[[ \t]*([A-Za-z0-9_-]+)[ \t]*\]\]/, REST = /^[ \t]*(?:#[^\x00-\x08\x0a-\x1f\x7f]*)?$/;
const DIGITS = "(?:0|[1-9](?:_?\\d)*)", PLAIN = (text) => text.replaceAll("_", "");
const VALUES = [
  [/^"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\(?:[btnfr"\\]|u[\da-fA-F]{4}|U[\da-fA-F]{8}))*"(?!")/, quoted],
  [/^'[^'\x00-\x08\x0a-\x1f\x7f]*'(?!')/, (text) => text.slice(1, -1)],
  [new RegExp(`^[+-]?${DIGITS}(?![\\w.])`), (text) => BigInt(PLAIN(text).replace("+", ""))],
  [new RegExp(`^[+-]?${DIGITS}(?:\\.\\d(?:_?\\d)*)?(?:[eE][+-]?\\d(?:_?\\d)*)?(?![\\w.])`), (text) => Number(PLAIN(text))],
  [/^[+-]?(?:inf|nan)(?!\w)/, (text) => Number(text.replace("inf", "Infinity"))],
  [/^(?:true|false)(?!\w)/, (text) => text === "true"],
  [/^\[[ \t]*\]/, () => []],
];

function quoted(text) {
  const codes = text.replace(/\\(?:U([\da-fA-F]{8})|u([\da-fA-F]{4})|.)/g, (whole, long, short) => {
    const code = parseInt(long || short, 16);
    require(Number.isNaN(code) || (code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000)), `a text must contain characters of Unicode, got ${whole}.`);
    return long ? JSON.stringify(String.fromCodePoint(code)).slice(1, -1) : whole;
  });
  return JSON.parse(codes.replaceAll("\t", "\\t"));
}

function readToml(text) {
  const keys = new Map(), tables = new Map();
  let current = keys;
  text.split(/\r?\n/).forEach((whole, n) => {
    const line = whole.replace(/^[ \t]+/, ""), said = `line ${n + 1}`, [, name] = TABLE.exec(line) || [];
    require(whole.length <= LONGEST, `${said} must have ${LONGEST} characters or fewer, got ${whole.length}.`);
    if (REST.test(line)) return;
    if (name) {
      require(REST.test(line.replace(TABLE, "")) && !keys.has(name), `${said} must be [[${name}]] alone, and ${name} no key besides, got ${shown(line)}.`);
      tables.set(name, [...(tables.get(name) || []), (current = new Map())]);
      return;
    }
    const [start, key] = KEY.exec(line) || [""], rest = line.slice(start.length);
    const [form, value] = VALUES.find(([form]) => form.test(rest)) || [];
    require(key && form && REST.test(rest.replace(form, "")), `${said} must be KEY = VALUE or [[TABLE]], got ${shown(line)}; the page reads no other TOML.`);
    require(!current.has(key), `${said} must not give ${key} again.`);
    current.set(key, value(form.exec(rest)[0]));
  });
  return { keys, tables };
}
