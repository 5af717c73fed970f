// Paths through a space, and the point that moves along them (timbre/paths/path.py, timbre/playback/engine/follower.py).
const SMOOTHING = 0.02; // s, time constant

// Points with times, and lines between them; the export turns other kinds of paths into lines.
export class Path {
  constructor(points, times) {
    Object.assign(this, { points, times });
  }

  // The point at a time, 0 to 1: constant before the first time of the path and after the last.
  at(time) {
    const { points, times } = this, last = times.length - 1;
    const now = Math.min(Math.max(time, times[0]), times[last]);
    let left = 0;
    while (left < last - 1 && times[left + 1] <= now) left++;
    const a = points[left], b = points[Math.min(left + 1, last)], share = last ? (now - times[left]) / (times[left + 1] - times[left]) : 0;
    return a.map((value, n) => (1 - share) * value + share * b[n]);
  }
}

// Moves `point` frame by frame: at rest, gliding, or on a path; always smoothed.
export class Follower {
  constructor(point, frameRate) {
    this.point = Float32Array.from(point);
    this.step = 1 / frameRate;
    this.share = 1 - Math.exp(-1 / (SMOOTHING * frameRate));
    this.glide(this.point, 0);
  }

  follow(path, duration, loop = false) {
    Object.assign(this, { path, duration, loop, time: 0 });
  }

  // Moves to a point in a straight line in some seconds.
  glide(point, seconds) {
    const to = Array.from(point);
    if (seconds <= 0) this.follow(new Path([to], [0]), 1);
    else this.follow(new Path([Array.from(this.point), to], [0, 1]), seconds);
  }

  // Moves on by one frame; `atOnce` skips the smoothing, while nothing sounds.
  advance(atOnce) {
    const time = this.time / this.duration, target = this.path.at(this.loop ? time % 1 : time), share = atOnce ? 1 : this.share;
    for (let n = 0; n < target.length; n++) this.point[n] += share * (target[n] - this.point[n]);
    this.time += this.step;
  }
}
