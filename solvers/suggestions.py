"""What was probably meant by a name that is not known. Imports no torch."""

from collections.abc import Iterable
from difflib import get_close_matches


def among(name: object, known: Iterable[str], must: str = "must be one of") -> str:
    """The rest of a message on a name that is not known: which there are, and the one that is most like it.

    Args:
        name: what was given, of whatever type.
        known: the names that there are.
        must: how the list is introduced.
    """
    names = list(known)
    return f"{must}: {', '.join(names)}{did_you_mean(name, names)}"


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """``; did you mean 'vq_ema'?``, or nothing where no name is like the one that was given."""
    meant = nearest(str(name), known)
    return f"; did you mean {meant!r}?" if meant is not None else ""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like the one that was given, whatever the case and the marks between its words; or
    the one that has it for its initials, as learning_rate has lr."""
    plain = {"".join(_words(one)): one for one in known}
    given = "".join(_words(name))
    found = get_close_matches(given, plain, n=1)
    if found:
        return plain[found[0]]
    return next((one for one in plain.values() if given == "".join(word[0] for word in _words(one))), None)


def _words(name: str) -> list[str]:
    return name.lower().replace("-", " ").replace("_", " ").split()
