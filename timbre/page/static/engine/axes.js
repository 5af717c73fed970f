// Named axes: what moves a sound along them, and about where it lies on them.
//
// The app measures the sound of every point. Here the values of library notes, measured by the export, tell those of the
// points between them: a line through all notes, and what the nearest notes differ from it.
const NEAR = 12; // notes
const LARGEST = 3; // of a value
const STEPS = 12, CLOSE = 0.02; // until a value is met

export class Axes {
  constructor(names, tensors, dim) {
    Object.assign(this, { names, dim });
    const count = names.length;
    if (!count) return;
    [this.directions, this.slopes] = [tensors.get("axes.directions", [count, dim]), tensors.get("axes.slopes", [count, dim + 1])];
    [this.points, this.values, this.scale] = [tensors.get("axes.points"), tensors.get("axes.values"), tensors.get("axes.scale", [dim])];
  }

  // What to add to a point so that its sound has `step` more of an axis.
  offset(name, step) {
    const n = this.names.indexOf(name);
    return Array.from(this.directions.subarray(n * this.dim, (n + 1) * this.dim), (value) => step * value);
  }

  line(n, point, from = 0) {
    const { dim, slopes } = this;
    let sum = slopes[n * (dim + 1) + dim];
    for (let k = 0; k < dim; k++) sum += slopes[n * (dim + 1) + k] * point[from + k];
    return sum;
  }

  // Values of a point's sound on all axes, -3 to 3.
  at(point) {
    const { points, dim, scale, names, values } = this, found = [];
    for (let n = 0; n * dim < points.length; n++) {
      let square = 1e-9;
      for (let k = 0; k < dim; k++) square += ((points[n * dim + k] - point[k]) / scale[k]) ** 2;
      if (found.length === NEAR + 1 && square >= found[NEAR][1]) continue;
      const place = found.findIndex(([, other]) => square < other);
      found.splice(place < 0 ? found.length : place, 0, [n, square]);
      found.length = Math.min(found.length, NEAR + 1);
    }
    const edge = found.length > NEAR ? found.pop()[1] : Infinity, shares = found.map(([, square]) => 1 / square - 1 / edge);
    const sum = shares.reduce((total, share) => total + share, 0) || 1;
    return names.map((_, axis) => {
      const rest = found.reduce((total, [n], k) => total + shares[k] * (values[n * names.length + axis] - this.line(axis, points, n * dim)), 0);
      return Math.min(Math.max(this.line(axis, point) + rest / sum, -LARGEST), LARGEST);
    });
  }

  // The point whose sound has a value on an axis, or is as near to it as the space has one.
  moved(point, name, value) {
    const axis = this.names.indexOf(name);
    let at = Array.from(point), best = [Infinity, at];
    for (let n = 0; n < STEPS && best[0] > CLOSE; n++) {
      const away = value - this.at(at)[axis];
      if (Math.abs(away) >= best[0]) break;
      best = [Math.abs(away), at];
      const step = this.offset(name, away);
      at = at.map((one, k) => one + step[k]);
    }
    return best[1];
  }
}
