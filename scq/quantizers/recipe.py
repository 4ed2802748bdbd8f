"""Quantizers by the names of their parts: ``linear+nearest+rotation``, ``direct+scq+knn_l2``. Imports no torch."""

from scq.quantizers.entry import Parts, QuantizerInfo
from scq.solvers.suggestions import among

CODEBOOKS = {
    "direct": "Direct",
    "ema": "EMA",
    "linear": "Linear",
    "linear_joint": "LinearJoint",
    "diagonal": "Diagonal",
}
"""Names of recipes, and of classes of :mod:`scq.quantizers.codebooks`; the fixed grid is that of fsq and of nothing
else."""

ASSIGNMENTS = {
    "nearest": ("straight_through", ("commitment_weight",)),
    "softmax": ("soft", ("quantization_weight",)),
    "gumbel": ("soft", ("quantization_weight", "anneal_steps")),
    "scq": ("implicit", ("quantization_weight", "lam", "backend", "on_failure")),
    "scq_relaxed": (
        "autograd",
        ("quantization_weight", "lam", "relaxation_steps", "relaxation_projection", "on_failure"),
    ),
    "scq_annealed": ("implicit", ("quantization_weight", "lam", "lam_end", "anneal_steps", "backend", "on_failure")),
}
"""For each assignment the gradient that it has when none is named, and the settings of a training that it takes."""

GRADIENTS = {"straight_through": "StraightThrough", "rotation": "Rotation", "soft": "Soft"}

REGULARIZERS = {
    "knn_l2": ("KNNL2", ("neighbours",)),
    "knn_ce": ("KNNCE", ("neighbours",)),
    "mean_perplexity": ("MeanPerplexity", ()),
    "entropy": ("Entropy", ()),
}
"""Classes of :mod:`scq.quantizers.regularizers`, and settings that they take beside regularizer_weight."""

_WITH_INIT = ("direct", "ema", "diagonal")
"""The other codebooks have a start of their own."""


def read_recipe(recipe: str) -> QuantizerInfo:
    """The entry of a quantizer that is put together from parts.

    Args:
        recipe: codebook+assignment, and after them a gradient, a regulariser, or both, by name. Terms of the loss that
            every quantizer of its kind has need not be named: the codebook and commitment terms of nearest codewords,
            the quantisation error of soft ones.

    Raises:
        ValueError: a part that is not known; says which there are. Whether the parts go together is known when the
            quantizer is made.
    """
    codebook, *rest = recipe.split("+")
    _check("codebook", codebook, CODEBOOKS, recipe)
    assignment = rest.pop(0) if rest else ""
    _check("assignment", assignment, ASSIGNMENTS, recipe)
    gradient, settings = ASSIGNMENTS[assignment]
    if rest and rest[0] in GRADIENTS and not assignment.startswith("scq"):
        gradient = rest.pop(0)
    regularizer = rest.pop(0) if rest else None
    if regularizer is not None:
        _check("regularizer", regularizer, REGULARIZERS, recipe)
        settings += ("regularizer_weight", *REGULARIZERS[regularizer][1])
    if rest:
        raise ValueError(
            f"quantizer is {recipe!r}, must end after {regularizer!r}, and goes on with {'+'.join(rest)!r}"
        )
    if codebook in _WITH_INIT:
        settings += ("init",)
    if assignment == "nearest":
        terms = ("commitment",) if codebook == "ema" else ("codebook", "commitment")
    else:
        terms = ("quantization_error",)
    return QuantizerInfo(
        recipe,
        f"{codebook} codebook, {assignment} assignment, {gradient} gradient" + f", {regularizer}" * bool(regularizer),
        "scq.quantizers.parts:put_together",
        Parts(codebook, assignment, gradient, terms + ((regularizer,) if regularizer else ())),
        settings=settings,
        convex=assignment.startswith("scq"),
        options={"recipe": recipe},
    )


def _check(what: str, name: str, known: object, recipe: str) -> None:
    assert isinstance(known, dict)
    if name not in known:
        raise ValueError(f"quantizer is {recipe!r}, whose {what} is {name!r}, {among(name, known)}")
