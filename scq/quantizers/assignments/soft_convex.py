"""The weights of soft convex quantization, whatever solver is behind them."""

from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import embedding

from scq import solvers
from scq.quantizers.assignments.assignment import Assigned, Assignment
from scq.quantizers.checks import OnFailure, at_least_one, known_on_failure, positive
from scq.quantizers.means import mean
from scq.quantizers.scalars import Geometric, Scalar
from scq.solvers.certificate import NAMES as CERTIFICATE
from scq.solvers.certificate import certificate
from scq.solvers.registry import DEFAULT_BACKEND, get
from scq.solvers.rows import solve_rows
from scq.solvers.settings import SolverSettings
from scq.solvers.solution import Solved


class SoftConvex(Assignment):
    r"""Each latent becomes a convex combination of codewords, near its nearest one.

        p* = argmin_p  1/2 ||C^T p - z||^2 + lam/2 ||p - a||^2   subject to   p >= 0, sum(p) = 1,   k = argmax p*

    with C the codebook (K, F), z a latent, a the one-hot vector of its nearest codeword. The weights have the
    derivative that the backend offers: as default the implicit one, of the programme's KKT conditions.

    A latent whose solve fails holds its nearest codeword, sends no gradient, and counts 0 in the loss.

    Args:
        lam: regularisation weight, > 0; a number, or a :mod:`scq.quantizers.scalars` that changes while training.
        backend: a name of ``solvers.backends()``.
        tol: bound of the relative KKT residual; None for the default of the backend and dtype. Of exact backends alone.
        max_iter: bound of the iterations; None for the backend's default. Of exact backends alone.
        gradient: ``"implicit"``, ``"native"`` or ``"none"``; None for the backend's first choice.
        backend_options: what else the backend takes, e.g. ``{"steps": 40}`` for ``"relaxed"``.
        on_failure: ``"fallback"``, ``"warn"`` or ``"raise"``, as :class:`scq.SoftConvexQuantizer` has it.

    Raises:
        TypeError, ValueError: naming the argument, what it was and what it must be.

    Source: arXiv 2310.03004, Eq. 7; for ``backend="relaxed"``, Algorithm 2.
    """

    name: ClassVar[str] = "scq"
    soft: ClassVar[bool] = True
    traceable: ClassVar[bool] = False

    def __init__(
        self,
        lam: float | Scalar = 0.1,
        backend: str = DEFAULT_BACKEND,
        tol: float | None = None,
        max_iter: int | None = None,
        gradient: str | None = None,
        backend_options: dict[str, Any] | None = None,
        on_failure: OnFailure = "fallback",
    ) -> None:
        super().__init__()
        self.lam = lam if isinstance(lam, Scalar) else positive("lam", lam)
        info = get(backend)
        info.check_asked(tol, max_iter, gradient)
        self.backend, self.tol, self.max_iter, self.gradient = info.name, tol, max_iter, gradient
        self.backend_options = dict(backend_options or {})
        self.on_failure = known_on_failure(on_failure)

    @classmethod
    def relaxed(
        cls,
        lam: float | Scalar = 0.1,
        relaxation_steps: int = 20,
        relaxation_projection: str = "alternating",
        **options: Any,
    ) -> "SoftConvex":
        """By the paper's relaxation.

        Args:
            lam: regularisation weight, > 0.
            relaxation_steps: m, the clip-and-shift steps of Algorithm 2.
            relaxation_projection: ``"alternating"`` for those steps, ``"exact"`` for one projection on the simplex.
            **options: what else the class takes.
        """
        how = {"steps": relaxation_steps, "projection": relaxation_projection}
        return cls(lam, "relaxed", backend_options=how, **options)

    @classmethod
    def annealed(
        cls, lam: float = 0.1, lam_end: float = 10.0, anneal_steps: int = 1000, **options: Any
    ) -> "SoftConvex":
        """Becomes plain vector quantization by and by: lam grows geometrically.

            lam_s = lam (lam_end / lam)^min(s / anneal_steps, 1),   s the training steps so far

        As lam grows, the weights go to the vertex of the nearest codeword, and what is lost by decoding the argmax
        alone goes to 0. So does the derivative of the weights, as 1 / lam: in the end the decoder's error moves the
        codewords, and the latents follow through the quantization error alone.

        Args:
            lam: the first regularisation weight, > 0.
            lam_end: the last one, > 0.
            anneal_steps: training steps from one to the other, >= 1; then the last is held.
            **options: what else the class takes.
        """
        steps = at_least_one("anneal_steps", anneal_steps)
        return cls(Geometric(positive("lam", lam), positive("lam_end", lam_end), steps), **options)

    def forward(
        self, latents: Float[Tensor, "N F"], codebook: Float[Tensor, "K F"], valid: Bool[Tensor, " N"] | None = None
    ) -> Assigned:
        settings = SolverSettings(
            self.backend, self.tol, self.max_iter, self.gradient, self.backend_options, self.on_failure
        )
        lam = self.lam() if isinstance(self.lam, Scalar) else self.lam
        solved = solve_rows(latents, codebook, lam, valid, settings)
        return self.assigned(solved, codebook, lam)

    @staticmethod
    def assigned(solved: Solved, codebook: Float[Tensor, "K F"], lam: float | Float[Tensor, ""]) -> Assigned:
        """The codes that follow from a solution, of whatever solver."""
        indices = solved.weights.detach().largest()[1]
        codeword, details = embedding(indices, codebook), (solved, lam)
        return Assigned(indices, codeword, solved.reconstruction, solved.weights, None, solved.failed, details)

    def info(
        self,
        latents: Float[Tensor, "N F"],
        codebook: Float[Tensor, "K F"],
        assigned: Assigned,
        valid: Bool[Tensor, " N"] | None,
        diagnose: bool,
    ) -> dict[str, Tensor]:
        """lam, iterations (mean), converged_share (0 for the relaxation, which has no tolerance to reach) and
        failed_columns (their number); where asked for also kkt_primal, kkt_dual, kkt_complementarity, kkt_relative
        (each the largest over latents), duality_gap (the mean Frank-Wolfe gap), margin (median) and
        weakly_active_share, on at most 512 latents, evenly spaced through the batch: on all of a batch of 4,096 they
        would cost more than solving it."""
        solved, lam = assigned.details
        if not isinstance(lam, Tensor):
            # Made there: torch.as_tensor would copy it there, for which the host waits until the device is idle.
            lam = torch.full((), lam, dtype=torch.float64, device=latents.device)
        converged = solved.status == int(solvers.Status.SOLVED)
        if valid is not None:
            converged = converged & valid
        numbers = {
            "iterations": mean(solved.iterations.double(), valid),
            "converged_share": mean(converged.double(), valid),
            "failed_columns": solved.failed.sum(),
            "lam": lam.detach().double(),
        }
        if diagnose and latents.shape[0]:
            found = certificate(latents, codebook, numbers["lam"], solved.anchor, solved.weights.detach(), valid)
            numbers.update(zip(CERTIFICATE, found.unbind(), strict=True))
        return numbers

    def extra_repr(self) -> str:
        # A scalar that changes is a module, and printed as such.
        lam = "" if isinstance(self.lam, Scalar) else f"lam={self.lam}, "
        return f"{lam}backend={self.backend!r}, on_failure={self.on_failure!r}"
