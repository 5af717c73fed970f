"""How sounds, libraries, paths and spaces show themselves in notebooks: small pieces of HTML that load nothing."""

import base64
import html
import io
import itertools
import wave
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from timbre.wording import printable

# Okabe and Ito's colours, which most colour-blind people can distinguish.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#8C6D31")
_MOST_BYTES = 1_000_000  # of a sound in a player: 10 s of one channel; the rest is cut
_MOST_DOTS, _MOST_ROWS, _COLUMNS = 800, 24, 300
_WIDTH, _LONGEST = 480, 60  # pixels; characters of a name


def text(value: object, longest: int = _LONGEST) -> str:
    """A text from anywhere as HTML: one line, with nothing that a browser would interpret."""
    return html.escape(printable(str(value), longest))


def card(title: object, facts: Mapping[str, object], *parts: str) -> str:
    """A title and facts, both escaped here, above parts of HTML."""
    cells = "".join(
        f'<tr><td style="text-align:left">{text(name)}</td><td style="text-align:left">{text(value, 200)}</td></tr>'
        for name, value in facts.items()
    )
    table = f'<table style="margin:0.3em 0">{cells}</table>' if cells else ""
    return f'<div style="max-width:{_WIDTH}px"><b>{text(title, 200)}</b>{table}{"".join(parts)}</div>'


def player(samples: np.ndarray, sample_rate: int, label: str = "") -> str:
    """A player of a sound (channels, n), full scale 1: 16 bits, its first two channels, and 1 MB of it."""
    part = samples[:2]
    part = part[:, : _MOST_BYTES // (2 * len(part))]
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(len(part))
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes((np.clip(part.T, -1.0, 1.0) * 32767).astype("<i2").tobytes())
    cut = f" (the first {part.shape[1] / sample_rate:.1f} s)" if part.shape[1] < samples.shape[1] else ""
    name = f"<div>{text(label)}{cut}</div>" if label or cut else ""
    source = base64.b64encode(data.getvalue()).decode()
    return f'{name}<audio controls preload="metadata" src="data:audio/wav;base64,{source}" style="width:100%"></audio>'


def waveform(samples: np.ndarray) -> str:
    """A picture of a sound (n,): the lowest and highest sample in each of 300 parts of it."""
    parts = np.array_split(samples, min(_COLUMNS, len(samples)))
    high = np.array([[part.max(), part.min()] for part in parts])
    x = np.linspace(0, _WIDTH, len(parts))
    outline = np.concatenate([np.c_[x, 40 - 38 * high[:, 0]], np.c_[x, 40 - 38 * high[:, 1]][::-1]])
    return _svg(80, f'<polygon points="{_points(outline)}" fill="{COLOURS[0]}" stroke="{COLOURS[0]}"/>', "Waveform")


def scatter(points: np.ndarray, labels: Sequence[str], groups: Sequence[str], alt: str) -> str:
    """Points (n, 2) as dots with labels, coloured by group; of more than 800, evenly chosen ones."""
    chosen = np.unique(np.linspace(0, max(len(points) - 1, 0), min(len(points), _MOST_DOTS)).astype(int))
    ranks = {name: rank for rank, (name, _) in enumerate(Counter(groups).most_common())}
    at = _scaled(points, _WIDTH, 300)
    dots = "".join(
        f'<circle cx="{at[n, 0]:.0f}" cy="{at[n, 1]:.0f}" r="3" fill="{COLOURS[ranks[groups[n]] % len(COLOURS)]}" '
        f'fill-opacity=".7"><title>{text(labels[n])}</title></circle>'
        for n in chosen.tolist()
    )
    return _svg(300, dots, alt)


def course(points: np.ndarray, marked: np.ndarray, alt: str) -> str:
    """A curve through points (n, 2), with dots at other points (k, 2)."""
    both = _scaled(np.concatenate([points, marked]), _WIDTH, 220)
    line = f'<polyline points="{_points(both[: len(points)])}" fill="none" stroke="{COLOURS[0]}" stroke-width="2"/>'
    dots = "".join(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="4" fill="{COLOURS[1]}"/>' for x, y in both[len(points) :])
    return _svg(220, line + dots, alt)


def ranges(rows: Mapping[str, Sequence[float]], low: float, high: float, alt: str) -> str:
    """Names with ticks at their values between low and high; the first 24 names."""
    parts = []
    for number, (name, values) in enumerate(itertools.islice(rows.items(), _MOST_ROWS)):
        y = 14 * number + 11
        ticks = (150 + 320 * (value - low) / max(high - low, 1e-9) for value in sorted(set(values)))
        path = "".join(f"M{x:.0f} {y - 9}v9" for x in ticks)
        parts.append(
            f'<text x="0" y="{y}" font-size="11" fill="currentColor">{text(name, 24)}</text>'
            f'<path d="{path}" stroke="{COLOURS[0]}" stroke-width="2"/>'
        )
    return _svg(14 * min(len(rows), _MOST_ROWS) + 4, "".join(parts), alt)


def apart(points: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Points (n, dim) in the plane in which three or more groups lie apart best; of fewer, as :func:`principal`."""
    if len(points) <= 3 * len(set(groups)) or len(set(groups)) < 3 or points.shape[1] < 2:
        return principal(points)
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return np.asarray(LinearDiscriminantAnalysis(n_components=2).fit_transform(points, groups))


def principal(points: np.ndarray, onto: np.ndarray | None = None) -> np.ndarray:
    """Points `onto` (m, dim), default the same, in the plane of the two principal components of points (n, dim)."""
    mean = points.mean(0)
    _, _, axes = np.linalg.svd(points - mean, full_matrices=False)
    plane = (points if onto is None else onto) - mean
    return np.pad(plane @ axes[:2].T, ((0, 0), (0, 2 - len(axes[:2]))))


def _scaled(points: np.ndarray, width: int, height: int) -> np.ndarray:
    """Points (n, 2) as pixels within a margin, with the second coordinate upwards."""
    if not len(points):
        return points
    low, high = points.min(0), points.max(0)
    share = (points - low) / np.where(high > low, high - low, 1.0)
    return np.array([8, height - 8]) + share * np.array([width - 16, 16 - height])


def _points(values: np.ndarray) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in values)


def _svg(height: int, content: str, alt: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="100%" role="img" aria-label="{text(alt, 200)}" '
        f'xmlns="http://www.w3.org/2000/svg">{content}</svg>'
    )
