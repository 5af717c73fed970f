"""Tables of the card: figures of `timbre evaluate`, next to each other."""

from typing import Any

from timbre.evaluation.figures import by_part, describe, shown

Figures = dict[str, Any]
"""Figures by name."""

AIMS = (  # a figure, whether the aim is met, the aim
    ("decoded_cents_median", lambda value: value < 5.0, "median pitch error under 5 cents"),
    ("decoded_cents_p95", lambda value: value < 20.0, "95% of pitch errors under 20 cents"),
    ("decoded_sure_cents_p95", lambda value: value < 20.0, "95% under 20 cents where the recording is measured right"),
    ("decoded_partials_cents_median", lambda value: value < 5.0, "median under 5 cents by the partials' frequencies"),
    ("decoded_partials_cents_p95", lambda value: value < 20.0, "95% under 20 cents by the partials' frequencies"),
    ("decoded_onset_within_10_ms_share", lambda value: value == 1.0, "every onset within 10 ms"),
    ("decoded_clicks", lambda value: value == 0, "no clicks"),
    ("decoded_brightness_ratio", lambda value: abs(value - 1.0) <= 0.03, "median brightness within 3%"),
    ("decoded_decay_error_percent", lambda value: value <= 15.0, "median error of the decay time within 15%"),
)

HEADLINE = (  # figures that spaces are compared by
    "notes", "audible_l1_db", "sound_audible_l1_db", "reconstruction_l1_db", "decoded_level_error_db",
    "decoded_brightness_ratio", "decoded_brightness_error_percent", "decaying_notes", "decoded_decay_ratio",
    "decoded_decay_error_percent", "texture_db", "decoded_cents_median", "decoded_sure_cents_p95",
    "decoded_partials_cents_p95", "decoded_onset_median_ms", "decoded_onset_p95_ms", "decoded_clicks",
    "decoded_click_worst_db", "instrument_accuracy", "family_accuracy", "draws_frechet", "prior_frechet",
    "midpoint_frechet", "halves_frechet", "draws_density", "draws_coverage", "draws_faulty", "rating_spearman",
    "rating_triplets", "rating_studies",
)  # fmt: skip


def table(headers: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; vertical bars in cells are escaped."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def columns(figures: Figures) -> dict[str, Figures]:
    """Columns of a table, from the JSON file of `timbre evaluate`: own notes, and every other part of the notes.

    Own notes have the figures of the whole space too, such as those of its prior; if there are left-out sources among
    the held-out notes, their other figures are those of the other sources.
    """
    parts = {part.replace("_", " "): values for part, values in by_part(figures).items()}
    own = {name: value for name, value in figures.items() if "@" not in name} | parts.pop("own sources", {})
    return {"own notes": own, **parts}


def compared_table(spaces: dict[str, Figures], components: dict[str, list[Figures]] | None = None) -> str:
    """Spaces side by side: figures of `timbre evaluate` by the space's name in the table.

    Args:
        spaces: the JSON files of evaluations.
        components: of the same spaces, the JSON files of `benchmarks/reconstruction.py --space`: rows of principal
            components.
    """
    cells = {f"{space}: {part}": values | _components((components or {}).get(space, []), part)
             for space, figures in spaces.items() for part, values in columns(figures).items()}  # fmt: skip
    rows = []
    for name in dict.fromkeys(
        [*HEADLINE, *(name for column in cells.values() for name in column if "components" in name)]
    ):
        values = [column.get(name) for column in cells.values()]
        title, unit = (name, "dB") if "components" in name else describe(name)[:2]
        if any(value is not None for value in values):
            rows.append([title, *(shown(value, unit) for value in values), unit, "" if " " in name else f"`{name}`"])
    return table(["figure", *cells, "unit", "name"], rows)


def _components(rows: list[Figures], part: str) -> Figures:
    """Errors of principal components on a part of the notes, by their titles in the table."""
    return {f"{title}, {row['dim']} principal components": row[name]
            for row in rows if row["method"] == "pca" and row["part"] == part
            for name, title in (("audible_l1_db", "audible error"), ("l1_db", "mean absolute error"))}  # fmt: skip


def figures_table(figures: dict[str, dict[str, Any]]) -> str:
    names = dict.fromkeys(name for part in figures.values() for name in part if not name.startswith("rating_"))
    rows = []
    for name in names:
        figure, values = describe(name), [part.get(name) for part in figures.values()]
        if any(value is not None for value in values):
            rows.append([figure.title, *(shown(value, figure.unit) for value in values), figure.unit, f"`{name}`"])
    return table(["figure", *figures, "unit", "name"], rows)


def ratings_table(figures: dict[str, dict[str, Any]]) -> str:
    ratings = {name: value for part in figures.values() for name, value in part.items()
               if name.startswith("rating_") and value is not None}  # fmt: skip
    if not ratings:
        return ""
    rows = [[describe(name).title, shown(value, describe(name).unit), f"`{name}`"] for name, value in ratings.items()]
    return f"""
### Listeners
Distances compared with dissimilarities of published listening studies, whose sounds and ratings are not part of this
project. The space was trained on the table `orchestra` of 13 instruments, which was derived from mean ratings of the
same studies; only Grey's (1977) is not in that table and independent.

{table(["figure", "value", "name"], rows)}
"""


def aims_table(figures: dict[str, dict[str, Any]]) -> str:
    rows = []
    for name, met, aim in AIMS:
        cells = []
        for part in figures.values():
            value = part.get(name)
            said = "not measured" if value is None else ("met" if met(value) else "missed")
            cells.append(f"{said} ({shown(value, describe(name).unit)})")
        rows.append([aim, *cells])
    return table(["aim", *figures], rows)
