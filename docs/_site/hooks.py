"""What the site adds to the pages of docs/: pages from elsewhere in the repository, the gallery, players for sounds."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "audio", "choosing", "config", "data", "evaluation", "exporting", "listening", "maps", "models", "paths",
    "playback", "shapes", "space", "spectral", "synth", "training", "vocoder",
)  # fmt: skip
ADDED = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "pretrained/orchestra/README.md": "cards/orchestra.md",
    "pretrained/orchestra-22k/README.md": "cards/orchestra-22k.md",
}
"""Files of the repository that are pages of the site."""
GALLERY = ROOT / "build" / "gallery"  # by docs/_site/gallery.py
NOTEBOOKS = ROOT / "build" / "notebooks"  # by docs/_site/notebooks.py
INSTRUMENT = ROOT / "build" / "instrument"  # by timbre export --to web
NO_GALLERY = """# Gallery

How does `orchestra` sound? This copy of the site was built without the gallery, which `scripts/docs --all` makes.
Sounds that are in the repository:

- [morph](audio/morph.ogg): one note from flute to trumpet, violin and clarinet
- [orchestra-path](audio/orchestra-path.ogg): a path of the presets
- [orchestra-presets](audio/orchestra-presets.ogg): twelve presets
"""
PLAY = """# Play in the browser

Can I play a space without installing anything? Yes: the instrument runs in your browser, and nothing is sent anywhere.

<p><a class="md-button md-button--primary" href="instrument/index.html">Open the instrument</a></p>

Click the map to hear a point, drag to morph; A W S E D F T G are piano keys, and MIDI keyboards work where the browser
has Web MIDI. It needs a site on https or localhost (browsers allow live sound there only), and a few megabytes.
`timbre export SPACE --to web -o FOLDER` makes it for your own space: [exporting](exporting.md).
"""
NO_INSTRUMENT = """# Play in the browser

Can I play a space without installing anything? Yes, from a site that was built with `scripts/docs --all`; this copy was
built without the instrument. `timbre export orchestra --to web -o FOLDER` makes it alone: [exporting](exporting.md).
"""
LINK = re.compile(r"(?P<text>!?\[[^\]]*\]\()(?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")
SOUND = re.compile(r'<a href="(?P<source>[^"]+\.ogg)">(?P<name>.*?)</a>')
PICTURES = (".png", ".svg", ".webp")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from elsewhere, the pictures that they and docs/ show, the API pages and the gallery."""
    for source, page in ADDED.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    for picture in sorted((ROOT / "pretrained").glob("orchestra*/**/*.png")):
        files.append(File.generated(config, picture.relative_to(ROOT).as_posix(), abs_src_path=str(picture)))
    for name in PACKAGES:
        files.append(File.generated(config, f"api/{name}.md", content=f"# timbre.{name}\n\n::: timbre.{name}\n"))
    if (GALLERY / "gallery.md").exists():
        for file in sorted(one for one in GALLERY.rglob("*") if one.is_file()):
            files.append(File.generated(config, file.relative_to(GALLERY).as_posix(), abs_src_path=str(file)))
    else:
        files.append(File.generated(config, "gallery.md", content=NO_GALLERY))
    for file in sorted(one for one in NOTEBOOKS.rglob("*") if one.is_file()):
        name = f"notebooks/{file.relative_to(NOTEBOOKS).as_posix()}"
        files.append(File.generated(config, name, abs_src_path=str(file)))
    play = PLAY if INSTRUMENT.exists() else NO_INSTRUMENT
    files.append(File.generated(config, "instrument.md", content=play))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links into the repository into links of the site; what the site does not have becomes plain text."""
    here = page.file.src_uri
    if here.startswith("notebooks/"):  # executed; its links, if any, are of the web
        return markdown
    if here == "notebooks.md":
        for file in sorted(NOTEBOOKS.glob("*.md")):
            markdown = markdown.replace(f"| `{file.stem}.py` |", f"| [{file.stem}.py](notebooks/{file.name}) |")
    source = next((source for source, added in ADDED.items() if added == here), f"docs/{here}")

    def rewritten(link: re.Match[str]) -> str:
        if "://" in link["target"] or link["target"].startswith(("mailto:", "/")):
            return link[0]
        place = posixpath.normpath(posixpath.join(posixpath.dirname(source), link["target"]))
        target = ADDED.get(place, place.removeprefix("docs/"))
        if files.get_file_from_path(target) is None:
            if place.startswith("docs/"):
                return link[0]  # the strict build reports it
            if not (ROOT / place).exists():
                raise FileNotFoundError(f"{source} links to {place}, which does not exist.")
            return f"{link['text'].removesuffix('](').removeprefix('[')}"
        relative = posixpath.relpath(target, posixpath.dirname(here) or ".")
        return f"{link['text']}{relative}{link['anchor'] or ''})"

    return LINK.sub(rewritten, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put a player in the place of each link to a sound."""
    return SOUND.sub(r'<audio controls preload="none" src="\g<source>" aria-label="\g<name>"></audio>', html)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Give the search a name, for screen readers."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"')
