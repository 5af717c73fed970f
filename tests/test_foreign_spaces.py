"""Spaces from people one does not know: whatever their folder contains, it loads and works, or is one sentence."""

import copy
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load as parse
from safetensors.torch import save

import timbre
from timbre.errors import CheckpointError, ConfigError, TimbreError
from timbre.shapes.drawings import read_curve
from timbre.shapes.path_files import read_path
from timbre.shapes.presets import read_presets
from timbre.space import Space
from timbre.wording import printable

OLD = Path(__file__).with_name("files_0_1") / "space"
HUGE = (10**9, 2**31, 2**62, 10**18, 10**19, 1e300)
BAD = st.one_of(
    st.sampled_from([*HUGE, -1, 0, 0.5, 1e-300, None, True, "", "x", "\x1b[2J", "\ud800", "\u202e", [], {}, [[]]]),
    st.integers(-3, 5000),
    st.floats(),
    st.text(max_size=5),
)


def sealed(folder: Path, head: dict[str, Any]) -> None:
    """Write config.json with the checksums of all files that it names, and its own."""
    for name in head["sha256"] if isinstance(head.get("sha256"), dict) else ():
        if os.path.isfile(folder / name) and not (folder / name).is_symlink():
            head["sha256"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    head.pop("self_sha256", None)
    head["self_sha256"] = hashlib.sha256(json.dumps(head, sort_keys=True).encode()).hexdigest()
    (folder / "config.json").write_text(json.dumps(head))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(OLD, tmp_path / "space")


@pytest.fixture(scope="module")
def head() -> dict[str, Any]:
    values: dict[str, Any] = json.loads((OLD / "config.json").read_text())
    return values


def fields(values: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The keys to every value of a document, inner ones too."""
    for key, value in values.items() if isinstance(values, dict) else enumerate(values):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from fields(value, (*path, key))


def changed(values: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of a document with another value, or without it."""
    whole = inside = copy.deepcopy(values)
    for key in path[:-1]:
        inside = inside[key]
    if value is fields:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return whole


def loads_or_refuses(folder: Path) -> Space | None:
    """The space, which can be used, or None after one sentence."""
    try:
        space = timbre.load(folder)
    except TimbreError:
        return None
    for text in (*space.atlas.names, *space.atlas.instruments, *(axis.name for axis in space.axes)):
        assert printable(text) == text
    with suppress(TimbreError):
        assert np.isfinite(space.decode(np.zeros(space.dim), duration=0.1).samples).all()
    space.save(folder.parent / "again")
    return space


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_field_of_a_config(data: st.DataObject, head: dict[str, Any], tmp_path_factory: Any) -> None:
    folder = shutil.copytree(OLD, tmp_path_factory.mktemp("fields") / "space")
    path = data.draw(st.sampled_from(list(fields(head))))
    sealed(folder, changed(head, path, data.draw(BAD | st.just(fields))))
    loads_or_refuses(folder)


@pytest.mark.parametrize("value", HUGE)
def test_sizes_beyond_the_weights_are_refused_before_anything_is_made(
    folder: Path, head: dict[str, Any], value: float
) -> None:
    sizes = [("spectrogram", name) for name in ("sample_rate", "n_fft", "hop_length", "n_mels", "bins_per_octave")]
    sizes += [("model", name) for name in head["config"]["model"] if name not in ("flow", "amortised", "dropout")]
    for path in [("data", "duration"), ("data", "split_seed"), *sizes]:
        sealed(folder, changed(head, ("config", *path), value))
        if path[1] not in ("split_seed", "bins_per_octave"):
            with pytest.raises(CheckpointError, match=path[1] if path[0] != "model" else "do not fit|must be"):
                timbre.load(folder)
        else:
            loads_or_refuses(folder)


def test_files_outside_of_the_folder_pipes_and_devices_are_not_opened(folder: Path, head: dict[str, Any]) -> None:
    (folder / "presets.json").unlink(missing_ok=True)
    (folder / "presets.json").symlink_to(OLD / "presets.json")
    with pytest.raises(ConfigError, match="got a link to another"):
        read_presets(folder, timbre.load(folder))
    outside = folder.parent / "secret.safetensors"
    outside.write_bytes((folder / "model.safetensors").read_bytes())
    digest = hashlib.sha256(outside.read_bytes()).hexdigest()
    for name in ("../secret.safetensors", str(outside), "a/../../secret.safetensors", "..", ".", "", "/dev/zero",
                 "a\\b.json", "C:x.json", "config.json", "x\0.json", 300 * "x" + ".json"):  # fmt: skip
        sealed(folder, head | {"sha256": {**head["sha256"], name: digest}})
        with pytest.raises(CheckpointError, match="must name files in its own folder"):
            timbre.load(folder)
    sealed(folder, copy.deepcopy(head) | {"sha256": {**head["sha256"], "model.safetensors": "/../" * 16}})
    (folder / "model.safetensors").unlink()
    for target in (outside, Path("/dev/zero"), Path("/nowhere")):
        (folder / "model.safetensors").symlink_to(target)
        sealed(folder, copy.deepcopy(head))
        with pytest.raises(CheckpointError, match="got a link to another"):
            timbre.load(folder)
        (folder / "model.safetensors").unlink()
    for name in ("model.safetensors", "config.json", "presets.json"):
        shutil.copytree(OLD, folder.parent / name)
        (folder.parent / name / name).unlink(missing_ok=True)
        os.mkfifo(folder.parent / name / name)
        with pytest.raises(TimbreError, match="must be a file, got a device or a pipe"):
            read_presets(folder.parent / name, timbre.load(folder.parent / name))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_weights_that_are_no_numbers(folder: Path, head: dict[str, Any], value: float) -> None:
    weights = parse((folder / "model.safetensors").read_bytes())
    for name in list(weights)[::5]:
        bad = {key: tensor.clone() for key, tensor in weights.items()}
        bad[name].view(-1)[-1] = value
        (folder / "model.safetensors").write_bytes(save(bad))
        sealed(folder, copy.deepcopy(head))
        if np.isfinite(value):
            loads_or_refuses(folder)
        else:
            with pytest.raises(CheckpointError, match="must be finite numbers"):
                timbre.load(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda weights: {name: value[..., :0] for name, value in weights.items()},
        lambda weights: {name: value[None] for name, value in weights.items()},
        lambda weights: {name: value.to(torch.int8) for name, value in weights.items()},
        lambda weights: {name: value.to(torch.float8_e4m3fn) for name, value in weights.items()},
        lambda weights: dict(list(weights.items())[1:]),
        lambda weights: weights | {"\x1b[31m": torch.zeros(1)},
        lambda weights: {},
    ],
)
def test_weights_of_other_shapes_and_types(
    folder: Path, head: dict[str, Any], change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]
) -> None:
    for file in ("model.safetensors", "atlas.safetensors"):
        before = (folder / file).read_bytes()
        (folder / file).write_bytes(save(change(parse(before))))
        sealed(folder, copy.deepcopy(head))
        loads_or_refuses(folder)
        (folder / file).write_bytes(before)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, '{"a": 1, "a": 2}', "NaN", "1e400", '"\\ud800"', "[]", "null", "",
     "\xff", "[" + "9" * 30 + "]", "[" * 500 + "]" * 500],
    ids=lambda text: text[:8],
)  # fmt: skip
def test_texts_that_are_no_json(folder: Path, head: dict[str, Any], text: str) -> None:
    (folder / "presets.json").write_text(text, encoding="latin-1")
    space = timbre.load(folder)
    with pytest.raises(ConfigError, match=r"presets\.json"):
        read_presets(folder, space)
    (folder / "path.json").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match=r"path\.json"):
        read_path(folder / "path.json", space)
    (folder / "atlas.json").write_text(text, encoding="latin-1")
    sealed(folder, copy.deepcopy(head))
    with pytest.raises(CheckpointError, match=r"atlas\.json .*(damaged|UTF-8)"):
        timbre.load(folder)
    (folder / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(CheckpointError, match=r"config\.json"):
        timbre.load(folder)


def test_a_damaged_config_with_nan_is_read_a_few_times_only(folder: Path, head: dict[str, Any]) -> None:
    head = copy.deepcopy(head)
    head["details"]["report"] = {"a": float("nan")}  # differs from itself, so it looks changed at every reading
    sealed(folder, head)
    (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="damaged"):
        timbre.load(folder)


def test_names_are_shown_with_escapes(folder: Path, head: dict[str, Any]) -> None:
    atlas = json.loads((folder / "atlas.json").read_text())
    atlas["names"][0], atlas["instruments"][0] = "a\x1b[2Jb\n\u202ec\ud800", "d\r\te\u2028"
    (folder / "atlas.json").write_text(json.dumps(atlas))
    head = copy.deepcopy(head)
    head["details"]["report"]["licences"] = {"x\x1b]0;": 1}
    sealed(folder, head)
    space = timbre.load(folder)
    assert space.atlas.names[0] == "a\\x1b[2Jb\\n\\u202ec\\ud800"
    assert space.atlas.instruments[0] == "d\\r\\te\\u2028"
    assert space.report["licences"] == {"x\\x1b]0;": 1}


@given(st.text(max_size=20))
def test_what_is_printable_stays_and_shows_once(text: str) -> None:
    shown = printable(text)
    assert printable(shown) == shown
    assert not {"\n", "\r", "\x1b", "\u202e", "\u2028"} & set(shown)
    assert shown == text or not text.isprintable()
    shown.encode()


@pytest.mark.parametrize(
    "inside",
    ["<g>" * 5000 + "</g>" * 5000, '<g id="a"><use href="#a"/></g>',
     "".join(f'<g id="a{n}">{"<use href=" + chr(34) + f"#a{n + 1}" + chr(34) + "/>" * 1}</g>' * 9 for n in range(9)),
     '<path d="M0 0A3.5e38 10 30 1 0 20 20z"/>', '<path d="M0 0L1e308 1e308L-1e308 5"/>',
     "<style>" + "a{" * 50_000 + "</style>", '<path d="M0 0' + " 1 2" * 300_000 + '"/>'],
    ids=["deep", "itself", "copies", "arc", "far", "style", "long"],
)  # fmt: skip
def test_drawings_that_multiply(tmp_path: Path, inside: str) -> None:
    (tmp_path / "a.svg").write_text(f'<svg xmlns="http://www.w3.org/2000/svg">{inside}</svg>')
    with pytest.raises(ConfigError, match=r"a\.svg"):
        read_curve(tmp_path / "a.svg")
