"""The tables of docs/results.md: which figures of which files are shown, and how."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from timbre.evaluation.figures import describe, shown

Row = dict[str, Any]
Cells = tuple[list[str], list[list[str]]]
"""Headers and rows of texts."""


@dataclass(frozen=True)
class Rows:
    """The content of a file that a table needs."""

    rows: Sequence[Any]
    columns: Sequence[str] = field(default=())


def texts(results: Rows) -> Cells:
    """The rows of a file of texts as they are."""
    return list(results.columns), [list(row) for row in results.rows]


def number(value: Any, digits: int = 3) -> str:
    """A number with a fixed number of digits; a dash for None, texts as they are."""
    if value is None:
        return "\N{EN DASH}"
    return value if isinstance(value, str) else f"{round(value, digits) + 0.0:,.{digits}f}"  # no "-0"


def averaged(results: Rows, keys: Sequence[str], figures: dict[str, tuple[str, int]], table: str) -> Cells:
    """Means over the seeds of rows of one table with equal `keys`; deviations in brackets.

    `figures` has the title and the digits of each figure.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in results.rows:
        if row.get("table") == table:
            groups.setdefault(tuple(row.get(key) for key in keys), []).append(row)
    lines = [[*map(str, name), str(len(rows)), *(mean(rows, key, digits) for key, (_, digits) in figures.items())]
             for name, rows in groups.items()]  # fmt: skip
    return [*keys, "seeds", *(title for title, _ in figures.values())], lines


def mean(rows: Sequence[Row], key: str, digits: int) -> str:
    """The mean of a figure over rows; its standard deviation in brackets if there are two or more."""
    values = [row[key] for row in rows if row.get(key) is not None]
    if not values:
        return ""
    deviation = f" ({np.std(values, ddof=1):.{digits}f})" if len(values) > 1 else ""
    return number(float(np.mean(values)), digits) + deviation


def spaces(*files: Rows) -> Cells:
    """Evaluations of two spaces, and principal components of the same notes: (evaluation, components) of each."""
    names = ("`orchestra`", "`orchestra-22k`")
    parts = {"own_sources": "own notes", "left_out_sources": "sources left out", "unverified": "unknown sources"}
    columns, lines = ["figure"], {name: [] for name in _SPACES}  # type: dict[str, list[str]]
    components: dict[str, list[str]] = {}
    for name, evaluation, pca in zip(names, files[::2], files[1::2], strict=True):
        (figures,) = evaluation.rows
        for part, said in parts.items():
            columns.append(f"{name}, {said}")
            for key in _SPACES:
                lines[key].append(shown(figures.get(f"{key}@{part}"), describe(key).unit))
            known = {"own_sources": "own notes"}.get(part, part.replace("_", " "))
            for row in pca.rows:
                if row["method"] == "pca" and row["part"] == known:
                    for key, title in (("audible_l1_db", "error of what is audible"), ("l1_db", "error of all values")):
                        components.setdefault(f"PCA {row['dim']}: {title}, dB", []).append(shown(row[key], "dB"))
    titled = [[f"{describe(key).title}, {describe(key).unit}".rstrip(", "), *cells] for key, cells in lines.items()]
    return columns, titled + [[title, *cells] for title, cells in components.items()]


_SPACES = (
    "notes", "audible_l1_db", "reconstruction_l1_db", "sound_audible_l1_db", "multi_resolution_stft", "texture_db",
    "decoded_brightness_error_percent", "decoded_decay_error_percent", "decoded_partials_cents_median",
    "decoded_partials_cents_p95", "decoded_onset_median_ms", "decoded_clicks", "instrument_accuracy", "family_accuracy",
)  # fmt: skip


def whole(*files: Rows) -> Cells:
    """Figures of two spaces as a whole."""
    figures = [evaluation.rows[0] for evaluation in files]
    names = [name for name in figures[0] if "@" not in name and name.startswith(_WHOLE)]
    rows = [
        [describe(name).title, *(shown(one.get(name), describe(name).unit) for one in figures), describe(name).unit]
        for name in names
    ]
    return ["figure", "`orchestra`", "`orchestra-22k`", "unit"], rows


_WHOLE = (
    "draws_", "prior_", "midpoint_", "slerp_midpoint", "halves_frechet", "aggregate_kl", "fit_kl", "posterior_std",
    "pitch_probe", "cross_pitch", "instrument_silhouette", "family_silhouette", "trajectory_", "axis_",
    "source_out_instrument",
)  # fmt: skip


def listeners(*files: Rows) -> Cells:
    """Agreement of two spaces with each study: Spearman / triplets, and Mantel's p."""
    figures = [evaluation.rows[0] for evaluation in files]
    start = "rating_p_"
    studies = [name.removeprefix(start) for name in figures[0] if name.startswith(start)]
    rows = [
        [study.replace("_", " "), *(f"{one[f'rating_spearman_{study}']:.3f} / {one[f'rating_triplets_{study}']:.3f} "
         f"({one[start + study]:.3f})" for one in figures)]
        for study in studies
    ]  # fmt: skip
    rows.append(["mean of seven", *(f"{one['rating_spearman']:.3f} / {one['rating_triplets']:.3f}" for one in figures)])
    return ["study", "`orchestra`", "`orchestra-22k`"], rows


def sets(*files: Rows) -> Cells:
    """Sets of sounds, with intervals; rows of several spaces of one kind are averaged."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for file in files:
        for row in file.rows:
            if row["table"] == "sets":
                kind = row["method"].removeprefix("full-").split("-seed")[0].replace("_", " ")
                groups.setdefault((row["embedding"], kind, row["inverter"]), []).append(row)
    order = sorted(groups, key=lambda key: [*dict.fromkeys(name for name, _, _ in groups)].index(key[0]))
    lines = [[*key, *(interval(groups[key], name, digits) for name, _, digits in _SETS)] for key in order]
    return ["embedding", "sounds", "inverter", *(title for _, title, _ in _SETS)], lines


_SETS = (
    ("decoded_frechet_share", "decoded: Frechet", 3), ("decoded_kernel_mmd2", "kernel", 4),
    ("drawn_frechet_share", "random: Frechet", 3), ("drawn_kernel_mmd2", "kernel", 4), ("drawn_density", "density", 2),
    ("drawn_coverage_share", "coverage", 2), ("nearest_ratio", "nearest training note", 2),
    ("nearer_share", "nearer than held-out notes", 2), ("consistency", "consistency", 2),
)  # fmt: skip


def interval(rows: Sequence[Row], key: str, digits: int) -> str:
    """A figure with its 95% interval; of several rows, mean and standard deviation."""
    if len(rows) > 1:
        return mean(rows, key, digits)
    value, low, high = (rows[0].get(f"{key}{end}") for end in ("", "_low", "_high"))
    if value is None:
        return ""
    return number(value, digits) + (f" ({number(low, digits)} to {number(high, digits)})" if low is not None else "")


def codes(*files: Rows) -> Cells:
    """DCI, SAP and MIG."""
    keys = ("dci_disentanglement", "dci_completeness", "dci_informativeness", "sap", "mig")
    rows = [
        [f"`{row['space']}`", row["code"], str(row["dim"]), str(row["n"]), *(number(row[key], 2) for key in keys)]
        for file in files for row in file.rows if row["table"] == "axes"
    ]  # fmt: skip
    return ["space", "code", "dimensions", "notes", "D", "C", "I (R^2)", "SAP", "MIG"], rows


def exports(results: Rows) -> Cells:
    """Medians and 95th percentiles of exported notes beside `Space.decode`, for each format."""
    groups: dict[str, list[Row]] = {}
    for row in results.rows:
        groups.setdefault(row["format"], []).append(row)
    lines = []
    for name, rows in groups.items():
        line = [name, str(len(rows))]
        for key in ("cents", "level_db", "log_mel_l1_db"):
            values = np.abs([row[key] for row in rows if row.get(key) is not None])
            line.append(f"{np.median(values):.2f}, {np.quantile(values, 0.95):.2f}" if len(values) else "")
        seams = [row["seam_db"] for row in rows if row.get("seam_db") is not None]
        lines.append([*line, f"{max(seams):.0f}" if seams else ""])
    return ["format", "notes", "pitch, cents", "level, dB", "log-mel L1, dB", "loudest seam, dB"], lines


def web(results: Rows) -> Cells:
    """The page in a browser: size, its notes beside `Space.decode`, its engine beside the live one, voices."""
    kinds = {kind: [row for row in results.rows if row["row"] == kind] for kind in ("size", "notes", "events", "live")}
    (size,), (events,), notes = kinds["size"], kinds["events"], kinds["notes"]
    lines = [
        ["files, gzipped, MB", number(size["bytes_gzipped"] / 1e6, 1)],
        ["ready after, s", number(size["ready_s"], 1)],
    ]
    for key, title in (("cents", "pitch, cents"), ("level_db", "level, dB")):
        found = np.abs([row[key] for row in notes if row[key] is not None])
        said = f"{np.median(found):.2f}, {np.quantile(found, 0.95):.2f} ({len(found)} notes)"
        lines.append([f"{title}, beside `Space.decode`: median, 95%", said])
    lines.append(["the same events in the live engine: RMS of the difference, full scale is 1", f"{events['rms']:.1g}"])
    for row in (row for row in results.rows if row["row"] == "axes"):
        said = f"{row['share']:.2f} of the asked change reached (`Space.move`: {row['share_app']:.2f})"
        lines.append([f"steps along {row['axis']}, median", said])
    for row in kinds["live"]:
        busy = ", busy page" if row["busy"] else ""
        said = f"{row['core']:.2f} of a core, {row['underruns']} underruns; {row['sounding']}"
        lines.append([f"{row['voices']} held voices for {row['seconds']:.0f} s{busy}; sounding, median", said])
    return ["what", "result"], lines


def chosen(columns: dict[str, tuple[str, int]], keep: Callable[[Row], bool]) -> Callable[[Rows], Cells]:
    """A table of some rows: for each key its title and its digits."""

    def cells(results: Rows) -> Cells:
        rows = [row for row in results.rows if keep(row)]
        lines = [[number(row.get(key), digits) for key, (_, digits) in columns.items()] for row in rows]
        return [title for title, _ in columns.values()], lines

    return cells


_LIVE = {
    "server": ("server", 0), "control": ("control", 0), "voices": ("voices", 0), "block": ("block", 0),
    "underruns": ("underruns", 0), "latency_ms": ("latency, ms", 1), "worst_ms": ("worst", 1), "cents": ("cents", 2),
    "clicks": ("clicks", 0), "gaps": ("gaps", 0), "xruns": ("xruns", 0), "load": ("load", 2),
    "ahead_ms": ("ahead, ms", 1),
}  # fmt: skip
_MPE = {
    "control": ("control", 0), "clicks": ("clicks", 0), "cents_median": ("cents, median", 2), "cents": ("worst", 1),
    "load": ("core, engine", 2), "load_messages": ("core, messages", 2),
}  # fmt: skip
_VOICES = {
    "control": ("engine on one core", 0), "voices": ("voices in real time", 0), "load_1": ("load of one", 2),
    "load": ("load of eight", 2),
}  # fmt: skip
_VOCODER = {
    "group": ("notes", 0), "inverter": ("inverter", 0), "log_mel_l1_db": ("log-mel L1, dB", 2),
    "multi_resolution_stft": ("multi-res. STFT", 3), "pitch_error_cents": ("pitch, cents", 2),
    "texture_db": ("texture, dB", 2), "noise_db": ("noise's, dB", 1), "energy_db": ("energy score, dB", 2),
    "onset_ms": ("onset, ms", 1), "click_db": ("worst click, dB", 1), "decode_db": ("level, dB", 2),
    "within_1_db_share": ("within 1 dB", 2), "x_realtime": ("x real time", 0),
}  # fmt: skip
_PATHS = {
    "kind": ("kind", 0), "unevenness": ("unevenness", 3), "monotonic_fraction": ("monotonic", 3),
    "log_mel_unevenness": ("log-mel", 3), "heard_length_ratio": ("heard length", 2),
    "space_length_ratio": ("length in the space", 2), "nearest_known": ("from library notes", 2),
}  # fmt: skip
_STEERING = {
    "descriptor": ("descriptor", 0), "curve": ("curve", 0), "unit": ("unit", 0), "method": ("method", 0),
    "tracking_error": ("tracking error", 4), "tracking_error_median": ("median", 4),
    "audio_error": ("error in the audio", 3), "timbre_moved": ("timbre moved", 2),
}  # fmt: skip
_NEIGHBOURS = {
    "count": ("points", 0), "method": ("method", 0), "first_ms": ("first answer, ms", 0),
    "queries_per_s": ("queries/s", 0),
}  # fmt: skip


def flows(results: Rows) -> Cells:
    """The table of trained models."""
    return averaged(results, ("variant",), _MODELS, "models")


def hidden(results: Rows) -> Cells:
    """Notes of which a part is hidden: -ELBO less that of the row without flows with the same seed, and the gap."""
    rows = [row for row in results.rows if row.get("table") == "hidden"]
    kinds = list(dict.fromkeys(row["hidden"] for row in rows))
    base = {(row["hidden"], row["seed"]): row["elbo_nats"] for row in rows if row["variant"] == _BASE}
    lines = []
    for variant in dict.fromkeys(row["variant"] for row in rows):
        own = {kind: [row for row in rows if (row["variant"], row["hidden"]) == (variant, kind)] for kind in kinds}
        pairs = {
            kind: [{"less": row["elbo_nats"] - base[kind, row["seed"]]} for row in found if (kind, row["seed"]) in base]
            for kind, found in own.items()
        }
        bounds = [
            mean(own[kind], "elbo_nats", 1) if variant == _BASE else mean(pairs[kind], "less", 1) for kind in kinds
        ]
        gaps = [mean(own[kind], "gap_nats", 1) for kind in kinds]
        lines.append([variant, str(max(map(len, own.values()))), *bounds, *gaps])
    said = [_KINDS.get(kind, kind) for kind in kinds]
    return ["variant", "seeds", *(f"-ELBO: {kind}" for kind in said), *(f"gap: {kind}" for kind in said)], lines


_BASE = "vae"  # the row without flows
_KINDS = {"pitch": "pitch and velocity", "half": "a half", "noise": "below noise"}
_MODELS = {
    "error_db": ("error, dB", 2), "audible_error_db": ("audible", 2),
    "source_out_audible_error_db": ("audible, sources left out", 2), "elbo_nats": ("-ELBO, nats", 0),
    "iwae_nats": ("-IWAE", 0), "kl_nats": ("KL", 1), "aggregate_kl_nats": ("aggregate KL", 2),
    "prior_frechet": ("Frechet of N(0, I)", 3), "density": ("density", 2), "coverage": ("coverage", 2),
    "rating_spearman": ("Spearman", 3), "rating_triplets": ("triplets", 3), "pitch_probe_r2": ("pitch R^2", 2),
}  # fmt: skip
TABLES: dict[str, tuple[tuple[str, ...], Callable[..., Cells]]] = {
    "reconstruction": (("evaluation-44k", "components-44k", "evaluation-22k", "components-22k"), spaces),
    "whole": (("evaluation-44k", "evaluation-22k"), whole),
    "listeners": (("evaluation-44k", "evaluation-22k"), listeners),
    "sets-44k": (("sets-44k",), sets),
    "sets-22k": (("sets-22k",), sets),
    "sets-small": (("sets-small",), sets),
    "codes": (("sets-44k", "sets-22k"), codes),
    "flows": (("latent",), flows),
    "hidden": (("latent",), hidden),
    "exports": (("exports",), exports),
    "live": (("live",), chosen(_LIVE, lambda row: row["server"] != "none")),
    "mpe": (("live",), chosen(_MPE, lambda row: row["control"].startswith("mpe,"))),
    "voices": (("live",), chosen(_VOICES, lambda row: row["control"].startswith("engine,"))),
    "vocoder": (("vocoder",), chosen(_VOCODER, lambda row: row["task"] == "notes" and "sources" in row["group"])),
    "paths": (("paths",), chosen(_PATHS, lambda row: True)),
    "steering": (("steering",), chosen(_STEERING, lambda row: True)),
    "neighbours": (("neighbours",), chosen(_NEIGHBOURS, lambda row: row["points"] == "clusters")),
    "web": (("web",), web),
}
"""Tables by name: their files in benchmarks/results, and the function that makes headers and rows of their content.
Every other name is that of one file of texts."""
