"""Soft convex quantization as a layer, whatever solver is behind it."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from scq import solvers
from scq.quantizers.base import CodebookQuantizer, QuantizerOutput
from scq.quantizers.checks import OnFailure, known_on_failure, nonnegative, positive
from scq.quantizers.codebooks import Codebook
from scq.quantizers.combination import SoftConvex, check_combination
from scq.quantizers.layout import check_floating, from_rows, positions
from scq.quantizers.means import mean, mean_square
from scq.quantizers.regularizers import Quantized, Regularizer
from scq.quantizers.regularizers.regularizer import total
from scq.quantizers.scalars import Scalar
from scq.quantizers.usage import SUPPORT, counts, perplexity
from scq.solvers.certificate import NAMES as CERTIFICATE
from scq.solvers.certificate import certificate
from scq.solvers.registry import DEFAULT_BACKEND, get
from scq.solvers.rows import solve_rows
from scq.solvers.settings import SolverSettings
from scq.solvers.solution import Solved


class SoftConvexQuantizer(CodebookQuantizer):
    r"""Each latent becomes a convex combination of codewords, near its nearest one.

        p*   = argmin_p  1/2 ||C^T p - z||^2 + lam/2 ||p - a||^2   subject to   p >= 0, sum(p) = 1
        z_q  = C^T p*,   k = argmax p*
        loss = w ||z_q - z||^2 + regularizers

    with C the codebook (K, F), z a latent, a the one-hot vector of its nearest codeword, and the square averaged over
    latents and channels. The layer is differentiable as it is: z_q and the loss send gradients to both the latents and
    the codebook, by the derivative of p*. That can be differentiated again, as a gradient penalty on x needs it, and by
    torch.func's transforms.

    A latent whose solve fails (NaN, out of iterations, a derivative that float64 does not resolve) becomes its nearest
    codeword, sends no gradient and counts 0 in the loss; the other latents are not affected. ``info["failed_columns"]``
    tells how many there were.

    ``torch.compile(fullgraph=True)`` and, in evaluation, ``torch.export`` take it with the implicit derivative of any
    backend and with the relaxation; at a peer's own derivative the graph breaks. In a graph the weights are dense,
    whether returned or not, and the derivative of an exact solve cannot be differentiated again.

    On a CPU that other processes keep busy, set ``OMP_WAIT_POLICY=PASSIVE`` in the environment before torch is
    imported: its threads spin while they wait, and a step takes several times as long. The command line does so.

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
        tol: bound of the relative KKT residual; None for the default of the backend and dtype. Of exact backends alone.
        max_iter: bound of the iterations; None for the backend's default. Of exact backends alone.
        gradient: ``"implicit"``, ``"native"`` or ``"none"``; None for the backend's first choice.
        backend_options: what else the backend takes, e.g. ``{"steps": 40}`` for ``"relaxed"``.
        on_failure: what happens when latents were not solved, after all were treated: ``"fallback"`` goes on as said,
            ``"warn"`` also gives a RuntimeWarning with their number at each call, ``"raise"`` raises. A relaxation has
            failed where its weights are not finite.
        codebook: its kind, of :mod:`scq.quantizers.codebooks`; None for a direct one. ``Spherical()`` normalises
            latents and codewords.
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
        on_failure: OnFailure = "fallback",
        codebook: Codebook | None = None,
        regularizers: Sequence[Regularizer] = (),
    ) -> None:
        super().__init__(codebook_size, dim, channel_dim, init, codebook, regularizers)
        check_combination(self.kind, SoftConvex(), None, self.regularizers)
        self.lam = lam if isinstance(lam, Scalar) else positive("lam", lam)
        info = get(backend)
        info.check_asked(tol, max_iter, gradient)
        self.backend = info.name
        self.quantization_weight = nonnegative("quantization_weight", quantization_weight)
        self.return_weights, self.tol, self.max_iter, self.gradient = return_weights, tol, max_iter, gradient
        self.backend_options = dict(backend_options or {})
        self.on_failure = known_on_failure(on_failure)

    def forward(self, x: Float[Tensor, "..."], mask: Bool[Tensor, "..."] | None = None) -> QuantizerOutput:
        """Quantizes x.

        float16 and bfloat16 are solved in float32, also under autocast.

        Returns:
            ``weights``: (..., K), in the dtype of x. ``info``, of this batch: lam, hard_perplexity, soft_perplexity,
            active_codes, support_size and largest_weight (means over latents), iterations (mean), converged_share (0
            for the relaxation, which has no tolerance to reach), failed_columns (their number); when ``diagnose`` is
            True also kkt_primal, kkt_dual, kkt_complementarity, kkt_relative (each the largest over latents), gap (the
            mean Frank-Wolfe gap), margin (median), weakly_active_share, on at most 512 latents, evenly spaced through
            the batch: on all of a batch of 4,096 they would cost more than solving it.

        Raises:
            TypeError, ValueError: x of another dtype or number of channels than the layer's, or a codebook that is
                not finite any more.
            RuntimeError: under ``torch.jit.trace``, or within torch.func's transforms while a schedule or a k-means
                start would move the layer's state.
            solvers.BackendMissingError: the backend's package is not installed.
            solvers.SolveError: ``on_failure="raise"``, and latents were not solved; it carries the solution.
        """
        settings = SolverSettings(
            self.backend, self.tol, self.max_iter, self.gradient, self.backend_options, self.on_failure
        )
        check_floating("x", x)
        if torch.jit.is_tracing():
            raise RuntimeError(
                "torch.jit.trace sees no solver, and would make a constant of its answer to the example; torch.export "
                "takes this layer"
            )
        with torch.autocast(x.device.type, enabled=False):
            valid = self._valid(x, mask)
            latents, codebook = self._rows(x, valid)
            latents = self.kind.enter(self, latents)
            lam = self.lam() if isinstance(self.lam, Scalar) else self.lam
            solved = solve_rows(latents, codebook, lam, valid, settings)
            weights = solved.weights.dense() if self.return_weights or self.regularizers else None
            loss = self.loss_of(latents, solved, valid, weights)
            largest, indices = solved.weights.detach().largest()
            info = self._info(solved, indices, largest, valid)
            info["lam"] = torch.as_tensor(lam, dtype=torch.float64, device=x.device).detach()
            if self.diagnose and latents.shape[0]:
                numbers = certificate(latents, codebook, info["lam"], solved.anchor, solved.weights.detach(), valid)
                info |= dict(zip(CERTIFICATE, numbers.unbind(), strict=True))
            if self.training and not self._frozen and isinstance(self.lam, Scalar):
                self.lam.advance()
        shape = positions(x, self.channel_dim)
        return QuantizerOutput(
            from_rows(solved.reconstruction.to(x.dtype), x, self.channel_dim),
            indices.reshape(shape),
            loss,
            weights.to(x.dtype).reshape(*shape, self.codebook_size) if self.return_weights else None,
            info,
        )

    def loss_of(
        self,
        latents: Float[Tensor, "N F"],
        solved: Solved | solvers.Solution,
        valid: Bool[Tensor, " N"] | None = None,
        weights: Float[Tensor, "N K"] | None = None,
    ) -> Float[Tensor, ""]:
        """The layer's term of the training loss, of latents and whatever solution of theirs.

            w ||z_q - z||^2 + regularizers,   to which latents that are not solved add 0

        Args:
            latents: (N, F), as the codebook takes them.
            solved: their solution.
            valid: False at padded positions, which add 0 too.
            weights: (N, K), those of the solution where they are there already.
        """
        counts = ~solved.failed if valid is None else ~solved.failed & valid
        # where, not a product: NaN times 0 is NaN, in the gradient too.
        z, reconstruction = (torch.where(counts[:, None], rows, 0.0) for rows in (latents, solved.reconstruction))
        loss = self.quantization_weight * mean_square(reconstruction - z, valid)
        if not self.regularizers:
            return loss
        if weights is None:
            weights = solved.weights.dense() if isinstance(solved, Solved) else solved.weights
        return loss + total(self.regularizers, Quantized(z, reconstruction, weights, valid=counts))

    @torch.no_grad()
    def _info(
        self, solved: Solved, indices: Int[Tensor, " N"], largest: Float[Tensor, " N"], valid: Bool[Tensor, " N"] | None
    ) -> dict[str, Tensor]:
        weights, status = solved.weights.detach(), solved.status
        used = counts(indices, self.codebook_size, valid)
        converged = status == int(solvers.Status.SOLVED)
        if valid is not None:
            converged = converged & valid
        return {
            "hard_perplexity": perplexity(used),
            "soft_perplexity": perplexity(weights.mass()),
            "active_codes": (used > 0).sum(),
            "support_size": mean((weights.values > SUPPORT).sum(1).double(), valid),
            "largest_weight": mean(largest, valid),
            "iterations": mean(solved.iterations.double(), valid),
            "converged_share": mean(converged.double(), valid),
            "failed_columns": solved.failed.sum(),
        }

    def _learned(self) -> list[nn.Parameter]:
        return [*super()._learned(), *(self.lam.parameters() if isinstance(self.lam, Scalar) else ())]

    def _state_moves(self) -> bool:
        return isinstance(self.lam, Scalar) and type(self.lam).advance is not Scalar.advance

    def extra_repr(self) -> str:
        # A scalar that changes is a module, and printed as such.
        lam = "" if isinstance(self.lam, Scalar) else f", lam={self.lam}"
        return (
            f"{super().extra_repr()}{lam}, backend={self.backend!r}, quantization_weight={self.quantization_weight}, "
            f"on_failure={self.on_failure!r}"
        )
