"""Soft convex quantization as a layer, whatever solver is behind it."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

import solvers
from scq.quantizers.base import CodebookQuantizer, QuantizerOutput
from scq.quantizers.checks import nonnegative, positive
from scq.quantizers.codebooks import Codebook
from scq.quantizers.combination import SoftConvex, check_combination
from scq.quantizers.layout import from_rows, positions, spread
from scq.quantizers.means import mean_square
from scq.quantizers.regularizers import Quantized, Regularizer
from scq.quantizers.regularizers.regularizer import total
from scq.quantizers.scalars import Scalar
from scq.quantizers.usage import SUPPORT, counts, perplexity
from solvers.registry import DEFAULT_BACKEND, get

_DIAGNOSED = 512
"""Latents of a batch whose KKT residuals are measured for the log."""


class SoftConvexQuantizer(CodebookQuantizer):
    r"""Each latent becomes a convex combination of codewords, near its nearest one.

        p*   = argmin_p  1/2 ||C^T p - z||^2 + lam/2 ||p - a||^2   subject to   p >= 0, sum(p) = 1
        z_q  = C^T p*,   k = argmax p*
        loss = w ||z_q - z||^2 + regularizers

    with C the codebook (K, F), z a latent, a the one-hot vector of its nearest codeword, and the square averaged over
    latents and channels. The layer is differentiable as it is: z_q and the loss send gradients to both the latents and
    the codebook, by the derivative of p*.

    A latent whose solve fails (NaN, out of iterations) becomes its nearest codeword, sends no gradient and counts 0
    in the loss; the other latents are not affected. ``info["converged_share"]`` tells how many were solved.

    Args:
        codebook_size: K, the number of codewords.
        dim: F, the number of channels of a latent.
        lam: regularisation weight, > 0. Large: plain vector quantization. Small: projection on the codewords' hull. A
            number, or a :mod:`scq.quantizers.scalars` that changes while training: ``Geometric(0.1, 10.0, steps)``,
            ``Learned(0.1)``. ``float(layer.lam)`` is its value now.
        backend: a name of ``solvers.backends()``.
        channel_dim: where the channels of the input are: -1 for (..., F), 1 for (B, F, H, W).
        quantization_weight: w, >= 0.
        init: ``"normal"``, ``"uniform"`` or ``"kmeans"``, see :func:`scq.quantizers.codebook.initial_codebook`.
        return_weights: False leaves ``weights`` out of the output, for large codebooks.
        tol: bound of the relative KKT residual; None for the default of the backend and dtype.
        max_iter: bound of the iterations; None for the backend's default.
        gradient: ``"implicit"``, ``"native"`` or ``"none"``; None for the backend's first choice.
        backend_options: what else the backend takes, e.g. ``{"steps": 40}`` for ``"relaxed"``.
        codebook: its kind, of :mod:`scq.quantizers.codebooks`; None for a direct one.
        regularizers: further terms of the loss, of :mod:`scq.quantizers.regularizers`.

    Raises:
        TypeError, ValueError: naming the argument, what it was and what it must be.

    Equivalent call: ``solvers.solve(solvers.Problem(latents, layer.codebook, lam), backend).reconstruction``.

    Source: arXiv 2310.03004, Eq. 7; for ``backend="relaxed"``, Algorithm 2.
    """

    def __init__(
        self,
        codebook_size: int,
        dim: int,
        lam: float | Scalar = 0.1,
        backend: str = DEFAULT_BACKEND,
        channel_dim: int = -1,
        quantization_weight: float = 1.0,
        init: str = "normal",
        return_weights: bool = True,
        tol: float | None = None,
        max_iter: int | None = None,
        gradient: str | None = None,
        backend_options: dict[str, Any] | None = None,
        codebook: Codebook | None = None,
        regularizers: Sequence[Regularizer] = (),
    ) -> None:
        super().__init__(codebook_size, dim, channel_dim, init, codebook, regularizers)
        check_combination(self.kind, SoftConvex(), None, self.regularizers)
        self.lam = lam if isinstance(lam, Scalar) else positive("lam", lam)
        self.backend = get(backend).name
        self.quantization_weight = nonnegative("quantization_weight", quantization_weight)
        self.return_weights = return_weights
        self.tol, self.max_iter, self.gradient = tol, max_iter, gradient
        self.backend_options = dict(backend_options or {})

    def forward(self, x: Float[Tensor, "..."], mask: Bool[Tensor, "..."] | None = None) -> QuantizerOutput:
        """Quantizes x.

        float16 and bfloat16 are solved in float32, also under autocast.

        Returns:
            ``weights``: (..., K), in the dtype of x. ``info``, of this batch: lam, hard_perplexity, soft_perplexity,
            active_codes, support_size and largest_weight (means over latents), iterations (mean), converged_share;
            when ``diagnose`` is True also kkt_primal, kkt_dual, kkt_complementarity, kkt_relative (each the largest
            over latents), gap (the mean Frank-Wolfe gap), margin (median), weakly_active_share. These are measured on
            at most 512 latents, evenly spaced through the batch: on all of a batch of 4,096 they would cost more than
            solving it. converged_share looks at every latent.

        Raises:
            TypeError, ValueError: x of another dtype or number of channels than the layer's, or a codebook that is
                not finite any more.
            solvers.BackendMissingError: the backend's package is not installed.
        """
        with torch.autocast(x.device.type, enabled=False):
            valid = self._valid(x, mask)
            latents, codebook = self._rows(x, valid)
            if valid is not None:
                latents = latents[valid]
            solution = solvers.solve(
                solvers.Problem(latents, codebook, self.lam() if isinstance(self.lam, Scalar) else self.lam),
                self.backend,
                tol=self.tol,
                max_iter=self.max_iter,
                throw=False,
                gradient=self.gradient,
                **self.backend_options,
            )
            reconstruction = solution.reconstruction
            # where, not a product: NaN times 0 is NaN, in the gradient too.
            error = torch.where(solution.failed[:, None], 0.0, reconstruction - latents)
            loss = self.quantization_weight * mean_square(error)
            if self.regularizers:
                loss = loss + self._regularization(latents, solution)
            largest, indices = solution.compact.detach().largest()
            info = self._info(solution, indices, largest)
            if self.training and not self._frozen and isinstance(self.lam, Scalar):
                self.lam.advance()
        weights = solution.weights if self.return_weights else None
        if valid is not None:
            reconstruction, indices = spread(reconstruction, valid), spread(indices, valid)
            weights = None if weights is None else spread(weights, valid)
        shape = positions(x, self.channel_dim)
        return QuantizerOutput(
            from_rows(reconstruction.to(x.dtype), x, self.channel_dim),
            indices.reshape(shape),
            loss,
            None if weights is None else weights.to(x.dtype).reshape(*shape, self.codebook_size),
            info,
        )

    def _regularization(self, latents: Float[Tensor, "N F"], solution: solvers.Solution) -> Float[Tensor, ""]:
        """The further terms, of the latents that were solved."""
        solved = ~solution.failed
        z, reconstruction = (torch.where(solved[:, None], rows, 0.0) for rows in (latents, solution.reconstruction))
        return total(self.regularizers, Quantized(z, reconstruction, solution.weights, valid=solved))

    @torch.no_grad()
    def _info(
        self, solution: solvers.Solution, indices: Int[Tensor, " N"], largest: Float[Tensor, " N"]
    ) -> dict[str, Tensor]:
        weights = solution.compact.detach()
        columns = max(indices.shape[0], 1)
        used = counts(indices, self.codebook_size)
        info = {
            "lam": solution.problem.lam.detach(),
            "hard_perplexity": perplexity(used),
            "soft_perplexity": perplexity(weights.mass()),
            "active_codes": (used > 0).sum(),
            "support_size": (weights.values > SUPPORT).sum() / columns,
            "largest_weight": largest.sum() / columns,
            "iterations": solution.iterations.sum() / columns,
            "converged_share": solution.converged.sum() / columns,
        }
        if self.diagnose and indices.shape[0]:
            residuals = _sampled_residuals(solution)
            info |= {
                "kkt_primal": residuals.primal.amax(),
                "kkt_dual": (residuals.dual / residuals.scale).amax(),
                "kkt_complementarity": (residuals.complementarity / residuals.scale).amax(),
                "kkt_relative": residuals.relative.amax(),
                "gap": residuals.gap.mean(),
                "margin": residuals.margin.median(),
                "weakly_active_share": (residuals.weakly_active > 0).double().mean(),
            }
        return info

    def freeze(self, frozen: bool = True) -> None:
        """Also holds a learned lam, or one on a schedule."""
        super().freeze(frozen)
        if isinstance(self.lam, Scalar):
            self.lam.requires_grad_(not frozen)

    def extra_repr(self) -> str:
        # A scalar that changes is a module, and printed as such.
        lam = "" if isinstance(self.lam, Scalar) else f", lam={self.lam}"
        return f"{super().extra_repr()}{lam}, backend={self.backend!r}, quantization_weight={self.quantization_weight}"


def _sampled_residuals(solution: solvers.Solution) -> solvers.Residuals:
    """The certificate of at most ``_DIAGNOSED`` columns."""
    problem = solution.problem
    some = slice(None, None, -(-problem.latents.shape[0] // _DIAGNOSED))
    sample = solvers.Problem(problem.latents[some], problem.codebook, problem.lam, problem.anchor[some])
    return solvers.kkt_residuals(sample, solution.compact.rows(some))
