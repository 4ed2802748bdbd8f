"""What a page knows of a figure."""

from dataclasses import dataclass

from scq.validation.common.plots.inline import Inline


@dataclass(frozen=True)
class Panel:
    """A figure in the page: the name of its PNG and PDF, what it shows, and itself."""

    name: str
    caption: str
    drawing: Inline
