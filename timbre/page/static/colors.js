// Colours of notes and of the heat map.
const TEN = ["#4f86c6", "#ef8a35", "#d9534f", "#45a9a2", "#57a64a", "#d6b12c", "#a974b8", "#ee7fa0", "#9a7557", "#8b949e"];

export function palette(words) {
  const unique = [...new Set(words)].sort();
  const color = (n) => (unique.length <= TEN.length ? TEN[n] : `hsl(${(n * 137.508) % 360} ${55 + 20 * (n % 2)}% ${48 + 9 * (n % 3)}%)`);
  return new Map(unique.map((word, n) => [word, color(n)]));
}

export function pitchColor(pitch) {
  if (pitch === null) return "#8b949e";
  const share = Math.min(1, Math.max(0, (pitch - 28) / 68));
  return `hsl(${250 - 215 * share} 65% 55%)`;
}

export function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// Colours of the heat map, from the lowest value (0) to the highest (1).
export function ramp() {
  const [from, to] = ["--heat-0", "--heat-1"].map((name) => css(name).split(",").map(Number));
  return (share) => from.map((value, n) => value + share * (to[n] - value));
}
