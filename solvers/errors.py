"""The exceptions of solvers, beyond ValueError and TypeError for wrong arguments."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from scq.solvers.solution import Solution

OnFailure = Literal["raise", "warn", "fallback"]
"""What a layer does when latents are not solved."""


class BackendMissingError(ImportError):
    """The backend's package is not installed, or cannot be imported; the message has the command that installs it."""


class BackendError(RuntimeError):
    """The backend raised for every column that it was given, so that it, and not the latents, is at fault.

    Raised whatever ``throw`` and ``on_failure`` are; the backend's own exception is its ``__cause__``.
    """


class OptionError(ValueError):
    """A backend's option has a value that it cannot take. Raised at once, never turned into a column's status."""


class SolveError(RuntimeError):
    """Some columns have no solution. Raised after every column was treated.

    Attributes:
        solution: the complete :class:`scq.solvers.Solution`; failed columns hold their anchor and have zero gradient.
    """

    def __init__(self, message: str, solution: "Solution") -> None:
        super().__init__(message)
        self.solution = solution
