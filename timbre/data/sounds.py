"""From a note to its sound: the one way, wherever the sound is kept."""

import io
import lzma
import struct
import zipfile
import zlib
from pathlib import Path

import soundfile

from timbre.audio import Audio, read
from timbre.audio.files import decode, openable
from timbre.data.parts import Excerpt, Part, SoundFontVoice
from timbre.data.soundfonts.soundfont import read_sample
from timbre.data.soundfonts.synthesizer import render_voice
from timbre.errors import AudioError

LARGEST_MEMBER = 1 << 28
"""Bytes that a compressed sound may unpack to; half an hour of stereo has fewer."""
_MOST_CHUNKS = 1000  # of a WAV file, before the search for its root key ends
UNPACKING = (
    OSError,
    EOFError,
    LookupError,
    ValueError,
    RuntimeError,
    OverflowError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
)
"""What zipfile raises for archives that are damaged, encrypted, or packed in a way that it does not know."""


def read_part(file: Path, part: Part | None = None) -> Audio:
    """The sound of a file, of a stretch of it, of a member of an archive, or of a rendered key of a SoundFont.

    Raises:
        AudioError: if it cannot be read, or what is asked for is not in it.
        DeviceError: if a SoundFont is to be rendered and no synthesizer is installed.
    """
    if part is None:
        return read(file)
    if isinstance(part, SoundFontVoice):
        return render_voice(file, part)
    return excerpt(_whole(file, part), part, file)


def excerpt(audio: Audio, part: Excerpt, file: Path) -> Audio:
    """The stretch of a sound that a part names; `file` is for the message.

    Raises:
        AudioError: if the stretch lies outside the sound.
    """
    try:
        first = round(part.start * audio.sample_rate)
        last = None if part.end is None else round(part.end * audio.sample_rate)
    except (OverflowError, ValueError) as error:  # infinite, or not a number
        raise AudioError(f"{file}: {part} is no stretch of a sound.") from error
    samples = audio.samples[:, max(0, first) : None if last is None else max(0, last)]
    if samples.shape[1] == 0:
        raise AudioError(f"{file} is {audio.duration:.3f} s long; there is nothing at {part}.")
    return Audio(samples, audio.sample_rate)


def _whole(file: Path, part: Excerpt) -> Audio:
    if part.member is None:
        return read(file)
    if file.suffix.lower() in (".sf2", ".sf3"):
        return read_sample(file, int(part.member))
    return decode(unpacked(file, part.member), f"{file}: {part.member}")


def unpacked(file: Path, member: str, largest: int = LARGEST_MEMBER) -> bytes:
    """The bytes of a file inside a zip archive, unpacked in memory only.

    Raises:
        AudioError: if it cannot be unpacked, or unpacks to more than `largest` bytes.
    """
    try:
        with zipfile.ZipFile(file) as archive, archive.open(member) as content:
            unpacked = content.read(largest + 1)  # its stated size may be a lie, so the read itself is bounded
    except UNPACKING as error:
        raise AudioError(f"{file}: {member} cannot be unpacked: {str(error).rstrip('.')}.") from error
    if len(unpacked) > largest:
        raise AudioError(f"{file}: {member} unpacks to more than {largest} bytes; no note is that long.")
    return unpacked


def extent(file: Path, member: str | None = None) -> tuple[int, int] | None:
    """Sample rate (Hz) and number of frames, from the header of a sound file; None if it cannot be read."""
    try:
        header = soundfile.info(openable(file if member is None else io.BytesIO(unpacked(file, member))))
    except (AudioError, soundfile.LibsndfileError, OSError, TypeError, UnicodeError):
        return None
    return (header.samplerate, header.frames) if header.samplerate > 0 else None


def root_key(file: Path) -> float | None:
    """MIDI pitch that the sampler chunk ("smpl") of a WAV file states; None if there is none."""
    try:
        with file.open("rb") as content:
            riff = content.read(12)
            for _ in range(_MOST_CHUNKS if riff[:4] == b"RIFF" and riff[8:] == b"WAVE" else 0):
                name, size = struct.unpack("<4sI", content.read(8))
                if name == b"smpl":
                    key, fraction = struct.unpack("<12xII", content.read(20))
                    return key + fraction / 2**32 if key <= 127 else None
                content.seek(size + size % 2, io.SEEK_CUR)
    except (OSError, struct.error):
        return None
    return None
