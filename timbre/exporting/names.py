"""Names of the files of exports."""

import re


def stems(names: list[str]) -> list[str]:
    """Names of letters, digits, - and _ for files, each once."""
    found: list[str] = []
    for name in names:
        stem = plain = re.sub(r"[^\w-]+", "_", name.encode("ascii", "ignore").decode()).strip("_")[:40] or "timbre"
        number = 2
        while stem.lower() in (other.lower() for other in found):
            stem, number = f"{plain}_{number}", number + 1
        found.append(stem)
    return found
