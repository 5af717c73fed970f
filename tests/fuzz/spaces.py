"""The folder of a space with checksums made again, and the files beside it: paths, presets, drawings, settings."""

import hashlib
import json
import tomllib
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import timbre
from fuzz import _mutations as mutations
from fuzz._target import lay_out, packed, target
from fuzz._tiny import CONFIG, space_files, tiny_graph, tiny_presets, tiny_space
from timbre.cli.exploring.inspect import inspect
from timbre.config import Config, VocoderConfig
from timbre.errors import TimbreError
from timbre.models.frame_decoder import FrameDecoder
from timbre.playback.inputs.mapping import default_mapping, read_mapping, write_mapping
from timbre.shapes.drawings import drawn, read_curve
from timbre.shapes.path_files import is_path, read_path, write_path
from timbre.shapes.presets import read_presets, write_presets
from timbre.space.names import find_space

_LOAD = "timbre.space.space:load"
_PARTS = ("timbre.models.checkpoint:read_folder", "timbre.space.atlas:Atlas.from_files", "timbre.files:read_json")


def resealed(files: dict[str, bytes], head: Any = None, names: dict[str, Any] | None = None) -> dict[str, bytes]:
    """The files of a space with the right checksums of all files, in a config with other values."""
    files = dict(files)
    head = json.loads(files["config.json"]) if head is None else head
    if isinstance(head, dict):
        head = dict(head)
        if "sha256" in head and isinstance(head["sha256"], dict):
            own = {name: hashlib.sha256(files[name]).hexdigest() for name in files if name != "config.json"}
            head["sha256"] = {name: own[name] for name in head["sha256"] if name in own} | (names or {})
        head.pop("self_sha256", None)
        head["self_sha256"] = hashlib.sha256(json.dumps(head, sort_keys=True).encode()).hexdigest()
    files["config.json"] = json.dumps(head).encode()
    return files


def _reseal_text(text: str) -> bytes:
    """A config's text with its own checksum made again, if it can be parsed."""
    try:
        head = json.loads(text)
        head.pop("self_sha256", None)
        head["self_sha256"] = hashlib.sha256(json.dumps(head, sort_keys=True).encode()).hexdigest()
        return json.dumps(head).encode()
    except (ValueError, RecursionError, AttributeError, TypeError):
        return text.encode("utf-8", "surrogatepass")


_LARGE = (10**3, 10**4, 10**6, 10**9, 2**31, 2**62, 10**30)


def _config(random: Random) -> bytes:
    """The config of a space with other settings, details or version, and its checksum."""
    files = space_files(vocoder=random.random() < 0.5)
    head = json.loads(files["config.json"])
    if random.random() < 0.4:  # one setting becomes large, small or none
        table = random.choice([*head["config"].values(), (head["details"]["vocoder"] or {}).get("settings", {"x": 1})])
        key = random.choice(list(table))
        table[key] = random.choice((*_LARGE, 0, -1, 1, 0.5, "x", None, True, [], 1e300))
    elif random.random() < 0.3:
        part = random.choice(("config", "details", "sha256"))
        tree = mutations.some_tree(random, head[part])
        text = mutations.json_text({**head, part: tree})
        return packed({**files, "config.json": _reseal_text(text)})
    elif random.random() < 0.3:
        name = random.choice(
            ("../x", "/dev/zero", "/etc/passwd", "/dev/stdin", "pipe", "a/b", "x\0y", "", ".", "config.json")
        )
        return packed(resealed(files, head, {name: "0" * 64}))
    else:
        text = mutations.json_text(mutations.some_tree(random, head))
        sealed = _reseal_text(text)
        return packed(
            {**files, "config.json": mutations.some_bytes(random, sealed) if random.random() < 0.1 else sealed}
        )
    return packed(resealed(files, head))


def _weights(name: str) -> Callable[[Random], bytes]:
    def make(random: Random) -> bytes:
        files = space_files(vocoder="vocoder" in name)
        changed = {name: mutations.some_safetensors(random, files[name])}
        return packed(resealed(files | changed))

    return make


def _atlas_texts(random: Random) -> bytes:
    files = space_files()
    return packed(resealed(files | {"atlas.json": mutations.some_json(random, json.loads(files["atlas.json"]))}))


def _load_space(data: bytes, place: Path) -> None:
    space = timbre.load(lay_out(data, place / "space"))
    weights = space.model.state_dict()
    assert all(bool(np.isfinite(value.numpy()).all()) for value in weights.values()), "weights are not finite"
    assert sum(value.numel() for value in weights.values()) * 4 < 40 * len(data) + 10**6, "more weights than the file"
    share = zlib.crc32(data) % 8  # what takes longer is done for some of the inputs
    if share < 2:
        again = timbre.load(space.save(place / "again"))
        assert again.config == space.config
        assert again.atlas.names == space.atlas.names
        assert np.array_equal(again.atlas.points, space.atlas.points)
    if share == 2:
        inspect(place / "space")
    _use(space)


def _use(space: timbre.Space) -> None:
    """What loads can be used, or is refused in a sentence."""
    audio = space.decode(np.zeros(space.dim), duration=0.1)
    assert np.isfinite(audio.samples).all()
    assert np.isfinite(space.encode(timbre.Audio(np.sin(np.arange(2000) * 0.3, dtype=np.float32), 8000))).all()
    if len(space.atlas):
        space.nearest(space.atlas.points[0])
        space.atlas.filter(instrument=space.atlas.instruments[0])
        assert space.atlas.centroids.counts.sum() == len(space.atlas)


target("space-config", _config, _LOAD, "timbre.cli.exploring.inspect:inspect")(_load_space)
target("space-model", _weights("model.safetensors"), _LOAD, *_PARTS)(_load_space)
target("space-atlas", _weights("atlas.safetensors"), _LOAD)(_load_space)
target("space-atlas-texts", _atlas_texts, _LOAD)(_load_space)
target("space-vocoder", _weights("vocoder.safetensors"), _LOAD)(_load_space)


def _damaged(random: Random) -> bytes:
    """A folder whose checksums are not made again: files cut, exchanged, missing."""
    files = dict(space_files())
    name = random.choice(list(files))
    kind = random.randrange(4)
    if kind == 0:
        del files[name]
    elif kind == 1:
        files[name] = files[random.choice(list(files))]
    else:
        files[name] = mutations.some_bytes(random, files[name])
    return packed(files)


target("space-damaged", _damaged, _LOAD)(_load_space)


@target("space-name", lambda random: mutations.some_text(random, random.choice(("orchestra", "./x", "~/x", "a-b_c"))),
        "timbre.space.names:find_space", file=False)  # fmt: skip
def _name(data: bytes, _: Path) -> None:
    find_space(data.decode("utf-8", "surrogateescape"))


@cache
def _beside() -> dict[str, Any]:
    """A path file, a curve, presets and a mapping, as timbre writes them."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder, space = Path(name), tiny_space()
        path = space.path([0.0, 0.0], [1.0, 0.5], [0.2, 0.9], pitch=None)
        for file in ("path.json", "path.csv"):
            write_path(folder / file, path, space)
        write_presets(folder, tiny_presets(space), space)
        write_mapping(folder / "mapping.toml", default_mapping(space))
        return {file.name: file.read_text("utf-8") for file in folder.iterdir()}


def _of(name: str) -> Callable[[Random], bytes]:
    def make(random: Random) -> bytes:
        text = _beside()[name]
        if name.endswith(".json"):
            return mutations.some_json(random, json.loads(text))
        if name.endswith(".csv"):
            return mutations.some_rows(random, [line.split(",") for line in text.split()])
        return mutations.some_text(random, text, (*mutations.TEXTS, "[[control]]", "cc = 7", '"gain"', "brightness"))

    return make


def _read_path(suffix: str) -> Callable[[bytes, Path], None]:
    def run(data: bytes, place: Path) -> None:
        file = place / f"path{suffix}"
        file.write_bytes(data)
        is_path(file)
        path = read_path(file, tiny_space())
        assert np.isfinite(path.at(np.linspace(0, 1, 9))).all()
        write_path(place / "again.json", path, tiny_space())
        again = read_path(place / "again.json", tiny_space())
        assert np.array_equal(again.points, path.points)
        assert np.array_equal(again.times, path.times)

    return run


for _suffix in (".json", ".csv"):
    target(
        f"path-{_suffix[1:]}", _of(f"path{_suffix}"), "timbre.shapes.path_files:read_path",
        "timbre.shapes.number_files:read_table",
        "timbre.shapes.path_files:is_path"
    )(_read_path(_suffix))  # fmt: skip


@target("presets", _of("presets.json"), "timbre.shapes.presets:read_presets")
def _presets(data: bytes, place: Path) -> None:
    (place / "presets.json").write_bytes(data)
    (place / "config.json").write_bytes(space_files()["config.json"])
    presets = read_presets(place, tiny_space())
    write_presets(place, presets, tiny_space())
    assert list(read_presets(place, tiny_space())) == list(presets)
    assert all(0.01 <= preset.duration <= 3600 for preset in presets.values())


@target("mapping", _of("mapping.toml"), "timbre.playback.inputs.mapping:read_mapping")
def _mapping(data: bytes, place: Path) -> None:
    file = place / "mapping.toml"
    file.write_bytes(data)
    mapping = read_mapping(file, tiny_space())
    for control in mapping.controls.values():
        assert all(np.isfinite(control.value(share / 127)) for share in range(0, 128, 7))
    write_mapping(place / "again.toml", mapping)
    assert read_mapping(place / "again.toml", tiny_space()).controls == mapping.controls


_SVG = (
    '<svg viewBox="0 0 100 100"><path d="M 10 10 C 20 20, 40 20, 50 10 L 60 90"/></svg>',
    '<svg width="10cm" height="5cm"><g transform="rotate(30) scale(2)"><circle cx="5" cy="5" r="3"/></g></svg>',
    '<svg><defs><polyline id="a" points="0,0 10,5 20,0"/></defs><use href="#a" x="3"/><style>a{b:c}</style></svg>',
    '<svg><path d="M0 0 A 5 10 30 1 0 20 20 z"/></svg>',
)  # fmt: skip
_SVG_WORDS = (
    "<g>", "</g>", "<svg>", "<path", "d=", "M", "A 1 1 0 0 0 1 1", "z", "transform=", "matrix(1 0 0 0 0 0)", "rotate(",
    '"', "%",
    "em", "<!DOCTYPE x [<!ENTITY a 'b'>]>", "&a;", "<use href='#a'/>", "url(#a)", "1e400", "nan", "<image/>",
    "<text>x</text>",
)  # fmt: skip


def _curve(suffix: str) -> Callable[[bytes, Path], None]:
    def run(data: bytes, place: Path) -> None:
        file = place / f"curve{suffix}"
        file.write_bytes(data)
        times, positions = read_curve(file)
        assert np.isfinite(positions).all()
        assert np.isfinite(times).all()
        drawn(file, np.zeros(2), np.eye(2))

    return run


_CURVE = [[0.0, 0.0], [0.5, 1.0], [1.0, -1.0]]
target(
    "curve-svg", lambda random: mutations.some_text(random, random.choice(_SVG), (*_SVG_WORDS, *mutations.NUMBERS)),
    "timbre.shapes.drawings:read_curve",
)(_curve(".svg"))  # fmt: skip
target("curve-json", lambda random: mutations.some_json(random, _CURVE), "timbre.shapes.drawings:read_curve")(
    _curve(".json")
)
target(
    "curve-csv",
    lambda random: mutations.some_rows(random, [["time", "x", "y"], *([str(x) for x in (0.5,
    *row)] for row in _CURVE)]),
    "timbre.shapes.drawings:read_curve",
)(_curve(".csv"))  # fmt: skip


@cache
def _settings(kind: type) -> tuple[str, ...]:
    """TOML files with all settings and their default values."""
    values = kind().to_dict() if kind is VocoderConfig else CONFIG.to_dict()
    tables = values.items() if kind is Config else [("", values)]
    lines = []
    for table, own in tables:
        lines += [f"[{table}]"] if table else []
        lines += [
            f"{key} = {json.dumps(list(value) if isinstance(value, tuple) else value)}" for key, value in own.items()
        ]
    text = "\n".join(lines) + "\n"
    tomllib.loads(text)
    return (text, "[training]\nepochs = 3\n[model]\ndim = 4\n" if kind is Config else "steps = 20\nchannels = 16\n")


def _toml(kind: type) -> Callable[[Random], bytes]:
    words = (
        *mutations.TEXTS,
        "[x]",
        "[[x]]",
        "a.b.c = 1",
        "inf",
        "nan",
        "0x1F",
        "1979-05-27",
        "'''",
        "{a = 1}",
        "[1, [2]]",
    )
    return lambda random: mutations.some_text(random, random.choice(_settings(kind)), words)


for _name_of, _kind in (("config", Config), ("config-vocoder", VocoderConfig)):

    @target(_name_of, _toml(_kind), f"timbre.config.config:{_kind.__name__}.from_toml")
    def _read_settings(data: bytes, place: Path, kind: type = _kind) -> None:
        file = place / "config.toml"
        file.write_bytes(data)
        config = kind.from_toml(file)
        assert kind.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@target("config-json", lambda random: mutations.some_json(random, CONFIG.to_dict()), "timbre.config.settings:from_dict")
def _config_values(data: bytes, _: Path) -> None:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        raise TimbreError("It is no JSON.") from None
    config = Config.from_dict(values)
    assert Config.from_dict(config.to_dict()) == config
    assert config.spectrogram.bins > 0


@target(
    "graph", lambda random: mutations.some_bytes(random, tiny_graph()), "timbre.models.graphs:open_graph",
    "timbre.models._onnx:weights_of", prepare=tiny_graph,
)  # fmt: skip
def _open_graph(data: bytes, _: Path) -> None:
    if tiny_graph():
        run = FrameDecoder(tiny_space().model, tiny_space().spectrogram).opened(data)
        rows = [np.full(3, value, np.float32) for value in (60.0, 0.8, 0.1, 1e9)]
        assert all(np.isfinite(part).all() for part in run(np.zeros((3, 2), np.float32), *rows))
