"""`Space`: a trained model with its atlas; sounds to points, and points to sounds."""

import itertools
import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import torch

from timbre.audio import Audio
from timbre.config import Config
from timbre.data.features.example import example
from timbre.errors import CheckpointError, ConfigError
from timbre.models.checkpoint import load_weights, read_folder, tensors, write_folder
from timbre.models.conditions import Conditions
from timbre.models.regularizers.axes import Axis
from timbre.models.vae import VAE
from timbre.paths.path import Path
from timbre.space.atlas import Atlas, tensor
from timbre.space.card import card
from timbre.space.finishing import Finish
from timbre.space.names import find_space
from timbre.spectral import Spectrogram
from timbre.spectral.inversion.streaming import STREAMS, StreamingInverter, check_causal
from timbre.vocoder.streaming import VocoderStream, whole
from timbre.vocoder.trained import VOCODER, TrainedVocoder, read_vocoder

DEFAULT_INVERTER = "pghi+8"
DECODED = 64  # frames at a time
RELEASE = 0.15  # s before the end of a decoded note at which it is let go
Stream = StreamingInverter | VocoderStream
_RIDGE = 1.0  # notes that lie at the middle of all axes, beside the known ones


class Space:
    """A timbre space: every sound is a point, and every point can be heard.

    Args:
        config: the settings it was trained with.
        model: the trained network, in eval mode.
        atlas: the known sounds.
        report: plain figures of the training.
        axes: what its first dimensions mean, in their order, as they were when it was trained.
        vocoder: the space's own, if one was trained.
    """

    def __init__(
        self, config: Config, model: VAE, atlas: Atlas, report: dict[str, Any], axes: Sequence[Axis] = (),
        vocoder: TrainedVocoder | None = None,
    ) -> None:  # fmt: skip
        self.config, self.model, self.atlas, self.report, self.axes = config, model, atlas, report, tuple(axes)
        self.vocoder = vocoder
        self.spectrogram = Spectrogram(config.spectrogram)

    def __repr__(self) -> str:
        return f"Space({self.dim} dimensions, {len(self.atlas)} notes, {self.config.spectrogram.sample_rate} Hz)"

    @property
    def dim(self) -> int:
        """Dimensions of the space."""
        return self.config.model.dim

    @property
    def inverter(self) -> str:
        """How magnitudes become sound here unless something else is asked for: "vocoder" where the space has one that
        has earned its place, else "pghi+8"."""
        return "vocoder" if self.vocoder and self.vocoder.is_default else DEFAULT_INVERTER

    def encode(
        self, audio: Audio, pitch: float | None = None, velocity: float | None = None, refine: int = 0
    ) -> np.ndarray:
        """The point of a sound: the flow of the posterior's base mean (which is not E[z]), its pitch taken out where
        `regularization.pitch` is "flow".

        Args:
            audio: a note; mixed to mono, resampled, cut at its onset and levelled as in training.
            pitch: MIDI, measured within 60 cents of it; None is unknown.
            velocity: 0..1; None is unknown.
            refine: steps by which to move the point to where the decoder meets the sound best.

        Returns:
            (dim,), float32.

        Raises:
            AudioError: if the sound is silent or shorter than 20 ms.
        """
        note = example(audio, self.spectrogram, self.config, _check_pitch(pitch), _check_velocity(velocity))
        conditions = _constant(note.pitch, note.velocity, note.release)
        spectrogram = torch.from_numpy(note.spectrogram)[None]
        with torch.no_grad():
            z = self.model.points(spectrogram, conditions, refine)
        return np.asarray(z[0].numpy())

    def decode(
        self,
        z: np.ndarray | Sequence[float],
        pitch: float | None = 60,
        velocity: float = 0.8,
        duration: float = 2.0,
        seed: int = 0,
        inverter: str | None = None,
    ) -> Audio:
        """The sound at a point, as one note; it is let go 0.15 s before its end.

        Args:
            z: (dim,).
            pitch: MIDI, fractions allowed; None is a sound without pitch.
            velocity: 0..1.
            duration: s.
            seed: of the phase of noise.
            inverter: how magnitudes become sound, such as "pghi+8", "vocoder" or "griffin_lim"; :attr:`inverter` by
                default.

        Raises:
            ConfigError: for a point of another dimension, or a control out of range; for an unknown inverter, or
                "vocoder" in a space that has none.
        """
        point = self.check_point(z)
        return self.sound(point[None], pitch, velocity, duration, seed, inverter)

    def sound(
        self,
        points: np.ndarray,
        pitch: "float | np.ndarray | None",
        velocity: "float | np.ndarray",
        duration: float,
        seed: int = 0,
        inverter: str | None = None,
        gain: "float | np.ndarray" = 1.0,
        hold: float | None = None,
    ) -> Audio:
        """The one way from points to sound; decoding and rendering both end here.

        Args:
            points: (1, dim) for a note at one place, or (frames, dim) with frames = `frames(duration)`.
            pitch: MIDI, one or (frames,); None is a sound without pitch.
            velocity: 0..1, one or (frames,); its square is the gain (General MIDI's curve).
            duration: s.
            seed: of the phase of noise.
            inverter: name of an inverter; :attr:`inverter` by default.
            gain: amplitude beside that of the velocity, one or (frames,).
            hold: as of :meth:`spectrum`.
        """
        spectrogram = self.spectrum(points, pitch, velocity, duration, hold=hold)
        rate = self.config.spectrogram.sample_rate
        length = round(duration * rate)
        waveform = self.invert(spectrogram, pitch, length, seed, inverter)
        finish = Finish(length, np.square(velocity) * gain, rate)
        return Audio(np.concatenate([finish.push(waveform), finish.flush()]), rate)

    def invert(
        self, spectrogram: torch.Tensor, pitch: "float | np.ndarray | None", length: int, seed: int = 0,
        inverter: str | None = None,
    ) -> np.ndarray:  # fmt: skip
        """The waveform (length,) of a spectrogram in dB (bins, frames); the other arguments as in :meth:`sound`."""
        inverter = inverter or self.inverter
        if inverter == "vocoder":
            magnitude = self.spectrogram.magnitude(spectrogram[None])[0].numpy()
            return whole(self.stream(inverter, seed), magnitude, _line(pitch, magnitude.shape[1], "pitch"), length)
        return self.spectrogram.inverse(spectrogram[None], length=length, inverter=inverter, seed=seed)[0].numpy()

    def stream(self, inverter: str | None = None, seed: int = 0) -> "Stream":
        """A causal inverter of this space, for one sound after another: `push(magnitude, out, pitch)` takes frames and
        gives hops, `flush()` the rest.

        Args:
            inverter: "vocoder", or one of :data:`~timbre.spectral.inversion.streaming.STREAMS`. Default: the
                vocoder where it is the space's own inverter, else "rtpghi".
            seed: of the phases of noise.

        Raises:
            ConfigError: there is no such causal inverter, or no vocoder.
        """
        inverter = inverter or (self.inverter if self.inverter == "vocoder" else "rtpghi")
        self.check_causal(inverter)
        if self.vocoder and inverter == "vocoder":
            return VocoderStream(self.vocoder.network, self.spectrogram.stft, self.config.spectrogram.sample_rate, seed)
        return StreamingInverter(self.spectrogram.stft, inverter, seed)

    def check_causal(self, inverter: str) -> None:
        """Raise a ConfigError if :meth:`stream` would; nothing is compiled for it."""
        if self.vocoder is None and inverter == "vocoder":
            raise ConfigError(
                "This space has no vocoder; train one with `timbre train-vocoder`, or choose another inverter, such as "
                f"{DEFAULT_INVERTER}."
            )
        check_causal(inverter, [*(["vocoder"] if self.vocoder else []), *STREAMS])

    def frames(self, duration: float) -> int:
        """Spectrogram frames of a sound of `duration` seconds."""
        rate, hop = self.config.spectrogram.sample_rate, self.config.spectrogram.hop_length
        if not (math.isfinite(duration) and round(duration * rate) >= hop):
            raise ConfigError(f"A duration of {duration} s was asked for; {hop / rate:.3f} s or more is wanted.")
        return self.config.spectrogram.frames(round(duration * rate))

    def spectrum(
        self,
        points: np.ndarray,
        pitch: "float | np.ndarray | None",
        velocity: "float | np.ndarray",
        duration: float,
        start: int = 0,
        stop: int | None = None,
        hold: float | None = None,
    ) -> torch.Tensor:
        """Decoded frames start to stop (all by default) of a sound, dB (bins, frames); blocks equal the whole.

        Arguments as in :meth:`sound`; arrays always cover the whole sound. With `hold`, the sound stays as it is so
        many seconds after its onset until it is let go, instead of decaying on.
        """
        count = self.frames(duration)
        part = slice(start, count if stop is None else stop)
        clock = torch.arange(count)[part] / self.config.spectrogram.frame_rate
        pitches = _line(_check_pitch(pitch), count, "pitch")[part]
        velocities = _line(_check_velocity(velocity), count, "velocity")[part]
        release = max(duration - RELEASE, 0.5 * duration)
        if hold is not None and _check_hold(hold) < release:
            clock, release = torch.where(clock < hold, clock, (clock - (release - hold)).clamp_min(hold)), hold
        conditions = Conditions(tensor(pitches)[None], tensor(velocities)[None], torch.tensor([release]))
        if len(points) not in (1, count) or points.ndim != 2 or points.shape[1] != self.dim:
            raise ConfigError(
                f"Points of shape {points.shape} came; (1, {self.dim}) or ({count}, {self.dim}) is wanted."
            )
        along = tensor(points if len(points) == 1 else points[part])[None].expand(1, len(clock), -1)
        return self._decoded(along, conditions, clock, start)

    @torch.no_grad()
    def _decoded(self, along: torch.Tensor, conditions: Conditions, clock: torch.Tensor, start: int) -> torch.Tensor:
        """Frames (bins, frames), decoded in pieces that begin at multiples of DECODED whatever is asked for: how sums
        are rounded depends on the size of a piece, and phases that are integrated make more of it."""
        edges = [0, *range(DECODED - start % DECODED, len(clock), DECODED), len(clock)]
        pieces = []
        for a, b in itertools.pairwise(edges):
            part = Conditions(conditions.pitch[:, a:b], conditions.velocity[:, a:b], conditions.release)
            pieces.append(self.model.decoder(self.model.latent(along[:, a:b], part.pitch), part, clock[a:b])[0])
        return torch.cat(pieces, 1)

    def move(self, z: np.ndarray | Sequence[float], **steps: float) -> np.ndarray:
        """The point moved along named axes: ``space.move(z, brightness=1.0)`` is brighter by 1.

        A step of 1 means the same in every space: the axes' signs and scales are constants (see :attr:`axes`). Other
        named axes stay where they are; the dimensions without a name come along (see :attr:`directions`).

        Raises:
            ConfigError: if the space has no axis of that name.
        """
        names, point = [axis.name for axis in self.axes], self.check_point(z).copy()
        for name, step in steps.items():
            if name not in names:
                raise ConfigError(
                    f"This space has no axis {name!r}; " + (f"it has {', '.join(names)}." if names else "it has none.")
                )
            point += np.float32(step) * self.directions[names.index(name)]
        return point

    @cached_property
    def directions(self) -> np.ndarray:
        """How a point moves for a step of 1 along each named axis, (axes, dim): in its own dimension by 1, in those of
        the other axes not at all, and in the rest as the known sounds do.

        The last is a ridge regression of the atlas's training notes on their named dimensions. Sounds that differ in
        brightness differ in the rest as well, and a decoder that always saw both change together follows either only a
        part of the way.
        """
        count = len(self.axes)
        known = self.atlas.points[np.array(self.atlas.splits) == "train"].astype(np.float64)
        known = known - known.mean(0) if len(known) else known
        named, rest = known[:, :count], known[:, count:]
        gram = named.T @ named + _RIDGE * np.eye(count)
        return np.concatenate([np.eye(count), np.linalg.solve(gram, named.T @ rest)], 1).astype(np.float32)

    def path(
        self,
        *points: np.ndarray | Sequence[float],
        kind: str = "line",
        even: bool = False,
        pitch: float | None = 60,
    ) -> Path:
        """A path through points (dim,), which it hits to the bit.

        Args:
            points: one or more, evenly spaced in time.
            kind: "line"; "slerp", which turns about the origin; "spline", smooth through all points; "base", lines in
                the base space of the flow; "geodesic", the shortest way for the ear, evenly run through (Arvanitidis et
                al. 2018; see :func:`~timbre.paths.geodesic.geodesic`).
            even: spread the times so that equal steps sound equally far; a geodesic is even as it is.
            pitch: MIDI at which evenness is heard; None is without pitch.

        Raises:
            ConfigError: for no point, or one of another dimension; for an unknown kind, or "base" without flows.
        """
        from timbre.paths.routes import route  # which need a space

        if not points:
            raise ConfigError("A path needs one point at least.")
        return route(self, np.stack([self.check_point(point) for point in points]), kind, even, pitch)

    def check_point(self, z: np.ndarray | Sequence[float]) -> np.ndarray:
        """A point as float32 (dim,); a ConfigError if it has another dimension or is not finite."""
        point = np.asarray(z, dtype=np.float32)
        if point.shape != (self.dim,):
            raise ConfigError(
                f"A point of shape {point.shape} came; "
                f"this space has {self.dim} dimensions, so {self.dim} numbers are wanted."
            )
        if not np.isfinite(point).all():
            raise ConfigError("The point has coordinates that are not finite numbers.")
        return point

    def save(self, folder: str | FilePath, half: bool = False, page: str | None = None) -> FilePath:
        """Write the space as a folder: config.json, model.safetensors, atlas.json, atlas.safetensors, README.md.

        Args:
            folder: made if it is not there.
            half: write the weights as float16, in half the room; they are read back as float32.
            page: README.md, the model card; made from the report by default.

        Raises:
            CheckpointError: if the folder cannot be written.
        """
        target = FilePath(folder).expanduser()
        page = page or card(self.config, self.report, self.atlas, self.axes)
        files = {**self.atlas.to_files(), "README.md": page.encode()}
        weights = {"model.safetensors": self.model.state_dict()}
        if self.vocoder:
            weights[VOCODER] = self.vocoder.network.state_dict()
        if half:
            weights = {file: {name: value.half() for name, value in part.items()} for file, part in weights.items()}
        write_folder(
            target, self.config, files, weights, report=self.report, axes=[axis.to_dict() for axis in self.axes],
            vocoder=self.vocoder and self.vocoder.details(),
        )  # fmt: skip
        return target


def load(space: str | FilePath) -> Space:
    """Read a space.

    Args:
        space: the path of its folder; or its name, such as "orchestra", if it came with timbre, lies in the cache, or
            is to be fetched from a registry (see :func:`timbre.space.names.find_space`).

    Raises:
        ConfigError: there is no space of that name.
        CheckpointError: a file is missing or damaged, the space was made by a newer timbre, or it cannot be fetched.
    """
    place = find_space(space)
    config, files, details = read_folder(place)
    if "atlas.json" not in files:
        raise CheckpointError(
            f"{place} is a checkpoint of a run and has no atlas; give the folder of the finished run."
        )
    model = VAE(config)
    load_weights(model, tensors(files, "model.safetensors", place), place)
    axes = [Axis.from_dict(values) for values in details["axes"]]
    atlas = Atlas.from_files(files)
    if atlas.points.shape[1] != config.model.dim:
        raise CheckpointError(
            f"{place} is damaged: its atlas has {atlas.points.shape[1]} dimensions and its model {config.model.dim}."
        )
    vocoder = read_vocoder(files, details, config.spectrogram, place)
    return Space(config, model.eval(), atlas, details["report"], axes, vocoder)


def _constant(pitch: float, velocity: float, release: float) -> Conditions:
    return Conditions(torch.tensor([pitch]), torch.tensor([velocity]), torch.tensor([release]))


def _line(value: "float | np.ndarray | None", count: int, name: str) -> np.ndarray:
    """A control as (count,) values; NaN stands for unknown."""
    array = np.asarray(np.nan if value is None else value, dtype=np.float32)
    if array.shape not in ((), (count,)):
        raise ConfigError(
            f"A {name} line of {array.size} values came; one value, or {count} (one per frame), is wanted."
        )
    return np.broadcast_to(array, (count,))


def _check_pitch(pitch: Any) -> Any:
    if pitch is not None and not np.all((np.asarray(pitch) >= 12) & (np.asarray(pitch) <= 127)):
        raise ConfigError(f"The pitch is {pitch}; a MIDI pitch from 12 to 127 is wanted (A4 is 69).")
    return pitch


def _check_velocity(velocity: Any) -> Any:
    if velocity is not None and not np.all((np.asarray(velocity) >= 0) & (np.asarray(velocity) <= 1)):
        raise ConfigError(f"The velocity is {velocity}; a number from 0 to 1 is wanted.")
    return velocity


def _check_hold(hold: float) -> float:
    if not (math.isfinite(hold) and hold > 0):
        raise ConfigError(f"hold is {hold}; a time above 0 s, or None, is wanted.")
    return hold
