"""`Space`: a trained model with its atlas, from sounds to points and from points to sounds."""

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
from timbre.files import expanded, shown
from timbre.models.conditions import Conditions, check_pitch, check_velocity
from timbre.models.frame_decoder import FrameDecoder
from timbre.models.refinement import note_posterior, refined
from timbre.models.regularizers.axes import Axis
from timbre.models.vae import VAE
from timbre.notebook import apart, card, player, scatter
from timbre.paths.listening import Listening
from timbre.paths.path import LARGEST, Path
from timbre.paths.routes import route
from timbre.space.atlas import Atlas
from timbre.space.controls import Line, NoteControls
from timbre.space.dissimilarity import Hearing, Pitch
from timbre.space.folder import Parts, read_space, write_space
from timbre.space.identity import Identity, digest_of
from timbre.space.moving import AxisControls
from timbre.space.names import find_space
from timbre.space.neighbours import Nearest
from timbre.space.prior import SPREAD, Prior
from timbre.space.renderer import Renderer
from timbre.spectral import Spectrogram
from timbre.spectral.inversion.streaming import PORTABLE
from timbre.vocoder.trained import TrainedVocoder
from timbre.wording import printable

_PLAYED = 3  # instruments with players in a notebook


class Space:
    """A timbre space: every sound is a point, and every point has a sound.

    Args:
        config: the settings it was trained with.
        model: the trained network, in eval mode.
        atlas: the points of the library's notes.
        report: plain figures of the training.
        axes: its named axes; in spaces without a listening map its first dimensions, in their order.
        vocoder: the space's own, if one was trained.
        graph: its decoder for live play as an ONNX file, see :meth:`prepare`.

    Its attributes are these; `spectrogram`, the transform from waveforms to what the model encodes; and `name`, that of
    the folder that it was loaded from, or "".
    """

    def __init__(
        self, config: Config, model: VAE, atlas: Atlas, report: dict[str, Any], axes: Sequence[Axis] = (),
        vocoder: TrainedVocoder | None = None, graph: bytes | None = None,
    ) -> None:  # fmt: skip
        self.config, self.model, self.atlas, self.report = config, model, atlas, report
        self.axes, self.vocoder, self.graph = tuple(axes), vocoder, graph
        self.spectrogram, self.name = Spectrogram(config.spectrogram), ""

    def __repr__(self) -> str:
        return f"Space({self.dim} dimensions, {len(self.atlas)} notes, {self.config.spectrogram.sample_rate} Hz)"

    def _repr_html_(self) -> str:
        atlas, axes = self.atlas, ", ".join(axis.name for axis in self.axes)
        rate, inverter = f"{self.config.spectrogram.sample_rate} Hz", self.inverter
        facts = {"dimensions": self.dim, "notes": len(atlas), "rate": rate, "inverter": inverter, "axes": axes}
        most = [atlas.centroids.names[at] for at in np.argsort(-atlas.centroids.counts, kind="stable")[:_PLAYED]]
        plane = apart(atlas.points, atlas.families) if len(atlas) else atlas.points
        picture = scatter(plane, atlas.names, atlas.families, "Notes in the plane in which families lie apart")
        return card(f"Space {self.name}".strip(), facts, picture, *map(self._player, most))

    def _player(self, instrument: str) -> str:
        """A player of an instrument's mean point, at the median pitch of its notes."""
        names, points, _ = self.atlas.centroids
        pitches = self.atlas.pitches[np.array(self.atlas.instruments) == instrument]
        pitch = float(np.nanmedian(pitches)) if np.isfinite(pitches).any() else None
        sound = self.decode(points[names.index(instrument)], pitch, duration=1.0, inverter=PORTABLE)
        return player(sound.samples, sound.sample_rate, instrument)

    @property
    def dim(self) -> int:
        """Dimensions of the space."""
        return self.config.model.dim

    @property
    def identity(self) -> Identity:
        """What files with points of the space say about it."""
        return Identity(self.dim, self.config.spectrogram.sample_rate, self.name, digest_of(self.model))

    @property
    def renderer(self) -> Renderer:
        """The renderer that turns points into sound."""
        return Renderer(self.model, self.spectrogram, self.vocoder)

    @property
    def inverter(self) -> str:
        """The default inverter, see :attr:`Renderer.inverter <timbre.space.renderer.Renderer.inverter>`."""
        return self.renderer.inverter

    def encode(
        self, audio: Audio, pitch: float | None = None, velocity: float | None = None, refine: int = 0
    ) -> np.ndarray:
        """The point of a sound (dim,), float32.

        It is the flow of the posterior's base mean (which is not E[z]), settled near the encoder's
        (:func:`~timbre.models.refinement.note_posterior`), without its pitch where `regularization.pitch`
        is "flow".

        Args:
            audio: a note; mixed to mono, resampled, cut at its onset and levelled as in training.
            pitch: MIDI, measured within 60 cents of it; None is unknown.
            velocity: 0..1; None is unknown.
            refine: further steps of Adam on the evidence bound, without a limit
                (:func:`~timbre.models.refinement.refined`); 40 take about a second.

        Raises:
            AudioError: if the sound is silent or shorter than 20 ms.
            ConfigError: if a control is out of range.
            CheckpointError: if the weights give no finite point.
        """
        spectrogram, conditions = self.observe(audio, pitch, velocity)
        with torch.no_grad():
            posterior = note_posterior(self.model, spectrogram, conditions)
            if refine:
                posterior = refined(self.model, spectrogram, conditions, posterior, refine).posterior
            point = np.asarray(self.model.from_latent(posterior.center, conditions.pitch)[0].numpy())
        if not (np.abs(point) <= LARGEST).all():
            raise CheckpointError(f"The space is damaged: its weights give the point {shown(point.tolist())}.")
        return point

    def observe(
        self, audio: Audio, pitch: float | None = None, velocity: float | None = None
    ) -> tuple[torch.Tensor, Conditions]:
        """A sound as the encoder receives it: dB (1, bins, frames) and its conditions; arguments as in `encode`."""
        note = example(audio, self.spectrogram, self.config, check_pitch(pitch), check_velocity(velocity))
        return torch.from_numpy(note.spectrogram)[None], Conditions.constant(note.pitch, note.velocity, note.release)

    def decode(
        self,
        z: np.ndarray | Sequence[float],
        pitch: float | None = 60,
        velocity: float = 0.8,
        duration: float = 2.0,
        seed: int = 0,
        inverter: str | None = None,
    ) -> Audio:
        """The sound of a point as one note, released 0.15 s before its end.

        Args:
            z: (dim,).
            pitch: MIDI, fractions allowed; None is a sound without pitch.
            velocity: 0..1.
            duration: s.
            seed: of the phase of noise.
            inverter: how magnitudes become sound, such as "pghi+8", "vocoder" or "griffin_lim"; default:
                :attr:`inverter`.

        Raises:
            ConfigError: for a point of another dimension, a control out of range, an unknown inverter, or "vocoder" in
                a space that has none.
        """
        controls = NoteControls(pitch, velocity, duration, None, seed, inverter)
        return self.renderer.sound(self.check_point(z)[None], controls)

    def spectrum(
        self,
        points: np.ndarray,
        pitch: Line | None = 60,
        velocity: Line = 0.8,
        duration: float = 2.0,
        hold: float | None = None,
    ) -> torch.Tensor:
        """Decoded frames of a sound, dB (bins, frames); controls as in :class:`~timbre.space.NoteControls`.

        A point (1, dim) is for the whole sound; points (frames, dim), and lines of pitch and velocity (frames,), have
        one value for each frame.
        """
        return self.renderer.spectrum(points, NoteControls(pitch, velocity, duration, hold))

    def move(
        self, z: np.ndarray | Sequence[float], pitch: float | None = 60, velocity: float | None = 0.8, **steps: float
    ) -> np.ndarray:
        """The point whose sound is moved along named axes: ``space.move(z, brightness=1.0)`` is brighter by 1.

        A step of 1 means the same in every space: the signs and scales of axes are constants (see :attr:`axes`). It is
        the nearest such point among the library notes, found through the decoder; the other axes change as little as
        they can. A step beyond what the space has is approached: :meth:`axis_values` tells how far it went.

        Args:
            z: (dim,).
            pitch: MIDI at which the sound is measured; None is without pitch.
            velocity: 0..1; None is unknown.
            steps: by the names of axes; steps of 0 return the same point.

        Raises:
            ConfigError: if the space has no axis of that name, the axis has no value for this sound, or a number is out
                of range.
        """
        conditions = Conditions.constant(check_pitch(pitch), check_velocity(velocity))
        return self.check_point(self.axis_controls.stepped(self.check_point(z), conditions, steps))

    def axis_values(
        self, z: np.ndarray | Sequence[float], pitch: float | None = 60, velocity: float | None = 0.8
    ) -> np.ndarray:
        """Where the sound of a point (dim,) lies on each named axis, (axes,), -3 to 3; NaN where an axis has no value.

        Arguments and errors as in :meth:`move`.
        """
        conditions = Conditions.constant(check_pitch(pitch), check_velocity(velocity))
        return self.axis_controls.values(torch.from_numpy(self.check_point(z))[None], conditions)[0].double().numpy()

    @cached_property
    def axis_controls(self) -> AxisControls:
        """The named axes as functions of a point, for many points at a time."""
        return AxisControls(self.model, self.spectrogram, self.axes, self.atlas)

    @cached_property
    def prior(self) -> Prior:
        """The distribution of :meth:`draw`: the points of the training notes, smoothed."""
        return Prior(self.atlas.points[np.array(self.atlas.splits, dtype=str) == "train"])

    def draw(
        self, n: int, seed: int = 0, near: np.ndarray | Sequence[float] | None = None, spread: float = SPREAD
    ) -> np.ndarray:
        """Random points (n, dim), float32, of the space's :attr:`prior`; the k-th is the same for every n.

        Args:
            n: 1 to 100,000.
            seed: 0 or more; the same seed gives the same points.
            near: a point (dim,), around which the points are drawn; default: anywhere.
            spread: width of that neighbourhood, as a share of the prior's: 0 gives the point itself, and 1 forgets it.
                Without `near` it has no effect. The points are sqrt(1 - spread^2) near + spread draw (for a prior of
                mean 0), which keeps the mean and covariance of draws near draws (Neal 1999).

        Raises:
            ConfigError: if an argument is out of range, or `near` is no point of the space.
        """
        return self.prior.draw(n, seed, None if near is None else self.check_point(near), spread)

    @cached_property
    def hearing(self) -> Hearing:
        """The dissimilarities of the space's sounds, of its library notes and of points."""
        return Hearing(self.model, self.atlas)

    def dissimilarity(self, a: np.ndarray, b: np.ndarray, pitch: Pitch = 60) -> Any:
        """How dissimilar the sounds of points are, heard at a pitch: 0 for the same, 1 for two instruments on average.

        Args:
            a, b: points (dim,) or (n, dim); one is compared with each of many.
            pitch: MIDI, one or (n,); None is without pitch.

        Returns:
            A number for two points (dim,), else float64 (n,).
        """
        both = np.broadcast_arrays(np.atleast_2d(a), np.atleast_2d(b))
        one, other = (self.hearing.heard(points, pitch) for points in both)
        values = np.linalg.norm(one - other, axis=1)
        return float(values[0]) if np.ndim(a) == np.ndim(b) == 1 else values

    def nearest(
        self, point: np.ndarray | Sequence[float], k: int = 8, pitch: float | None = None, besides: str | None = None
    ) -> Nearest:
        """The k library notes nearest to a point (dim,) that are different sounds; `besides` names a note to leave out.

        See :meth:`timbre.space.dissimilarity.Hearing.nearest`.
        """
        index = None if besides is None else self.atlas.index(besides)
        return self.hearing.nearest(self.check_point(point), k, pitch, index)

    def listening(self, pitch: float | None = 60, velocity: float = 0.8) -> Listening:
        """What the measures of paths (:mod:`timbre.paths`) need of the space: its notes at a pitch and velocity."""
        return Listening(self.model, self.spectrogram, self.config.heard, pitch, velocity)

    def path(
        self,
        *points: np.ndarray | Sequence[float],
        kind: str = "line",
        even: bool = False,
        pitch: float | None = 60,
    ) -> Path:
        """A path through points (dim,), which it contains to the bit.

        Args:
            points: one or more, evenly spaced in time.
            kind: "line"; "slerp", which turns about the origin; "spline", smooth through all points; "base", lines in
                the base space of the flow; "geodesic", the shortest by perceptual distance, with constant speed
                (Arvanitidis et al. 2018; see :func:`~timbre.paths.geodesic.geodesic`).
            even: choose times such that equal steps are equal perceptual distances; a geodesic is even already.
            pitch: MIDI at which perceptual distances are measured; None is without pitch.

        Raises:
            ConfigError: for no point, or one of another dimension; for an unknown kind, or "base" without flows.
        """
        if not points:
            raise ConfigError("A path must have one point or more, got none.")
        return route(self.listening(pitch), np.stack([self.check_point(point) for point in points]), kind, even)

    def check_point(self, z: np.ndarray | Sequence[float]) -> np.ndarray:
        """A point as float32 (dim,); a ConfigError if it has another dimension, is not finite or beyond
        :data:`~timbre.paths.path.LARGEST`."""
        point = np.asarray(z, dtype=np.float64)
        if point.shape != (self.dim,):
            raise ConfigError(f"The point must have {self.dim} numbers, one for each dimension; got {point.shape}.")
        if not (np.abs(point) <= LARGEST).all():
            raise ConfigError(
                f"The point must have finite coordinates up to {LARGEST:,.0f}, got {shown(point.tolist())}."
            )
        return point.astype(np.float32)

    def prepare(self) -> None:
        """Export the decoder for live play, so that a saved space plays at once wherever it is loaded.

        It takes about 15 s. Without it, the first live play does it, and keeps the result in timbre's cache.

        Raises:
            ConfigError: if onnxscript is not installed.
        """
        self.graph = FrameDecoder(self.model, self.spectrogram).export()

    def save(self, folder: str | FilePath, half: bool = False, page: str | None = None) -> FilePath:
        """Write the space as a folder: config.json, model.safetensors, atlas.json, atlas.safetensors, README.md; and
        vocoder.safetensors and decoder.onnx if it has them.

        Args:
            folder: created if it does not exist.
            half: write the weights and the notes' standard deviations as float16, half the size; they are read back as
                float32.
            page: README.md, the model card; default: made from the report.

        Returns:
            The folder; a CheckpointError if it cannot be written.
        """
        target = expanded(folder, CheckpointError)
        parts = Parts(self.config, self.model, self.atlas, self.report, self.axes, self.vocoder, self.graph)
        write_space(target, parts, half, page)
        return target


def load(space: str | FilePath) -> Space:
    """Read a space.

    Args:
        space: the path of its folder; or its name, such as "orchestra", if it comes with timbre or is in the cache (see
            :func:`timbre.space.names.find_space`).

    Raises:
        ConfigError: if there is no space of that name.
        CheckpointError: if a file is missing or damaged, or the space was made by a newer timbre.
    """
    folder = find_space(space)
    loaded = Space(*read_space(folder))
    loaded.name = printable(folder.resolve().name)
    return loaded
