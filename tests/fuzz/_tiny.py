"""A space of two dimensions that was never trained, a vocoder for it, and notes of a few hundred samples."""

import io
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import torch

import timbre
from timbre.config import Config, DataConfig, ModelConfig, RegularizationConfig, SpectrogramConfig, VocoderConfig
from timbre.models.frame_decoder import FrameDecoder
from timbre.models.graphs import can_export, onnxruntime
from timbre.models.regularizers.axes import Axis
from timbre.models.vae import VAE
from timbre.shapes.presets import Preset, Presets
from timbre.space import Space
from timbre.space.atlas import Atlas
from timbre.vocoder.network import make_vocoder
from timbre.vocoder.trained import TrainedVocoder

RATE = 8000
CONFIG = Config(
    spectrogram=SpectrogramConfig(sample_rate=RATE, n_fft=256, hop_length=128, n_mels=8),
    data=DataConfig(duration=0.1, transpose=0),
    model=ModelConfig(dim=2, flows=1, encoder_channels=4, decoder_channels=4, decoder_blocks=1, harmonics=2),
    regularization=RegularizationConfig(perceptual="none", pitch="none"),
)
_VOCODER = VocoderConfig(channels=8, blocks=1, kernel=1, look_ahead=0)
NOTES = ("flute-C4", "flute-E4", "oboe-C4", "oboe-E4")


@cache
def tiny_space() -> Space:
    """The space, with two notes of two instruments each; equal in every process."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = VAE(CONFIG).eval()
        vocoder = TrainedVocoder(make_vocoder(CONFIG.spectrogram, _VOCODER).eval(), _VOCODER, {"score": 1.0})
    points = np.array([[0, 0], [1, 0], [0, 1], [1, 1.5]], np.float32)
    pitches, velocities = np.array([60, 64, 60, np.nan], np.float32), np.array([0.5, 0.5, 1.0, np.nan], np.float32)
    errors = np.array([np.nan, np.nan, 4.0, 5.0], np.float32)
    instruments, files = ("flute", "flute", "oboe", "oboe"), tuple(f"{name}.wav" for name in NOTES)
    splits = ("train", "train", "valid", "test")
    atlas = Atlas(
        points, pitches, velocities, NOTES, instruments, ("woodwinds",) * 4, files, splits, points * 0 + 0.1, errors
    )
    axis = Axis("brightness", "centroid", "octaves", 10.0, 0.5, 0.3)
    return Space(CONFIG, model, atlas, {"notes": 4, "valid_error_db": 4.5}, [axis], vocoder)


@cache
def tiny_graph() -> bytes:
    """The space's decoder as an ONNX file; empty where it cannot be exported or run."""
    decoder = FrameDecoder(tiny_space().model, tiny_space().spectrogram)
    return decoder.export() if onnxruntime() and can_export() else b""


@cache
def space_files(vocoder: bool = False) -> dict[str, bytes]:
    """The files of the space's folder."""
    space = tiny_space()
    with tempfile.TemporaryDirectory() as folder:
        Space(
            space.config, space.model, space.atlas, space.report, space.axes, space.vocoder if vocoder else None
        ).save(folder)
        return {file.name: file.read_bytes() for file in sorted(Path(folder).iterdir())}


def tiny_presets(space: Space) -> Presets:
    """A point and a path."""
    path = space.path([0.0, 0.0], [1.0, 1.0], pitch=None)
    return Presets([Preset("a", space.path([0.5, 0.5])), Preset("b", path, 0.5, True)])


@cache
def tone(pitch: float, seconds: float = 0.05, rate: int = RATE) -> np.ndarray:
    """A decaying tone of four partials with a little noise, (n,)."""
    time = np.arange(round(seconds * rate)) / rate
    frequency = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    noise = np.random.default_rng(round(pitch)).normal(0.0, 0.002, len(time))
    partials = sum(np.sin(2 * np.pi * k * frequency * time) / k for k in range(1, 5))
    return 0.2 * partials * np.exp(-time / seconds) + noise


@cache
def sound(
    kind: str = "WAV", subtype: str = "PCM_16", pitch: float = 60.0, channels: int = 1, seconds: float = 0.05,
    rate: int = RATE,
) -> bytes:  # fmt: skip
    """The bytes of a sound file in one of libsndfile's formats."""
    file = io.BytesIO()
    samples = np.stack([tone(pitch, seconds, rate) * 0.9**channel for channel in range(channels)], 1)
    soundfile.write(file, samples, rate, subtype, format=kind)
    return file.getvalue()


def warm_up() -> None:
    """Compile and load what the first call would, before processes are forked."""
    space = tiny_space()
    space.encode(space.decode([0.0, 0.0], duration=0.1))
    for stream in ("rtpghi", "vocoder"):
        space.renderer.stream(stream)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.wav").write_bytes(sound())
        timbre.scan(folder)
        timbre.load(space.save(Path(folder) / "space"))
