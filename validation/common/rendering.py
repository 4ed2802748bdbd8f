"""HTML from the templates of this package. Everything that is put into a page is escaped."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from scq.validation.common.tables import NOTHING


def render(template: str, **values: Any) -> str:
    """A page.

    Raises:
        jinja2.UndefinedError: the template wants a value that was not given.
    """
    return _environment().get_template(template).render(**values)


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
    return Environment(
        loader=PackageLoader("scq.validation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
