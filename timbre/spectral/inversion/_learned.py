"""Compiled loops of the network of slopes.py: patches, and the network for one frame at a time.

Rows of bins are float32 and belong to the caller; the functions for single frames allocate nothing.
"""

import math

import numpy as np

from timbre.spectral.compiled import compiled

_ZERO, _HALF = np.float32(0.0), np.float32(0.5)
_LOWEST, _HIGHEST = np.float32(-6.0), np.float32(3.0)  # nepers


@compiled
def patches(level: np.ndarray, width: int, bins: np.ndarray, shape: tuple[int, int, int, int], out: np.ndarray) -> None:
    """Write the patches around bins as rows; arguments as in `slopes.features`, `shape` is that of `slopes.Border`."""
    for row in range(bins.size):
        _patch(level, width, bins[row], shape, out[row])


@compiled
def _patch(level: np.ndarray, width: int, index: int, shape: tuple[int, int, int, int], out: np.ndarray) -> None:
    """Write the surroundings of a bin minus the largest of the four values at the centre, clipped and halved."""
    before, after, below, above = shape
    size, past = below + above + 1, index - width
    centre = max(max(level[index], level[index + 1]), max(level[past], level[past + 1]))
    for row in range(before + after + 1):
        start = index + (row - before) * width - below
        values, part = level[start : start + size], out[row * size : row * size + size]
        for column in range(size):
            part[column] = _HALF * np.minimum(np.maximum(values[column] - centre, _LOWEST), _HIGHEST)


@compiled
def remember(magnitude: np.ndarray, floor: np.float32, fresh: bool, below: int, levels: np.ndarray) -> None:
    """Move rows of log magnitudes (frames, bins and a border) up by one and write those of a new frame to the last.

    The border, `below` bins and the rest above, repeats the outermost bins; the first frame fills all rows.
    """
    last, bins = levels.shape[0] - 1, magnitude.size
    for row in range(last):
        levels[row] = levels[row + 1]
    new = levels[last]
    for k in range(bins):
        new[below + k] = math.log(max(magnitude[k], floor))
    new[:below] = new[below]
    new[below + bins :] = new[below + bins - 1]
    if fresh:
        for row in range(last):
            levels[row] = new


@compiled
def _hidden(values: np.ndarray, weights: np.ndarray, bias: np.ndarray, out: np.ndarray) -> None:
    """A layer of rectifiers: values (n, inputs), weights (inputs, outputs)."""
    np.dot(values, weights, out)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = max(out[i, j] + bias[j], _ZERO)


@compiled
def _apply(
    bins: np.ndarray,
    layers: tuple[np.ndarray, ...],
    work: tuple[np.ndarray, ...],
    settings: tuple[float, tuple[float, float]],
    steps: np.ndarray,
    doubt: np.ndarray,
) -> None:
    """Run the network on the patches in `work`, and change the steps and doubts of their bins."""
    inputs, one, two, out = work
    ranks, trusted = settings
    _hidden(inputs, layers[0], layers[1], one)
    _hidden(one, layers[2], layers[3], two)
    np.dot(two, layers[4], out)
    for i in range(bins.size):
        k = bins[i]
        for kind in range(2):
            cosine, sine = out[i, 2 * kind] + layers[5][2 * kind], out[i, 2 * kind + 1] + layers[5][2 * kind + 1]
            step = math.atan2(sine, cosine)
            if kind == 1:
                step += math.pi - steps[1, k]
                step -= 2.0 * math.pi * np.rint(step / (2.0 * math.pi))
            steps[kind, k] += np.float32(step * (1.0 - math.exp(-((step / trusted[kind]) ** 2))))
            size = min(max(math.sqrt(cosine * cosine + sine * sine), 0.01), 1.0)
            doubt[kind, k] = int(-ranks * math.log(size))


@compiled
def correct(
    levels: np.ndarray,
    shape: tuple[int, int, int, int],
    loud: np.float32,
    layers: tuple[np.ndarray, ...],
    work: tuple[np.ndarray, ...],
    bins: np.ndarray,
    settings: tuple[float, tuple[float, float]],
    steps: np.ndarray,
    doubt: np.ndarray,
) -> None:
    """Correct the steps (2, bins) of bins above the level `loud`, and write how doubtful each is (2, bins), in ranks.

    `levels` are log magnitudes (frames, bins and a border); `layers` weights (inputs, outputs) and biases in turn. The
    working memory (patches, two layers of hidden units, outputs; indices of bins) is for so few bins that a matrix
    product stays in the caller's thread. `settings` are the ranks by which a certainty of 1 / e lowers a step, and
    `slopes.TRUSTED` for either kind of step.
    """
    width, level = levels.shape[1], levels.reshape(-1)
    start = shape[0] * width + shape[2]
    count = 0
    for k in range(1, steps.shape[1] - 1):  # 0 Hz and Nyquist are real
        if level[start + k] > loud:
            _patch(level, width, start + k, shape, work[0][count])
            bins[count] = k
            count += 1
            if count == bins.size:
                _apply(bins, layers, work, settings, steps, doubt)
                count = 0
    if count:
        part = (work[0][:count], work[1][:count], work[2][:count], work[3][:count])
        _apply(bins[:count], layers, part, settings, steps, doubt)
