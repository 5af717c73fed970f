"""Names of sound files: their words, which of these are the pitches, and root keys in the headers."""

from timbre.data.filenames._choice import BARE_NUMBERS, Choice, Chosen
from timbre.data.filenames._root_keys import RootKeys
from timbre.data.filenames._words import ParsedName, parse_names

__all__ = ["BARE_NUMBERS", "Choice", "Chosen", "ParsedName", "RootKeys", "parse_names"]
