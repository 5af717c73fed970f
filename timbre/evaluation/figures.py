"""Table of the figures of an evaluation: titles, units and meanings, for the page, the command and the JSON file."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

import numpy as np

Better = Literal["higher", "lower", "none"]


class Figure(NamedTuple):
    """One figure."""

    title: str
    unit: str
    better: Better
    meaning: str
    """One sentence; formula and source are in the docstring of the function that computes it."""
    group: str


_GROUPS: dict[str, dict[str, tuple[str, str, Better, str]]] = {
    "Reconstruction": {
        "notes": ("notes", "", "none", "Held-out notes whose spectrograms were compared; fewer were decoded to sound."),
        "reconstruction_l1_db": ("mean absolute error", "dB", "lower",
            "Error of held-out notes' spectrograms, decoded from their points; mean over all bins and frames."),
        "reconstruction_rmse_db": ("root mean square error", "dB", "lower", "The same, as a root mean square."),
        "audible_l1_db": ("mean absolute error of what is audible", "dB", "lower",
            "The same over bins within 60 dB of the note's peak, recorded or decoded; most of the others are silent."),
        "level_error_db": ("level of the loudest 50 ms", "dB", "none", "Decoded minus recorded, mean over the notes."),
        "sound_audible_l1_db": ("mean absolute error of what is audible in the sound, below 11 kHz", "dB", "lower",
            "The same for the first 2 s of the decoded sounds, in one spectrogram for spaces of every sample rate."),
        "spectral_convergence_db": ("spectral convergence of the sound", "dB", "lower",
            "Error of decoded sounds' STFT magnitudes relative to the recordings' norm: 0 for silence."),
        "multi_resolution_stft": ("multi-resolution STFT distance", "", "lower",
            "Spectral convergence and log-magnitude error of the sounds at three window sizes; 0 for equal sounds."),
        "texture_db": ("texture", "dB", "lower",
            "Distance of the sounds' modulations between 4 and 40 Hz; another draw of the same noise is about 1 away."),
    },
    "Likelihood": {
        "elbo_nats": ("-ELBO", "nats per note", "lower",
            "Upper bound on -log p(x) of held-out notes, with a Gaussian likelihood of one noise level."),
        "iwae_nats": ("-IWAE", "nats per note", "lower", "Importance-weighted bound on the same, which is tighter."),
        "noise_level_db": ("noise level", "dB", "none", "Width of that likelihood, taken from the validation notes."),
        "kl_nats": ("KL to the prior", "nats per note", "none",
            "Information in a note's point: KL(q(z|x) || p(z)), mean over held-out notes."),
        "active_units": ("active units", "dimensions", "none",
            "Dimensions in which the variance of the notes' points is above 0.01."),
        "dimensions": ("dimensions", "", "none", "Dimensions of the space."),
    },
    "Prior": {
        "aggregate_kl_nats": ("KL of all notes to the prior", "nats per note", "lower",
            "How much better a mixture of the other instruments' notes predicts a note's point than the prior does; a "
            "lower bound on KL(q(z) || p(z))."),
        "fit_kl_nats": ("KL of the points' Gaussian to the prior", "nats", "lower",
            "KL(N(m, C) || N(0, I)) with the mean and covariance of the training notes' points."),
        "posterior_std": ("width of the posteriors", "", "none",
            "Root mean square of a note's standard deviations, mean over the notes; the prior's is 1."),
        "draws_frechet": ("random sounds", "of the variance", "lower",
            "Squared Frechet distance of draws (`Space.draw`) from the library: auditory features of notes held at "
            "middle C, in 16 principal components."),
        "draws_density": ("density of random sounds", "of a half of the library", "higher",
            "Library sounds that a random sound has near it; 1 for another half of the library."),
        "draws_coverage": ("coverage by random sounds", "of a half of the library", "higher",
            "Share of library sounds with a random sound near them; 1 for another half of the library."),
        "draws_faulty": ("random sounds that click or are silent", "share", "lower",
            "Clicks are 3 dB above the highest crests of 99% of decoded library notes; silence is 40 dB below them."),
        "prior_frechet": ("sounds of N(0, I)", "of the variance", "lower",
            "The same distance for draws of N(0, I), to which the points are fitted."),
        "prior_density": ("density of sounds of N(0, I)", "of a half of the library", "higher", "The same for these."),
        "prior_coverage": ("coverage by sounds of N(0, I)", "of a half of the library", "higher",
            "The same for these."),
        "midpoint_frechet": ("sounds halfway between two notes", "of the variance", "lower",
            "The same for the middles of lines between random library notes."),
        "slerp_midpoint_frechet": ("sounds halfway on an arc", "of the variance", "lower",
            "The same for the middles of arcs about the origin."),
        "halves_frechet": ("two halves of the library", "of the variance", "none",
            "The same between two random halves of the library's notes: what can be expected at best."),
    },
    "Listeners": {
        "rating_spearman": ("rank correlation with ratings", "", "higher",
            "Spearman's correlation of distances with listeners' dissimilarities; mean over studies not trained on."),
        "rating_triplets": ("triplets in the listeners' order", "share", "higher",
            "How often the one of two sounds that listeners found more like a third is also nearer; chance is 0.5."),
        "rating_pearson": ("correlation with ratings", "", "higher", "Pearson's correlation of the same distances."),
        "rating_kendall": ("Kendall's tau-b with ratings", "", "higher", "Kendall's tau-b of the same distances."),
        "rating_ndcg": ("NDCG of neighbours", "", "higher",
            "Whether the nearest sounds are the most similar ones; chance is about 0.8."),
        "rating_studies": ("studies", "", "none", "Number of studies in these means."),
        "rating_spearman_trained": ("rank correlation, trained studies", "", "none",
            "The same for studies whose ratings the space was trained on; this is no evidence."),
        "rating_spearman_*": ("rank correlation: {}", "", "higher", "Spearman's correlation for one study."),
        "rating_triplets_*": ("triplets: {}", "share", "higher", "Triplets in the listeners' order for one study."),
        "rating_p_*": ("Mantel p: {}", "", "none",
            "Share of random relabellings of the sounds that agree with this study at least as well."),
    },
    "Order": {
        "instrument_accuracy": ("instrument of the nearest note", "share", "higher",
            "Held-out notes whose nearest training note is of their instrument, if that instrument was trained on."),
        "family_accuracy": ("family of the nearest note", "share", "higher", "The same for families."),
        "source_out_instrument": ("instrument of the nearest note, unseen source", "share", "higher",
            "The same for instruments, of held-out notes from sources without training notes."),
        "instrument_silhouette": ("silhouette by instrument", "-1..1", "higher",
            "How much nearer held-out notes are to their own instrument than to the next one, across all pitches."),
        "instrument_silhouette_within_pitch": ("silhouette by instrument, at one pitch", "-1..1", "higher",
            "The same among notes of nearly the same pitch."),
        "family_silhouette": ("silhouette by family", "-1..1", "higher", "The same for families, across all pitches."),
        "instrument_probe_accuracy": ("instrument by a classifier", "share", "higher",
            "Held-out points whose instrument a linear classifier of the training notes' points predicts."),
    },
    "Pitch and dynamics": {
        "cross_pitch_consistency": ("timbre before pitch", "share", "higher",
            "How often a note is nearer to its instrument at another pitch than to another instrument at its pitch."),
        "pitch_probe_r2": ("pitch left in the space", "R^2", "lower",
            "How well the better of two probes predicts pitch minus its instrument's mean; 0 or less: nothing left."),
        "pitch_probe_linear_r2": ("pitch by a ridge regression", "R^2", "lower", "Result of the linear probe."),
        "pitch_probe_mlp_r2": ("pitch by a small network", "R^2", "lower", "Result of the other probe."),
        "velocity_probe_r2": ("dynamics left in the space", "R^2", "none",
            "How well the better of the two probes predicts the velocity; louder notes differ in timbre too."),
    },
    "Moving through the space": {
        "trajectory_straightness": ("straightness", "share", "higher",
            "Chord over arc of the points that the decoded steps of a line are encoded to; 1 for a line."),
        "trajectory_monotonicity": ("order along lines", "-1..1", "higher",
            "Spearman's correlation of the steps with the progress of their encoded sounds along the line."),
        "trajectory_unevenness": ("unevenness", "share", "lower",
            "Variation of the spectral change from step to step along lines, relative to its mean; 0 for equal steps."),
        "axes_monotonicity": ("order along named axes", "-1..1", "higher", "Mean of the axes' own figures below."),
        "axes_dci_disentanglement": ("disentanglement of named axes", "0..1", "higher",
            "Whether the value of a point on an axis tells of that descriptor of the recording only (DCI)."),
        "axes_dci_completeness": ("completeness of named axes", "0..1", "higher",
            "Whether one axis alone tells of a descriptor of the recording."),
        "axes_dci_informativeness": ("informativeness of named axes", "R^2", "higher",
            "How well a random forest predicts the descriptors of recordings from their points' values on the axes."),
        "axes_sap": ("separation of named axes (SAP)", "0..1", "higher",
            "Squared correlation of a descriptor with the axis that follows it most, less that with the next axis."),
        "axes_mig": ("mutual information gap of named axes", "0..1", "higher",
            "The same of mutual information, as a share of the descriptor's entropy."),
        "axis_*_monotonicity": ("order along {}", "-1..1", "higher",
            "Spearman's correlation of the measured descriptor with the step along its axis, around held-out notes."),
        "axis_*_slope": ("slope along {}", "of the requested", "none",
            "Change of the measured descriptor for a requested change of one unit, of steps to values that library "
            "notes have; 1 is exact."),
        "axis_*_kept": ("steps kept along {}", "share", "higher",
            "Share of these steps whose change is 0.8 to 1.2 of what was asked for."),
    },
    "Pitch of decoded notes": {
        "decoded_cents_median": ("median pitch error", "cents", "lower",
            "Absolute error of harmonic held-out notes, decoded at their own pitch, where the meter measures a pitch."),
        "decoded_cents_p95": ("95th percentile of it", "cents", "lower",
            "The same; octave errors of the meter are included."),
        "decoded_sure_cents_p95": ("95th percentile, where the recording is measured right", "cents", "lower",
            "The same for notes whose recording the meter measures within 50 cents of its label."),
        "decoded_beyond_50_cents_share": ("beyond 50 cents", "share", "lower",
            "Notes with a larger error, or without a clear pitch."),
        "recorded_cents_p95": ("95th percentile, recordings", "cents", "none", "The same for the recordings."),
        "decoded_partials_cents_median": ("median pitch error by partials", "cents", "lower",
            "Error of the same notes by the frequencies of their partials, searched within 60 cents of the pitch."),
        "decoded_partials_cents_p95": ("95th percentile of it", "cents", "lower", "The same notes."),
        "decoded_partials_unfound_share": ("without clear partials", "share", "lower",
            "Notes that are left out of this error."),
        "recorded_partials_unfound_share": ("without clear partials, recordings", "share", "none",
            "The same for the recordings."),
        "recorded_beyond_50_cents_share": ("beyond 50 cents, recordings", "share", "none",
            "Recordings with a larger error or without a clear pitch: errors of the meter and of the labels."),
    },
    "Level and brightness of decoded notes": {
        "decoded_level_error_db": ("median error of the level", "dB", "lower",
            "Absolute difference of the loudest 50 ms of the decoded sound from the recording's."),
        "decoded_brightness_ratio": ("brightness beside the recording", "of the recorded", "none",
            "Spectral centroid of the decoded sound over that of the recording, median over the notes; 1 is exact."),
        "decoded_brightness_error_percent": ("median error of the brightness", "%", "lower",
            "Absolute difference of the centroids of the same notes, relative to the recording's."),
    },
    "Time of decoded notes": {
        "decoded_onset_median_ms": ("median onset error", "ms", "lower",
            "Absolute error of held-out notes decoded to sound; the onset is where the level first comes within 40 dB "
            "of its maximum."),
        "decoded_onset_p95_ms": ("95th percentile of it", "ms", "lower", "The same notes."),
        "decoded_onset_worst_ms": ("largest onset error", "ms", "lower", "The same notes."),
        "decoded_onset_within_10_ms_share": ("onsets within 10 ms", "share", "higher", "The same notes."),
        "decoded_decay_ratio": ("decay time beside the recording", "of the recorded", "none",
            "Reverberation time (T20 of ISO 3382-1) of decoded over that of recorded notes that decay by 25 dB, "
            "median; 1 is exact."),
        "decoded_decay_error_percent": ("median error of the decay time", "%", "lower",
            "Absolute difference of the decay times of the same notes, relative to the recording's."),
        "decoded_decay_within_15_percent_share": ("decay times within 15%", "share", "higher", "The same notes."),
        "decaying_notes": ("notes that decay", "", "none", "The number of these notes."),
        "decoded_clicks": ("notes that click", "", "lower",
            "Decoded harmonic notes whose crest of the second difference, in any 50 ms after the attack, is 10 dB "
            "above that of the recording."),
        "decoded_click_worst_db": ("largest excess of the crest", "dB", "lower", "The same notes."),
    },
    "Generalisation": {
        "generalisation_reconstruction_l1_db": ("mean absolute error, unseen sources", "dB", "lower",
            "Error of the notes in the folders given as held out, none of which were trained on."),
        "generalisation_audible_l1_db": ("mean absolute error of what is audible, unseen sources", "dB", "lower",
            "The same over bins within 60 dB of the note's peak."),
        "generalisation_instrument_accuracy": ("instrument of the nearest note, unseen sources", "share", "higher",
            "Those notes whose nearest training note is of their instrument, if that instrument was trained on."),
        "generalisation_family_accuracy": ("family of the nearest note, unseen sources", "share", "higher",
            "Those notes whose nearest training note is of their family, if that family was trained on."),
    },
}  # fmt: skip

_SETS = {
    "halves": ("one half of the training recordings beside the other", "none"),
    "decoded": ("decoded notes beside their recordings", "better"),
    "drawn": ("random sounds beside training recordings", "better"),
}
_IN = "Sounds as sets"
_DISTANCES: dict[str, tuple[str, str, Better, str]] = {
    "frechet_share": ("Frechet distance", "of the variance", "lower",
        "In the first 16 principal components of the reference, extrapolated to sets of infinite size; 0 for equal "
        "distributions, and below it by chance."),
    "kernel_mmd2": ("kernel distance", "MMD^2", "lower",
        "Unbiased, with a Gaussian kernel as wide as the median distance; 0 for equal distributions, and below it by "
        "chance."),
    "density": ("density", "", "higher", "Sounds of the reference near a sound, over the expected number (k = 5)."),
    "coverage_share": ("coverage", "share", "higher", "Sounds of the reference that have a sound of the set near."),
}  # fmt: skip
_GROUPS[_IN] = {
    f"set_{kind}_{key}{end}_*": (f"{title}{said}: {pair}, {{}}", unit, better if use == "better" else "none", meaning)
    for kind, (pair, use) in _SETS.items()
    for key, (title, unit, better, meaning) in _DISTANCES.items()
    for end, said in (("", ""), ("_low", ", lower end of 95%"), ("_high", ", upper end of 95%"))
}
_GROUPS[_IN] |= {
    "set_drawn_nearest_ratio_*": ("distance to the nearest training recording, {}", "of held-out notes'", "none",
        "Median of random sounds over that of held-out recordings: 1 is as new as these, 0 a copy."),
    "set_drawn_nearer_share_*": ("random sounds nearer to training recordings than held-out ones, {}", "share", "none",
        "Share of pairs of a random sound and a held-out recording: .5 for sounds as new as these, 1 for copies."),
    "set_consistency_places_*": ("consistency of a point over keys and velocities, {}", "of two points", "lower",
        "Mean distance of its notes over 88 keys and 5 velocities, over that of two points at the same key."),
    "set_consistency_recorded_*": ("the same of recorded instruments, {}", "of two instruments", "none",
        "Mean distance of two notes of an instrument at other pitches, over that of two instruments at one pitch."),
}  # fmt: skip

FIGURES = {name: Figure(*row, group) for group, rows in _GROUPS.items() for name, row in rows.items()}
"""By name; `*` stands for the name of a study or axis, and so does `{}` in its title. NAME@PART is the figure NAME of a
part of the notes: `own_sources`, `left_out_sources`, or a folder."""

ALWAYS = tuple(name for name in FIGURES if "*" not in name)
"""Figures that every evaluation has; None if they cannot be computed."""


def describe(name: str) -> Figure:
    """The entry of :data:`FIGURES` for a figure; the title contains the name of its study or axis.

    Raises:
        KeyError: if there is no such figure.
    """
    name, _, _ = name.partition("@")
    if name in ALWAYS:
        return FIGURES[name]
    pattern = max((key for key in FIGURES if "*" in key and fnmatchcase(name, key)), key=len, default=name)
    before, _, after = pattern.partition("*")
    figure = FIGURES[pattern]
    return figure._replace(title=figure.title.format(name[len(before) : len(name) - len(after)]))


def shown(value: float | int | None, unit: str = "") -> str:
    """A figure as text: nats and cents with one decimal, other fractions with three; a dash for None."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, int):
        return str(value)
    return f"{value:.1f}" if unit.startswith(("nats", "cents")) else f"{value:.3f}"


def by_part(figures: Mapping[str, float | int | None]) -> dict[str, dict[str, float | int | None]]:
    """Figures of each part, by the part's name and the figure's; those of all notes are not included."""
    parts: dict[str, dict[str, float | int | None]] = {}
    for key, value in figures.items():
        name, _, part = key.partition("@")
        if part:
            parts.setdefault(part, {})[name] = value
    return parts


def plain_key(text: str) -> str:
    """Name of a study or part for use in a figure's name: letters, digits and underscores."""
    return re.sub(r"\W+", "_", text).strip("_") or "unnamed"


def average(values: Sequence[float | None]) -> float | None:
    """Mean of the values that are not None; None if there are none."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
