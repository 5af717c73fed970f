// Names of instruments on the map: the most frequent ones first, more of them as one zooms in, never one over another.
const AREA = 14000; // px² of the map for a name at first
const SMALLEST = 9, LARGEST = 160; // names
const ABOVE = 12, HEIGHT = 15; // px from a note to the line of its name, which the cursor does not hide there

export class Labels {
  constructor({ instruments }) {
    this.groups = new Map();
    instruments.forEach((name, n) => (this.groups.get(name) || this.groups.set(name, []).get(name)).push(n));
    this.order = [...this.groups.keys()].sort((a, b) => this.groups.get(b).length - this.groups.get(a).length || (a < b ? -1 : 1));
  }

  // Notes in the middle of their instruments, for positions of all notes: names stay there while the map moves.
  place(projected) {
    this.anchors = new Map(this.order.map((name) => [name, middle(this.groups.get(name), projected)]));
    this.projected = projected;
  }

  // What is written, and where: [name, x, y] for each name. `wanted` tells which notes count, or is null for all.
  written(map, wanted, measure) {
    const most = Math.min(LARGEST, Math.max(SMALLEST, Math.round((map.width * map.height * map.zoom) / AREA)));
    const taken = [], found = [];
    for (const name of this.order) {
      if (found.length >= most) break;
      const at = this.spot(map, name, wanted);
      if (!at) continue;
      const half = measure(name) / 2 + 4, x = Math.min(Math.max(at[0], half), map.width - half), y = at[1] - ABOVE;
      const box = [x - half, y - HEIGHT + 3, x + half, y + 3];
      if (taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) continue;
      taken.push(box);
      found.push([name, x, y]);
    }
    return found;
  }

  // Where an instrument's name goes: at its middle note, or at the middle one of those that are seen, or nowhere.
  spot(map, name, wanted) {
    const seen = (n) => {
      const [x, y] = map.place(n);
      return x > 0 && y > ABOVE + HEIGHT && x < map.width && y < map.height ? [x, y] : null;
    };
    const own = wanted ? this.groups.get(name).filter(wanted) : this.groups.get(name), anchor = this.anchors.get(name);
    if (!own.length) return null;
    if (!wanted || wanted(anchor)) {
      const at = seen(anchor);
      if (at) return at;
    }
    const near = own.filter(seen);
    return near.length ? seen(middle(near, this.projected)) : null;
  }
}

// The one of some notes that is nearest to their mean.
export function middle(notes, projected) {
  const mean = [0, 1].map((k) => notes.reduce((sum, n) => sum + projected[2 * n + k], 0) / notes.length);
  let best = notes[0], least = Infinity;
  for (const n of notes) {
    const square = (projected[2 * n] - mean[0]) ** 2 + (projected[2 * n + 1] - mean[1]) ** 2;
    if (square < least) [best, least] = [n, square];
  }
  return best;
}
