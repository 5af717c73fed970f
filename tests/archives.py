"""Archives and sounds that the tests of fetching share."""

import hashlib
import io
import tarfile
import zipfile

import numpy as np
import soundfile


def tone(pitch):
    """A note with some noise, which does not compress, as the bytes of a WAV file."""
    file = io.BytesIO()
    phase = 2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * np.arange(16000) / 16000
    noise = np.random.default_rng(pitch).normal(0, 0.01, phase.size)
    soundfile.write(file, 0.3 * np.sin(phase) + noise, 16000, format="WAV")
    return file.getvalue()


def tar(members, mode="w:gz"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def tree(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


LIBRARY = {f"notes/flute/flute_{name}.wav": tone(pitch) for name, pitch in {"A4": 69, "C5": 72, "E5": 76}.items()}
ARCHIVE = tar(LIBRARY)
MD5, SHA256 = hashlib.md5(ARCHIVE).hexdigest(), hashlib.sha256(ARCHIVE).hexdigest()
TEXTS = """
title = "Flutes"
homepage = "https://example.org/flutes"
licence = "CC0 1.0"
citation = "A. Flutist: Flutes, 2020."
format = "folders"
size = "12 kB"
checked = "all of it"
"""
