"""Tables of the card: figures of `timbre evaluate`, next to each other."""

from typing import Any

from timbre.evaluation.figures import describe, shown

AIMS = (  # a figure, whether the aim is met, the aim
    ("decoded_cents_median", lambda value: value < 5.0, "median pitch error under 5 cents"),
    ("decoded_cents_p95", lambda value: value < 20.0, "95% of pitch errors under 20 cents"),
    ("decoded_sure_cents_p95", lambda value: value < 20.0, "95% under 20 cents where the recording is measured right"),
    ("decoded_partials_cents_median", lambda value: value < 5.0, "median under 5 cents by the partials' frequencies"),
    ("decoded_partials_cents_p95", lambda value: value < 20.0, "95% under 20 cents by the partials' frequencies"),
    ("decoded_onset_within_10_ms_share", lambda value: value == 1.0, "every onset within 10 ms"),
    ("decoded_clicks", lambda value: value == 0, "no clicks"),
)


def table(headers: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; vertical bars in cells are escaped."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


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
