"""The command line: each command in a module of its own, imported when it is called."""

from typing import TYPE_CHECKING

from cyclopts import App, Parameter

from timbre import __version__

if TYPE_CHECKING:
    from cyclopts.argument import ArgumentCollection

_COMMANDS = {
    "fetch": "Download a public library of notes, check it and unpack it.",
    "scan": "List the notes of a folder: what was kept, what was dropped and why.",
    "train": "Learn a timbre space from a folder of notes.",
    "train-vocoder": "Teach a space a vocoder of its own, and see whether it beats the other inverters.",
    "synth": "Turn places of a space into sound: one note, or a morph between two places.",
    "render": "Turn a path with a pitch line, or a MIDI file, into sound; grids and folders of notes.",
    "path": "Make a path through a space: lines, curves, geodesics, walks, drawings.",
    "play": "Play a space live: keys, MIDI, OSC; to a sound device or a file.",
    "app": "Open a map of a space in the browser, and play it there.",
    "preset": "Keep named places and paths with a space.",
    "map": "Draw a space: its sounds in a plane, and what every place of the plane sounds like.",
    "nearest": "List the known sounds nearest to a place.",
    "place": "Find where a new sound lies: neighbours, predicted dissimilarities, whether it is a stranger.",
    "steer": "Follow a descriptor's curve from a sound, and keep its timbre.",
    "encode": "Print the coordinates of sounds.",
    "evaluate": "Measure a space: reconstruction, listeners, pitch, named axes; a page with pictures.",
    "ratings": "Describe and check listeners' dissimilarity ratings.",
    "inspect": "Describe a saved space: its known sounds, settings, figures and files.",
    "info": "Describe this installation, for bug reports.",
    "demo": "Write sounds and pictures that show what a space has learned.",
}


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

for _order, (_name, _help) in enumerate(_COMMANDS.items()):
    _module = _name.replace("-", "_")
    commands.command(f"timbre.cli.{_module}:{_module}", name=_name, help=_help, sort_key=_order)
