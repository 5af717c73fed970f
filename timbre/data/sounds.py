"""Reading of sounds from files, archives and SoundFonts."""

import io
import lzma
import stat
import struct
import zipfile
import zlib
from pathlib import Path

import soundfile

from timbre.audio import Audio, read
from timbre.audio.files import decode, opened
from timbre.audio.sampler_chunk import read_sampler_chunk
from timbre.audio.wavetables import PITCH, is_frame_size
from timbre.data.parts import Excerpt, Part, SoundFontVoice
from timbre.data.soundfonts.soundfont import read_sample
from timbre.data.soundfonts.synthesizer import HOLD, render_voice
from timbre.errors import AudioError

LARGEST_MEMBER = 1 << 28  # most bytes that a compressed sound may unpack to: more than half an hour of stereo
_MOST_CHUNKS = 1000  # of a WAV file that are searched for its root key
UNPACKING = (
    OSError, EOFError, LookupError, ValueError, RuntimeError, OverflowError, struct.error, zlib.error, lzma.LZMAError,
    zipfile.BadZipFile, MemoryError,
)  # fmt: skip
"""Exceptions of zipfile for archives that are damaged, encrypted or compressed by an unknown method."""


def read_part(file: Path, part: Part | None = None) -> Audio:
    """The sound of a file, an excerpt of it, or a SoundFont's key, rendered; raises like :meth:`Note.audio`."""
    if part is None:
        return read(file)
    if isinstance(part, SoundFontVoice):
        return render_voice(file, part, HOLD if part.hold is None else part.hold)
    return excerpt(_whole(file, part), part, file)


def excerpt(audio: Audio, part: Excerpt, file: Path) -> Audio:
    """The stretch of a sound that an excerpt names; an AudioError about the `file` if it lies outside of it."""
    try:
        first, last = (t if t is None else max(0, round(t * audio.sample_rate)) for t in (part.start, part.end))
    except (OverflowError, ValueError) as error:  # infinite, or not a number
        raise AudioError(f"{file}: {part} is not a stretch of a sound.") from error
    samples = audio.samples[:, first:last]
    if samples.shape[1] == 0:
        raise AudioError(f"{file}: {part} must lie inside the sound, which is {audio.duration:.3f} s long.")
    return Audio(samples, audio.sample_rate)


def _whole(file: Path, part: Excerpt) -> Audio:
    if part.member is None:
        return read(file)
    if file.suffix.lower() in (".sf2", ".sf3"):
        return read_sample(file, int(part.member))
    return decode(unpacked(file, part.member), f"{file}: {part.member}")


def unpacked(file: Path, member: str, largest: int = LARGEST_MEMBER) -> bytes:
    """The bytes of a file in a zip archive; an AudioError if it is damaged or unpacks to more than `largest` bytes."""
    try:
        with zipfile.ZipFile(file) as archive, archive.open(member) as content:
            unpacked = content.read(largest + 1)  # the declared size may be wrong, so the read itself is bounded
    except UNPACKING as error:
        raise AudioError(f"{file}: {member} cannot be unpacked: {str(error).rstrip('.')}.") from error
    if len(unpacked) > largest:
        raise AudioError(f"{file}: {member} unpacks to more than {largest} bytes, too many for a note.")
    return unpacked


def extent(file: Path, member: str | None = None) -> tuple[int, int] | None:
    """Sample rate (Hz) and number of frames in the header of a sound file; None if it cannot be read or used."""
    try:
        source = file if member is None else io.BytesIO(unpacked(file, member))
        with opened(source, str(file)) as header:
            return header.samplerate, header.frames
    except (AudioError, soundfile.LibsndfileError, OSError, TypeError, UnicodeError):
        return None


def root_key(file: Path) -> float | None:
    """MIDI pitch in the header of a WAV (also RF64, BW64, RIFX), AIFF or AIFC file; None if there is none.

    It is in the chunk smpl, inst or acid of a WAV file, the first of these that it has, or INST of an AIFF file; of a
    wavetable it is the pitch of the note that it is read as.
    """
    if file.suffix.lower() == ".wt":
        return PITCH
    if file.suffix.lower() not in (".wav", ".wave", ".rf64", ".aif", ".aiff", ".aifc"):
        return None
    found: dict[bytes, float] = {}
    try:
        if not stat.S_ISREG(file.stat().st_mode):  # a pipe would never end
            return None
        with file.open("rb") as content:
            kind, _, form = struct.unpack("4s4s4s", content.read(12))
            order = _ROOT_KEYS.get((kind, form))
            for _ in range(_MOST_CHUNKS if order else 0):
                name, size = struct.unpack(f"{order}4sI", content.read(8))
                end = content.tell() + size + size % 2
                if name in _ROOT_KEY_CHUNKS:
                    found[name] = _ROOT_KEY_CHUNKS[name](content.read(min(size, 20)), order or "<")
                content.seek(end)
    except (OSError, ValueError, struct.error):
        pass
    return next((key for name in _ROOT_KEY_CHUNKS if 0 <= (key := found.get(name, -1.0)) <= 127), None)


def _clm(chunk: bytes, _: str) -> float:
    return PITCH if is_frame_size(chunk) else -1.0


def _smpl(chunk: bytes, order: str) -> float:
    return read_sampler_chunk(chunk, order).pitch


def _acid(chunk: bytes, order: str) -> float:
    flags, key = struct.unpack_from(f"{order}IH", chunk)
    return float(key) if flags & 2 else -1.0  # the second bit: the root note is set


def _inst(chunk: bytes, order: str) -> float:
    key, cents = struct.unpack_from("Bb", chunk)
    return float(key - cents / 100)


_ROOT_KEYS = {
    (b"RIFF", b"WAVE"): "<", (b"RF64", b"WAVE"): "<", (b"BW64", b"WAVE"): "<", (b"RIFX", b"WAVE"): ">",
    (b"FORM", b"AIFF"): ">", (b"FORM", b"AIFC"): ">",
}  # fmt: skip
"""Byte order of the containers, by their first bytes."""
_ROOT_KEY_CHUNKS = {b"clm ": _clm, b"smpl": _smpl, b"INST": _inst, b"inst": _inst, b"acid": _acid}
"""Readers of the chunks, the most reliable first."""
