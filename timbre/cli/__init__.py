"""The command line: each command is a module of its own, and imports what it needs only when it runs."""

from importlib import import_module
from typing import TYPE_CHECKING

from cyclopts import App, Group, Parameter

from timbre.cli.help import HelpLayout
from timbre.version import __version__

if TYPE_CHECKING:
    from cyclopts.argument import ArgumentCollection

_GROUPS = {
    "Play": ("", ("play", "app")),
    "Sounds": ("sounds", ("synth", "render", "path", "preset", "steer", "export")),
    "Exploring a space": ("exploring", ("inspect", "map", "nearest", "locate", "encode")),
    "Libraries of notes": ("libraries", ("fetch", "scan", "ratings")),
    "Training": ("training", ("train", "train-vocoder", "evaluate", "listen")),
    "Help": ("", ("demo", "info")),
}
"""For each group in `timbre --help`: the folder of its commands, and their names."""
_ALIASES = {"locate": "place"}
"""Names from version 0.1 that still work."""


def fill_from_toml(app: App, commands: tuple[str, ...], arguments: "ArgumentCollection") -> None:
    """Take the settings that no option sets from the file given with --config (a hook of cyclopts).

    Raises:
        ConfigError: if the file cannot be read or has an unknown setting.
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
    help="Learn a timbre space from instrument notes, and play it. "
    "For the options of a command: timbre COMMAND --help.",
    version=__version__,
    config=fill_from_toml,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative=(), consume_multiple=True),
    group_commands=(_help := Group("Help", sort_key=len(_GROUPS))),
    help_formatter=HelpLayout(),
)

for _order, (_title, (_folder, _names)) in enumerate(_GROUPS.items()):
    _group = _help if _title == _help.name else Group(_title, sort_key=_order)
    for _number, _name in enumerate(_names):
        _function = _name.replace("-", "_")
        _module = import_module(".".join(filter(None, ["timbre.cli", _folder, _function])))
        commands.command(
            getattr(_module, _function), name=_name, alias=_ALIASES.get(_name), group=_group, sort_key=_number
        )
