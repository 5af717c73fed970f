"""Every setting of timbre, as frozen dataclasses. Standard library only, so that reading a config costs nothing.

A config comes from Python, from TOML (for people) or from JSON (inside a saved space). Reading is strict: an
unknown key, a wrong type or an impossible value is a :class:`~timbre.errors.ConfigError` that names it.
"""

import difflib
import math
import tomllib
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from timbre.errors import ConfigError

T = TypeVar("T")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True)
class SpectrogramConfig:
    """The front end: what the model sees of a sound."""

    kind: Literal["mel", "linear", "erb", "nsgt_cq", "nsgt_mel", "nsgt_erb", "dct", "mdct"] = "mel"
    """Log magnitudes on a mel or ERB filterbank or of the STFT itself; of a non-stationary Gabor transform on a
    constant-Q, mel or ERB scale; or of the coefficients of a windowed DCT or an MDCT."""
    sample_rate: int = 22050
    """Hz; every sound is resampled to it."""
    n_fft: int = 1024
    """STFT window, samples, through which every kind goes back to sound. For nsgt_* also the longest window of a band;
    for dct the frame and its coefficients."""
    hop_length: int = 256
    """Samples between frames; for mdct also the coefficients of a frame."""
    n_mels: int = 256
    """Bands of mel, erb, nsgt_mel and nsgt_erb; half of n_fft / 2 or more keeps the inverse near transparent."""
    floor_db: float = -80.0
    """Magnitudes below this level (dB; a full-scale sine is 0) read as this level."""
    bins_per_octave: int = 24
    """Bands of nsgt_cq in each octave above fmin."""
    fmin: float = 32.7
    """Lowest constant-Q band of nsgt_cq, Hz; one more band takes what lies below."""

    def __post_init__(self) -> None:
        _require(self.sample_rate > 0, f"spectrogram.sample_rate is {self.sample_rate} Hz; it must be positive.")
        _require(
            self.n_fft >= 32 and self.n_fft % 2 == 0,
            f"spectrogram.n_fft is {self.n_fft}; it must be even and 32 or more.",
        )
        _require(
            0 < self.hop_length <= self.n_fft // 2,
            f"spectrogram.hop_length is {self.hop_length}; it must lie between 1 and n_fft / 2 = {self.n_fft // 2}.",
        )
        _require(
            0 < self.n_mels <= self.n_fft // 2,
            f"spectrogram.n_mels is {self.n_mels}; it must lie between 1 and n_fft / 2 = {self.n_fft // 2}.",
        )
        _require(
            self.n_mels > 1 or not self.kind.startswith("nsgt"),
            f"spectrogram.n_mels is 1; {self.kind} has a band at 0 Hz and one at half the sample rate, and needs 2.",
        )
        _require(self.floor_db < 0, f"spectrogram.floor_db is {self.floor_db} dB; it must be below 0.")
        _require(
            1 <= self.bins_per_octave <= 96,
            f"spectrogram.bins_per_octave is {self.bins_per_octave}; it must lie between 1 and 96.",
        )
        _require(
            self.kind != "nsgt_cq" or 1 <= self.fmin <= self.sample_rate / 4,
            f"spectrogram.fmin is {self.fmin} Hz; it must lie between 1 and sample_rate / 4 = {self.sample_rate / 4}.",
        )

    @property
    def bins(self) -> int:
        """Rows of the spectrogram: bands, STFT bins, or coefficients."""
        if self.kind == "linear":
            return self.n_fft // 2 + 1
        if self.kind == "nsgt_cq":
            return self.cq_bands + 2
        return {"dct": self.n_fft, "mdct": self.hop_length}.get(self.kind, self.n_mels)

    @property
    def cq_bands(self) -> int:
        """Constant-Q bands of nsgt_cq, up to half a step or less below half of the sample rate."""
        octaves = math.log2(self.sample_rate / 2 / self.fmin)
        return max(1, math.ceil(self.bins_per_octave * octaves - 0.5))

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop_length

    def frames(self, samples: int) -> int:
        """Frames of a sound of `samples` samples (centred frames: one more than whole hops)."""
        return 1 + samples // self.hop_length


@dataclass(frozen=True)
class DataConfig:
    """How notes are cut, and which are held out."""

    duration: float = 2.0
    """Seconds of each note that the model sees; shorter notes are padded with silence."""
    trim_db: float = -50.0
    """Silence before a note's onset is cut where it lies this far below the note's peak level (dB)."""
    valid: float = 0.1
    """Share of the files held out to choose the best checkpoint."""
    test: float = 0.1
    """Share of the files never seen in training."""
    split_by: Literal["file", "pitch", "instrument", "source"] = "file"
    """What is held out whole, where the library has no split of its own: files, pitches of an instrument, instruments,
    or sources."""
    split_seed: int = 0
    """Seed of the split."""
    transpose: int = 1
    """Copies of each training note resampled to another pitch; 0 turns the augmentation off."""
    transpose_range: float = 1.0
    """Largest transposition of such a copy, semitones."""
    shorten: float = 0.0
    """Training cuts this share of the notes short, at a random time."""
    gain_db: float = 0.0
    """Training shows the encoder each note up to this much louder or softer (dB); 0 turns it off."""
    offset: float = 0.0
    """Training shows the encoder each note up to this much earlier or later (s); 0 turns it off."""
    noise_db: float = -60.0
    """Training shows the encoder each note behind noise of up to this level (dB of the note's own); -60 is none."""

    def __post_init__(self) -> None:
        _require(0.05 <= self.duration <= 60, f"data.duration is {self.duration} s; it must lie between 0.05 and 60.")
        _require(self.trim_db < 0, f"data.trim_db is {self.trim_db} dB; it must be below 0.")
        for name in ("valid", "test"):
            share = getattr(self, name)
            _require(0 <= share < 0.5, f"data.{name} is {share}; it is a share of the files, from 0 to below 0.5.")
        _require(0 <= self.transpose <= 16, f"data.transpose is {self.transpose}; it must lie between 0 and 16 copies.")
        _require(
            0 < self.transpose_range <= 12,
            f"data.transpose_range is {self.transpose_range}; it must lie between 0 and 12 semitones.",
        )
        _require(0 <= self.shorten <= 1, f"data.shorten is {self.shorten}; it is a share of the notes, from 0 to 1.")
        _require(0 <= self.gain_db <= 40, f"data.gain_db is {self.gain_db}; it must lie between 0 and 40 dB.")
        _require(
            0 <= self.offset <= self.duration / 2,
            f"data.offset is {self.offset} s; it must lie between 0 and half of data.duration = {self.duration / 2}.",
        )
        _require(-60 <= self.noise_db <= 0, f"data.noise_db is {self.noise_db}; it must lie between -60 and 0 dB.")


@dataclass(frozen=True)
class ModelConfig:
    """The convolutional VAE and its posterior's flows."""

    dim: int = 16
    """Dimensions of the latent space."""
    flow: Literal["planar", "radial", "coupling", "autoregressive", "spline"] = "planar"
    """Kind of the posterior's flows."""
    flows: int = 8
    """Flows on the posterior, K; 0 is the plain VAE."""
    amortised: bool = False
    """Flow parameters from the encoder, one set per note, instead of one set for all."""
    encoder_channels: int = 128
    """Width of the encoder's convolutions over time."""
    decoder_channels: int = 256
    """Width of the decoder's hidden layers."""
    decoder_blocks: int = 3
    """Residual blocks of the decoder."""
    harmonics: int = 32
    """Partials with a level of their own; 0 leaves the decoder an envelope and a noise floor."""
    dropout: float = 0.05
    """Dropout in encoder and decoder."""

    def __post_init__(self) -> None:
        _require(1 <= self.dim <= 1024, f"model.dim is {self.dim}; it must lie between 1 and 1024.")
        _require(0 <= self.flows <= 256, f"model.flows is {self.flows}; it must lie between 0 and 256.")
        for name in ("encoder_channels", "decoder_channels", "decoder_blocks"):
            _require(getattr(self, name) >= 1, f"model.{name} is {getattr(self, name)}; it must be 1 or more.")
        _require(0 <= self.harmonics <= 256, f"model.harmonics is {self.harmonics}; it must lie between 0 and 256.")
        _require(0 <= self.dropout < 1, f"model.dropout is {self.dropout}; it must lie between 0 and below 1.")


@dataclass(frozen=True)
class RegularizationConfig:
    """What orders the space, beside the evidence bound."""

    perceptual: Literal["none", "prior", "l2", "gaussian", "student", "rank", "metric", "metric+rank"] = "metric"
    """How distances are made to follow listeners' ratings: the four forms of Esling et al. 2018; the order of the
    distances (rank); the distances of a listener model for every pair of notes (metric); or the last two together
    (metric+rank)."""
    perceptual_weight: float = 1.0
    """Weight of that term."""
    perceptual_dims: int = 0
    """Dimensions that it sees, from the first; 0 is all."""
    schedule: Literal["joint", "two_stage"] = "joint"
    """Whether it acts from the start, or after a first stage without it, as in the paper."""
    stage: float = 0.5
    """Share of the run that the first stage takes."""
    axes: tuple[str, ...] = ()
    """Descriptors that the first dimensions mean, in this order: named axes with a fixed sign and scale."""
    axes_weight: float = 100.0
    """Weight of that term."""
    pitch: Literal["none", "pair", "adversary", "flow"] = "flow"
    """How pitch is kept out of the space: same sounds at two pitches are drawn together (pair); an adversary that reads
    pitch from the points is foiled as well (adversary); or pairs, and after the training a flow that knows the pitch
    carries every point to where its instrument has middle C, and back before it is decoded (flow)."""
    pitch_weight: float = 1.0
    """Weight of that term."""

    def __post_init__(self) -> None:
        for name in ("perceptual_weight", "axes_weight", "pitch_weight"):
            value = getattr(self, name)
            _require(value >= 0, f"regularization.{name} is {value}; it must be 0 or more.")
        _require(0 <= self.stage < 1, f"regularization.stage is {self.stage}; it must lie between 0 and below 1.")
        _require(
            self.perceptual_dims >= 0,
            f"regularization.perceptual_dims is {self.perceptual_dims}; it must be 0 or more.",
        )
        _require(
            len(set(self.axes)) == len(self.axes), f"regularization.axes names an axis twice: {', '.join(self.axes)}."
        )


@dataclass(frozen=True)
class TrainingConfig:
    """The training run."""

    objective: Literal["vae", "wae", "ae"] = "vae"
    """Evidence bound; Wasserstein autoencoder with a maximum mean discrepancy (Tolstikhin et al. 2018); or the error
    alone."""
    epochs: int = 100
    """Passes over the training notes."""
    max_minutes: float = 0.0
    """End the run after this many minutes of training; 0 sets no limit. The learning rate falls in time with it."""
    batch_size: int = 16
    """Notes per step, of each process where there are several."""
    learning_rate: float = 2e-3
    """Peak learning rate of AdamW; it follows a cosine down to a hundredth."""
    weight_decay: float = 1e-2
    """AdamW's decoupled weight decay."""
    warmup: float = 0.05
    """Share of the run over which the learning rate rises."""
    grad_clip: float = 1.0
    """Largest gradient norm."""
    ema: float = 0.995
    """Decay of the exponential moving average of the weights, which is what is saved."""
    beta: float = 1.0
    """Weight of the KL divergence; 1 is the evidence lower bound."""
    beta_warmup: float = 0.2
    """Share of the run over which beta rises from 0."""
    free_bits: float = 0.0
    """Nats of KL per dimension that cost nothing; 0 turns it off."""
    unknown: float = 0.1
    """Chance that a note's pitch, and its velocity, is hidden from the model in training."""
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    """Lightning Fabric's precision; auto is bf16-mixed on a GPU and 32-true elsewhere."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train."""
    threads: int = 0
    """CPU threads; 0 leaves torch's own choice."""
    seed: int = 0
    """Seed of the weights, the batches and the noise."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            _require(getattr(self, name) >= 1, f"training.{name} is {getattr(self, name)}; it must be 1 or more.")
        for name in ("learning_rate", "grad_clip"):
            _require(getattr(self, name) > 0, f"training.{name} is {getattr(self, name)}; it must be above 0.")
        for name in ("max_minutes", "weight_decay", "beta", "free_bits", "threads"):
            _require(getattr(self, name) >= 0, f"training.{name} is {getattr(self, name)}; it must be 0 or more.")
        for name in ("warmup", "ema", "beta_warmup", "unknown"):
            share = getattr(self, name)
            _require(0 <= share < 1, f"training.{name} is {share}; it must lie between 0 and below 1.")


@dataclass(frozen=True)
class Config:
    """All settings of a timbre space: `spectrogram`, `data`, `model`, `regularization`, `training`."""

    spectrogram: SpectrogramConfig = field(default_factory=SpectrogramConfig)
    """The front end."""
    data: DataConfig = field(default_factory=DataConfig)
    """Cutting and splitting."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """The network."""
    regularization: RegularizationConfig = field(default_factory=RegularizationConfig)
    """What orders the space."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """The run."""

    def __post_init__(self) -> None:
        for name, used in (
            ("axes", len(self.regularization.axes)),
            ("perceptual_dims", self.regularization.perceptual_dims),
        ):
            _require(
                used <= self.model.dim,
                f"regularization.{name} takes {used} dimensions; model.dim is {self.model.dim}.",
            )

    @property
    def note_frames(self) -> int:
        """Frames that the model sees of each note."""
        return self.spectrogram.frames(round(self.data.duration * self.spectrogram.sample_rate))

    def to_dict(self) -> dict[str, Any]:
        """The settings as nested dictionaries of plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Config":
        """A config from nested dictionaries; missing keys keep their defaults, unknown keys are refused."""
        return from_dict(cls, values)

    @classmethod
    def from_toml(cls, path: str | Path) -> "Config":
        """A config from a TOML file with tables [spectrogram], [data], [model], [regularization] and [training]."""
        return cls.from_dict(read_toml(path))


@dataclass(frozen=True)
class VocoderConfig:
    """A space's vocoder: its network, and how it is trained."""

    channels: int = 192
    """Width of the network."""
    blocks: int = 4
    """Its residual blocks."""
    kernel: int = 5
    """Frames that each of them sees: its own and those before it."""
    look_ahead: int = 1
    """Frames after the one in question that the network sees."""
    notes: int = 4096
    """Notes to learn from, at most; of larger libraries every so-manieth."""
    steps: int = 6000
    """Steps of training."""
    max_minutes: float = 0.0
    """End after this many minutes of training; 0 sets no limit. The learning rate falls in time with it."""
    batch_size: int = 8
    """Notes of each step."""
    frames: int = 40
    """Frames of each note in a step."""
    learning_rate: float = 1e-3
    """Peak learning rate of AdamW; it follows a cosine down to a hundredth."""
    randomness: float = 0.5
    """Share of the distance between two draws that the score takes away: 1 asks for sounds that are as random as the
    recordings, 0 for those that are nearest to them on average, which are dull."""
    phase_weight: float = 0.2
    """Weight of the phases' distance beside the score."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train."""
    threads: int = 0
    """CPU threads; 0 leaves torch's own choice."""
    seed: int = 0
    """Seed of the weights, the batches and the noise."""

    def __post_init__(self) -> None:
        for name, least in (("channels", 8), ("blocks", 1), ("kernel", 1), ("notes", 8), ("steps", 1), ("frames", 12)):
            value = getattr(self, name)
            _require(value >= least, f"vocoder.{name} is {value}; it must be {least} or more.")
        _require(0 <= self.look_ahead <= 8, f"vocoder.look_ahead is {self.look_ahead}; it must lie between 0 and 8.")
        _require(self.batch_size >= 1, f"vocoder.batch_size is {self.batch_size}; it must be 1 or more.")
        _require(self.learning_rate > 0, f"vocoder.learning_rate is {self.learning_rate}; it must be above 0.")
        _require(0 <= self.randomness <= 1, f"vocoder.randomness is {self.randomness}; it must lie between 0 and 1.")
        for name in ("max_minutes", "phase_weight", "threads"):
            value = getattr(self, name)
            _require(value >= 0, f"vocoder.{name} is {value}; it must be 0 or more.")

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "VocoderConfig":
        """Settings from plain values; missing keys keep their defaults, unknown keys are refused."""
        return from_dict(cls, values, "vocoder.")

    @classmethod
    def from_toml(cls, path: str | Path) -> "VocoderConfig":
        """Settings from a TOML file without tables."""
        return cls.from_dict(read_toml(path))


def read_toml(path: str | Path) -> dict[str, Any]:
    """The tables of a TOML file; a missing or malformed one is a ConfigError."""
    try:
        return tomllib.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The config file {path} cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"The config file {path} is not valid TOML: {error}.") from error


def from_dict(cls: type[T], values: Any, where: str = "") -> T:
    """The dataclass `cls` from `values`, refusing unknown keys and wrong types; `where` prefixes names in errors."""
    if not isinstance(values, dict):
        raise ConfigError(f"{where.rstrip('.') or 'The config'} is {values!r}; a table of settings is wanted.")
    hints = get_type_hints(cls)
    known = [f.name for f in fields(cls)]  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise ConfigError(_unknown_key(where, key, known))
    return cls(**{key: _convert(value, hints[key], f"{where}{key}") for key, value in values.items()})


def _unknown_key(where: str, key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {where}{close[0]}?" if close else f"known here: {', '.join(known)}."
    return f"Unknown setting {where}{key}; {hint}"


def _convert(value: Any, kind: Any, name: str) -> Any:
    if is_dataclass(kind):
        return from_dict(kind, value, f"{name}.")  # type: ignore[arg-type]
    if get_origin(kind) is Literal:
        _require(value in get_args(kind), f"{name} is {value!r}; it must be one of {', '.join(get_args(kind))}.")
        return value
    if get_origin(kind) is tuple:
        _require(isinstance(value, list | tuple), f"{name} is {value!r}; a list is wanted.")
        return tuple(_convert(item, get_args(kind)[0], name) for item in value)
    allowed = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    if float in allowed and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    _require(type(value) in allowed, f"{name} is {value!r}; a value of type {_names(allowed)} is wanted.")
    return value


def _names(kinds: tuple[type, ...]) -> str:
    return " or ".join(kind.__name__ for kind in kinds)
