"""The shape of the package: no import circles, small folders, private files stay private, every type name once.

And what is written beside it stays true: the picture of the layers, the packages that messages name.
"""

import ast
import graphlib
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Extras that may be missing, and libraries too slow to load for those who do not need them.
IN_FUNCTIONS = {
    "cyclopts", "fluidsynth", "librosa", "lightning_fabric", "matplotlib", "mido", "onnx_ir", "onnxruntime",
    "onnxscript", "pythonosc", "requests", "rtmidi", "scipy", "sklearn", "sounddevice", "soxr", "starlette",
    "statsmodels", "svgelements", "swift_f0", "tensorboard", "termios", "torch", "tqdm", "tty", "umap", "uvicorn",
    "websockets",
}  # fmt: skip
MOST_FILES, MOST_LINES = 20, 400
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = {
    name: {re.split(r"[\[>]", package)[0] for package in packages}
    for name, packages in PROJECT["project"]["optional-dependencies"].items()
}


class Import(NamedTuple):
    """One imported module, where it is imported, and whether that is inside a function."""

    module: str
    line: int
    in_function: bool


def module_name(file: Path, root: Path) -> str:
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources(root: Path = ROOT) -> dict[str, Path]:
    return {module_name(file, root): file for file in sorted((root / "timbre").rglob("*.py"))}


def imports(file: Path, modules: set[str]) -> Iterator[Import]:
    """Every import of a file, also those inside functions and under TYPE_CHECKING."""

    def walk(node: ast.AST, inside: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}:{node.lineno}: imports are absolute here"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield Import(inner if inner in modules else str(node.module), node.lineno, inside)
        inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside)

    return walk(ast.parse(file.read_text(encoding="utf-8")), False)


def circle(root: Path = ROOT) -> list[str]:
    """One import circle of the package below `root`, or nothing."""
    files = sources(root)
    graph = {
        name: {found.module for found in imports(file, set(files))} & set(files) - {name}
        for name, file in files.items()
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(reversed(error.args[1]))
    return []


def test_the_package_has_no_import_circle():
    assert circle() == []


@pytest.mark.parametrize(
    "closing",
    ["import timbre.a", "def late():\n    from timbre import a", "if TYPE_CHECKING:\n    from timbre.a import thing"],
)
def test_a_circle_of_any_kind_is_found(tmp_path, closing):
    (tmp_path / "timbre").mkdir()
    for name, text in {"__init__": "", "a": "from timbre.b import thing", "b": closing, "c": "import timbre.a"}.items():
        (tmp_path / "timbre" / f"{name}.py").write_text(text)
    assert sorted(set(circle(tmp_path))) == ["timbre.a", "timbre.b"]


def test_imports_inside_functions_are_of_commands_or_of_optional_libraries():
    files = sources()
    wrong = [
        f"{file.relative_to(ROOT)}:{found.line} imports {found.module}"
        for name, file in files.items()
        for found in imports(file, set(files))
        if found.in_function
        and not name.startswith(("timbre.cli", "timbre.__main__"))
        and found.module.split(".")[0] not in IN_FUNCTIONS
    ]
    assert wrong == []


def test_what_may_be_imported_late_is_no_part_of_python_but_for_posix():
    assert IN_FUNCTIONS & sys.stdlib_module_names <= {"termios", "tty"}


def test_private_files_are_imported_inside_their_folder_only():
    files = sources()
    wrong = [
        f"{file.relative_to(ROOT)}:{found.line} imports {found.module}"
        for file in files.values()
        for found in imports(file, set(files))
        if found.module in files
        and re.match(r"_(?!_)", files[found.module].name)
        and files[found.module].parent != file.parent
    ]
    assert wrong == []


def test_folders_and_files_stay_small():
    files = sources().values()
    folders = Counter(file.parent.relative_to(ROOT).as_posix() for file in files)
    assert {folder: count for folder, count in folders.items() if count > MOST_FILES} == {}
    lines = {file.relative_to(ROOT).as_posix(): len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    assert {file: count for file, count in lines.items() if count > MOST_LINES} == {}


def test_every_type_has_a_name_of_its_own():
    names = Counter(
        node.name
        for file in sources().values()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )
    assert {name: count for name, count in names.items() if count > 1} == {}


def advised(module: str, file: Path) -> Iterator[set[str]]:
    """The packages of each message of a module that tells what to install."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "needs":
            yield {
                name
                for given in node.args[1:]
                for name in (
                    getattr(import_module(module), given.value.id) if isinstance(given, ast.Starred) else [given.value]
                )
            }


def test_messages_advise_the_packages_of_the_extras():
    """All of them, and no others; those of one message are of one extra, and those of the page are its extra."""
    found = {name: packages for name, file in sources().items() for packages in advised(name, file)}
    assert [name for name, packages in found.items() if not any(packages <= extra for extra in EXTRAS.values())] == []
    assert set().union(*found.values()) == set().union(*(EXTRAS[name] for name in EXTRAS.keys() - {"docs", "test"}))
    assert found["timbre.app"] == EXTRAS["app"]


def test_pages_and_messages_name_no_package_of_somebody_else():
    """`pip install timbre` installs another project; a wheel or a clone has extras that exist."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    for file in [*pages, *(ROOT / "docs" / "_site").glob("*.py"), *sources().values()]:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"(?<![\w./-])timbre\[[a-z]+[],]|(pip|pipx|uv tool) install '?timbre\b(?!-)", text), file
        named = re.findall(r"(?:\.whl|[ \"']\.)\[([a-z,]+)\]", text) + re.findall(
            r"scripts/setup ((?:[a-z]+ ?)+)", text
        )
        assert {name for names in named for name in re.split("[, ]", names.strip())} <= EXTRAS.keys(), file


def test_the_picture_of_the_code_shows_the_rows_of_the_contract():
    picture = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    drawn: dict[int, list[str]] = {}
    for y, text in re.findall(r'<text x="\d+" y="(\d+)">(.*?)</text>', picture):
        drawn.setdefault(int(y), []).extend(re.findall(r'<tspan class="name">(.*?)</tspan>', text))
    contract = [row.split(" | ") for row in PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]]
    assert [sorted(drawn[y]) for y in sorted(drawn)] == [sorted(row) for row in contract]
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    table = page.split("### The packages")[1].split("###")[0]
    names = [name for cell in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"\w+", cell)]
    assert sorted(names) == sorted(name for row in contract for name in row if name != "__main__")
