"""What happened to each column, as codes that carry the message for the user."""

from enum import IntEnum

from jaxtyping import Bool, Int
from torch import Tensor


class Status(IntEnum):
    """The outcome for one column. ``Status(code).message`` says what happened, the likely causes and the remedy."""

    message: str

    SOLVED = 0, "Solved: the relative KKT residual is within tol."
    APPROXIMATE = (
        1,
        "Approximate by construction: the relaxation did its fixed number of steps; its weights need not satisfy the "
        "KKT conditions. Look at solution.residuals for how far they are, or use an exact backend.",
    )
    MAX_ITER = (
        2,
        "Out of iterations: max_iter was reached before the relative KKT residual fell below tol. Likely causes: a "
        "small max_iter, a tol below what the dtype can hold, a very small lam. Raise max_iter or tol, or solve in "
        "float64.",
    )
    NON_FINITE = (
        3,
        "Not finite: the latent has a NaN or an infinity. Likely causes: a diverged encoder, too high a learning rate, "
        "an overflow in half precision. Look at the latents of this column; the other columns are not affected.",
    )
    INACCURATE = (
        4,
        "Inaccurate: the backend reported success, but the certificate computed from its weights exceeds tol. Likely "
        "causes: loose settings of the backend, float32 where it needs float64, bad scaling. Tighten the backend's own "
        "options, raise tol, or use another backend.",
    )
    FAILED = (
        5,
        "Failed: the backend raised, or returned weights that are not finite. Likely causes: a numerical breakdown "
        "inside the backend, degenerate data. Try another backend; interior_point handles duplicates and bad scaling.",
    )
    SINGULAR = (
        6,
        "Singular: the weights were found, but float64 does not resolve their derivative. Likely cause: lam is so far "
        "below the codewords' squared length that it no longer tells apart the weights of a support whose codewords "
        "are affinely dependent. Raise lam, or ask for no derivative with gradient='none'.",
    )

    def __new__(cls, code: int, message: str) -> "Status":
        member = int.__new__(cls, code)
        member._value_ = code
        member.message = message
        return member

    @property
    def is_failure(self) -> bool:
        """True when the column has no usable solution: it holds its anchor instead, with a zero gradient."""
        return self >= Status.MAX_ITER


def failed_of(status: Int[Tensor, " N"]) -> Bool[Tensor, " N"]:
    """:attr:`Status.is_failure` of every column."""
    # int, since no compiler sees through an enumeration of ours.
    return status >= int(Status.MAX_ITER)
