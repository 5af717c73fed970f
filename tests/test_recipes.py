"""Recipes of public libraries."""

import tomllib
from pathlib import Path

import pytest
from archives import MD5, SHA256, TEXTS

from timbre.data.download.recipes import all_recipes, load_recipe
from timbre.data.readers import READERS
from timbre.errors import ConfigError

ROOT = Path(__file__).parents[1]


def test_the_shipped_recipes_can_be_used():
    known = all_recipes()
    assert {"nsynth", "tinysol", "orchideasol", "good-sounds", "philharmonia", "iowa", "vcsl", "fluidr3"} <= set(known)
    for one in known.values():
        assert one.format in READERS
        assert bool(one.manual) != bool(one.files)
        for source in one.files:
            assert source.unpack == source.name.endswith((".zip", ".tar.gz"))


def test_the_recipes_go_into_the_wheel_and_so_do_the_spaces():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    files = {f"datasets/{name}.toml" for name in all_recipes()}
    wanted = {file: f"timbre/data/download/{file}" for file in files}
    spaces = sorted(config.parent.name for config in (ROOT / "pretrained").glob("*/config.json"))
    assert "orchestra" in spaces
    wanted |= {f"pretrained/{name}": f"timbre/space/pretrained/{name}" for name in spaces}
    assert build["targets"]["wheel"]["force-include"] == wanted


FILE = '[[files]]\nurl = "https://example.org/a.zip"\n'


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (TEXTS, "There must be either files or manual instructions"),
        (f'{TEXTS}manual = "go there"\n{FILE}', "either"),
        (f"{TEXTS.replace('licence', 'license')}{FILE}", "Unknown setting license; did you mean licence?"),
        (f"{TEXTS.replace('licence', '# licence')}{FILE}", "licence must be given"),
        (f"{TEXTS.replace('CC0 1.0', '')}{FILE}", "licence must not be empty, got ''"),
        (f"{TEXTS}{FILE}checksum = ''", "Unknown setting files 1.checksum"),
        (f"{TEXTS}{FILE}md5 = ''", "md5 must have 32 hexadecimal digits, got ''"),
        (f"{TEXTS}{FILE}md5 = '12'", "32 hexadecimal digits"),
        (f"{TEXTS}{FILE}md5 = '{MD5}'\nsha256 = '{SHA256}'", "both"),
        (f"{TEXTS}{FILE}unpack = 1", "files 1.unpack must be true or false, got 1"),
        (f"{TEXTS}{FILE}bytes = true", "files 1.bytes must be a whole number, got True"),
        (f"{TEXTS}{FILE}bytes = 0", "bytes must be 1 or more, got 0"),
        (f"{TEXTS}{FILE}most = 0", "most must be 1 or more, got 0"),
        (f"{TEXTS}{FILE}most = 1\nbytes = 1", "bytes or most, got both"),
        (f"{TEXTS}[[files]]\nurl = 'https://[x/a.zip'", "url must be an address, got 'https://[x/a.zip'"),
        (f"{TEXTS}{FILE}into = ''", "into must not be empty"),
        (f"{TEXTS}{FILE}into = '../there'", "got '../there'"),
        (f"{TEXTS}{FILE}into = '/there'", "got '/there'"),
        (f"{TEXTS}{FILE}name = 'a/b'", "must be the name of a file, got 'a/b'"),
        (f"{TEXTS}{FILE}{FILE}", "a name of its own, got a.zip"),
        (f"{TEXTS}[[files]]\nurl = 'https://example.org/'", "must be the name of a file, got ''"),
        (f"{TEXTS}[[files]]\nurl = 'file:///etc/passwd'", "must begin with http:// or https://"),
        (f"{TEXTS}[[files]]\nunpack = true", "files 1.url must be given"),
        (f"files = [1]\n{TEXTS}", "files 1 must be a table"),
        ("title = ", "is not valid TOML"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_by_name(tmp_path, text, wanted):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.toml") as caught:
        load_recipe(path)
    assert wanted in str(caught.value)
