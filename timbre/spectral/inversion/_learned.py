"""The network of slopes.py, compiled for one frame at a time; imported when it is first used.

Rows of bins are float32 and belong to the caller: nothing here allocates.
"""

import math

import numpy as np

from timbre.spectral.compiled import compiled

_ZERO, _HALF = np.float32(0.0), np.float32(0.5)
_LOWEST, _HIGHEST = np.float32(-6.0), np.float32(3.0)  # nepers: as in `_integration.patches`


@compiled
def remember(magnitude: np.ndarray, floor: np.float32, fresh: bool, below: int, levels: np.ndarray) -> None:
    """Move rows of log magnitudes (frames, bins and a border) up by one, the new ones last.

    The border, `below` bins and what is left above, repeats the outermost bins; the first frame fills all rows.
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
def _patch(levels: np.ndarray, now: int, k: int, below: int, out: np.ndarray) -> None:
    """The surroundings of bin k of row `now`; see `_integration.patches`."""
    here = k + below
    centre = max(max(levels[now, here], levels[now, here + 1]), max(levels[now - 1, here], levels[now - 1, here + 1]))
    width = out.size // levels.shape[0]
    for row in range(levels.shape[0]):
        for column in range(width):
            value = levels[row, k + column] - centre
            out[row * width + column] = _HALF * min(max(value, _LOWEST), _HIGHEST)


@compiled
def _hidden(values: np.ndarray, weights: np.ndarray, bias: np.ndarray, out: np.ndarray) -> None:
    """A layer of rectifiers: values (n, inputs), weights (inputs, outputs)."""
    np.dot(values, weights, out)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = max(out[i, j] + bias[j], _ZERO)


@compiled
def _apply(
    places: np.ndarray,
    layers: tuple[np.ndarray, ...],
    work: tuple[np.ndarray, ...],
    settings: tuple[float, tuple[float, float]],
    steps: np.ndarray,
    doubt: np.ndarray,
) -> None:
    """Run the network on the patches in `work`, and change the steps and doubts of their bins."""
    patches, one, two, out = work
    ranks, trusted = settings
    _hidden(patches, layers[0], layers[1], one)
    _hidden(one, layers[2], layers[3], two)
    np.dot(two, layers[4], out)
    for i in range(places.size):
        k = places[i]
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
    geometry: tuple[int, int],
    loud: np.float32,
    layers: tuple[np.ndarray, ...],
    work: tuple[np.ndarray, ...],
    places: np.ndarray,
    settings: tuple[float, tuple[float, float]],
    steps: np.ndarray,
    doubt: np.ndarray,
) -> None:
    """Correct the steps of a frame's loud bins, and say in ranks how much to doubt each.

    Args:
        levels: log magnitudes (frames, bins and a border).
        geometry: row of the frame whose steps these are, and how many bins of a patch lie below its own.
        loud: bins above this level are the network's.
        layers: weights (inputs, outputs) and biases of two hidden layers and the last.
        work: patches, two layers of hidden units, and outputs of some bins at a time; small enough that a matrix
            product stays in the caller's thread.
        places: (as many,) int64, to work in.
        settings: ranks by which a certainty of 1 / e puts a step back, and `slopes.TRUSTED` for either kind of step.
        steps: from the last frame, and to the next bin (2, bins), radians; changed.
        doubt: (2, bins) int32, changed.
    """
    now, below = geometry
    count = 0
    for k in range(1, steps.shape[1] - 1):  # 0 Hz and Nyquist are real
        if levels[now, k + below] > loud:
            _patch(levels, now, k, below, work[0][count])
            places[count] = k
            count += 1
            if count == places.size:
                _apply(places, layers, work, settings, steps, doubt)
                count = 0
    if count:
        part = (work[0][:count], work[1][:count], work[2][:count], work[3][:count])
        _apply(places[:count], layers, part, settings, steps, doubt)
