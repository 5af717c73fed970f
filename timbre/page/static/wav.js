// A WAV file of 24 bits.
export function wavFile(samples, rate) {
  const bytes = 3 * samples.length, view = new DataView(new ArrayBuffer(44 + bytes + (bytes % 2)));
  const words = (at, text) => [...text].forEach((letter, n) => view.setUint8(at + n, letter.charCodeAt(0)));
  words(0, "RIFF");
  view.setUint32(4, view.byteLength - 8, true);
  words(8, "WAVEfmt ");
  [[16, 16], [24, rate], [28, 3 * rate], [40, bytes]].forEach(([at, value]) => view.setUint32(at, value, true));
  [[20, 1], [22, 1], [32, 3], [34, 24]].forEach(([at, value]) => view.setUint16(at, value, true));
  words(36, "data");
  samples.forEach((sample, n) => {
    const whole = Math.round(Math.min(Math.max(sample, -1), 1) * 8388607);
    view.setUint16(44 + 3 * n, whole & 0xffff, true);
    view.setUint8(46 + 3 * n, (whole >> 16) & 0xff);
  });
  return view.buffer;
}
