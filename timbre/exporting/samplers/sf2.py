"""SoundFont 2 banks: one file with a preset for each instrument, or for each position of a timbre knob."""

import struct
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path as FilePath
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from timbre.data.soundfonts.records import TABLES
from timbre.errors import ConfigError
from timbre.exporting.names import ascii_letters, distinct, shortened
from timbre.exporting.request import ExportPlan, Request
from timbre.exporting.riff import chunk
from timbre.exporting.samplers.libraries import Written, families, figures, kept, licence, maker
from timbre.exporting.samplers.plan import Instrument, make_instruments, planned
from timbre.exporting.samplers.recordings import Recording, record
from timbre.version import __version__
from timbre.wording import printable

# Codes of generators in the SoundFont Technical Specification 2.04, section 8.1.
_SUSTAIN, _RELEASE, _INSTRUMENT, _KEYS, _VELOCITIES, _SAMPLE, _MODES, _SCALE = 37, 38, 41, 43, 44, 53, 54, 56
_LOOPED, _MONO = 1, 1
_ZEROS = 46  # samples after each recording
_LETTERS = 20  # of a name
_DECAY = 100.0 / 60.0  # releases are times of 100 dB
_MOST_RECORDS, _TOLERANCES = 65_535, (0.5, 1.0, 2.0, 4.0, 100.0)  # of a table; dB
_MOST_ZONES, _MOST_BYTES = 13_000, (1 << 32) - (1 << 20)
# Velocity to the cutoff of the filter, as players have it by default (two forms): off, since layers are duller already.
_NO_FILTER = ((0x0102, 8, 0, 0, 0), (0x0102, 8, 0, 0x0C02, 0))


class _Sample(NamedTuple):
    """A sample of the file."""

    number: int
    written: Written
    raised: float  # dB above the recording: volumes of keys can only be lowered


def plan_sf2(request: Request) -> ExportPlan:
    """Plan a SoundFont."""
    if request.settings.flac:
        raise ConfigError("SF2 files contain their samples, 16 bits each; use --flac with sfz or decent.")
    instruments = make_instruments(request, takes=False)
    rate = request.space.renderer.sample_rate
    count = sum(len(one.zones) for one in instruments)
    size = round(2 * rate * sum(one.seconds for one in instruments)) + 200 * count + 3072
    if count > _MOST_ZONES or size > _MOST_BYTES:
        raise ConfigError(
            f"An SF2 file must have {_MOST_ZONES:,} samples and 4 GB or less, got {count:,} samples and "
            f"{size / 1e9:.1f} GB; use a larger --step, fewer --layers or fewer instruments."
        )

    def write(file: FilePath, step: Callable[[], object]) -> list[dict[str, Any]]:
        with file.open("w+b") as opened:
            return _write(opened, request, instruments, step)

    return planned(instruments, {"": size}, write)


def _write(file: BinaryIO, request: Request, instruments: Sequence[Instrument], step: Callable[[], object]) -> list:
    rows: list[dict[str, Any]] = []
    heads: list[tuple] = []
    written: list[tuple[Instrument, list[_Sample]]] = []
    file.write(struct.pack("<4sI4s", b"RIFF", 0, b"sfbk"))
    file.write(chunk(b"LIST", b"INFO" + _info(request, instruments)))
    listed = file.tell()
    file.write(struct.pack("<4sI4s4sI", b"LIST", 0, b"sdta", b"smpl", 0))
    first, names = file.tell(), iter(_sample_names(instruments))
    for one in instruments:
        samples = []
        for recording in record(request.space, one, request.settings):
            start = (file.tell() - first) // 2
            raised = _raised(recording)
            steps = np.round(10 ** (raised / 20) * recording.samples.clip(-1.0, 1.0) * 32767).astype("<i2")
            file.write(steps.tobytes() + bytes(2 * _ZEROS))
            loop = recording.loop or (0, 0)
            place = (start, start + len(steps), start + loop[0], start + loop[1])
            heads.append((next(names), *place, request.space.renderer.sample_rate, recording.zone.key, 0, 0, _MONO))
            samples.append(_Sample(len(heads) - 1, kept(recording, ""), raised))
            rows.append(figures(one, recording))
            step()
        written.append((one, samples))
    size = file.tell() - first
    file.write(chunk(b"LIST", b"pdta" + _tables(written, heads)))
    end = file.tell()
    for position, value in ((4, end - 8), (listed + 4, size + 12), (first - 4, size)):
        file.seek(position)
        file.write(struct.pack("<I", value))
    return rows


def _raised(recording: Recording) -> float:
    """dB that a recording is raised by, for the loudest key that plays it; as far as 16 bits allow."""
    room = -20 * np.log10(max(float(np.abs(recording.samples).max()), 1e-3))
    return float(min(max(recording.trims, default=0.0), max(room, 0.0)))


def _info(request: Request, instruments: Sequence[Instrument]) -> bytes:
    name = request.output.stem if len(request.instruments) > 1 else request.instruments[0].name
    texts = {
        b"isng": "EMU8000", b"INAM": name, b"ICOP": licence(request),
        b"ICMT": f"{maker(request)} {licence(request)} Presets: {_listed(instruments)}.",
        b"ISFT": f"timbre {__version__}",
    }  # fmt: skip
    parts = [chunk(b"ifil", struct.pack("<HH", 2, 4))]
    for key, text in texts.items():
        limit = 65_536 if key == b"ICMT" else 256  # the copyright may be cut; the comment contains all of it
        content = printable(text).encode("ascii", "replace")[: limit - 2] + b"\0"
        parts.append(chunk(key, content + b"\0" * (len(content) % 2)))  # the size itself is even
    return b"".join(parts)


def _listed(instruments: Iterable[Instrument]) -> str:
    parts = ((group, ", ".join(one.name for one in part)) for group, part in families(instruments))
    return "; ".join(f"{group}: {names}" if group else names for group, names in parts)


def _tables(written: Sequence[tuple[Instrument, list[_Sample]]], heads: list[tuple]) -> bytes:
    """The tables of presets, instruments and samples; keys share zones as far as the size of a table demands it."""
    for tolerance in _TOLERANCES:
        rows = _rows(written, heads, tolerance)
        if len(rows["igen"]) <= _MOST_RECORDS:
            break
    return b"".join(chunk(name.encode(), np.array(rows[name], TABLES[name]).tobytes()) for name in TABLES)


def _rows(
    written: Sequence[tuple[Instrument, list[_Sample]]], heads: list[tuple], tolerance: float
) -> dict[str, list[tuple]]:
    """The records of the tables, each with its terminal record."""
    rows: dict[str, list[tuple]] = {name: [] for name in TABLES}
    names = iter(_preset_names([one for one, _ in written]))
    for one, samples in written:
        for step in range(len(one.points)):
            number, name = len(rows["inst"]), next(names)
            rows["phdr"].append((name, number % 128, number // 128, len(rows["pbag"]), 0, 0, 0))
            rows["pbag"].append((len(rows["pgen"]), 0))
            rows["pgen"].append((_INSTRUMENT, number))
            rows["inst"].append((name, len(rows["ibag"])))
            _zones(rows, one, step, [part for part in samples if part.written.zone.step == step], tolerance)
    rows["phdr"].append((b"EOP", 0, 0, len(rows["pbag"]), 0, 0, 0))
    rows["pbag"].append((len(rows["pgen"]), 0))
    rows["pmod"].append((0, 0, 0, 0, 0))
    rows["pgen"].append((0, 0))
    rows["inst"].append((b"EOI", len(rows["ibag"])))
    rows["ibag"].append((len(rows["igen"]), len(rows["imod"])))
    rows["imod"].append((0, 0, 0, 0, 0))
    rows["igen"].append((0, 0))
    rows["shdr"] = [*heads, (b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0)]
    return rows


def _zones(
    rows: dict[str, list[tuple]], instrument: Instrument, step: int, samples: Iterable[_Sample], tolerance: float
) -> None:
    """A global zone and one for each sample, of a position of the timbre knob."""
    rows["ibag"].append((len(rows["igen"]), len(rows["imod"])))
    rows["imod"] += _NO_FILTER
    if instrument.behaviours[step].sustained:
        rows["igen"].append((_MODES, _LOOPED))
    if not instrument.keys:
        rows["igen"].append((_SCALE, 0))
    for number, sample, raised in samples:
        layer = sample.zone.layer
        for low, high, gain in sample.spans(tolerance):
            rows["ibag"].append((len(rows["igen"]), len(rows["imod"])))
            rows["igen"] += [
                (_KEYS, low | high << 8),
                (_VELOCITIES, layer.low | layer.high << 8),
                (_SUSTAIN, max(0, round(10 * (raised - gain)))),
                (_RELEASE, round(1200 * np.log2(_DECAY * sample.release)) & 0xFFFF),
                (_SAMPLE, number),
            ]


def _preset_names(instruments: Iterable[Instrument]) -> list[bytes]:
    """Names of the presets of all instruments; of one with a timbre knob, each ends in its position."""
    endings = ((one, step, len(one.points)) for one in instruments for step in range(len(one.points)))
    return _names((one, f" {step + 1}/{count}" if count > 1 else "") for one, step, count in endings)


def _sample_names(instruments: Iterable[Instrument]) -> list[bytes]:
    return _names((one, one.file(zone).removeprefix(one.stem)) for one in instruments for zone in one.zones)


def _names(named: Iterable[tuple[Instrument, str]]) -> list[bytes]:
    """Names of instruments with endings, each once, as bytes."""
    texts = (
        shortened(ascii_letters(one.name).strip() or one.stem, _LETTERS - len(ending)) + ending for one, ending in named
    )
    return [name.encode() for name in distinct(texts, _LETTERS)]
