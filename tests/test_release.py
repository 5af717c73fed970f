"""What a release needs: one version everywhere, a citation, workflows that need no secret, forms for issues."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import timbre

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted(file for file in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if file.stem != "config")


def read(file: Path) -> dict[Any, Any]:
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def test_the_version_is_written_once_and_cited() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert ROOT / project["tool"]["hatch"]["version"]["path"] == ROOT / "timbre" / "version.py"
    citation = read(ROOT / "CITATION.cff")
    assert citation["version"] == timbre.__version__
    assert citation["cff-version"] == "1.2.0"
    assert {"title", "message", "authors", "license", "date-released"} <= citation.keys()


def test_the_changelog_begins_with_this_version_or_what_is_not_released() -> None:
    headings = re.findall(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert next(name for name in headings if name != "Unreleased") == timbre.__version__


def test_wheels_in_the_pages_have_the_version() -> None:
    for page in ROOT.glob("docs/*.md"):
        names = re.findall(r"timbre-([\d.]+)-py3", page.read_text(encoding="utf-8"))
        assert set(names) <= {timbre.__version__}, page


def test_every_supported_python_is_tested_and_classified() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    tests = read(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]["tests"]
    assert tests["strategy"]["matrix"]["python"] == listed
    assert project["requires-python"] == f">={listed[0]}"


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_workflows_need_no_secret_and_run_what_exists(file: Path) -> None:
    assert "secrets." not in file.read_text(encoding="utf-8")
    workflow = read(file)
    assert workflow["permissions"] == {"contents": "read"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert all(("uses" in step) != ("run" in step) for step in steps)
    for step in steps:
        for script in re.findall(r"scripts/\w+", step.get("run", "")):
            assert (ROOT / script).exists()


@pytest.mark.parametrize("file", FORMS, ids=lambda file: file.stem)
def test_forms_for_issues_are_complete(file: Path) -> None:
    form = read(file)
    assert {"name", "description", "body"} <= form.keys()
    identities = [part["id"] for part in form["body"]]
    assert len(set(identities)) == len(identities)
    assert all(part["attributes"]["label"] for part in form["body"])
    assert any(part.get("validations", {}).get("required") for part in form["body"])


def test_there_are_workflows_and_forms() -> None:
    assert {file.stem for file in WORKFLOWS} == {"tests", "wheel", "docs"}
    assert len(FORMS) == 3
