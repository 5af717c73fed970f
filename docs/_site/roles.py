"""Roles of docstrings (:class:`~timbre.space.Space`) as links of the site."""

import re

import griffe

_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`(?P<short>~?)(?P<name>[\w.]+)`")


def linked(text: str) -> str:
    """The text with a link in place of each role; a name that has no heading stays as code."""

    def link(role: re.Match[str]) -> str:
        name = role["name"]
        shown = name.rpartition(".")[2] if role["short"] else name
        return f'<autoref identifier="{name}" optional><code>{shown}</code></autoref>'

    return _ROLE.sub(link, text)


class Roles(griffe.Extension):
    """Replaces the roles in every docstring that is collected."""

    def on_instance(self, *, obj: griffe.Object, **_: object) -> None:
        """Called by griffe for each object."""
        if obj.docstring:
            obj.docstring.value = linked(obj.docstring.value)
