"""Which parts go together. What makes no sense is refused with the reason."""

from collections.abc import Sequence

from scq.quantizers.assignments import Assignment, Nearest, Rounding
from scq.quantizers.codebooks import EMA, Codebook, FixedGrid, Spherical
from scq.quantizers.gradients import Gradient, Rotation
from scq.quantizers.regularizers import Regularizer


def check_combination(
    codebook: Codebook, assignment: Assignment, gradient: Gradient, regularizers: Sequence[Regularizer]
) -> None:
    """Refuses parts that do not go together.

    Raises:
        ValueError: naming the arguments, and why.
    """
    _check_grid(codebook, assignment)
    _check_gradient(assignment, gradient)
    held = codebook.of if isinstance(codebook, Spherical) else codebook
    if isinstance(held, EMA) and not isinstance(assignment, Nearest):
        raise ValueError(
            f"codebook is ema and assignment is {assignment.name}, must be nearest: the codewords are averages of the "
            "latents nearest to them, and soft weights would send them a gradient that nothing takes"
        )
    for regularizer in regularizers:
        _check_regularizer(codebook, assignment, regularizer)
    moved = assignment.soft or any(regularizer.moves_codebook for regularizer in regularizers)
    if codebook.trained and not moved:
        raise ValueError(
            f"regularizers is {list(regularizers)}, must have a CodebookTerm or a QuantizationError: a {codebook.name} "
            f"codebook with {assignment.name} assignment would receive no gradient"
        )


def _check_grid(codebook: Codebook, assignment: Assignment) -> None:
    if isinstance(codebook, FixedGrid) != isinstance(assignment, Rounding):
        raise ValueError(
            f"codebook is {codebook.name} and assignment is {assignment.name}: rounding rounds to a fixed_grid, and "
            "neither goes with anything else"
        )
    if isinstance(codebook, FixedGrid) and isinstance(assignment, Rounding) and codebook.levels != assignment.levels:
        raise ValueError(f"assignment has levels {assignment.levels}, must have those of codebook, {codebook.levels}")


def _check_gradient(assignment: Assignment, gradient: Gradient) -> None:
    if gradient.soft and not assignment.soft:
        raise ValueError(
            f"gradient is {gradient.name} and assignment is {assignment.name}: without weights nothing is between the "
            "latents and the codewords, must be straight_through or rotation"
        )
    if isinstance(gradient, Rotation) and not isinstance(assignment, Nearest):
        reason = (
            "the mixture of the codewords has a derivative of its own"
            if assignment.soft
            else "the grid has a codeword at 0, which has no direction"
        )
        raise ValueError(f"gradient is rotation and assignment is {assignment.name}, must be nearest: {reason}")


def _check_regularizer(codebook: Codebook, assignment: Assignment, regularizer: Regularizer) -> None:
    if regularizer.of_weights and not assignment.soft:
        raise ValueError(
            f"regularizers has {regularizer} and assignment is {assignment.name}, must be one with weights: those of "
            "a hard one are one-hot and have no derivative"
        )
    if regularizer.of_logarithms and not assignment.logarithms:
        raise ValueError(
            f"regularizers has {regularizer} and assignment is {assignment.name}, must be softmax or gumbel: most "
            "weights of a sparse code are 0, and their logarithm is infinite; KNNL2 takes them"
        )
    if regularizer.moves_codebook and not codebook.trained:
        raise ValueError(
            f"regularizers has {regularizer} and codebook is {codebook.name}: no gradient moves such a codebook; for "
            "the latents' half of the error use Commitment"
        )
