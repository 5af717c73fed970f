// Reads tensors from a file in the safetensors format: the length of a header of JSON, the header, and the numbers.
const TYPES = { F16: 2, F32: 4, I32: 4 }; // bytes
const MOST_HEADER = 1 << 20; // bytes

export class Tensors {
  // Checks the whole header before anything is read; throws an Error with one sentence.
  constructor(buffer, name = "The file") {
    const view = new DataView(buffer), size = buffer.byteLength >= 8 ? Number(view.getBigUint64(0, true)) : 0;
    if (!(size > 1 && size <= MOST_HEADER && 8 + size <= buffer.byteLength)) throw damaged(name);
    let header;
    try {
      header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(buffer, 8, size)));
    } catch {
      throw damaged(name);
    }
    this.name = name;
    this.data = new DataView(buffer, 8 + size);
    this.entries = new Map();
    for (const [key, entry] of Object.entries(header || {})) {
      if (key !== "__metadata__") this.entries.set(key, checked(entry, this.data.byteLength, name));
    }
  }

  has(key) {
    return this.entries.has(key);
  }

  shape(key) {
    return this.entry(key).shape;
  }

  entry(key) {
    const entry = this.entries.get(key);
    if (!entry) throw new Error(`${this.name} must contain ${key}; export the space again.`);
    return entry;
  }

  // The numbers of a tensor, which must have a shape, if one is given: Int32Array for I32, otherwise Float32Array.
  get(key, shape = null) {
    const { type, shape: own, begin, count } = this.entry(key);
    if (shape && (shape.length !== own.length || shape.some((size, n) => size !== own[n]))) {
      throw new Error(`${key} in ${this.name} must have the shape ${shape.join(" x ")}, got ${own.join(" x ")}; export the space again.`);
    }
    const out = type === "I32" ? new Int32Array(count) : new Float32Array(count);
    const read = { F16: (at) => half(this.data.getUint16(at, true)), F32: (at) => this.data.getFloat32(at, true), I32: (at) => this.data.getInt32(at, true) }[type];
    for (let n = 0; n < count; n++) out[n] = read(begin + n * TYPES[type]);
    if (out.some((value) => !Number.isFinite(value))) throw new Error(`${key} in ${this.name} must have finite numbers; export the space again.`);
    return out;
  }
}

function checked(entry, size, name) {
  const { dtype, shape, data_offsets: offsets } = entry || {};
  const whole = (values) => Array.isArray(values) && values.every((value) => Number.isSafeInteger(value) && value >= 0);
  if (!(dtype in TYPES) || !whole(shape) || !whole(offsets) || offsets.length !== 2) throw damaged(name);
  const count = shape.reduce((product, side) => product * side, 1), [begin, end] = offsets;
  if (end > size || end - begin !== count * TYPES[dtype]) throw damaged(name);
  return { type: dtype, shape, begin, count };
}

function damaged(name) {
  return new Error(`${name} must be a safetensors file of timbre, got a damaged one; export the space again.`);
}

// A number from its 16 bits (IEEE 754 binary16).
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 0) return (sign * fraction) / (1 << 24);
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * 2 ** (exponent - 25) * (1024 + fraction);
}
