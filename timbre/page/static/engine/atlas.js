// The library notes of a space: the nearest sounds to a point, and random points (timbre/space/dissimilarity.py, prior.py).
const SAME = 0.01; // dissimilarity below which two sounds are one
const NEAREST = 8, AROUND = 40, STAY = Math.SQRT1_2, SPREAD = 0.3; // of random points
const HALVINGS = 52, POLISHINGS = 4;

export class Atlas {
  // `facts` has instruments, pitches and the rest of each note; `tensors` their points.
  constructor(facts, tensors, decoder, flow) {
    Object.assign(this, { facts, decoder, dim: facts.dim });
    this.points = tensors.get("points");
    this.count = this.points.length / this.dim;
    this.trained = tensors.get("trained");
    this.ear = new Ear(tensors, decoder, flow);
    const kinds = new Map();
    this.sounds = Array.from({ length: this.count }, (_, n) => {
      const pitch = facts.pitches[n], name = pitch === null ? `${n}` : `${facts.instruments[n]} ${Math.round(pitch)}`;
      if (!kinds.has(name)) kinds.set(name, kinds.size);
      return kinds.get(name);
    });
  }

  point(n) {
    return this.points.subarray(n * this.dim, (n + 1) * this.dim);
  }

  // What is heard of every note at middle C; computed once.
  get heard() {
    this.known ??= Array.from({ length: this.count }, (_, n) => this.ear.heard(this.point(n)));
    return this.known;
  }

  // The library notes nearest to a point that are different sounds: [number, dissimilarity], nearest first.
  nearest(point) {
    const own = this.ear.heard(point), { heard, sounds } = this;
    const order = heard.map((other, n) => [n, distance(own, other)]).sort((a, b) => a[1] - b[1]);
    const chosen = [], taken = new Set();
    for (const [n, away] of order) {
      if (chosen.length === NEAREST) break;
      const twin = chosen.some(([other, near]) => away - near < SAME && distance(heard[n], heard[other]) < SAME);
      if (!taken.has(sounds[n]) && !twin) chosen.push([n, away]);
      taken.add(sounds[n]);
    }
    return chosen;
  }

  // A random point where notes lie, or near a point.
  draw(near = null) {
    const { dim } = this, notes = [...this.trained.keys()].filter((n) => this.trained[n]);
    if (notes.length < 2) return Array.from({ length: dim }, gaussian);
    const chosen = this.point(notes[Math.floor(Math.random() * notes.length)]);
    const around = notes.map((n) => [distance(chosen, this.point(n)), this.point(n)]).sort((a, b) => a[0] - b[0]).slice(0, AROUND).map(([, point]) => point);
    const mean = average(around, dim), noise = around.map(() => gaussian() / Math.sqrt(around.length));
    const wide = mean.map((value, k) => around.reduce((sum, point, n) => sum + noise[n] * (point[k] - value), 0));
    const drawn = mean.map((value, k) => value + STAY * (chosen[k] - value) + Math.sqrt(1 - STAY ** 2) * wide[k]);
    if (!near) return drawn;
    const middle = average(notes.map((n) => this.point(n)), dim);
    return drawn.map((value, k) => middle[k] + Math.sqrt(1 - SPREAD ** 2) * (near[k] - middle[k]) + SPREAD * (value - middle[k]));
  }
}

const average = (points, dim) => Array.from({ length: dim }, (_, k) => points.reduce((sum, point) => sum + point[k], 0) / points.length);
const gaussian = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

function distance(a, b) {
  let sum = 0;
  for (let n = 0; n < a.length; n++) sum += (a[n] - b[n]) ** 2;
  return Math.sqrt(sum);
}

// Heard coordinates of points at middle C, whose distances are dissimilarities: the base of the posterior's flow, each
// times its scale; or a linear map that stands for them.
class Ear {
  constructor(tensors, decoder, weights) {
    const { dim } = decoder;
    this.decoder = decoder;
    this.scale = tensors.get("heard.scale");
    if (tensors.has("heard.matrix")) [this.matrix, this.offset] = [tensors.get("heard.matrix", [this.scale.length, dim]), tensors.get("heard.offset", this.scale.length ? [this.scale.length] : null)];
    else if (weights.has("flow.u")) {
      const [layers] = weights.shape("flow.u");
      const [u, w, b, product] = [["u", [layers, dim]], ["w", [layers, dim]], ["b", [layers]], ["product", [layers]]].map(([name, shape]) => weights.get(`flow.${name}`, shape));
      this.flow = Array.from({ length: layers }, (_, n) => ({ u: u.subarray(n * dim, (n + 1) * dim), w: w.subarray(n * dim, (n + 1) * dim), b: b[n], product: product[n] })).reverse();
    }
  }

  heard(point) {
    if (this.matrix) return Float64Array.from(this.scale, (_, k) => this.offset[k] + point.reduce((sum, value, n) => sum + this.matrix[k * point.length + n] * value, 0));
    const z = Float64Array.from(this.decoder.toLatent(point, 60));
    for (const { u, w, b, product } of this.flow || []) {
      const along = z.reduce((sum, value, n) => sum + w[n] * value, 0), value = Math.tanh(solved(along, product, b) + b);
      for (let n = 0; n < z.length; n++) z[n] -= u[n] * value;
    }
    return Float64Array.from(this.scale, (scale, k) => scale * z[k]);
  }
}

// The a for which a + product tanh(a + b) is the target: by bisection, then by Newton's steps for the last digits.
function solved(target, product, b) {
  let low = target - Math.abs(product), high = target + Math.abs(product);
  for (let n = 0; n < HALVINGS; n++) {
    const middle = 0.5 * (low + high);
    if (middle + product * Math.tanh(middle + b) < target) low = middle;
    else high = middle;
  }
  let a = 0.5 * (low + high);
  for (let n = 0; n < POLISHINGS; n++) {
    const value = Math.tanh(a + b);
    a = Math.min(Math.max(a - (a + product * value - target) / (1 + product * (1 - value * value)), low), high);
  }
  return a;
}
