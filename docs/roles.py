"""The cross references of the docstrings, ``:func:`name```, as links of the API pages."""

import re

import griffe

_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`([\w.]+)`")


class Roles(griffe.Extension):
    """A name is looked up where it stands in the code; one that has no entry on the pages stays code without a link."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        if obj.docstring:
            obj.docstring.value = _ROLE.sub(lambda match: _link(obj, match[1]), obj.docstring.value)


def _link(obj: griffe.Object, name: str) -> str:
    try:
        target = obj.resolve(name)
    except griffe.NameResolutionError:
        target = name  # written in full
    return f'<autoref identifier="{target}" optional>`{name}`</autoref>'
