"""HTML from the templates of this package. Everything that is put into a page is escaped."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from scq.validation.common.tables import NOTHING


def render(template: str, **values: Any) -> str:
    """A page.

    Raises:
        jinja2.UndefinedError: the template wants a value that was not given.
    """
    return _environment().get_template(template).render(**values)


class Heading(NamedTuple):
    """A heading of a page, and its name in addresses."""

    name: str
    title: str


def headings(content: str) -> list[Heading]:
    """The sections of a page, for its table of contents: the ``h2`` with an id, in order; their titles are HTML."""
    return [Heading(*found) for found in re.findall(r'<h2 id="([^"]+)">(.*?)</h2>', content, re.DOTALL)]


def plainly(settings: Mapping[str, Any]) -> dict[str, str]:
    """Settings as people write them: (1024, 16, 128) as 1024 x 16 x 128, and what is not set as a dash."""
    return {name.replace("_", " "): _plain(value) for name, value in settings.items()}


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {part}" for name, part in value.items() if part is not None) or NOTHING
    if isinstance(value, (list, tuple)):
        parts = (" x ".join(map(str, part)) if isinstance(part, (list, tuple)) else str(part) for part in value)
        return ", ".join(parts) or NOTHING
    return NOTHING if value in (None, "") else str(value)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("scq.validation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["headings"] = headings
    return environment
