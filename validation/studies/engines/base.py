"""What every engine gives: workers, and futures of their work."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class Workers(ABC):
    """Workers that take one piece of work at a time each; a context, at whose end they are gone.

    Attributes:
        width: how many there are.
    """

    width: int

    @abstractmethod
    def submit(self, work: Callable[[Any], Any], item: Any) -> Future[Any]:
        """Gives work to a worker that has none. The future fails when the worker dies."""

    @abstractmethod
    def close(self) -> None:
        """Waits for the work that is under way, and lets the workers go."""

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
