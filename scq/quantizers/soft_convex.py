"""Soft convex quantization as a layer, whatever solver is behind it."""

from collections.abc import Sequence
from typing import Any

from scq.quantizers.assignments import SoftConvex
from scq.quantizers.checks import OnFailure, nonnegative
from scq.quantizers.codebooks import Codebook, Direct
from scq.quantizers.composed import ComposedQuantizer
from scq.quantizers.gradients import Soft
from scq.quantizers.regularizers import QuantizationError, Regularizer
from scq.quantizers.scalars import Scalar
from scq.quantizers.setting import Setting
from scq.solvers.registry import DEFAULT_BACKEND


class SoftConvexQuantizer(ComposedQuantizer):
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
        init: ``"normal"``, ``"uniform"`` or ``"kmeans"``, see :func:`scq.quantizers.codebooks.start.initial_codebook`.
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

    It is :class:`ComposedQuantizer` with :class:`scq.quantizers.assignments.SoftConvex`, and has its settings too, to
    be read and changed: ``lam``, ``backend``, ``tol``, ``max_iter``, ``backend_options``, ``on_failure``. ``info`` has
    what both say.

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
        assignment = SoftConvex(lam, backend, tol, max_iter, gradient, backend_options, on_failure)
        terms = (QuantizationError(nonnegative("quantization_weight", quantization_weight)), *regularizers)
        codebook = Direct() if codebook is None else codebook
        super().__init__(codebook_size, dim, codebook, assignment, Soft(), terms, channel_dim, init, return_weights)

    lam = Setting(lambda layer: layer.assignment)
    backend = Setting(lambda layer: layer.assignment)
    tol = Setting(lambda layer: layer.assignment)
    max_iter = Setting(lambda layer: layer.assignment)
    backend_options = Setting(lambda layer: layer.assignment)
    on_failure = Setting(lambda layer: layer.assignment)
    quantization_weight = Setting(lambda layer: layer.regularizers[0], "weight")
