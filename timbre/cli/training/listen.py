"""`timbre listen`."""

import shlex
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import JsonFile, Pitch
from timbre.cli.outputs import check_inverter, check_target, table
from timbre.errors import ConfigError
from timbre.files import check_writable, expanded
from timbre.wording import counted

if TYPE_CHECKING:
    from timbre.listening import Answers, ListeningTest

_PITCH = "Use of each instrument the note nearest to this pitch (C4, 60), within six semitones."


def listen(
    space: str | None = None,
    library: Path | None = None,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--output", "-o"], metavar="FOLDER")] = Path("listening-test"),
    task: Literal["quality", "pairs", "sorting"] = "quality",
    against: Annotated[tuple[str, ...], Parameter(metavar="SPACE", consume_multiple=False)] = (),
    inverter: Annotated[tuple[str, ...], Parameter(metavar="NAME", consume_multiple=False)] = (),
    decoded: bool = False,
    notes: int | None = None,
    pitch: Annotated[Pitch | None, Parameter(help=_PITCH)] = None,
    seconds: float = 2.0,
    trials: int | None = None,
    title: str = "Listening test",
    seed: int = 0,
    results: Path | None = None,
    json_file: JsonFile | None = None,
) -> None:
    """Make a blind listening test as a web page, or analyse its results.

    `timbre listen SPACE NOTES -o FOLDER` writes FOLDER/page, which works on any web host or as files, and
    FOLDER/key.json, which says what the sounds are: keep it. The page saves each listener's answers as a CSV file.
    Put these files into FOLDER/results; `timbre listen --results FOLDER` prints the scores, and writes ratings of pairs
    and sorted sounds to FOLDER/ratings, for `timbre ratings` and `timbre train --ratings`.

    Args:
        space: Folder of a space, or its name.
        library: Folder or library file of notes; those that the space was trained on are left out.
        out: Folder to write.
        task: quality: rate reconstructions against the recording, with hidden reference and anchor (MUSHRA). pairs:
            rate how different two sounds are. sorting: sort sounds into groups.
        against: Another space to compare. Repeat the option for more.
        inverter: Inverter to compare; default: each space's own. Repeat the option for more.
        decoded: In pairs and sorting, present the notes as the space decodes them, instead of the recordings.
        notes: Number of notes; default: 8 for quality, 12 for pairs, 20 for sorting.
        seconds: Length of the sounds, 0.3 to 10.
        trials: Trials for each listener, who gets a random part of them; default: all.
        title: Heading of the page.
        seed: Seed of the choice of notes and of the noise.
        results: Folder of a test whose results are analysed.
    """
    if results is not None:
        _analyse(results, json_file)
        return
    if space is None or library is None:
        raise ConfigError(
            "Give a space and notes to make a test, or --results FOLDER to analyse one: timbre listen orchestra NOTES."
        )
    from timbre.cli.points import parse_pitch
    from timbre.listening import make_test
    from timbre.space.names import find_space

    check_writable(out)
    spaces = [(find_space(name).name, timbre.load(name)) for name in (space, *against)]
    for _, one in spaces:
        for name in inverter:
            check_inverter(one, name)
    target = None if pitch is None else parse_pitch(pitch)
    test = make_test(
        out, spaces, timbre.scan(library), task, inverters=inverter, decoded=decoded, notes=notes, pitch=target,
        seconds=seconds, trials=trials, title=title, seed=seed, progress=print,
    )  # fmt: skip
    print(
        f"\n{counted(len(test.trials), 'trial')}, {counted(len(test.stimuli), 'sound')}.\n"
        f"{out / 'page'}: open index.html, or put the folder on a web host\n"
        f"{out / 'key.json'}: what the sounds are; keep it to yourself\n"
        f"{out / 'results'}: for the files that the page saves; then: timbre listen --results {shlex.quote(str(out))}"
    )


def _analyse(folder: Path, json_file: Path | None) -> None:
    from timbre.listening import ListeningTest, read_answers

    if json_file:
        check_target(json_file, ".json")
    test = ListeningTest.load(folder)
    ratings = expanded(folder) / "ratings"
    if test.task != "quality":
        check_writable(ratings)
    answers = read_answers(test, folder)
    for sentence in answers.left_out:
        print(f"left out: {sentence}")
    figures = _scores(test, answers) if test.task == "quality" else _ratings(test, answers, ratings)
    if json_file:
        import json

        from timbre.files import write_text

        write_text(json_file, json.dumps(_known(figures), indent=1, allow_nan=False) + "\n")


def _known(figures: Any) -> Any:
    """The same figures, with None for NaN, which JSON does not have."""
    if isinstance(figures, dict):
        return {name: _known(one) for name, one in figures.items()}
    if isinstance(figures, list):
        return [_known(one) for one in figures]
    return None if isinstance(figures, float) and not isfinite(figures) else figures


def _scores(test: "ListeningTest", answers: "Answers") -> dict[str, object]:
    from timbre.listening.scores import mixed_model, score

    scores = score(test, answers)
    _tell(scores.participants, scores.excluded)
    others = "participants and " if scores.participants > 1 else ""
    print(f"{counted(scores.notes, 'note')}; mean ratings with 95% intervals over {others}notes\n")
    order = sorted(scores.systems.items(), key=lambda item: -item[1].value)
    print(table([{"system": name, "mean": one.value, "low": one.low, "high": one.high} for name, one in order]))
    pairs = [
        {"difference": f"{a} - {b}", "mean": one.value, "low": one.low, "high": one.high}
        for (a, b), one in scores.differences.items()
    ]
    if pairs:
        print(table(pairs))
    try:
        effects = mixed_model(test, answers.without(scores.excluded))
    except timbre.TimbreError as problem:
        print(problem)
        effects = {}
    else:
        rows = [{"mixed model": name, "effect": e.value, "error": e.error, "p": e.p} for name, e in effects.items()]
        print(table(rows))
    return {
        "participants": scores.participants,
        "excluded": list(scores.excluded),
        "notes": scores.notes,
        "systems": {name: one._asdict() for name, one in scores.systems.items()},
        "differences": pairs,
        "mixed_model": {name: vars(effect) for name, effect in effects.items()},
    }


def _ratings(test: "ListeningTest", answers: "Answers", target: Path) -> dict[str, object]:
    from timbre.listening import rated, write_study

    found = rated(test, answers)
    _tell(found.participants, found.excluded)
    pairs = len(found.study.pairs()[2])
    print(f"{counted(len(found.study.items), 'sound')}, {counted(pairs, 'rated pair')}")
    if isfinite(found.agreement):
        print(f"agreement {found.agreement:.2f} (mean rank correlation of a participant with the others)")
    print(f"\n{write_study(found.study, target)}")
    return {
        "participants": found.participants,
        "excluded": list(found.excluded),
        "sounds": len(found.study.items),
        "pairs": pairs,
        "agreement": found.agreement,
    }


def _tell(participants: int, excluded: tuple[str, ...]) -> None:
    out = f"; left out by the screening: {', '.join(excluded)}" if excluded else ""
    print(f"{counted(participants, 'participant')}{out}")
