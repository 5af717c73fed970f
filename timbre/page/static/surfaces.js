// What the map shows: a plane of the space, or a view such as UMAP. Both have coordinates for points, and points for coordinates.
const NEAR = 4; // notes of a view whose points are mixed

export class Plane {
  constructor({ kind, origin, directions, readout, labels, extent, isometric }) {
    Object.assign(this, { kind, origin, directions, readout, labels, extent, isometric });
  }

  // Coordinates u and v of a point.
  coordinates(z) {
    return this.readout.map((row) => row.reduce((sum, weight, n) => sum + weight * (z[n] - this.origin[n]), 0));
  }

  // The point at coordinates u and v of the plane.
  point([u, v]) {
    const { origin, directions } = this;
    return origin.map((value, n) => value + u * directions[0][n] + v * directions[1][n]);
  }

  // A point moved along the directions of the plane; its offset from the plane stays.
  moved(z, du, dv) {
    const { directions } = this;
    return Array.from(z, (value, n) => value + du * directions[0][n] + dv * directions[1][n]);
  }
}

// Positions of notes without a way back: between notes, points are mixtures of those of the four nearest in the view.
export class View {
  constructor({ name, positions, labels, extent }, { points, dim }) {
    Object.assign(this, { kind: name, positions, labels, extent, points, dim, isometric: true });
    this.last = [];
  }

  // Coordinates of a point: where it was chosen in the view, or else between the positions of the nearest notes.
  coordinates(z) {
    const [known, at] = this.last;
    if (known && known.every((value, n) => Math.abs(value - z[n]) < 1e-6)) return at;
    return mixture(nearest(this.points, this.dim, z), this.positions, 2);
  }

  point(at) {
    const z = mixture(nearest(this.positions, 2, at), this.points, this.dim);
    this.last = [z, Array.from(at)];
    return z;
  }

  moved(z, du, dv) {
    const [u, v] = this.coordinates(z);
    return this.point([u + du, v + dv]);
  }
}

// The rows nearest to a value, with weights: of the inverse squared distances, which the next one no longer has.
function nearest(rows, dim, to) {
  const found = [];
  for (let n = 0; n * dim < rows.length; n++) {
    let square = 0;
    for (let k = 0; k < dim; k++) square += (rows[n * dim + k] - to[k]) ** 2;
    if (found.length > NEAR && square >= found.at(-1)[1]) continue;
    const place = found.findIndex(([, other]) => square < other);
    found.splice(place < 0 ? found.length : place, 0, [n, square]);
    found.length = Math.min(found.length, NEAR + 1);
  }
  const edge = found.length > NEAR ? found.pop()[1] : Infinity;
  const weights = found.map(([, square]) => 1 / Math.max(square, 1e-12) - 1 / Math.max(edge, 1e-12));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return found.map(([n], k) => [n, sum > 0 ? weights[k] / sum : 1 / found.length]);
}

function mixture(shares, rows, dim) {
  return Array.from({ length: dim }, (_, k) => shares.reduce((sum, [n, share]) => sum + share * rows[n * dim + k], 0));
}
