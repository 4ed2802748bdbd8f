"""The parts of quantizers by name, and what each takes. Imports no torch; a part is imported when it is made."""

import functools
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Part:
    """A part by name.

    Args:
        maker: ``"module:callable"`` below ``scq.quantizers``.
        settings: the options of a quantizer that the part takes, and that are settings of a training run too.
        options: further options of a quantizer that it takes.
        arguments: what the callable calls an option, where it calls it otherwise.
        gradient: of an assignment, the gradient that it has when none is named.
        terms: of an assignment, the terms of the loss that every quantizer with it has.
        convex: of an assignment, True when its weights answer the programme of arXiv 2310.03004, Eq. 7, exactly or
            relaxed.
        layer: of an assignment, the class of the layer, whose names a quantizer with it has.
        trained: of a codebook, False when no gradient moves it.
    """

    maker: str
    settings: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)
    gradient: str = ""
    terms: tuple[str, ...] = ()
    convex: bool = False
    layer: str = "composed:ComposedQuantizer"
    trained: bool = True

    def make(self, options: Mapping[str, Any]) -> Any:
        """The part, of those of the options that it takes."""
        maker = imported(self.maker)
        names = (name for name in (*self.settings, *self.options) if name in options and name not in LAYER)
        return maker(**{self.arguments.get(name, name): options[name] for name in names})


def imported(name: str) -> Any:
    """What ``"module:attribute"`` names, below ``scq.quantizers``."""
    module, attributes = name.split(":")
    return functools.reduce(getattr, attributes.split("."), importlib.import_module(f"scq.quantizers.{module}"))


LAYER = ("channel_dim", "init", "return_weights")
"""Options of the layer itself."""

_INIT = ("init",)  # which the other codebooks prescribe
_SOLVER = ("tol", "max_iter", "gradient", "backend_options")
_NEAREST = {"gradient": "straight_through", "terms": ("codebook", "commitment")}
_SOFT = {"gradient": "soft", "terms": ("quantization_error",)}
_CONVEX = _SOFT | {"convex": True, "layer": "soft_convex:SoftConvexQuantizer"}
_WEIGHT = {"regularizer_weight": "weight"}

CODEBOOKS = {
    "direct": Part("codebooks:Direct", _INIT),
    "ema": Part("codebooks:EMA", ("decay", "revive_below", *_INIT), trained=False),
    "linear": Part("codebooks:Linear"),
    "linear_joint": Part("codebooks:LinearJoint"),
    "diagonal": Part("codebooks:Diagonal", _INIT),
    "spherical": Part("codebooks:Spherical", _INIT),
    "fixed_grid": Part("codebooks:FixedGrid.near", options=("codebook_size", "levels"), trained=False),
}

ASSIGNMENTS = {
    "nearest": Part("assignments:Nearest", **_NEAREST),
    "softmax": Part("assignments:Softmax", ("temperature",), **_SOFT),
    "gumbel": Part("assignments:Gumbel", ("temperature", "temperature_end", "anneal_steps"), **_SOFT),
    "scq": Part("assignments:SoftConvex", ("lam", "backend", "on_failure"), _SOLVER, **_CONVEX),
    "scq_relaxed": Part(
        "assignments:SoftConvex.relaxed",
        ("lam", "relaxation_steps", "relaxation_projection", "on_failure"),
        ("gradient",),
        **_CONVEX,
    ),
    "scq_annealed": Part(
        "assignments:SoftConvex.annealed",
        ("lam", "lam_end", "anneal_steps", "backend", "on_failure"),
        _SOLVER,
        **_CONVEX,
    ),
    "rounding": Part("assignments:Rounding.near", options=("codebook_size", "levels"), gradient="straight_through"),
}

GRADIENTS = {
    "straight_through": Part("gradients:StraightThrough"),
    "rotation": Part("gradients:Rotation"),
    "soft": Part("gradients:Soft"),
}

TERMS = {
    "codebook": Part("regularizers:CodebookTerm"),
    "commitment": Part("regularizers:Commitment", ("commitment_weight",), arguments={"commitment_weight": "weight"}),
    "quantization_error": Part(
        "regularizers:QuantizationError", ("quantization_weight",), arguments={"quantization_weight": "weight"}
    ),
}
"""The terms that come with an assignment."""

REGULARIZERS = {
    "knn_l2": Part("regularizers:KNNL2", ("regularizer_weight", "neighbours"), arguments=_WEIGHT),
    "knn_ce": Part("regularizers:KNNCE", ("regularizer_weight", "neighbours"), arguments=_WEIGHT),
    "mean_perplexity": Part("regularizers:MeanPerplexity", ("regularizer_weight",), arguments=_WEIGHT),
    "entropy": Part("regularizers:Entropy", ("regularizer_weight",), arguments=_WEIGHT),
}
"""The terms that are asked for by name."""
