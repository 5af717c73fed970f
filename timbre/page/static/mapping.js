// What MIDI moves, as timbre/playback/inputs/mapping.py and timbre/synth/shaping.py have it: `controls` move what all notes have
// in common, {cc, to, low, high, curve}; `notes` shape each note by itself, {source, to, low, high, curve, style}. A target
// is "gain" (dB), the name of an axis or the number of a dimension; for notes also "bend" (semitones) and "towards:PRESET";
// for controls also "bend_range" (semitones).
import { CENTER, LARGEST, PARAMETERS, PEDAL, SLIDE, SOUND_OFF } from "./channels.js";

const LIMITS = { __proto__: null, bend: [-96, 96], gain: [-100, 24] }, RANGES = { __proto__: null, gain: [-100, 0], bend_range: [0, 12] };
const TOWARDS = "towards:", WHEEL = 1, KNOBS = [70, 71, 72, 73, 74, 75, 76, 77, 78, 79], VOLUME = 7;
export const reserved = (controller) => controller === PEDAL || controller >= SOUND_OFF || PARAMETERS.includes(controller);

export const sourceOf = (control) => (control.source === "slide" ? SLIDE : control.source);
export const clamp = (value, [low, high]) => Math.min(Math.max(value, low), high);
const isTowards = (to) => typeof to === "string" && to.startsWith(TOWARDS);
export const isCommon = (to) => to !== "bend" && !isTowards(to); // whether it can be moved for all notes at once
export const limitsOf = (to) => LIMITS[to] || (isTowards(to) ? [-2, 2] : [-100, 100]);

// What a controller sets at a position, 0 to 127.
export function controlled({ to, low, high, curve = 1 }, position) {
  const bent = (position / LARGEST) ** curve;
  if (to === "gain") return bent ? Math.max(low, high + 40 * Math.log10(bent)) : low;
  return low + bent * (high - low);
}

// What is added to a note at a position, 0 to 127.
function added({ low, high, curve = 1, style }, position) {
  if (style === "absolute") return low + (position / LARGEST) ** curve * (high - low);
  const away = position - CENTER, share = Math.abs(away) / (away < 0 ? CENTER : LARGEST - CENTER);
  return share ** curve * (away < 0 ? low : high);
}

// What some controls of notes add to each target; position(source) tells where a source stands.
export function valuesAt(controls, position) {
  const values = new Map();
  for (const control of controls) values.set(control.to, (values.get(control.to) || 0) + added(control, position(sourceOf(control))));
  for (const [to, value] of values) values.set(to, clamp(value, limitsOf(to)));
  return values;
}

// A control of notes with the usual range: from nothing for pressure, velocity and plain controllers, to both sides for others.
export function noteControl(source, to, style = usualStyle(source)) {
  const high = to === "gain" ? 6 : isTowards(to) ? 1 : 2;
  return { source, to, low: style === "absolute" ? 0 : -high, high, curve: 1, style };
}

function usualStyle(source) {
  return ["pressure", "velocity"].includes(source) || (typeof source === "number" && source !== SLIDE) ? "absolute" : "relative";
}

// A control of what all notes have in common, with the usual range.
export function control(space, cc, to) {
  const [low, high] = RANGES[to] || (typeof to === "number" ? space.ranges[to] : [-2, 2]);
  return { cc, to, low, high, curve: 1 };
}

export function usualMapping(space) {
  const targets = [...space.axes, ...space.ranges.keys()], slide = space.axes.includes("brightness") ? "brightness" : targets[0];
  const controls = [WHEEL, ...KNOBS].slice(0, targets.length).map((cc, n) => control(space, cc, targets[n]));
  return { controls: [...controls, control(space, VOLUME, "gain")], notes: [noteControl("slide", slide), noteControl("pressure", "gain")] };
}

// A mapping with one more entry, in place of those with the same source or the same target.
export function bound({ controls, notes }, entry) {
  if ("cc" in entry) return { controls: [...controls.filter((old) => old.cc !== entry.cc && old.to !== entry.to), entry], notes };
  return { controls, notes: [...notes.filter((old) => sourceOf(old) !== sourceOf(entry) && old.to !== entry.to), entry] };
}
