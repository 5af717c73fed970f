"""SFZ instruments: a text file for each, and its samples as WAV or FLAC."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path as FilePath
from typing import Any

from timbre.exporting.request import ExportPlan, Request
from timbre.exporting.samplers.libraries import (
    README,
    Written,
    estimated,
    licence,
    maker,
    refuse_ending,
    text_sizes,
    write_readme,
    write_samples,
)
from timbre.exporting.samplers.plan import Instrument, make_instruments, planned
from timbre.files import write_text

_SAMPLES = "samples"
_RELEASE = 78.0 / 60.0  # players fall by exp(-9), 78 dB, in the time of ampeg_release
_HOW = (
    "SFZ instruments. Open a .sfz file in a player of SFZ, such as sfizz (plug-in), Plogue Sforzando, LinuxSampler or "
    "Polyphone. The folder samples must stay beside it."
)


def plan_sfz(request: Request) -> ExportPlan:
    """Plan a folder of SFZ instruments."""
    refuse_ending(request, ".sfz")
    instruments = make_instruments(request, takes=True)
    files = text_sizes([README, *(f"{one.stem}.sfz" for one in instruments)])
    files |= estimated(request, instruments, _SAMPLES)

    def write(folder: FilePath, step: Callable[[], object]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for one in instruments:
            samples = write_samples(request, one, folder, _SAMPLES, step, rows)
            write_text(folder / f"{one.stem}.sfz", "\n".join(_text(request, one, samples)) + "\n")
        write_readme(request, folder, instruments, _HOW)
        return rows

    return planned(instruments, files, write)


def _text(request: Request, instrument: Instrument, samples: Sequence[Written]) -> Iterator[str]:
    cc, knob = request.settings.controller, len(instrument.points) > 1
    group = f" ({instrument.preset.group})" if instrument.preset.group else ""
    yield from (f"// {line}" for line in (instrument.name + group, maker(request), licence(request)))
    if knob:
        yield "<control>"
        yield f"label_cc{cc}=Timbre"
        yield f"set_cc{cc}=0"
    yield "<global>"
    yield "amp_veltrack=100"
    if not instrument.keys:
        yield "pitch_keytrack=0"
    if knob:
        yield f"xf_cccurve={'power' if instrument.is_noise else 'gain'}"
    samples = sorted(samples, key=lambda one: (one.zone.step, one.zone.layer.low))
    for (step, layer), part in groupby(samples, lambda one: (one.zone.step, one.zone.layer)):
        mode = "loop_continuous" if instrument.behaviours[step].sustained else "no_loop"
        head = f"<group> loop_mode={mode} lovel={layer.low} hivel={layer.high}"
        yield " ".join([head, *_fades(step, len(instrument.points), cc)])
        for one in part:
            for low, high, gain in one.spans():
                yield " ".join(_region(instrument, one, low, high, gain))


def knob_positions(steps: int) -> list[int]:
    """The values, 0 to 127, of a controller at which each position of the timbre knob sounds alone."""
    return [round(127 * step / (steps - 1)) for step in range(steps)]


def _fades(step: int, steps: int, cc: int) -> Iterator[str]:
    """Opcodes by which the positions of the knob fade into each other."""
    if steps < 2:
        return
    places = knob_positions(steps)
    if step > 0:
        yield f"xfin_locc{cc}={places[step - 1]} xfin_hicc{cc}={places[step]}"
    if step + 1 < steps:
        yield f"xfout_locc{cc}={places[step]} xfout_hicc{cc}={places[step + 1]}"


def _region(instrument: Instrument, sample: Written, low: int, high: int, gain: float) -> Iterator[str]:
    zone = sample.zone
    yield f"<region> sample={sample.file} lokey={low} hikey={high} volume={gain:.2f}"
    yield f"pitch_keycenter={zone.key} ampeg_release={_RELEASE * sample.release:.3f}"
    if sample.loop is not None:
        yield f"loop_start={sample.loop[0]} loop_end={sample.loop[1] - 1}"
    if instrument.takes > 1:
        yield f"seq_length={instrument.takes} seq_position={zone.take + 1}"
