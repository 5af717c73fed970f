"""The instrument that nn~ plays: pitch, velocity and a point in, sound out; one voice for each row of a batch.

The contract is that of nn~ and nn.ar. Each method has a buffer NAME_params (channels in, ratio in, channels out, ratio
out) and lists NAME_input_labels and NAME_output_labels; each attribute has a buffer NAME_params (codes of its types)
and methods get_NAME and set_NAME. A host gives one column of inputs for every `ratio` samples: the last sample of each
group.
"""

from typing import Final

import torch
from torch import Tensor, nn

from timbre.spectral.inversion.portable import Keyframes, Phases, Portable

RATIO = 256  # samples of a group: a power of two, as hosts need, whatever the hop of the space is


class NetworkInstrument(nn.Module):
    """Voices that play a space.

    Args:
        decoder: traced, from points (n, dim), pitch, velocity, time and release (n,) to partials, envelope and noise.
        inverter: with a hop of :data:`RATIO`.
        origin, directions: of the map, (dim,) and (2, dim).
        labels: names of the coordinates of a point.
        loudness: amplitude of all sounds.
    """

    origin: Tensor
    directions: Tensor
    held: Final[float] = 1e9  # s: release time of a note that is held
    ring: Final[float] = 1.0  # s after the release until a note that still sounds fades out
    fade: Final[float] = 0.3  # s of that fade
    furthest: Final[float] = 1000.0  # of a coordinate

    def __init__(
        self, decoder: nn.Module, inverter: Portable, origin: Tensor, directions: Tensor, labels: list[str],
        loudness: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.loudness = loudness
        self.decoder, self.inverter, dim = decoder, inverter, len(labels)
        self.dim = dim
        self.register_buffer("origin", origin)
        self.register_buffer("directions", directions)
        keys = ["pitch (MIDI; 0: without pitch)", "velocity (0 to 1, or MIDI's up to 127; 0: off)"]
        on_map, sound = ["map x", "map y"], ["sound"]
        for name, inputs, outputs, ratio in (
            ("forward", keys + labels, sound, 1), ("decode", keys + labels, sound, 1),
            ("play_map", keys + on_map, sound, 1), ("place", on_map, labels, RATIO),
        ):  # fmt: skip
            self.register_buffer(f"{name}_params", torch.tensor([len(inputs), RATIO, len(outputs), ratio]))
            setattr(self, f"{name}_input_labels", inputs)
            setattr(self, f"{name}_output_labels", outputs)
        for name, code in (("hold", 2), ("release", 2), ("reset", 0)):
            self.register_buffer(f"{name}_params", torch.tensor([code]))
        self.hold, self.release, self.rate = 0.0, 1.0, inverter.rate
        self._make_state()

    def _make_state(self) -> None:
        self.gate = torch.zeros(0, dtype=torch.bool)  # whether the key is down
        self.sounding = torch.zeros(0, dtype=torch.bool)
        self.clock, self.released = torch.zeros(0), torch.zeros(0)  # s since the onset, of the decoder; of the release
        self.since = torch.zeros(0)  # s since the release
        self.level = torch.zeros(0)  # velocity
        self.notes = torch.zeros(0, dtype=torch.int64)  # number of notes so far; the noise of each is another
        self.gain = torch.zeros(0)  # at the end of the last group
        self.hz, self.period = torch.zeros(0, dtype=torch.float64), torch.zeros(0, 0)  # of its last frame
        self.tones, self.tones_hz = torch.zeros(0, 0), torch.zeros(0, 0, dtype=torch.float64)
        self.noise = torch.zeros(0, 0)
        self.phase, self.tone_phase = torch.zeros(0, dtype=torch.int64), torch.zeros(0, 0, dtype=torch.int64)
        self.time = torch.zeros(0, dtype=torch.int64)

    def _begin(self, voices: int) -> None:
        """Silence, for a number of voices."""
        zeros, none = torch.zeros(voices), torch.zeros(voices, dtype=torch.int64)
        self.gate, self.sounding = zeros > 0.0, zeros > 0.0
        self.clock, self.released, self.since = zeros.clone(), zeros + self.held, zeros.clone()
        self.level, self.gain, self.notes = zeros.clone(), zeros.clone(), none.clone()
        phases, bands = self.inverter.begin(voices), self.inverter.centers.shape[0]
        self.phase, self.tone_phase, self.time = phases.harmonics, phases.tones, phases.time
        self.hz = torch.zeros(voices, dtype=torch.float64)
        self.period = torch.zeros(voices, self.inverter.period_size)
        self.tones = torch.zeros(voices, bands)
        self.tones_hz = torch.zeros(voices, bands, dtype=torch.float64)
        self.noise = torch.zeros(voices, self.inverter.fft_size // 2 + 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Sound (voices, 1, groups * RATIO) of controls (voices, 2 + dim, groups): pitch, velocity, and the point."""
        inputs = torch.nan_to_num(inputs.float(), 0.0, 0.0, 0.0)
        voices, groups = inputs.shape[0], inputs.shape[2]
        if self.gate.shape[0] != voices:
            self._begin(voices)
        step = float(self.inverter.hop) / self.rate
        velocity = inputs[:, 1].clamp_min(0.0)
        velocity = torch.where(velocity > 1.0, velocity / 127.0, velocity).clamp_max(1.0)
        starts, times, releases, levels, gains, numbers = [], [], [], [], [], []
        sounding = self.sounding
        for group in range(groups):
            on = velocity[:, group] > 0.0
            start = on & torch.logical_not(self.gate)
            stop = self.gate & torch.logical_not(on)
            self.gate = on
            self.notes = self.notes + start.long()
            self.clock = torch.where(start, torch.zeros_like(self.clock), self.clock)
            self.since = torch.where(start, torch.zeros_like(self.since), self.since)
            self.released = torch.where(start, torch.full_like(self.released, self.held), self.released)
            self.released = torch.where(stop, self.clock, self.released)
            self.level = torch.where(on, velocity[:, group], self.level)
            later = self.clock + step
            if self.hold > 0.0:
                later = torch.maximum(self.clock, later.clamp_max(self.hold))
            slower = step / max(self.release, 0.01)
            self.clock = torch.where(on, later, self.clock + slower)
            self.since = torch.where(on, torch.zeros_like(self.since), self.since + slower)
            left = (1.0 - (self.since - self.ring) / self.fade).clamp(0.0, 1.0)
            self.sounding = on | (self.sounding & (left > 0.0))
            sounding = sounding | self.sounding
            starts.append(start)
            times.append(self.clock)
            releases.append(self.released)
            levels.append(self.level)
            gains.append(self.loudness * self.level * self.level * left * self.sounding)
            numbers.append(self.notes)
        sound = torch.zeros(voices, groups * self.inverter.hop)
        rows = torch.nonzero(sounding)[:, 0]
        if rows.shape[0] > 0:
            chosen = [torch.stack(column, 1)[rows] for column in (starts, times, releases, levels, gains, numbers)]
            sound[rows] = self._voices(
                rows, inputs[rows], chosen[0], chosen[1], chosen[2], chosen[3], chosen[4], chosen[5]
            )
        return sound.unsqueeze(1)

    def _voices(
        self, rows: Tensor, inputs: Tensor, start: Tensor, time: Tensor, release: Tensor, level: Tensor, gain: Tensor,
        number: Tensor,
    ) -> Tensor:  # fmt: skip
        """Sound (rows, samples) of some voices; all others (rows, groups)."""
        count, groups = start.shape[0], start.shape[1]
        pitch = inputs[:, 0]
        pitch = torch.where(pitch > 0.0, pitch.clamp(12.0, 127.0), torch.full_like(pitch, float("nan")))
        points = inputs[:, 2:].clamp(-self.furthest, self.furthest).transpose(1, 2)
        after = self._frames(points, pitch, level, time, release)
        before = self._shifted(after, rows, count, groups)
        begun = torch.nonzero(start.flatten())[:, 0]
        tails = self._take(before, begun)
        if begun.shape[0] > 0:
            onset = self._frames(
                points.flatten(0, 1)[begun].unsqueeze(1), pitch.flatten()[begun].unsqueeze(1),
                level.flatten()[begun].unsqueeze(1), torch.zeros(begun.shape[0], 1),
                torch.full((begun.shape[0], 1), self.held),
            )  # fmt: skip
            before.hz[begun], before.period[begun] = onset.hz, onset.period
            before.tones[begun], before.tones_hz[begun], before.noise[begun] = onset.tones, onset.tones_hz, onset.noise
        phases, old = self._phases(rows, before, after, tails, start)
        seed = number.flatten() + 4096 * rows.unsqueeze(1).expand(-1, groups).flatten()
        louder = torch.cat([self.gain[rows].unsqueeze(1), gain[:, :-1]], 1)
        previous = louder.flatten()[begun]
        louder = torch.where(start, gain, louder)
        share = torch.arange(self.inverter.hop) / float(self.inverter.hop)
        first, last = louder.flatten().unsqueeze(1), gain.flatten().unsqueeze(1)
        sound = self.inverter.render(before, after, phases, seed) * (first + share * (last - first))
        if begun.shape[0] > 0:  # the note before fades out
            rest = self.inverter.render(tails, tails, old, seed[begun] - 1)
            sound[begun] = sound[begun] + rest * (previous.unsqueeze(1) * (0.5 + 0.5 * torch.cos(3.14159265 * share)))
        self.gain = self.gain.index_copy(0, rows, gain[:, -1])
        return sound.view(count, groups * self.inverter.hop)

    def _frames(self, points: Tensor, pitch: Tensor, level: Tensor, time: Tensor, release: Tensor) -> Keyframes:
        """Frames of (rows, groups), one after the other."""
        pitch = pitch.flatten()
        partials, envelope, noise = self.decoder(
            points.flatten(0, 1), pitch, level.flatten(), time.flatten(), release.flatten()
        )
        return self.inverter.prepare(pitch, partials, envelope, noise)

    def _shifted(self, after: Keyframes, rows: Tensor, count: int, groups: int) -> Keyframes:
        """The frames at the beginnings of groups: those at the ends of the groups before; and keeps the last ones."""
        last = torch.arange(count) * groups + groups - 1
        before = Keyframes(
            _later(self.hz[rows], after.hz, groups), _later(self.period[rows], after.period, groups),
            _later(self.tones[rows], after.tones, groups), _later(self.tones_hz[rows], after.tones_hz, groups),
            _later(self.noise[rows], after.noise, groups),
        )  # fmt: skip
        self.hz = self.hz.index_copy(0, rows, after.hz[last])
        self.period = self.period.index_copy(0, rows, after.period[last])
        self.tones = self.tones.index_copy(0, rows, after.tones[last])
        self.tones_hz = self.tones_hz.index_copy(0, rows, after.tones_hz[last])
        self.noise = self.noise.index_copy(0, rows, after.noise[last])
        return before

    def _take(self, frames: Keyframes, rows: Tensor) -> Keyframes:
        return Keyframes(
            frames.hz[rows], frames.period[rows], frames.tones[rows], frames.tones_hz[rows], frames.noise[rows]
        )

    def _phases(
        self, rows: Tensor, before: Keyframes, after: Keyframes, tails: Keyframes, start: Tensor
    ) -> tuple[Phases, Phases]:
        """The phases at the beginnings of groups, and those of the notes that end where others start."""
        groups = start.shape[1]
        here = Phases(self.phase[rows], self.tone_phase[rows], self.time[rows])
        silent = self.inverter.begin(rows.shape[0])
        harmonics, tones, time, old, old_tones, old_time = [], [], [], [], [], []
        for group in range(groups):
            begins = start[:, group]
            old.append(here.harmonics)
            old_tones.append(here.tones)
            old_time.append(here.time)
            here = Phases(
                torch.where(begins, silent.harmonics, here.harmonics),
                torch.where(begins.unsqueeze(1), silent.tones, here.tones),
                torch.where(begins, silent.time, here.time),
            )
            harmonics.append(here.harmonics)
            tones.append(here.tones)
            time.append(here.time)
            at = torch.arange(rows.shape[0]) * groups + group
            here = self.inverter.advance(self._take(before, at), self._take(after, at), here)
        self.phase = self.phase.index_copy(0, rows, here.harmonics)
        self.tone_phase = self.tone_phase.index_copy(0, rows, here.tones)
        self.time = self.time.index_copy(0, rows, here.time)
        begun = torch.nonzero(start.flatten())[:, 0]
        ended = Phases(
            torch.stack(old, 1).flatten()[begun], torch.stack(old_tones, 1).flatten(0, 1)[begun],
            torch.stack(old_time, 1).flatten()[begun],
        )  # fmt: skip
        return (
            Phases(
                torch.stack(harmonics, 1).flatten(), torch.stack(tones, 1).flatten(0, 1), torch.stack(time, 1).flatten()
            ),
            ended,
        )

    @torch.jit.export
    def decode(self, inputs: Tensor) -> Tensor:
        """The same as `forward`."""
        return self.forward(inputs)

    @torch.jit.export
    def place(self, inputs: Tensor) -> Tensor:
        """Points (voices, dim, groups) of the map at coordinates (voices, 2, groups), -1 to 1."""
        coordinates = torch.nan_to_num(inputs.float(), 0.0, 0.0, 0.0).transpose(1, 2)
        return (self.origin + coordinates @ self.directions).transpose(1, 2)

    @torch.jit.export
    def play_map(self, inputs: Tensor) -> Tensor:
        """Sound of pitch, velocity and coordinates of the map (voices, 4, groups)."""
        return self.forward(torch.cat([inputs[:, :2], self.place(inputs[:, 2:])], 1))

    @torch.jit.export
    def get_methods(self) -> list[str]:
        """Names of the methods."""
        return ["forward", "decode", "play_map", "place"]

    @torch.jit.export
    def get_attributes(self) -> list[str]:
        """Names of the attributes."""
        return ["hold", "release", "reset"]

    @torch.jit.export
    def get_hold(self) -> list[float]:
        """s after the onset at which a note stays as it is until its release; 0: it goes on."""
        return [self.hold]

    @torch.jit.export
    def set_hold(self, value: float) -> int:
        """Set the hold, s."""
        if not (value >= 0.0 and value < 3600.0):
            return -1
        self.hold = value
        return 0

    @torch.jit.export
    def get_release(self) -> list[float]:
        """How many times as long as the sound's own the release is."""
        return [self.release]

    @torch.jit.export
    def set_release(self, value: float) -> int:
        """Set the length of the release, 0.01 to 100."""
        if not (value >= 0.01 and value <= 100.0):
            return -1
        self.release = value
        return 0

    @torch.jit.export
    def get_reset(self) -> list[bool]:
        """Whether the voices will be silenced: no."""
        return [False]

    @torch.jit.export
    def set_reset(self, value: bool) -> int:
        """Silence all voices."""
        if value:
            self._begin(self.gate.shape[0])
        return 0

    @torch.jit.export
    def set_sample_rate(self, value: int) -> int:
        """Set the sample rate of the host, 8,000 to 192,000 Hz, and silence all voices."""
        if value < 8000 or value > 192000:
            return -1
        self.rate = float(value)
        self.inverter.tune(self.rate)
        self._begin(self.gate.shape[0])
        return 0


def _later(first: Tensor, rest: Tensor, groups: int) -> Tensor:
    """Values (rows * groups, ...) one group later; the `first` (rows, ...) come from before."""
    rows = rest.unflatten(0, [first.shape[0], groups])
    return torch.cat([first.unsqueeze(1), rows[:, :-1]], 1).flatten(0, 1)
