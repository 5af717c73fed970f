"""Embeddings: functions from sounds to vectors in which sets of sounds are compared.

Auditory features and MFCC are the same for every space. "style" is made of the space's own encoder, so its figures
cannot be compared between spaces. Networks from elsewhere, such as CLAP or PANNs, are files that take a waveform.
"""

import io
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.fft import dct

from timbre.audio import Audio
from timbre.config import SpectrogramConfig
from timbre.errors import ConfigError
from timbre.evaluation.figures import plain_key
from timbre.files import read_bytes, shown
from timbre.models.conditions import Conditions
from timbre.models.graphs import onnxruntime
from timbre.space import Space
from timbre.spectral import Spectrogram
from timbre.spectral.auditory import AuditoryFeatures
from timbre.wording import needs

SECONDS = 2.0  # of each sound, from its onset
NAMES = ("auditory", "mfcc", "style")
_BATCH = 16  # sounds that are embedded at a time
_COEFFICIENTS = 20
_AUDIBLE = 60.0  # dB below the loudest frame, to which frames count
_CHANNELS = 32  # random mixtures of the encoder's channels
_LARGEST = 2 << 30  # bytes of a file
_RATES = 1000, 192_000  # Hz
_MOST_VALUES, _LARGEST_VALUE = 65_536, 1e30  # of one sound; squares of values must be finite


@dataclass(frozen=True)
class SoundEmbedding:
    """A function from sounds to vectors.

    Attributes:
        name: in the names of figures: letters, digits, underscores.
        sample_rate: of the sounds that `function` takes, Hz.
        function: from sounds (n, samples), float32, to vectors (n, size).
    """

    name: str
    sample_rate: int
    function: Callable[[np.ndarray], np.ndarray]

    def __call__(self, sounds: np.ndarray, sample_rate: int) -> np.ndarray:
        """Vectors (n, size), float64, of sounds (n, samples) of any sample rate (Hz).

        Raises:
            ConfigError: if the function returns anything else than a finite vector for each.
        """
        own = [Audio(one, sample_rate).resample(self.sample_rate).samples[0] for one in sounds]
        try:
            found = np.asarray(self.function(np.stack(own).astype(np.float32)), dtype=float)
        except Exception as error:  # of a network from elsewhere; they have no class in common
            raise ConfigError(self._refused(f"{type(error).__name__}: {shown(str(error))}")) from error
        if found.ndim == 3:
            found = found.mean(1)
        if found.ndim != 2 or len(found) != len(sounds) or not 1 <= found.shape[1] <= _MOST_VALUES:
            raise ConfigError(self._refused(f"the shape {found.shape} for {len(sounds)} sounds"))
        if not (np.abs(found) <= _LARGEST_VALUE).all():
            raise ConfigError(self._refused(f"values that are NaN or above {_LARGEST_VALUE:g}"))
        return found

    def _refused(self, got: str) -> str:
        return (
            f"The embedding {self.name} must return one finite vector of up to {_MOST_VALUES:,} values for each sound, "
            f"or one for each of its frames, got {got}; export the network to take a waveform (1, samples)."
        )


def embed(embeddings: Sequence[SoundEmbedding], sounds: Iterable[np.ndarray], sample_rate: int) -> list[np.ndarray]:
    """Vectors (n, size) of n sounds (samples,) of any length, for each of the embeddings.

    Sounds are cut or padded to two seconds. They are taken from the iterable a few at a time.
    """
    length = round(SECONDS * sample_rate)
    parts: list[list[np.ndarray]] = [[np.zeros((0, 1))] for _ in embeddings]
    batch: list[np.ndarray] = []

    def flush() -> None:
        for part, embedding in zip(parts, embeddings, strict=True):
            part += [embedding(np.stack(batch), sample_rate)] if batch else []
            if len(sizes := {vectors.shape[1] for vectors in part[1:]}) > 1:
                raise ConfigError(embedding._refused(f"vectors of {' and '.join(map(str, sorted(sizes)))} values"))
        batch.clear()

    for sound in sounds:
        batch.append(np.pad(sound[:length], (0, max(0, length - len(sound)))))
        if len(batch) == _BATCH:
            flush()
    flush()
    return [np.concatenate(part[1:] or part) for part in parts]


def find_embeddings(names: Sequence[str], space: Space) -> list[SoundEmbedding]:
    """Embeddings by :func:`find_embedding`; a ConfigError also if two files have one name."""
    found = [find_embedding(name, space) for name in dict.fromkeys(names)]
    called = [one.name for one in found]
    if twice := [name for name in called if called.count(name) > 1]:
        raise ConfigError(f"The embeddings must have different names, got two called {twice[0]}; rename a file.")
    return found


def find_embedding(name: str, space: Space) -> SoundEmbedding:
    """An embedding by its name in :data:`NAMES`, or of a network in a file.

    A file is an ONNX file (.onnx) or a TorchScript file (.ts, .pt) that takes a waveform, (1, samples) or (samples,),
    float32, of the sample rate RATE in FILE@RATE, or else in its metadata or attribute `sample_rate`; it returns a
    vector, or one for each frame, of which the mean is taken. Its name is that of the file. Open only files from
    people whom you trust: they are programs.

    Raises:
        ConfigError: if there is no such embedding, the file cannot be used, or the network does not take noise.
    """
    if name in NAMES:
        return {"auditory": auditory, "mfcc": mfcc, "style": lambda: style(space)}[name]()
    file, _, rate = name.rpartition("@") if name.rpartition("@")[2].isdigit() else (name, "", "")
    opener = {".onnx": _onnx, ".ts": _torchscript, ".pt": _torchscript}.get(Path(file).suffix.lower())
    if opener is None:
        raise ConfigError(
            f"The embedding must be {', '.join(NAMES)}, or a file that ends in .onnx, .ts or .pt, got {shown(name)}."
        )
    function, said = opener(Path(file))
    told = str(rate or said)
    hertz = int(told) if told.isdecimal() and len(told) < 8 else 0
    if not _RATES[0] <= hertz <= _RATES[1]:
        raise ConfigError(
            f"The sample rate of {file} must be {_RATES[0]:,} to {_RATES[1]:,} Hz, got "
            f"{hertz or 'none'}; give it after the name, such as {Path(file).name}@48000."
        )
    found = SoundEmbedding(plain_key(Path(file).stem), hertz, function)
    found(0.1 * np.random.default_rng(0).standard_normal((2, round(SECONDS * hertz))), hertz)  # before all other work
    return found


def auditory() -> SoundEmbedding:
    """Auditory features of the default spectrogram (22,050 Hz, 256 mel bands)."""
    spectrogram = Spectrogram(SpectrogramConfig())
    features = AuditoryFeatures(spectrogram, SECONDS)
    return _spectral("auditory", spectrogram, lambda levels: features(levels).numpy())


def mfcc() -> SoundEmbedding:
    """Mel-frequency cepstral coefficients 1 to 20 of the default spectrogram, without the level (0).

    Means and standard deviations over the frames within 60 dB of the loudest, (40,); the transform is orthonormal.
    """

    def moments(levels: torch.Tensor) -> np.ndarray:
        loud = levels.amax(1) >= levels.amax((1, 2))[:, None] - _AUDIBLE
        found = dct(levels.numpy(), axis=1, norm="ortho")[:, 1 : _COEFFICIENTS + 1]
        audible = [one[:, on] for one, on in zip(found, loud.numpy(), strict=True)]
        return np.stack([np.concatenate([one.mean(1), one.std(1)]) for one in audible])

    return _spectral("mfcc", Spectrogram(SpectrogramConfig()), moments)


def style(space: Space) -> SoundEmbedding:
    """Gram matrices of the space's encoder: products of its channels, averaged over time (Gatys et al. 2016).

    The channels of the last convolution are first mixed at random into 32 (a fixed seed); the upper triangle of their
    Gram matrix, (528,), has norm 1. The encoder gets no pitch and no velocity.
    """
    encoder, config, spectrogram = space.model.encoder, space.config, space.spectrogram
    channels = encoder.head.in_features // 2
    mixing = torch.randn(_CHANNELS, channels, generator=torch.Generator().manual_seed(0)) / math.sqrt(channels)
    upper = torch.triu_indices(_CHANNELS, _CHANNELS)
    length = (config.all_frames - 1) * config.spectrogram.hop_length + config.spectrogram.n_fft

    @torch.no_grad()
    def grams(sounds: np.ndarray) -> np.ndarray:
        padded = np.pad(sounds, ((0, 0), (0, max(0, length - sounds.shape[1]))))[:, :length]
        notes = spectrogram(torch.from_numpy(padded))[:, :, config.frame_numbers]
        unknown = torch.full((len(sounds),), torch.nan)
        mixed = mixing @ encoder.hidden(notes, Conditions(unknown, unknown, torch.full_like(unknown, torch.inf)))
        gram = (mixed @ mixed.mT)[:, upper[0], upper[1]]
        return np.asarray(torch.nn.functional.normalize(gram, dim=1).numpy())

    return SoundEmbedding("style", config.spectrogram.sample_rate, grams)


def _spectral(name: str, spectrogram: Spectrogram, function: Callable[[torch.Tensor], np.ndarray]) -> SoundEmbedding:
    @torch.no_grad()
    def embedded(sounds: np.ndarray) -> np.ndarray:
        return function(spectrogram(torch.from_numpy(sounds)))

    return SoundEmbedding(name, spectrogram.config.sample_rate, embedded)


_Opened = tuple[Callable[[np.ndarray], np.ndarray], object]


def _content(file: Path) -> bytes:
    """The content of a file; reading sets aside as much memory as it may have, so no more than it has."""
    return read_bytes(file, min(_LARGEST, file.stat().st_size if file.is_file() else 0))


def _onnx(file: Path) -> _Opened:
    runtime = onnxruntime()
    if runtime is None:
        raise ConfigError(needs(str(file), "onnxruntime"))
    content = _content(file)
    try:
        session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
        inputs = [(one.name, one.type, one.shape) for one in session.get_inputs()]
        said = session.get_modelmeta().custom_metadata_map.get("sample_rate")
    except Exception as error:  # onnxruntime's have no class in common
        raise ConfigError(
            f"{file} must be an ONNX file without other files: {shown(str(error))}; export it again."
        ) from error
    name, kind, shape = inputs[0] if len(inputs) == 1 else ("", "", [])
    if kind != "tensor(float)" or len(shape) not in (1, 2):
        raise ConfigError(
            f"{file} must have one input, a waveform (1, samples) or (samples,) of float32, got "
            f"{', '.join(f'{shown(name)} {shape}' for name, _, shape in inputs) or 'none'}; export it again."
        )
    fixed = shape[-1] if isinstance(shape[-1], int) else None

    def run(sound: np.ndarray) -> np.ndarray:
        fitted = sound if fixed is None else np.pad(sound, (0, max(0, fixed - len(sound))))[:fixed]
        return np.asarray(session.run(None, {name: fitted[None] if len(shape) == 2 else fitted})[0])

    return _each(run), said


def _torchscript(file: Path) -> _Opened:
    content = _content(file)
    try:
        with warnings.catch_warnings(action="ignore"):  # TorchScript is deprecated, but networks are shared in it
            script: Any = torch.jit.load(io.BytesIO(content), map_location="cpu").eval()
    except Exception as error:  # RuntimeError of many kinds
        raise ConfigError(f"{file} must be a TorchScript file (torch.jit.save): {shown(str(error))}.") from error

    @torch.no_grad()
    def run(sound: np.ndarray) -> np.ndarray:
        return np.asarray(script(torch.from_numpy(sound)[None]).numpy())

    return _each(run), getattr(script, "sample_rate", None)


def _each(run: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """A function of many sounds that runs a network on one after the other: (n, size) or (n, frames, size)."""
    return lambda sounds: np.stack(
        [found[0] if found.ndim > 1 and len(found) == 1 else found for found in map(run, sounds)]
    )
