"""Registries: entries by name, of ours, of installed packages, and those that a program registers. Imports no torch."""

from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from scq.solvers import plugins
from scq.solvers.suggestions import did_you_mean


class Entry(Protocol):
    """What every entry has."""

    @property
    def name(self) -> str:
        """By which it is asked for."""
        ...

    @property
    def title(self) -> str:
        """One line for people."""
        ...


T = TypeVar("T", bound=Entry)


class Registry(Generic[T]):
    """Entries by name.

    Ours are there from the beginning. Those of installed packages, and the modules that a user named, are looked for
    when a name is asked for that is not among them, or all are: who uses ours alone imports nothing else.

    Args:
        called: what an argument that takes a name is called.
        kind: the class of the entries.
        group: of the entry points by which installed packages bring theirs.
        entries: ours.
        also: what may be asked for besides names, for messages.

    Attributes:
        broken: of entry points that could not be used, why, by their names.
        revision: another number whenever the entries are others.
    """

    def __init__(self, called: str, kind: type[T], group: str, entries: Iterable[T] = (), also: str = "") -> None:
        self._called, self._kind, self._group, self._also = called, kind, group, also
        self._entries = {entry.name: entry for entry in entries}
        self._complete = False
        self.broken: dict[str, str] = {}
        self.revision = 0

    def register(self, info: T) -> T:
        """Adds an entry.

        Raises:
            TypeError: it is none.
            ValueError: the name is taken, or no identifier.
        """
        if not isinstance(info, self._kind):
            raise TypeError(f"info is a {type(info).__name__}, must be a {self._kind.__name__}")
        if not info.name.isidentifier():
            raise ValueError(f"info.name is {info.name!r}, must be a Python identifier")
        if info.name in self._entries:
            taken = self._entries[info.name]
            raise ValueError(f"info.name is {info.name!r}, which is registered already ({taken.title})")
        self._entries[info.name] = info
        self.revision += 1
        return info

    def unregister(self, name: str) -> None:
        """Takes an entry out again, for tests and notebooks.

        Raises:
            ValueError: there is none of that name.
        """
        del self._entries[self.get(name).name]
        self.revision += 1

    def entries(self) -> tuple[T, ...]:
        """All of them, in the order of registration."""
        self._find()
        return tuple(self._entries.values())

    def get(self, name: str) -> T:
        """The entry of that name.

        Raises:
            ValueError: there is none; the message lists the known names, or says why that one cannot be used.
        """
        if name not in self._entries:
            self._find()
        if name not in self._entries:
            raise ValueError(f"{self._called} is {name!r}, {self._unknown(name)}")
        return self._entries[name]

    def _unknown(self, name: str) -> str:
        if name in self.broken:
            return f"which is broken: {self.broken[name]}"
        return f"must be one of: {', '.join(self._entries)}{self._also}{did_you_mean(name, self._entries)}"

    def _find(self) -> None:
        if self._complete:
            return
        self._complete = True  # before the modules, which may ask for an entry of ours
        try:
            plugins.import_named()
        except ValueError:
            self._complete = False
            raise
        for point in plugins.points(self._group):
            try:
                self.register(point.load())
            except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a package raises, the others are there
                self.broken[point.name] = plugins.blame(point, error)
