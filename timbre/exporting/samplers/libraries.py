"""What the formats of samplers share: files of samples, their sizes, licences, and a page on how to open them."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path as FilePath
from typing import Any, NamedTuple

import numpy as np
import soundfile

from timbre.audio import Audio, write
from timbre.audio.sampler_chunk import SamplerChunk, sampler_chunk
from timbre.errors import ConfigError
from timbre.exporting.request import Request
from timbre.exporting.riff import wav_bytes
from timbre.exporting.samplers.plan import Instrument, Zone
from timbre.exporting.samplers.recordings import Recording, record
from timbre.files import write_text
from timbre.version import __version__
from timbre.wording import counted

README = "README.txt"
_TEXT = 3072  # bytes of a text file, about
_ENCODED = 24  # samples that are encoded to estimate how small FLAC makes all


class Written(NamedTuple):
    """A sample that has been written."""

    zone: Zone
    file: str  # relative to the output, with /
    frames: int
    loop: tuple[int, int] | None  # first sample, and the one after the last
    trims: tuple[float, ...]  # dB for each key of the zone; () without pitch
    release: float  # s in which it falls by 60 dB

    def spans(self, tolerance: float = 0.5) -> Iterator[tuple[int, int, float]]:
        """Lowest and highest key, and the gain for them, dB: keys whose gains differ by the tolerance share a span."""
        if not self.trims:
            yield self.zone.low, self.zone.high, 0.0
            return
        first = 0
        for after in range(1, len(self.trims) + 1):
            part = self.trims[first:after]
            if after == len(self.trims) or np.ptp(self.trims[first : after + 1]) > tolerance:
                yield self.zone.low + first, self.zone.low + after - 1, (max(part) + min(part)) / 2
                first = after


def estimated(request: Request, instruments: Sequence[Instrument], folder: str) -> dict[str, int]:
    """Estimated bytes of the samples of instruments, by their names relative to the output."""
    rate = request.space.renderer.sample_rate
    width = 3 * (_flac_share(request, instruments) if request.settings.flac else 1.0)
    return {
        _sample(request, folder, one, zone): round(width * rate * one.behaviours[zone.step].seconds) + 200
        for one in instruments
        for zone in one.zones
    }


def _flac_share(request: Request, instruments: Sequence[Instrument]) -> float:
    """The size of FLAC relative to WAV: of a note in the middle of each instrument, or of evenly spaced ones."""
    positions = [(one, step) for one in instruments for step in range(len(one.points))]
    encoded = frames = 0
    for number in np.unique(np.linspace(0, len(positions) - 1, _ENCODED).astype(int)):
        one, step = positions[number]
        recording = next(record(request.space, one.middle(step), request.settings))
        file = io.BytesIO()
        soundfile.write(file, recording.samples, request.space.renderer.sample_rate, "PCM_24", format="FLAC")
        encoded, frames = encoded + len(file.getvalue()), frames + len(recording.samples)
    return encoded / (3 * frames)


def text_sizes(names: Iterable[str], per_file: int = _TEXT) -> dict[str, int]:
    """Estimated bytes of text files."""
    return dict.fromkeys(names, per_file)


def _sample(request: Request, folder: str, instrument: Instrument, zone: Zone) -> str:
    parts = [folder, instrument.stem, f"{instrument.file(zone)}.{'flac' if request.settings.flac else 'wav'}"]
    return "/".join(filter(None, parts))


def write_samples(
    request: Request, instrument: Instrument, folder: FilePath, samples: str, step: Callable[[], object],
    rows: list[dict[str, Any]],
) -> list[Written]:  # fmt: skip
    """Render and write the samples of an instrument; `rows` receive their figures, and `step` is called for each."""
    written = []
    for recording in record(request.space, instrument, request.settings):
        name = _sample(request, samples, instrument, recording.zone)
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if request.settings.flac:
            write(file, Audio(recording.samples, request.space.renderer.sample_rate))
        else:
            file.write_bytes(_wav(recording, request.space.renderer.sample_rate))
        written.append(kept(recording, name))
        rows.append(figures(instrument, recording))
        step()
    return written


def _wav(recording: Recording, sample_rate: int) -> bytes:
    """A WAV file of 24 bits with the root key and the loop."""
    loop = None if recording.loop is None else (recording.loop[0], recording.loop[1] - 1)
    whole = np.round(recording.samples.clip(-1.0, 1.0) * (2**23 - 1)).astype("<i4")
    three = whole.view(np.uint8).reshape(-1, 4)[:, :3]
    return wav_bytes(three, sample_rate, {b"smpl": sampler_chunk(SamplerChunk(recording.pitch, loop), sample_rate)})


def kept(recording: Recording, name: str) -> Written:
    """What is kept of a recording in memory."""
    return Written(recording.zone, name, len(recording.samples), recording.loop, recording.trims, recording.release)


def figures(instrument: Instrument, recording: Recording) -> dict[str, Any]:
    """What an export reports of a sample."""
    zone = recording.zone
    return {
        "instrument": instrument.name, "key": zone.key, "velocity": zone.layer.velocity, "step": zone.step,
        "take": zone.take, "release": recording.release,
        "seam_db": recording.seam_db,
    }  # fmt: skip


def licence(request: Request) -> str:
    """The licences of the recordings that the space learned from, in one sentence."""
    known = request.space.report.get("licences")
    parts = [f"{name} ({counted(count, 'note')})" for name, count in known.items()] if isinstance(known, dict) else []
    return f"Learned from recordings under these licences: {'; '.join(parts) or 'not stated'}."


def maker(request: Request) -> str:
    """Program and space that made the export."""
    return f"Made by timbre {__version__} from the space {request.space.identity}."


def write_readme(request: Request, folder: FilePath, instruments: Iterable[Instrument], how: str) -> None:
    """Write the page that says what is in a folder, how to open it, and its licences."""
    lines = [how, "", *_listed(instruments), "", maker(request), licence(request), ""]
    write_text(folder / README, "\n".join(lines))


def families(instruments: Iterable[Instrument]) -> Iterator[tuple[str, list[Instrument]]]:
    """Successive instruments of one group, with its name, which is "" without one."""
    for group, part in groupby(instruments, lambda one: one.preset.group):
        yield group, list(part)


def _listed(instruments: Iterable[Instrument]) -> Iterator[str]:
    for group, part in families(instruments):
        yield from [f"{group}:"] * bool(group)
        for one in part:
            kinds = dict.fromkeys("sustained" if it.sustained else "dies away" for it in one.behaviours)
            knob = ["with a timbre knob"] * (len(one.points) > 1)
            yield f"  {one.name} ({', '.join([' to '.join(kinds), *knob])})"


def refuse_ending(request: Request, *endings: str) -> None:
    """Raise a ConfigError if the output, a folder, has the ending of a file of the format."""
    if request.output.suffix.lower() in endings:
        raise ConfigError(
            f"The output of this format must be a folder, got {request.output.name}; leave out {request.output.suffix}."
        )
