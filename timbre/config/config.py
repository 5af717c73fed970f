"""The settings of a space, its training and its vocoder, as frozen dataclasses."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

from timbre.config.settings import Range, Settings, require

_MOST_FRAMES = 6_000_000  # of a note
_LATER = 1.1  # from each interval between frames beyond the dense ones to the next
_SEEDS = Range(0, 2**63 - 1)


@dataclass(frozen=True)
class SpectrogramConfig(Settings):
    """The spectrogram: the features that the model sees."""

    kind: Literal["mel", "linear", "erb", "nsgt_cq", "nsgt_mel", "nsgt_erb", "dct"] = "mel"
    """Kind of spectrogram, in log magnitudes. mel, erb: filterbanks on an STFT; linear: the STFT itself; nsgt_cq,
    nsgt_mel, nsgt_erb: a non-stationary Gabor transform with constant-Q, mel or ERB bands; dct: a windowed DCT."""
    sample_rate: Annotated[int, Range(1000, 192_000)] = 22050
    """Hz; all sounds are resampled to it."""
    n_fft: Annotated[int, Range(32, 8192)] = 1024
    """STFT window in samples, even. Sounds of every kind are synthesized from this STFT. For nsgt_* also the longest
    window of a band; for dct the frame length."""
    hop_length: Annotated[int, Range(1)] = 256
    """Samples between frames, up to n_fft / 2."""
    n_mels: Annotated[int, Range(1)] = 256
    """Bands of mel, erb, nsgt_mel and nsgt_erb, up to n_fft / 2. With n_fft / 4 or more the inverse is nearly
    transparent."""
    floor_db: Annotated[float, Range(high=0, below=True)] = -80.0
    """Lowest level in dB (a full-scale sine is 0 dB); lower magnitudes are raised to it."""
    bins_per_octave: Annotated[int, Range(1, 96)] = 24
    """Bands of nsgt_cq in each octave above fmin."""
    fmin: float = 32.7
    """Lowest constant-Q band of nsgt_cq in Hz; one more band covers the frequencies below it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        half, quarter = self.n_fft // 2, self.sample_rate / 4
        require(self.n_fft % 2 == 0, f"spectrogram.n_fft must be even, got {self.n_fft}.")
        for name in ("hop_length", "n_mels"):
            value = getattr(self, name)
            require(value <= half, f"spectrogram.{name} must be n_fft / 2 = {half} or less, got {value}.")
        require(
            self.n_mels > 1 or not self.kind.startswith("nsgt"),
            f"spectrogram.n_mels must be 2 or more for {self.kind}, got 1.",
        )
        require(
            self.kind != "nsgt_cq" or 1 <= self.fmin <= quarter,
            f"spectrogram.fmin must be 1 to sample_rate / 4 = {quarter:g} Hz, got {self.fmin}.",
        )
        self._check_size()

    def _check_size(self) -> None:
        """Refuse tables that would take minutes or gigabytes to make."""
        learnt = self.kind == "dct" or self.kind.startswith("nsgt")  # the inverse of the bands, from many sines
        require(not learnt or self.n_fft <= 4096, f"spectrogram.n_fft must be 4096 or less, got {self.n_fft}.")
        for name, size, most in (
            ("n_fft times the number of bands", self.n_fft * self.bins, 5_000_000 if learnt else 9_000_000),
            ("n_fft times sample_rate", self.n_fft * self.sample_rate, 400_000_000),
            ("sample_rate times the number of bands", self.sample_rate * self.bins, 200_000_000),
        ):
            require(size <= most, f"spectrogram.{name} must be {most:,} or less, got {size:,}.")

    @property
    def bins(self) -> int:
        """Rows of the spectrogram: bands, STFT bins, or coefficients."""
        if self.kind == "linear":
            return self.n_fft // 2 + 1
        if self.kind == "nsgt_cq":
            return self.cq_bands + 2
        return self.n_fft if self.kind == "dct" else self.n_mels

    @property
    def cq_bands(self) -> int:
        """Constant-Q bands of nsgt_cq; the highest lies half a step or less below half of the sample rate."""
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
class DataConfig(Settings):
    """How notes are cut, held out and augmented."""

    duration: Annotated[float, Range(0.05, 60)] = 2.0
    """Seconds of each note that the model sees; shorter notes are padded with silence."""
    dense: Annotated[float, Range(0.05)] = 2.0
    """Seconds from the onset of which the model sees every frame, and in which its sound is described and compared.
    Later frames are further and further apart, as what they tell of a decay changes with the logarithm of time."""
    trim_db: Annotated[float, Range(high=0, below=True)] = -50.0
    """Level of the onset in dB below the note's peak; what comes before the onset is cut off."""
    valid: Annotated[float, Range(0, 0.5, below=True)] = 0.1
    """Share of the files held out to choose the best checkpoint."""
    test: Annotated[float, Range(0, 0.5, below=True)] = 0.1
    """Share of the files held out of training altogether, for the evaluation."""
    split_by: Literal["file", "pitch", "instrument", "source"] = "file"
    """What is held out as a whole: files, single pitches of an instrument, instruments, or sources. A split that the
    library itself contains overrides this."""
    split_seed: Annotated[int, _SEEDS] = 0
    """Seed of the split."""
    transpose: Annotated[int, Range(0, 16)] = 1
    """Copies of each training note that are resampled to another pitch; 0 makes none."""
    transpose_range: Annotated[float, Range(0, 12, above=True)] = 1.0
    """Largest transposition of these copies in semitones."""
    shorten: Annotated[float, Range(0, 1)] = 0.0
    """Share of the training notes that are cut short, at a random time."""
    augment: Annotated[float, Range(0, 1)] = 0.5
    """Strength of what the encoder's view of training notes goes through, while the decoder's target stays clean: an
    equaliser, a room, noise, few bits, a codec, a shift of the onset and a gain; 0 is none."""
    balance: Annotated[float, Range(0, 1)] = 0.5
    """How training notes are drawn. 0: all count the same; 1: all instruments of all sources do, however many notes
    they have; at most 4 times and at least a quarter as often as with 0."""


@dataclass(frozen=True)
class ModelConfig(Settings):
    """The convolutional VAE and the flows of its posterior."""

    dim: Annotated[int, Range(1, 1024)] = 48
    """Dimensions of the latent space."""
    flow: Literal["planar", "radial", "householder", "sylvester", "coupling", "autoregressive", "spline"] = "planar"
    """Kind of the posterior's flows. autoregressive is the inverse autoregressive flow (IAF)."""
    flows: Annotated[int, Range(0, 256)] = 8
    """Number of flows on the posterior; 0 is the plain VAE."""
    amortised: bool = False
    """Let the encoder give flow parameters for each note, instead of one learned set for all."""
    map: Literal["listening", "learned"] = "listening"
    """How the posterior's mean is found. listening: by a fixed map whose distances follow listeners, and a bounded
    residual of the network; learned: by the network alone, as timbre 0.1 did."""
    residual: Annotated[float, Range(0, 10)] = 0.025
    """Largest distance, in each dimension, by which the network moves a note from its place on the listening map; 1 is
    the mean distance of two notes."""
    settle: Annotated[int, Range(0, 1000)] = 40
    """Steps by which a note's point, after the encoder, moves to where its decoded sound is nearer to the note, a short
    way in dissimilarity; 0: the encoder's point. Only with the listening map."""
    encoder_channels: Annotated[int, Range(1, 4096)] = 128
    """Width of the encoder's convolutions over time."""
    decoder_channels: Annotated[int, Range(1, 4096)] = 256
    """Width of the decoder's hidden layers."""
    decoder_blocks: Annotated[int, Range(1, 64)] = 3
    """Residual blocks of the decoder."""
    harmonics: Annotated[int, Range(0, 256)] = 32
    """Partials with a level of their own; 0 leaves the decoder a spectral envelope and a noise floor."""
    dropout: Annotated[float, Range(0, 1, below=True)] = 0.05
    """Dropout in encoder and decoder."""


@dataclass(frozen=True)
class RegularizationConfig(Settings):
    """Terms of the loss that order the space."""

    perceptual: Literal["none", "prior", "l2", "gaussian", "student", "rank", "metric", "metric+rank"] = "none"
    """How distances are fitted to listeners' ratings. prior, l2, gaussian, student: the four forms of Esling et al.
    2018; rank: the order of the distances; metric: the distances of a listener model for every pair of notes;
    metric+rank: both."""
    perceptual_weight: Annotated[float, Range(0)] = 1.0
    """Weight of the perceptual term."""
    perceptual_dims: Annotated[int, Range(0)] = 0
    """Number of dimensions, from the first, that the perceptual term uses; 0 is all."""
    schedule: Literal["joint", "two_stage"] = "joint"
    """joint: the perceptual term acts from the start; two_stage: only after a first stage, as in the paper."""
    stage: Annotated[float, Range(0, 1, below=True)] = 0.5
    """Length of the first stage as a share of the run."""
    axes: tuple[str, ...] = ()
    """Named axes: descriptors that the first dimensions follow, in this order, with a fixed sign and scale."""
    axes_weight: Annotated[float, Range(0)] = 100.0
    """Weight of the axes term."""
    pitch: Literal["none", "pair", "adversary", "flow"] = "flow"
    """How the space is made independent of pitch. pair: the same sound at two pitches is pulled together; flow:
    pair, and a pitch-conditioned flow, fitted after training, moves every point to its middle-C position; decoding
    inverts it; adversary: only in spaces that timbre 0.1 trained."""
    pitch_weight: Annotated[float, Range(0)] = 1.0
    """Weight of the pitch term."""

    def __post_init__(self) -> None:
        super().__post_init__()
        repeated = len(set(self.axes)) < len(self.axes)
        require(not repeated, f"regularization.axes must name each axis once, got {', '.join(self.axes)}.")


@dataclass(frozen=True)
class TrainingConfig(Settings):
    """The training run."""

    objective: Literal["vae", "wae", "ae"] = "vae"
    """Loss. vae: evidence lower bound; wae: Wasserstein autoencoder with a maximum mean discrepancy (Tolstikhin et al.
    2018); ae: reconstruction error alone."""
    epochs: Annotated[int, Range(1)] = 100
    """Passes over the training notes."""
    max_minutes: Annotated[float, Range(0)] = 0.0
    """Stop after this many minutes of training; the learning rate falls in time with it. 0 is no limit."""
    patience: Annotated[int, Range(0)] = 30
    """Epochs without a smaller validation error after which the learning rate falls to its end and the run ends early;
    0 never does. Counted from 30% of the run on; the best weights are kept in any case."""
    batch_size: Annotated[int, Range(1)] = 16
    """Notes per step and process."""
    learning_rate: Annotated[float, Range(0, above=True)] = 2e-3
    """Peak learning rate of AdamW; it follows a cosine down to a hundredth."""
    weight_decay: Annotated[float, Range(0)] = 1e-2
    """Decoupled weight decay of AdamW."""
    warmup: Annotated[float, Range(0, 1, below=True)] = 0.05
    """Share of the run in which the learning rate rises."""
    grad_clip: Annotated[float, Range(0, above=True)] = 1.0
    """Largest gradient norm."""
    ema: Annotated[float, Range(0, 1, below=True)] = 0.995
    """Decay of the exponential moving average of the weights; the averaged weights are saved."""
    beta: Annotated[float, Range(0)] = 1.0
    """Weight of the KL divergence; 1 is the evidence lower bound."""
    beta_warmup: Annotated[float, Range(0, 1, below=True)] = 0.2
    """Share of the run in which beta rises from 0."""
    free_bits: Annotated[float, Range(0)] = 0.0
    """Nats of KL divergence per dimension without cost."""
    evidence: Annotated[float, Range(0)] = 0.0
    """Independent values of a note's spectrogram, as which the likelihood counts; 0: estimated from the residuals of
    training notes."""
    audible_db: Annotated[float, Range(0)] = 65.0
    """Values more than this many dB below a note's peak, in the note and as decoded, count a tenth; 0: all alike."""
    unknown: Annotated[float, Range(0, 1, below=True)] = 0.1
    """Probability that a note's pitch, and its velocity, is hidden from the model in training."""
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    """Precision in the terms of Lightning Fabric; auto is bf16-mixed on a GPU and 32-true elsewhere."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Device to train on."""
    threads: Annotated[int, Range(0, 1024)] = 0
    """CPU threads; 0 is torch's default."""
    seed: Annotated[int, _SEEDS] = 0
    """Seed of the weights, the batches and the noise."""


@dataclass(frozen=True)
class Config(Settings):
    """All settings of a timbre space: `spectrogram`, `data`, `model`, `regularization`, `training`."""

    spectrogram: SpectrogramConfig = SpectrogramConfig()
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    regularization: RegularizationConfig = RegularizationConfig()
    training: TrainingConfig = TrainingConfig()

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.all_frames <= _MOST_FRAMES,
            f"data.duration must be {_MOST_FRAMES:,} frames of spectrogram.hop_length or less, got "
            f"{self.all_frames:,}.",
        )
        dims = {"perceptual_dims": self.regularization.perceptual_dims}
        if self.model.map == "learned":  # else axes are no dimensions
            dims["axes"] = len(self.regularization.axes)
        for name, count in dims.items():
            require(
                count <= self.model.dim,
                f"regularization.{name} must use model.dim = {self.model.dim} dimensions or fewer, got {count}.",
            )

    @property
    def all_frames(self) -> int:
        """Frames of a note, of which the model may see fewer."""
        return self.spectrogram.frames(round(self.data.duration * self.spectrogram.sample_rate))

    @property
    def heard(self) -> float:
        """Seconds in which sounds are described and compared: of these, the model sees every frame."""
        return min(self.data.duration, self.data.dense)

    @property
    def dense_frames(self) -> int:
        """Frames in these seconds."""
        return self.spectrogram.frames(round(self.heard * self.spectrogram.sample_rate))

    @cached_property
    def frame_numbers(self) -> tuple[int, ...]:
        """The frames of a note that the model sees, from 0: all dense ones, then fewer and fewer, and the last."""
        numbers, last, interval = list(range(self.dense_frames)), self.all_frames - 1, 1.0
        at = float(numbers[-1])
        while numbers[-1] < last:
            interval *= _LATER
            at += interval
            numbers.append(min(round(at), last))
        return tuple(numbers)

    @property
    def note_frames(self) -> int:
        """Frames that the model sees of each note."""
        return len(self.frame_numbers)


@dataclass(frozen=True)
class VocoderConfig(Settings):
    """The vocoder of a space and its training."""

    channels: Annotated[int, Range(8, 4096)] = 192
    """Width of the network."""
    blocks: Annotated[int, Range(1, 64)] = 4
    """Residual blocks."""
    kernel: Annotated[int, Range(1, 255)] = 5
    """Frames that each block sees: the current one and those before it."""
    look_ahead: Annotated[int, Range(0, 8)] = 1
    """Frames after the current one that the network sees."""
    notes: Annotated[int, Range(8)] = 4096
    """Largest number of training notes; of larger libraries an even selection is used."""
    steps: Annotated[int, Range(1)] = 6000
    """Training steps."""
    max_minutes: Annotated[float, Range(0)] = 0.0
    """Stop after this many minutes of training; the learning rate falls in time with it. 0 is no limit."""
    batch_size: Annotated[int, Range(1)] = 8
    """Notes per step."""
    frames: Annotated[int, Range(12)] = 40
    """Frames of each note per step."""
    learning_rate: Annotated[float, Range(0, above=True)] = 1e-3
    """Peak learning rate of AdamW; it follows a cosine down to a hundredth."""
    randomness: Annotated[float, Range(0, 1)] = 0.5
    """Share of the distance between two draws that the score subtracts. 1: sounds as random as the recordings; 0:
    sounds nearest to the recordings on average, which are dull."""
    phase_weight: Annotated[float, Range(0)] = 0.2
    """Weight of the phase distance relative to the score."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Device to train on."""
    threads: Annotated[int, Range(0, 1024)] = 0
    """CPU threads; 0 is torch's default."""
    seed: Annotated[int, _SEEDS] = 0
    """Seed of the weights, the batches and the noise."""
