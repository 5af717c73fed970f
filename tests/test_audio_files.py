"""Reading and writing sound files: round trips, and files that are not what they should be."""

import errno
import os
import stat
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from timbre.audio import Audio, files, read, write
from timbre.audio.files import decode, probe
from timbre.errors import AudioError

STEPS = {"PCM_16": 2**-15, "PCM_24": 2**-23, "FLOAT": 0.0}


def noise(channels: int = 1, length: int = 30000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (channels, length)).astype(np.float32)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    channels=st.integers(1, 8),
    length=st.integers(1, 5000),
    rate=st.sampled_from([1000, 8000, 11025, 22050, 44100, 48000, 96000, 192000]),
    kind=st.sampled_from(
        [("wav", "PCM_16"), ("wav", "PCM_24"), ("wav", "FLOAT"), ("FLAC", "PCM_16"), ("flac", "PCM_24")]
    ),
)
def test_what_is_written_is_read_again(
    tmp_path: Path, channels: int, length: int, rate: int, kind: tuple[str, str]
) -> None:
    audio = Audio(noise(channels, length), rate)
    path = write(tmp_path / f"a.{kind[0]}", audio, kind[1])
    again = read(path)
    assert again.sample_rate == rate
    assert again.samples.shape == audio.samples.shape
    np.testing.assert_allclose(again.samples, audio.samples, rtol=0, atol=STEPS[kind[1]])
    assert probe(path) == pytest.approx((audio.duration, again.peak))


def test_default_formats_and_replacing(tmp_path: Path) -> None:
    for suffix, subtype in (("wav", "PCM_24"), ("flac", "PCM_24"), ("ogg", "VORBIS")):
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(b"older")
        assert write(str(path), Audio(noise(2), 44100)) == path
        assert soundfile.info(path).subtype == subtype
        assert read(path).samples.shape == (2, 30000)
    assert {path.name for path in tmp_path.iterdir()} == {"a.wav", "a.flac", "a.ogg"}


def test_long_vorbis_files_survive(tmp_path: Path) -> None:
    seconds = np.arange(44100 * 60) / 44100
    audio = Audio(0.5 * np.sin(2 * np.pi * 440 * seconds), 44100)
    again = read(write(tmp_path / "long.ogg", audio))
    assert again.samples.shape == audio.samples.shape
    assert np.linalg.norm(again.samples - audio.samples) < 0.03 * np.linalg.norm(audio.samples)


@pytest.mark.parametrize("suffix", ["wav", "aiff", "flac", "ogg", "mp3"])
def test_every_common_format_any_rate_any_channels(tmp_path: Path, suffix: str) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(96000) / 48000)
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, np.stack([tone, 0.5 * tone], axis=1), 48000)
    assert read(path).channels == 2
    audio = read(path, 22050, mono=True)
    assert (audio.sample_rate, audio.channels) == (22050, 1)
    assert audio.duration == pytest.approx(2, abs=0.1)
    spectrum = np.abs(np.fft.rfft(audio.samples[0][:22050]))
    assert spectrum.argmax() == pytest.approx(440, abs=1)
    assert np.sqrt(2 * np.mean(audio.samples[0][2000:20000] ** 2)) == pytest.approx(0.375, rel=0.02)


def test_96_khz_stereo_is_read_at_another_rate(tmp_path: Path) -> None:
    path = write(tmp_path / "hi.flac", Audio(noise(2, 96000), 96000))
    assert read(path, 22050, mono=True).samples.shape == (1, 22050)


def test_paths_that_are_no_sound_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("not a sound")
    (tmp_path / "bytes.raw").write_bytes(b"\0" * 100)
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 1)), 22050)
    for name, words in {
        "missing.wav": "No such file",
        ".": "is a folder",
        "empty.wav": r"is empty \(0 bytes\)",
        "text.wav": "damaged or not a readable sound file",
        "bytes.raw": "damaged or not a readable sound file",
        "none.wav": "contains no samples",
        "nul\0.wav": "null",
    }.items():
        for reader in (read, probe):
            with pytest.raises(AudioError, match=words):
                reader(tmp_path / name)


def test_nan_samples_are_counted_and_placed(tmp_path: Path) -> None:
    samples = noise(2, 70000)
    samples[1, 66000:66003] = np.nan
    samples[0, 69999] = np.inf
    soundfile.write(tmp_path / "nan.wav", samples.T, 22050, "FLOAT")
    for reader in (read, probe):
        with pytest.raises(AudioError, match="4 of 70000 samples are NaN or infinite, the first at sample 66000"):
            reader(tmp_path / "nan.wav")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.999])
def test_a_flac_file_that_breaks_off_is_refused(tmp_path: Path, share: float) -> None:
    whole = write(tmp_path / "a.flac", Audio(noise(1, 100000), 22050)).read_bytes()
    (tmp_path / "b.flac").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(AudioError, match="damaged"):
        read(tmp_path / "b.flac")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0.1, 0.95), st.integers(0, 7))
def test_a_flipped_bit_in_a_flac_file_is_refused(tmp_path: Path, place: float, bit: int) -> None:
    content = bytearray(write(tmp_path / "a.flac", Audio(noise(1, 20000), 22050)).read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    (tmp_path / "b.flac").write_bytes(content)
    with pytest.raises(AudioError, match="damaged"):
        read(tmp_path / "b.flac")


def test_a_header_that_promises_too_much_costs_no_memory(tmp_path: Path) -> None:
    content = bytearray(write(tmp_path / "a.flac", Audio(noise(1, 3000), 22050)).read_bytes())
    content[21] |= 0x0F  # the four high bits of the 36-bit count of samples in STREAMINFO
    (tmp_path / "b.flac").write_bytes(content)
    with pytest.raises(AudioError, match="damaged"):
        read(tmp_path / "b.flac")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["wav", "flac", "ogg", "mp3", "aiff"]), st.binary(max_size=300), st.integers(0, 60))
def test_garbage_gives_a_sound_or_one_sentence(tmp_path: Path, suffix: str, garbage: bytes, kept: int) -> None:
    soundfile.write(tmp_path / f"a.{suffix}", noise()[0], 22050)
    path = tmp_path / f"b.{suffix}"
    path.write_bytes((tmp_path / f"a.{suffix}").read_bytes()[:kept] + garbage)
    message = ""
    try:
        message = repr(read(path))
    except AudioError as error:
        message = str(error)
    assert message.startswith(("Audio(", f"{path} "))


def test_writing_refuses_what_would_be_lost(tmp_path: Path) -> None:
    audio = Audio(noise(), 22050)
    loud = Audio(np.array([0.5, -1.4]), 22050)
    with pytest.raises(AudioError, match=r"peaks at 1\.400, 2\.9 dB over full scale; lower it with \.gain\(-3\.0\)"):
        write(tmp_path / "a.wav", loud)
    write(tmp_path / "a.wav", loud.gain(-3.0))
    np.testing.assert_array_equal(read(write(tmp_path / "b.wav", loud, "FLOAT")).samples, loud.samples)
    assert read(write(tmp_path / "c.wav", Audio(np.array([1.0005, -1.0]), 22050))).peak <= 1
    for name, subtype, words in [
        ("a.xyz", None, "must end in .wav, .flac, .ogg"),
        ("a", None, "must end in"),
        ("a.flac", "FLOAT", "flac must be one of"),
        ("a.wav", "nonsense", "wav must be one of"),
        ("no/such/a.wav", None, "there is no folder"),
    ]:
        with pytest.raises(AudioError, match=words):
            write(tmp_path / name, audio, subtype)
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(AudioError, match="is a folder"):
        write(tmp_path / "folder.wav", audio)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", Audio(noise(), 22050))
    before = path.read_bytes()
    with pytest.raises(AudioError, match="cannot be written"):
        write(path, Audio(noise(9), 22050))  # FLAC holds eight channels
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.flac"]


def test_a_folder_that_refuses_is_named(tmp_path: Path) -> None:
    audio = Audio(noise(), 22050)
    if Path("/proc/self").is_dir():  # refuses even root
        with pytest.raises(AudioError, match=r"/proc/self/a\.wav cannot be written"):
            write("/proc/self/a.wav", audio)
    if os.name == "posix" and os.geteuid() != 0:
        tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
        with pytest.raises(AudioError, match="Permission denied; choose a folder you may write to"):
            write(tmp_path / "a.wav", audio)
        tmp_path.chmod(stat.S_IRWXU)


def chunk(name: bytes, content: bytes, size: int | None = None, pad: bool = True) -> bytes:
    length = len(content) if size is None else size
    return name + struct.pack("<I", length) + content + b"\0" * (len(content) % 2 and pad)


def wav(*chunks: bytes, form: bytes = b"RIFF", size: int | None = None) -> bytes:
    body = b"".join(chunks)
    return form + struct.pack("<I", len(body) + 4 if size is None else size) + b"WAVE" + body


TONE = np.rint(16000 * np.sin(np.arange(4411) / 5)).astype("<i2")
WIDE = TONE.astype("<i4") << 16
FMT = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 22050, 44100, 2, 16))
FMT_24_IN_32 = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 22050, 88200, 4, 24))
DATA = TONE.tobytes()
DS64 = chunk(b"ds64", struct.pack("<QQQI", len(DATA) + 72, len(DATA), len(TONE), 0))
OPEN = chunk(b"data", DATA, 0xFFFFFFFF)
ODD = chunk(b"note", b"abc", pad=False)
HEADERS = {
    "BW64": wav(DS64, FMT, OPEN, form=b"BW64", size=0xFFFFFFFF),
    "BW64 with other chunks": wav(DS64, FMT, chunk(b"chna", b"\0" * 44), OPEN, form=b"BW64", size=0xFFFFFFFF),
    "BW64 with sizes of 32 bits": wav(FMT, chunk(b"data", DATA), form=b"BW64"),
    "RF64": wav(DS64, FMT, OPEN, form=b"RF64", size=0xFFFFFFFF),
    "RF64 without ds64": wav(FMT, OPEN, form=b"RF64", size=0xFFFFFFFF),
    "unfinished, 0": wav(FMT, chunk(b"data", DATA, 0), size=0),
    "unfinished, 0 with a length of the file": wav(FMT, chunk(b"data", DATA, 0)),
    "unfinished, all ones": wav(FMT, OPEN, size=0xFFFFFFFF),
    "unfinished, 2 GB": wav(FMT, chunk(b"data", DATA, 0x7FFFFFFF), size=0x7FFFFFFF),
    "length of the file of 0": wav(FMT, chunk(b"data", DATA), size=0),
    "no pad byte": wav(FMT, ODD, chunk(b"data", DATA)),
    "no pad byte before the format": wav(chunk(b"bext", b"a" * 603, pad=False), FMT, chunk(b"data", DATA)),
    "no pad byte twice": wav(ODD, FMT, ODD, chunk(b"data", DATA)),
    "pad byte": wav(FMT, chunk(b"note", b"abc"), chunk(b"data", DATA)),
    "24 bits in 32": wav(FMT_24_IN_32, chunk(b"data", WIDE.tobytes())),
    "a tag before the file": b"ID3\3\0\0" + bytes([0, 0, 7, 104]) + bytes(1000) + wav(FMT, chunk(b"data", DATA)),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_others_write_are_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(HEADERS[name])
    found = read(path)
    np.testing.assert_allclose(found.samples[0, : TONE.size], TONE / 32768, atol=1e-6)
    assert abs(found.samples.shape[1] - TONE.size) <= 1
    np.testing.assert_array_equal(decode(HEADERS[name], "a").samples, found.samples)


def test_a_wav_file_that_breaks_off_is_refused_and_an_empty_one_is_empty(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(FMT, chunk(b"data", DATA))[:-4000])
    with pytest.raises(AudioError, match="ends after 4822 of 8822 bytes of sound"):
        read(tmp_path / "a.wav")
    (tmp_path / "b.wav").write_bytes(wav(FMT, chunk(b"data", b""), chunk(b"LIST", b"INFO")))
    with pytest.raises(AudioError, match="contains no samples"):
        read(tmp_path / "b.wav")


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        ((1, 1, 1, 2, 2, 16), "must have a rate of 1000 to 768000 Hz, got 1 Hz"),
        ((1, 1, 2**31 - 1, 2**31 - 1, 2, 16), "must have a rate of"),
        ((1, 1024, 22050, 22050 * 2048, 2048, 16), "must have 64 channels or fewer, got 1024"),
    ],
)
def test_rates_and_channels_are_bounded(tmp_path: Path, layout: tuple[int, ...], words: str) -> None:
    (tmp_path / "a.wav").write_bytes(wav(chunk(b"fmt ", struct.pack("<HHIIHH", *layout)), chunk(b"data", DATA)))
    for reader in (read, probe):
        with pytest.raises(AudioError, match=words):
            reader(tmp_path / "a.wav")


def test_samples_far_beyond_full_scale_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(500, 1e30), 22050, "FLOAT")
    for reader in (read, probe):
        with pytest.raises(AudioError, match=r"must have samples of up to 1e\+10, got 1e\+30"):
            reader(tmp_path / "a.wav")


def test_long_sounds_are_refused_before_and_while_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.flac", Audio(np.zeros(200_000), 22050))
    monkeypatch.setattr(files, "LONGEST", 150_000)
    for reader in (read, probe):
        with pytest.raises(AudioError, match=r"is too long.*at most 150000 samples.*got 200000 samples in 1 channels"):
            reader(path)
    unknown = bytearray(path.read_bytes())
    unknown[21] &= 0xF0  # the 36-bit count of samples in STREAMINFO: 0 is unknown
    unknown[22:26] = bytes(4)
    path.write_bytes(unknown)
    with pytest.raises(AudioError, match="is too long"):
        read(path)
    monkeypatch.setattr(files, "LONGEST", 1 << 26)
    monkeypatch.setattr(files, "LONGEST_SECONDS", 1.0)
    with pytest.raises(AudioError, match="is too long"):
        probe(path)


def test_a_full_disk_is_not_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "touch", full)
    with pytest.raises(AudioError, match="No space left on device; make room on the disk"):
        write(tmp_path / "a.wav", Audio(noise(), 22050))
