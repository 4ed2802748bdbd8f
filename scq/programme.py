"""What a model with a soft convex quantizer solves, and the two ways to solve it: exactly, and by the relaxation."""

from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from scq import solvers
from scq.quantizers.base import Quantizer
from scq.quantizers.composed import ComposedQuantizer
from scq.quantizers.layout import to_rows
from scq.quantizers.soft_convex import SoftConvexQuantizer
from scq.quantizers.stacked import Place, places
from scq.solvers.registry import DEFAULT_BACKEND, get
from scq.training.applicability import RELAXATION
from scq.training.config import CommonConfig

Side = Literal["exact", "relaxed"]


def relaxation_options(config: CommonConfig) -> dict[str, Any]:
    """The settings of a run for the relaxation, as options of its backend."""
    return {"steps": config.relaxation_steps, "projection": config.relaxation_projection}


@dataclass(frozen=True)
class Programme:
    """The programme of Eq. 7 that a quantizer has for the latents of a batch, and what either solver is told.

    The quantizer's own solver is told what the quantizer tells it; the other one what the run's settings say.

    Attributes:
        latents: (N, F), as the codebook takes them: a spherical one normalises them.
        codebook: (K, F).
        lam: of this batch.
        exact: of an exact solver, arguments of ``solvers.solve``.
        relaxed: of the relaxation, arguments of ``solvers.solve``.

    Source: arXiv 2310.03004, Eq. 7 and Algorithm 2.
    """

    latents: Float[Tensor, "N F"]
    codebook: Float[Tensor, "K F"]
    lam: float
    exact: dict[str, Any]
    relaxed: dict[str, Any]

    @staticmethod
    def of(
        quantizer: SoftConvexQuantizer,
        x: Float[Tensor, "..."],
        config: CommonConfig,
        lam: float | None = None,
        **relaxation: Any,
    ) -> "Programme":
        """Reads it off a quantizer.

        Args:
            quantizer: the layer.
            x: what the layer was given.
            config: of the run. It has the relaxation of a quantizer that solves exactly, and the exact solver of one
                that does not.
            lam: with which the layer quantized x, where a schedule has gone on since; None for its value now.
            **relaxation: steps or projection, in place of those.
        """
        sides = _told(quantizer, config)
        exact, relaxed = sides["exact"], sides["relaxed"] | relaxation
        if relaxed.get("projection") == "exact" and "steps" not in relaxation:
            relaxed.pop("steps", None)  # those of the alternating one
        rows = to_rows(x.detach(), quantizer.dim, quantizer.channel_dim)
        return Programme(
            quantizer.embedding.enter(rows),
            quantizer.codebook.detach(),
            float(quantizer.lam) if lam is None else lam,
            exact,
            relaxed,
        )

    def solve(self, side: Side, gradient: str | None = None) -> solvers.Solution:
        """The solution of one side; columns that fail are in its status."""
        problem = solvers.Problem(self.latents, self.codebook, self.lam)
        return solvers.solve(problem, throw=False, gradient=gradient, **getattr(self, side))


def swap_solver(quantizer: Quantizer, config: CommonConfig) -> Side:
    """Gives a soft convex quantizer the other solver, as the settings of its run have it; nothing else of it changes.
    Of residual and grouped ones, all stages and groups have it.

    Same weights, same latents: what differs then is what the solver does at test time.

    Returns:
        The side that it is on now.

    Raises:
        TypeError: it is no soft convex quantizer, nor are all those in it.
    """
    (side,) = {_swapped(layer, config) for layer in {place.layer for place in convex_places(quantizer)}}
    return side


def convex_places(quantizer: Quantizer) -> list[Place]:
    """The soft convex quantizers in a layer, itself or its parts.

    Raises:
        TypeError: it is none, or some in it are not.
    """
    found = list(places(quantizer))
    for layer in [place.layer for place in found] or [quantizer]:
        if not isinstance(layer, SoftConvexQuantizer):
            kind = type(layer).__name__
            raise TypeError(f"model has a {kind}, must have a SoftConvexQuantizer: others have no gap")
    return found


def _swapped(quantizer: ComposedQuantizer, config: CommonConfig) -> Side:
    assert isinstance(quantizer, SoftConvexQuantizer)
    side: Side = "relaxed" if get(quantizer.backend).exact else "exact"
    told = _told(quantizer, config)[side]
    quantizer.backend = told.pop("backend")
    quantizer.tol = quantizer.max_iter = None
    quantizer.backend_options = told
    return side


def _told(quantizer: SoftConvexQuantizer, config: CommonConfig) -> dict[Side, dict[str, Any]]:
    """What either solver is told: its own one what the quantizer tells it, the other what the settings say."""
    own = {"backend": quantizer.backend, **quantizer.backend_options}
    if get(quantizer.backend).exact:
        exact = own | {"tol": quantizer.tol, "max_iter": quantizer.max_iter}
        return {"exact": exact, "relaxed": relaxation_options(config) | {"backend": RELAXATION}}
    other = config.backend if get(config.backend).exact else DEFAULT_BACKEND
    return {"exact": {"backend": other}, "relaxed": own | {"backend": RELAXATION}}
