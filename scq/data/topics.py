"""``topics``: what ``help()`` says of Python's keywords and topics, as every Python carries it; nothing is downloaded.

Technical English, with code and grammar between: easier to predict than prose. Topics quote one another at length: as
they are, three quarters of a held-out tenth are somewhere in training, see :func:`scq.data.text.of_documents`.
"""

import platform
from pathlib import Path

from scq.data.text import of_documents
from scq.data.text_data import TextData


def read(root: Path | None = None) -> TextData:
    """All topics. ``root`` is not looked at: they are inside Python, and differ a little between its versions."""
    from pydoc_data.topics import topics

    of = f"{len(topics)} topics of the reference inside Python {platform.python_version()}"
    return of_documents("topics", topics, of)
