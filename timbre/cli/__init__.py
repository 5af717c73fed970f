"""The command line: each command in a module of its own, imported when it is called."""

from typing import TYPE_CHECKING

from cyclopts import App, Parameter

from timbre.version import __version__

if TYPE_CHECKING:
    from cyclopts.argument import ArgumentCollection

_COMMANDS = {
    "fetch": ("libraries", "Download a public library of notes, check it and unpack it."),
    "scan": ("libraries", "List the notes of a folder: which were kept, which were dropped and why."),
    "train": ("training", "Learn a timbre space from a folder of notes."),
    "train-vocoder": ("training", "Train a vocoder for a space and compare it with the other inverters."),
    "synth": ("sounds", "Synthesize one note at a point of a space, or a morph between two points."),
    "render": ("sounds", "Render a path, a MIDI file, a grid of sounds or a folder of notes to audio."),
    "path": ("sounds", "Make a path through a space: line, curve, geodesic, random walk or drawing."),
    "play": ("", "Play a space live with the computer keyboard, MIDI or OSC."),
    "app": ("", "Open a map of a space in the browser and play it there."),
    "preset": ("sounds", "Save points and paths of a space by name."),
    "map": ("exploring", "Draw a space: its sounds on a plane, and how each point of the plane sounds."),
    "nearest": ("exploring", "List the library notes nearest to a point."),
    "locate": ("exploring", "Encode new sounds and report where they lie: neighbours, instruments, familiarity."),
    "steer": ("sounds", "Make a descriptor of a sound follow a curve while its timbre stays close."),
    "encode": ("exploring", "Print the coordinates of sounds."),
    "evaluate": ("training", "Measure a space: reconstruction, agreement with listeners, pitch, named axes."),
    "ratings": ("libraries", "Describe and check listeners' dissimilarity ratings."),
    "inspect": ("exploring", "Describe a saved space: library notes, settings, figures and files."),
    "info": ("", "Describe this installation, for bug reports."),
    "demo": ("", "Write sounds and pictures that show what a space has learned."),
}
_ALIASES = {"locate": "place"}
"""Names from version 0.1 that still work."""


def fill_from_toml(app: App, commands: tuple[str, ...], arguments: "ArgumentCollection") -> None:
    """Let the file of --config decide every setting that no option decides (a hook of cyclopts).

    Raises:
        ConfigError: if the file cannot be read or holds something that is not a setting.
    """
    files = [token.value for argument in arguments if argument.name == "--config" for token in argument.tokens]
    if files:
        from cyclopts.config import Dict

        from timbre.config import Config, VocoderConfig

        kind = VocoderConfig if commands == ("train-vocoder",) else Config
        settings = kind.from_toml(files[0]).to_dict()
        Dict(settings, use_commands_as_keys=False, source=files[0])(app, commands, arguments)


commands = App(
    name="timbre",
    help="Learn a timbre space from instrument notes, and turn its places into sound. "
    "Each command explains itself: timbre train --help.",
    version=__version__,
    config=fill_from_toml,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative=(), consume_multiple=True),
)

for _order, (_name, (_folder, _help)) in enumerate(_COMMANDS.items()):
    _function = _name.replace("-", "_")
    _module = ".".join(filter(None, ["timbre.cli", _folder, _function]))
    commands.command(f"{_module}:{_function}", name=_name, alias=_ALIASES.get(_name), help=_help, sort_key=_order)
