"""What each figure of an evaluation means: the one table that the page, the command and the JSON file share."""

import re
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

Better = Literal["higher", "lower", "none"]


class Figure(NamedTuple):
    """One figure."""

    title: str
    unit: str
    better: Better
    meaning: str
    """One sentence; the formula and its source stand in the docstring of the function that computes it."""
    group: str


def _group(group: str, rows: dict[str, tuple[str, str, Better, str]]) -> dict[str, Figure]:
    return {name: Figure(*row, group) for name, row in rows.items()}


FIGURES: dict[str, Figure] = {
    **_group("Reconstruction", {
        "reconstruction_l1_db": ("mean absolute error", "dB", "lower",
            "Of held-out notes' spectrograms, decoded from the encoder's points; all bins and frames alike."),
        "reconstruction_rmse_db": ("root mean square error", "dB", "lower", "Of the same."),
        "spectral_convergence_db": ("spectral convergence of the sound", "dB", "lower",
            "Error of decoded sounds' STFT magnitudes, relative to the recordings' norm: 0 is silence, -20 a tenth."),
        "multi_resolution_stft": ("multi-resolution STFT distance", "", "lower",
            "Spectral convergence and log-magnitude error of the sounds at three window sizes; 0 for equal sounds."),
    }),
    **_group("Likelihood", {
        "elbo_nats": ("-ELBO", "nats per note", "lower",
            "Upper bound of -log p(x) of held-out notes under a Gaussian likelihood of one noise level."),
        "iwae_nats": ("-IWAE", "nats per note", "lower", "Importance-weighted bound of the same, which is tighter."),
        "noise_level_db": ("noise level", "dB", "none", "Of that likelihood, set on the validation notes."),
        "kl_nats": ("KL to the prior", "nats per note", "none",
            "Information that a note's point carries: KL(q(z|x) || p(z)) over held-out notes."),
        "active_units": ("active units", "dimensions", "none",
            "Dimensions whose points vary over the notes by more than 0.01 in variance."),
        "dimensions": ("dimensions", "", "none", "Of the space."),
    }),
    **_group("Listeners", {
        "rating_spearman": ("rank correlation with ratings", "", "higher",
            "Spearman's, of distances in the space with listeners' dissimilarities; mean over the studies that were "
            "not trained on."),
        "rating_triplets": ("triplets in the listeners' order", "share", "higher",
            "How often of two sounds that one is nearer to a third which listeners found more alike; chance is 0.5."),
        "rating_pearson": ("correlation with ratings", "", "higher", "Pearson's, of the same distances."),
        "rating_kendall": ("Kendall's tau-b with ratings", "", "higher", "Of the same distances."),
        "rating_ndcg": ("NDCG of neighbours", "", "higher", "Whether the nearest are the most alike; chance is high."),
        "rating_studies": ("studies", "", "none", "How many took part in these means."),
        "rating_spearman_trained": ("rank correlation, trained studies", "", "none",
            "The same of studies whose ratings the space was trained on, which is no evidence."),
        "rating_spearman_*": ("rank correlation: {}", "", "higher", "Of one study."),
        "rating_triplets_*": ("triplets: {}", "share", "higher", "Of one study."),
        "rating_p_*": ("Mantel p: {}", "", "none",
            "Share of random relabellings of the sounds that agree as well with this study."),
    }),
    **_group("Order", {
        "instrument_accuracy": ("instrument of the nearest note", "share", "higher",
            "Held-out notes whose nearest training note is of their instrument, of those whose instrument was there."),
        "family_accuracy": ("family of the nearest note", "share", "higher", "The same for families."),
        "instrument_silhouette": ("silhouette by instrument", "-1..1", "higher",
            "How much nearer held-out notes are to their instrument than to the next one, across all pitches."),
        "instrument_silhouette_within_pitch": ("silhouette by instrument, at one pitch", "-1..1", "higher",
            "The same among notes of nearly one pitch."),
        "family_silhouette": ("silhouette by family", "-1..1", "higher", "The same for families."),
        "instrument_probe_accuracy": ("instrument by a classifier", "share", "higher",
            "Of held-out points, by a linear classifier of the training notes' points."),
    }),
    **_group("Pitch and dynamics", {
        "cross_pitch_consistency": ("timbre before pitch", "share", "higher",
            "How often a note is nearer to one of its instrument at another pitch than to another instrument at its "
            "own."),
        "pitch_probe_r2": ("pitch left in the space", "R^2", "lower",
            "Of the note's pitch minus its instrument's mean, by the better of two probes, on held-out notes; below 0 "
            "is nothing."),
        "pitch_probe_linear_r2": ("pitch by a ridge regression", "R^2", "lower", "The linear probe."),
        "pitch_probe_mlp_r2": ("pitch by a small network", "R^2", "lower", "The other probe."),
        "velocity_probe_r2": ("dynamics left in the space", "R^2", "none",
            "Of the velocity, by the better of the two probes; how hard a note was played changes its timbre too."),
    }),
    **_group("Moving through the space", {
        "trajectory_straightness": ("straightness", "share", "higher",
            "Chord over arc of the points that decoded steps along a line are encoded to; 1 is a line again."),
        "trajectory_monotonicity": ("order along lines", "-1..1", "higher",
            "Spearman's, of the steps with how far along the line their sounds are encoded to."),
        "trajectory_unevenness": ("unevenness", "share", "lower",
            "Variation of the spectral change from step to step along lines, in shares of its mean; 0 is even."),
        "axes_monotonicity": ("order along named axes", "-1..1", "higher", "Mean of the axes' own figures below."),
        "axis_*_monotonicity": ("order along {}", "-1..1", "higher",
            "Spearman's, of the measured descriptor with the place along its axis, decoded around held-out notes."),
        "axis_*_slope": ("slope along {}", "of the promised", "none",
            "Change of the measured descriptor for each unit that it was asked for; 1 is as promised."),
    }),
    **_group("Pitch of decoded notes", {
        "decoded_cents_median": ("median pitch error", "cents", "lower",
            "Magnitude, of harmonic held-out notes decoded at their own pitch, where the meter finds a pitch."),
        "decoded_cents_p95": ("95th percentile of it", "cents", "lower", "Octaves that the meter mistakes count too."),
        "decoded_sure_cents_p95": ("95th percentile, where the recording is heard right", "cents", "lower",
            "Of the notes whose recording the meter hears within 50 cents of its label, so that it can be trusted."),
        "decoded_beyond_50_cents_share": ("beyond 50 cents", "share", "lower", "Or without a pitch for the meter."),
        "recorded_cents_p95": ("95th percentile, recordings", "cents", "none", "Of the recordings themselves."),
        "decoded_partials_cents_median": ("median pitch error by partials", "cents", "lower",
            "Of the same notes, by the frequencies of their partials, looked for within 60 cents of the pitch."),
        "decoded_partials_cents_p95": ("95th percentile of it", "cents", "lower", "Of the same."),
        "decoded_partials_unfound_share": ("without clear partials", "share", "lower", "Notes that it leaves out."),
        "recorded_partials_unfound_share": ("without clear partials, recordings", "share", "none",
            "The same for the recordings."),
        "recorded_beyond_50_cents_share": ("beyond 50 cents, recordings", "share", "none",
            "The same for the recordings themselves: what the meter and the labels owe."),
    }),
    **_group("Time of decoded notes", {
        "decoded_onset_median_ms": ("median onset error", "ms", "lower",
            "Magnitude, of held-out notes decoded to sound; an onset is where the level first comes within 40 dB of "
            "its maximum."),
        "decoded_onset_p95_ms": ("95th percentile of it", "ms", "lower", "Of the same."),
        "decoded_onset_worst_ms": ("largest of them", "ms", "lower", "Of the same."),
        "decoded_onset_within_10_ms_share": ("onsets within 10 ms", "share", "higher", "Of the same."),
        "decoded_clicks": ("notes that click", "", "lower",
            "Decoded harmonic notes whose crest of the second difference, in any 50 ms after the attack, stands 10 dB "
            "above all of the recording's."),
        "decoded_click_worst_db": ("largest excess of the crest", "dB", "lower", "Of the same."),
    }),
    **_group("Generalisation", {
        "generalisation_reconstruction_l1_db": ("mean absolute error, unseen sources", "dB", "lower",
            "Of the notes of the folders given as held out, of which none took part in training."),
        "generalisation_family_accuracy": ("family of the nearest note, unseen sources", "share", "higher",
            "Of those notes whose family was in training."),
        "generalisation_reconstruction_l1_db_*": ("mean absolute error: {}", "dB", "lower", "Of one folder."),
        "generalisation_family_accuracy_*": ("family of the nearest note: {}", "share", "higher", "Of one folder."),
    }),
}  # fmt: skip
"""By name; a `*` stands for the name of a study, axis or folder, and so does `{}` in its title."""

ALWAYS = tuple(name for name in FIGURES if "*" not in name)
"""Figures that every evaluation has, None where they cannot be computed."""


def describe(name: str) -> Figure:
    """The entry of :data:`FIGURES` for a figure, with the study, axis or folder that its name holds in the title.

    Raises:
        KeyError: if there is no such figure.
    """
    if name in ALWAYS:
        return FIGURES[name]
    pattern = max((key for key in FIGURES if "*" in key and fnmatchcase(name, key)), key=len, default=name)
    before, _, after = pattern.partition("*")
    figure = FIGURES[pattern]
    return figure._replace(title=figure.title.format(name[len(before) : len(name) - len(after)]))


def shown(value: float | int | None, unit: str = "") -> str:
    """A figure as text: whole numbers as they are, nats and cents to one digit, others to three; a dash for None."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, int):
        return str(value)
    return f"{value:.1f}" if unit.startswith(("nats", "cents")) else f"{value:.3f}"


def plain_key(text: str) -> str:
    """A name of a study or folder as a part of a figure's name: letters, digits and underscores."""
    return re.sub(r"\W+", "_", text).strip("_") or "unnamed"
