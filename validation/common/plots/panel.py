"""What a page knows of a figure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """A figure in the page: the name of its PNG and PDF, what it shows, and itself as the address of an SVG."""

    name: str
    caption: str
    source: str
