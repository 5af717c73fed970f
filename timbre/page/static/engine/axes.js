// Named axes: where the sound of a point lies on them, and the nearest point whose sound lies elsewhere.
//
// The app decodes a sound to measure it. Here a small network tells its values; the export has fitted it to measured sounds
// (timbre/exporting/web/axes.py, whose AxisNetwork has the same functions).
const LARGEST = 3, STRAIGHT = 2, FURTHEST = 2.95; // of a value; values beyond STRAIGHT are compressed
const STEPS = 8, LONGEST = 1; // steps to another value, and standard deviations of the longest
const EXACT = 0.05, SOFT = 0.5, LEASH = 0.3; // errors of the axis that moves, and of others; weight of a squared distance
const GRID = 0.5; // of values between which the points of a note are interpolated

const beyond = (value, how) => (Math.abs(value) > STRAIGHT ? Math.sign(value) * (STRAIGHT + how(Math.abs(value) - STRAIGHT)) : value);
const bend = (value) => beyond(value, Math.tanh);
const unbend = (value) => beyond(Math.min(Math.max(value, -FURTHEST), FURTHEST), Math.atanh);
const plus = (a, b, share = 1) => a.map((value, k) => value + share * b[k]);
const size = (a) => Math.sqrt(dot(a, a));
const sigmoid = (value) => 1 / (1 + Math.exp(-value));

export class Axes {
  constructor(names, tensors, dim) {
    this.names = names;
    if (!names.length) return;
    const get = (name, shape) => Array.from(tensors.get(`axes.${name}`, shape)), [width] = tensors.shape("axes.layers.2.bias");
    [this.mean, this.scale, [this.radius]] = [get("mean", [dim]), get("scale", [dim]), get("radius", [1])];
    const shapes = { 0: [width, dim], 2: [width, width], 4: [names.length, width] };
    this.layers = Object.entries(shapes).map(([n, [to, from]]) => {
      const values = get(`layers.${n}.weight`, [to, from]);
      return { rows: Array.from({ length: to }, (_, k) => Float64Array.from(values.slice(k * from, (k + 1) * from))), bias: get(`layers.${n}.bias`, [to]) };
    });
  }

  // Values of the sound of a point on all axes, -3 to 3.
  at(point) {
    return this.known(this.whitened(point)).values.map(bend);
  }

  whitened(point) {
    return this.mean.map((mean, k) => (point[k] - mean) / this.scale[k]);
  }

  // Values, not compressed, of a whitened point, and how they change with it.
  known(whitened) {
    const [last, ...hidden] = [...this.layers].reverse(), rates = [];
    let values = whitened;
    for (const layer of this.layers) {
      const sums = layer.rows.map((row, k) => dot(row, values) + layer.bias[k]);
      if (layer !== last) rates.unshift(sums.map((sum) => sigmoid(sum) * (1 + sum * (1 - sigmoid(sum)))));
      values = layer === last ? sums : sums.map((sum) => sum * sigmoid(sum));
    }
    const through = (slopes, { rows }, n) => slopes.map((slope) => combined(slope.map((value, k) => value * rates[n][k]), rows));
    return { values, slopes: hidden.reduce(through, last.rows) };
  }

  // The point whose sound has a value on an axis, or is as near to it as the space has one. The other values change little.
  moved(point, name, value) {
    const axis = this.names.indexOf(name), start = this.whitened(point), most = Math.max(this.radius, size(start));
    let at = start, here = this.known(at), best = [Infinity, start];
    const target = here.values.map((own, n) => (n === axis ? unbend(value) : own)), errors = target.map((_, n) => (n === axis ? EXACT : SOFT));
    for (let n = 0; ; n++) {
      const away = plus(target, here.values, -1), offset = plus(at, start, -1);
      const cost = away.reduce((sum, one, k) => sum + (one / errors[k]) ** 2, LEASH * dot(offset, offset));
      if (cost < best[0]) best = [cost, at];
      if (n === STEPS) return best[1].map((one, k) => this.mean[k] + this.scale[k] * one);
      const wanted = away.map((one, k) => one + dot(here.slopes[k], offset));
      const system = here.slopes.map((a, i) => here.slopes.map((b, j) => dot(a, b) + (i === j ? LEASH * errors[i] ** 2 : 0)));
      const step = plus(combined(solved(system, wanted), here.slopes), offset, -1);
      at = plus(at, step, Math.min(1, LONGEST / Math.max(size(step), 1e-9)));
      const inside = Math.min(1, most / Math.max(size(at), 1e-9));
      at = at.map((one) => one * inside);
      here = this.known(at);
    }
  }

  // How a note at a point moves by steps along axes: a function of the name and the step. It finds points once, and
  // answers from those that it has found.
  note(point) {
    const start = Array.from(point), own = this.names.length ? this.at(start) : [], found = new Map();
    const end = (name, step) => {
      const key = `${name} ${step}`;
      if (!found.has(key)) found.set(key, plus(this.moved(start, name, own[this.names.indexOf(name)] + step), start, -1));
      return found.get(key);
    };
    return (name, asked) => {
      const step = Math.min(Math.max(asked, -2 * LARGEST), 2 * LARGEST), low = Math.floor(step / GRID) * GRID, share = (step - low) / GRID;
      if (!share) return end(name, low);
      return plus(end(name, low).map((value) => (1 - share) * value), end(name, low + GRID), share);
    };
  }
}

function dot(a, b) {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}

// The sum of rows, each times its weight.
function combined(weights, rows) {
  const sum = new Float64Array(rows[0].length);
  for (let n = 0; n < rows.length; n++) {
    const row = rows[n], weight = weights[n];
    for (let k = 0; k < sum.length; k++) sum[k] += weight * row[k];
  }
  return sum;
}

// The solution of a symmetric positive definite system.
function solved(matrix, right) {
  const rows = matrix.map((row, n) => [...row, right[n]]), count = rows.length;
  for (let n = 0; n < count; n++) {
    for (let m = n + 1; m < count; m++) rows[m] = plus(rows[m], rows[n], -rows[m][n] / rows[n][n]);
  }
  const found = new Array(count).fill(0);
  for (let n = count - 1; n >= 0; n--) found[n] = (rows[n][count] - dot(found, rows[n])) / rows[n][n];
  return found;
}
