"""Quantizers from the names of their parts, as :mod:`scq.quantizers.recipe` reads them."""

import inspect
from typing import Any

from scq.quantizers import assignments, codebooks, gradients, regularizers
from scq.quantizers.base import CodebookQuantizer
from scq.quantizers.composed import ComposedQuantizer
from scq.quantizers.named_convex import annealed, relaxed
from scq.quantizers.recipe import CODEBOOKS, GRADIENTS, REGULARIZERS, read_recipe
from scq.quantizers.regularizers import CodebookTerm, Commitment, QuantizationError, Regularizer
from scq.quantizers.soft_convex import SoftConvexQuantizer

_CONVEX = {"scq": SoftConvexQuantizer, "scq_relaxed": relaxed, "scq_annealed": annealed}


def put_together(
    codebook_size: int,
    dim: int,
    recipe: str,
    commitment_weight: float = 0.25,
    quantization_weight: float = 1.0,
    regularizer_weight: float = 0.1,
    neighbours: int = 8,
    anneal_steps: int = 1000,
    **options: Any,
) -> CodebookQuantizer:
    """A quantizer of these parts.

    Args:
        codebook_size: K.
        dim: F.
        recipe: as :func:`scq.quantizers.recipe.read_recipe` takes it.
        commitment_weight: of the latents' half of the error, for nearest codewords.
        quantization_weight: of the quantisation error, for soft weights.
        regularizer_weight, neighbours: of the regulariser.
        anneal_steps: over which lam rises, or Gumbel's temperature falls.
        **options: what else the layer takes.

    Raises:
        ValueError: parts that do not go together, and why; or a value for a part that is not there.
        TypeError: an option that the layer does not take.
    """
    entry = read_recipe(recipe)
    parts = entry.parts
    assert parts is not None
    given = {
        "commitment_weight": commitment_weight,
        "quantization_weight": quantization_weight,
        "regularizer_weight": regularizer_weight,
        "neighbours": neighbours,
        "anneal_steps": anneal_steps,
    }
    for name, value in given.items():
        if name not in entry.settings and value != inspect.signature(put_together).parameters[name].default:
            raise ValueError(
                f"{name} is {value!r}, but {recipe!r} has no use for it; it takes: {', '.join(entry.settings)}"
            )
    codebook = getattr(codebooks, CODEBOOKS[parts.codebook])()
    terms: list[Regularizer] = []
    for name in parts.regularizers:
        if name in REGULARIZERS:
            kind, takes = REGULARIZERS[name]
            terms.append(getattr(regularizers, kind)(regularizer_weight, *([neighbours] if takes else [])))
    if parts.assignment in _CONVEX:
        if parts.assignment == "scq_annealed":
            options["anneal_steps"] = anneal_steps
        options |= {"codebook": codebook, "regularizers": tuple(terms), "quantization_weight": quantization_weight}
        return _CONVEX[parts.assignment](codebook_size, dim, **options)
    own = {"codebook": CodebookTerm(), "commitment": Commitment(commitment_weight)}
    own["quantization_error"] = QuantizationError(quantization_weight)
    first = [own[name] for name in parts.regularizers if name in own]
    assignment = {
        "nearest": assignments.Nearest,
        "softmax": assignments.Softmax,
        "gumbel": lambda: assignments.Gumbel(anneal_steps=anneal_steps),
    }[parts.assignment]()
    gradient = getattr(gradients, GRADIENTS[parts.gradient])()
    return ComposedQuantizer(codebook_size, dim, codebook, assignment, gradient, (*first, *terms), **options)
