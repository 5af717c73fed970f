// Products of matrices and vectors, in WebAssembly with vectors of four floats; in JavaScript where a browser lacks them.
//
// The module has one function, so it is written here, instruction by instruction, and assembled in the page: no file and
// no compiler. The 725,000 products of a decoder take 0.05 ms so, and 1 ms in plain JavaScript.
const I32 = 0x7f, V128 = 0x7b;
const PAGE = 1 << 16; // bytes of WebAssembly memory

const number = (value) => {
  const bytes = []; // unsigned LEB128
  do bytes.push((value & 127) | (value > 127 ? 128 : 0));
  while ((value >>>= 7));
  return bytes;
};
const get = (n) => [0x20, n];
const set = (n) => [0x21, n];
const constant = (value) => [0x41, ...number(value)]; // 0 to 63
const plus = (n, value) => [get(n), constant(value), 0x6a, set(n)];
const vector = (code) => [0xfd, ...number(code)];
const load = (pointer) => [get(pointer), vector(0), 4, 0];
const zero = (n) => [vector(12), new Array(16).fill(0), set(n)];
const multiplied = [vector(230)], added = [vector(228)];
const sum = (n) => [0, 1, 2, 3].flatMap((lane) => [get(n), vector(31), lane, lane ? 0x92 : []]);
const repeat = (body, n, limit) => [0x03, 0x40, body, get(n), get(limit), 0x49, 0x0d, 0, 0x0b]; // while n < limit

// Rows of a matrix times a vector: y[row] = bias[row] + sum of w[row, k] x[k]. Parameters are places in memory: w, bias,
// x, y, the end of y, and the bytes of a row. Four rows go at a time, whose sums are independent, so that the processor
// need not wait; locals are the end of x, the place in x, the four sums, and the places in the four rows.
const PRODUCT = repeat(
  [
    [8, 9, 10, 11].map(zero),
    get(2), set(7), get(2), get(5), 0x6a, set(6),
    get(0), set(12), [13, 14, 15].map((row) => [get(row - 1), get(5), 0x6a, set(row)]),
    repeat([[12, 13, 14, 15].map((row, n) => [load(row), load(7), multiplied, get(8 + n), added, set(8 + n), plus(row, 16)]), plus(7, 16)], 7, 6),
    [8, 9, 10, 11].map((total, n) => [get(3), get(1), 0x2a, 2, 4 * n, sum(total), 0x92, 0x38, 2, 4 * n]),
    get(15), set(0), plus(1, 16), plus(3, 16),
  ],
  3,
  4,
);

const section = (code, ...content) => [code, ...sized(content)];
const sized = (content) => {
  const bytes = content.flat(Infinity);
  return [...number(bytes.length), ...bytes];
};
const name = (text) => [...number(text.length), ...new TextEncoder().encode(text)];

function assembled() {
  const bytes = [
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    section(1, 1, 0x60, 6, new Array(6).fill(I32), 0), // the type of the function
    section(2, 1, name("page"), name("memory"), 2, 0, 1), // imports
    section(3, 1, 0),
    section(7, 1, name("product"), 0, 0), // exports
    section(10, 1, sized([3, 2, I32, 4, V128, 4, I32, PRODUCT, 0x0b])),
  ];
  return new Uint8Array(bytes.flat(Infinity));
}

// Memory for weights and activations, and the products.
export class Kernel {
  constructor(floats, plain = false) {
    const pages = Math.ceil((4 * floats) / PAGE) + 1;
    this.at = 16;
    try {
      if (plain) throw new Error();
      const memory = new WebAssembly.Memory({ initial: pages });
      const instance = new WebAssembly.Instance(new WebAssembly.Module(assembled()), { page: { memory } });
      [this.buffer, this.code] = [memory.buffer, instance.exports];
    } catch {
      [this.buffer, this.code] = [new ArrayBuffer(pages * PAGE), null];
    }
  }

  // A new array, filled with zeros, whose place in memory is a multiple of 16 bytes.
  floats(count) {
    const out = new Float32Array(this.buffer, this.at, count);
    this.at += 16 * Math.ceil(count / 4);
    return out;
  }

  // y = b + W x of arrays in this memory.
  apply({ weights, bias, rows, width }, x, y) {
    if (this.code) this.code.product(weights.byteOffset, bias.byteOffset, x.byteOffset, y.byteOffset, y.byteOffset + 4 * rows, 4 * width);
    else plainly(weights, bias, x, y, rows, width);
  }
}

function plainly(weights, bias, x, y, rows, width) {
  for (let row = 0, at = 0; row < rows; row++) {
    let total = bias[row];
    for (let k = 0; k < width; k++) total += weights[at++] * x[k];
    y[row] = total;
  }
}

// How many floats a layer of a size takes in memory.
export const layerSize = (rows, columns) => 4 * Math.ceil(rows / 4) * (4 * Math.ceil(columns / 4) + 1) + 8;

// A matrix (rows, columns) and a bias in a kernel's memory, filled up with zeros to multiples of four.
export function layer(kernel, weights, bias, columns) {
  const rows = 4 * Math.ceil(bias.length / 4), width = 4 * Math.ceil(columns / 4);
  const made = { weights: kernel.floats(rows * width), bias: kernel.floats(rows), rows, width };
  for (let row = 0; row < bias.length; row++) made.weights.set(weights.subarray(row * columns, (row + 1) * columns), row * width);
  made.bias.set(bias);
  return made;
}
