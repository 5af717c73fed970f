"""Mapping files in the page: what Python writes it reads as Python does, and the reverse; both refuse the same."""

import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from javascript import run
from recorder import some_presets, with_brightness
from test_midi import HEAD, NOTE, ONE, WRONG

from timbre.errors import ConfigError
from timbre.exporting.web.facts import space_facts
from timbre.playback.inputs.mapping import Control, Mapping, default_mapping, read_mapping, write_mapping
from timbre.space import Space
from timbre.synth.shaping import RESERVED, SOURCES, NoteControl, limits_of

PRESETS = ["still", "way", 'a "quoted" \\ name', "Ünï → 𝄞"]
HANDMADE = [
    HEAD,
    HEAD + "note = []\ncontrol = []\n",
    "# my knobs\r\nversion=1 # one\r\n\tformat = 'timbre-mapping'\r\n"
    "[[ control ]] # a knob\r\ncc= +20\r\nto = 'brightness'\r\ncurve = 1_0.0e-0_1",
    ONE + 'cc = 7\nto = "gain"\n[[control]]\ncc = 8\nto = 2\n[[control]]\ncc = 9\nto = "bend_range"\n',
    "\ufeff" + NOTE + 'source = 74\nto = "brightness"\n[[note]]\nsource = "bend"\nto = "gain"\nstyle = "absolute"\n',
    NOTE + 'source = 3\nto = "towards:\\u0073ti\\U0000006cl"\nhigh = -2\n',
    NOTE + 'source = "pressure"\nto = 0\nstyle = "relative"\n',
]
BEYOND = [
    "control = 1\n" + HEAD, HEAD + '[format]\nname = "x"\n', HEAD + "note = {}\n", HEAD + "[[format]]\n",
    HEAD + "note = []\n[[note]]\n", HEAD + "version = 1\n", HEAD + "# \x07\n", "\x00", '"', "=", "[[",
    ONE + "cc = 1\ncc = 1\nto = 0\n", ONE + "cc = 01\nto = 0\n", ONE + "cc = 1 2\nto = 0\n", ONE + "__proto__ = 1\n",
    ONE + 'cc = 1\nto = "\\ud800"\n', ONE + 'cc = 1\nto = "\\q"\n', ONE + "cc = 1\nto = " + 5000 * "9" + "\n",
    ONE + "cc = 1\nto = 0\nlow = 1e999\n", ONE + "cc = 1\nto = -1\n", NOTE + 'source = "slide"\nto = "towards:"\n',
    NOTE + 'source = "slide"\nto = "constructor"\n', NOTE + 'source = "slide"\nto = "bend_range"\n',
]  # fmt: skip


@pytest.fixture(scope="module")
def named(tiny_space: Space) -> Space:
    return with_brightness(tiny_space)


def asked(space: Space, folder: Path, files: list[str]) -> list[Any]:
    """What the page reads from files: a mapping, or why not."""
    facts = space_facts(space, space.atlas.points[0])
    request = {"space": {key: facts[key] for key in ("axes", "ranges", "dim")}, "presets": PRESETS, "files": files}
    found: list[Any] = run("mappings.mjs", request, folder)["answers"]["list"]
    return found


def plain(mapping: Mapping) -> dict[str, Any]:
    return {
        "controls": [asdict(one) for one in mapping.controls.values()],
        "notes": [asdict(one) for one in mapping.notes],
    }


def same(page: Any, mapping: Mapping) -> bool:
    """Whether the page has read a mapping; its controllers stay in the order of the file."""
    assert isinstance(page, dict), page
    ordered = {**page, "controls": sorted(page["controls"], key=lambda one: one["cc"])}
    return bool(ordered == plain(mapping))


def some_mapping(seed: int) -> Mapping:
    """A random mapping with every kind of target."""
    draw = random.Random(seed)
    numbers = draw.sample(sorted(set(range(120)) - RESERVED), draw.randrange(20))
    controls = []
    for cc in numbers:
        to = draw.choice(["brightness", 0, 2, "gain", "bend_range"])
        low, high = {"gain": (-100, 24), "bend_range": (0, 48)}.get(str(to), (-100, 100))
        controls.append(Control(cc, to, draw.uniform(low, high), draw.choice([low, high, 1e-7]), draw.uniform(0.1, 10)))
    notes = {}
    for _ in range(draw.randrange(8)):
        source, to = (
            draw.choice([*SOURCES, 1, 2, 119]),
            draw.choice(["brightness", 1, "gain", "bend", *(f"towards:{name}" for name in PRESETS)]),
        )
        low, high = (draw.uniform(*limits_of(to)) for _ in "ab")
        notes[source, to] = NoteControl(
            source, to, low, high, draw.uniform(0.1, 10), draw.choice(["absolute", "relative"])
        )  # type: ignore[arg-type]
    return Mapping(controls, list(notes.values()))


def test_what_one_writes_the_other_reads(named: Space, tmp_path: Path):
    mappings = {f"{seed}.toml": some_mapping(seed) for seed in range(40)} | {"default.toml": default_mapping(named)}
    for name, mapping in mappings.items():
        write_mapping(tmp_path / name, mapping)
    for (name, mapping), page in zip(mappings.items(), asked(named, tmp_path, list(mappings)), strict=True):
        assert same(page, mapping), name
        assert plain(read_mapping(tmp_path / f"again-{name}", named)) == plain(mapping)
    assert plain(read_mapping(tmp_path / "usual.toml", named)) == plain(default_mapping(named))


def test_files_made_by_hand_mean_the_same(named: Space, tmp_path: Path):
    names = [f"{n}.toml" for n in range(len(HANDMADE))]
    for name, text in zip(names, HANDMADE, strict=True):
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    for name, page in zip(names, asked(named, tmp_path, names), strict=True):
        assert same(page, read_mapping(tmp_path / name, named)), name


def test_what_is_wrong_is_refused_in_one_sentence(named: Space, tmp_path: Path):
    texts = [*(text for text, _ in WRONG), *BEYOND]
    names = [f"wrong {n}.toml" for n in range(len(texts))]
    for name, text in zip(names, texts, strict=True):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError):
            read_mapping(tmp_path / name, named, some_presets(named))
    (tmp_path / "latin.toml").write_bytes(HEAD.encode() + b"# \xe9\n")
    (tmp_path / "large.toml").write_bytes(HEAD.encode() + (b"#" * 80 + b"\n") * 14_000)
    names += ["latin.toml", "large.toml"]
    said = asked(named, tmp_path, names)
    for name, page in zip(names, said, strict=True):
        assert isinstance(page, str), f"{name} was read"
        assert page.startswith(name)
        assert page.endswith(".")
        assert "\n" not in page
        assert len(page) < 300
    for (_, words), page in list(zip(WRONG, said, strict=False))[1:]:
        assert words.lower() in page.lower()
