// Draws the map: heat map, grid and notes on one canvas; path, marks and cursor on another one above it.
import { css, ramp } from "./colors.js";

export class Drawing extends EventTarget {
  drawGround() {
    const pen = this.ground.getContext("2d");
    pen.clearRect(0, 0, this.width, this.height);
    if (this.heat) this.drawHeat(pen);
    this.drawGrid(pen);
    const outline = css("--card"), some = this.chosen !== null || Boolean(this.found?.size);
    this.shown = this.inView(some);
    if (some) for (const n of this.shown) this.counts(n) || this.dot(pen, this.place(n), this.shades[n], outline, false);
    for (const n of this.shown) this.counts(n) && this.dot(pen, this.place(n), this.shades[n], outline, true);
    pen.globalAlpha = 1;
    this.drawNames(pen, some);
  }

  // Indices of the notes in view, highlighted ones first, and no more than are drawn at a time.
  inView(some) {
    const inside = [], { width, height, most } = this;
    for (const n of this.order) {
      const [x, y] = this.place(n);
      if (x > -9 && y > -9 && x < width + 9 && y < height + 9) inside.push(n);
    }
    if (some && inside.length > most) inside.sort((a, b) => this.counts(b) - this.counts(a));
    return inside.slice(0, most);
  }

  drawNames(pen, some) {
    pen.font = "600 11px system-ui, sans-serif";
    pen.lineWidth = 3;
    pen.lineJoin = "round";
    pen.textAlign = "center";
    [pen.strokeStyle, pen.fillStyle] = [css("--card"), css("--ink")];
    const text = (name) => name.replaceAll("_", " "), wanted = some ? (n) => this.counts(n) : null;
    this.names = this.labels.written(this, wanted, (name) => pen.measureText(text(name)).width);
    for (const [name, x, y] of this.names) {
      pen.globalAlpha = 0.85;
      pen.strokeText(text(name), x, y);
      pen.globalAlpha = 1;
      pen.fillText(text(name), x, y);
    }
    pen.textAlign = "start";
  }

  dot(pen, [x, y], color, outline, strong) {
    pen.globalAlpha = strong ? 0.9 : 0.13;
    pen.beginPath();
    pen.arc(x, y, Math.min(7, (this.shades.length > 3000 ? 2.5 : 3.6) * Math.sqrt(Math.sqrt(this.zoom))), 0, 7);
    pen.fillStyle = color;
    pen.fill();
    pen.lineWidth = 0.8;
    pen.strokeStyle = outline;
    pen.stroke();
  }

  drawGrid(pen) {
    pen.strokeStyle = css("--line");
    pen.fillStyle = css("--muted");
    pen.lineWidth = 1;
    pen.globalAlpha = 0.55;
    pen.font = "10px system-ui, sans-serif";
    const low = this.fromScreen(0, this.height), high = this.fromScreen(this.width, 0);
    for (const axis of [0, 1]) {
      const raw = (high[axis] - low[axis]) / 6, ten = 10 ** Math.floor(Math.log10(raw));
      const step = [1, 2, 5, 10].map((m) => m * ten).find((value) => value >= raw);
      for (let count = Math.ceil(low[axis] / step); count * step <= high[axis]; count++) {
        const value = count * step;
        const [x, y] = this.toScreen(axis === 0 ? [value, low[1]] : [low[0], value]);
        pen.beginPath();
        pen.moveTo(axis === 0 ? Math.round(x) + 0.5 : 0, axis === 0 ? 0 : Math.round(y) + 0.5);
        pen.lineTo(axis === 0 ? Math.round(x) + 0.5 : this.width, axis === 0 ? this.height : Math.round(y) + 0.5);
        pen.stroke();
        const text = String(Number(value.toPrecision(4)));
        if (axis === 0) pen.fillText(text, x + 3, this.height - 5);
        else pen.fillText(text, this.width - pen.measureText(text).width - 4, y - 3);
      }
    }
    pen.globalAlpha = 1;
  }

  drawHeat(pen) {
    const { values, evidence } = this.heat, rows = values.length, columns = values[0].length;
    const flat = values.flat(), low = Math.min(...flat), span = Math.max(...flat) - low || 1;
    const small = new OffscreenCanvas(columns, rows), ink = small.getContext("2d"), image = ink.createImageData(columns, rows), color = ramp();
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const at = 4 * ((rows - 1 - row) * columns + column);
        image.data.set([...color((values[row][column] - low) / span), evidence[row][column] ? 255 : 90], at);
      }
    }
    ink.putImageData(image, 0, 0);
    const [[left, right], [bottom, top]] = this.plane.extent;
    const [x0, y0] = this.toScreen([left, top]), [x1, y1] = this.toScreen([right, bottom]);
    // The outer points lie on the edges of the extent and in the centers of pixels, so add half a pixel on each side.
    const dx = (x1 - x0) / (columns - 1), dy = (y1 - y0) / (rows - 1);
    pen.imageSmoothingEnabled = true;
    pen.imageSmoothingQuality = "high";
    pen.drawImage(small, x0 - dx / 2, y0 - dy / 2, columns * dx, rows * dy);
  }

  drawTop() {
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, this.width, this.height);
    const accent = css("--accent"), ink = css("--ink"), card = css("--card");
    if (this.path.length) this.drawPath(pen, accent, card);
    for (const { point } of this.located) this.diamond(pen, this.toScreen(this.coordinates(point)), ink, card);
    for (const [name, point] of Object.entries(this.marks)) this.badge(pen, this.toScreen(this.coordinates(point)), name, accent, css("--on-accent"));
    if (this.cursor) this.drawCursor(pen, this.toScreen(this.coordinates(this.cursor)), ink, card);
    if (this.sounding) {
      const [x, y] = this.toScreen(this.coordinates(this.sounding));
      ring(pen, x, y, 4.5, accent, 0, accent);
    }
  }

  drawPath(pen, accent, card) {
    const points = this.path.map((point) => this.toScreen(this.coordinates(point)));
    for (const [width, color] of [[6, card], [3, accent]]) {
      pen.lineWidth = width;
      pen.strokeStyle = color;
      pen.lineJoin = pen.lineCap = "round";
      pen.beginPath();
      for (const [x, y] of points) pen.lineTo(x, y);
      pen.stroke();
    }
    ring(pen, ...points[0], 5, accent, 2.5, card);
    ring(pen, ...points.at(-1), 5, accent, 2.5, accent);
  }

  drawCursor(pen, [x, y], ink, card) {
    for (const [width, color] of [[5, card], [2, ink]]) {
      pen.lineWidth = width;
      pen.strokeStyle = color;
      pen.beginPath();
      pen.arc(x, y, 10, 0, 7);
      for (const [a, b] of [[-16, 0], [16, 0], [0, -16], [0, 16]]) {
        pen.moveTo(x + a * 0.6, y + b * 0.6);
        pen.lineTo(x + a, y + b);
      }
      pen.stroke();
    }
  }

  diamond(pen, [x, y], ink, card) {
    pen.beginPath();
    for (const [a, b] of [[0, -9], [9, 0], [0, 9], [-9, 0]]) pen.lineTo(x + a, y + b);
    pen.closePath();
    pen.fillStyle = ink;
    pen.strokeStyle = card;
    pen.lineWidth = 2;
    pen.fill();
    pen.stroke();
  }

  badge(pen, [x, y], name, color, ink) {
    ring(pen, x, y, 9, color, 0, color);
    pen.fillStyle = ink;
    pen.font = "bold 11px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.fillText(name, x, y + 4);
    pen.textAlign = "start";
  }
}

function ring(pen, x, y, radius, color, width, fill) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 7);
  pen.fillStyle = fill;
  pen.fill();
  if (!width) return;
  pen.lineWidth = width;
  pen.strokeStyle = color;
  pen.stroke();
}
