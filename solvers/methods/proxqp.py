r"""ProxQP of ProxSuite, a proximal augmented Lagrangian in C++; one column after the other. A peer; exact.

    minimise 1/2 p^T H p - q^T p   subject to   p >= 0, sum(p) = 1,      H = C C^T + lam I,  q = C z + lam a

This calls the same functions as ProxSuite's torch layer, QPLayer: one dense QP a column, and ``compute_backward`` for
its derivative. The layer itself drops the solver's status and rounds its derivatives to float32; here both are kept.
For the derivative, every column's QP, some 8 (2 K + 1)^2 numbers, waits for the backward pass.

Weights below zero, as large as the tolerance permits, are the solver's; the certificate counts them.

Warm start: none. Gradient: ProxSuite's own (native), or the shared implicit differentiation.
Link: https://github.com/Simple-Robotics/proxsuite
Source: A. Bambade et al., "PROX-QP: Yet another quadratic programming solver for robotics and beyond", RSS 2022;
A. Bambade et al., "Leveraging augmented-Lagrangian techniques for differentiating over infeasible quadratic programs in
machine learning", ICLR 2024.
"""

import numpy as np
import proxsuite
import torch
from torch.autograd.function import once_differentiable

from scq.solvers.errors import OptionError
from scq.solvers.instance import Instance, Result
from scq.solvers.status import Status

_proxqp = proxsuite.proxqp

_TIGHTEST = 1e-14
"""Below this, ProxQP's residuals stay above its tolerance by rounding."""

_STATUS = {
    _proxqp.PROXQP_SOLVED: Status.SOLVED,
    _proxqp.PROXQP_MAX_ITER_REACHED: Status.MAX_ITER,
}
"""The others (infeasible, not run) have no solution."""


def solve(
    problem: Instance,
    *,
    tol: float,
    max_iter: int | None = None,
    eps: float | None = None,
    eps_backward: float = 1e-12,
    proximal_backward: float = 1e-10,
    follow_tol: bool = False,
) -> Result:
    """Solves an instance.

    Args:
        problem: the instance, in float64; with autograd history for ProxSuite's own gradient.
        tol: lowers ``eps``, down to 1e-14, where it asks for more than the default gives; it raises it only with
            ``follow_tol``, because the derivative is read off the solution.
        max_iter: becomes ``max_iter``; by default ProxQP's own, 10,000.
        eps: ProxQP's ``eps_abs``, by default 1e-13; QPLayer's own is 1e-9, which left KKT residuals of up to 6e-7. Its
            last iterations converge so fast that the difference costs one or two of thirty.
        eps_backward: the accuracy of the derivative's linear solve; QPLayer's own is 1e-4.
        proximal_backward: its ``rho_backward`` and ``mu_backward``; QPLayer's own are 1e-6.
        follow_tol: let ``tol`` raise ``eps`` too.
    """
    for name, value in (("eps", eps), ("eps_backward", eps_backward), ("proximal_backward", proximal_backward)):
        if value is not None and not value > 0:
            raise OptionError(f"{name} is {value!r}, must be > 0")
    if eps is None:
        wanted = max(_TIGHTEST, problem.allowed(0.01 * tol))
        eps = wanted if follow_tol else min(1e-13, wanted)
    N, K = problem.latents.shape[0], problem.codebook.shape[0]
    linear = problem.gradient(problem.latents.new_zeros(N, K))
    return Result(*_Layer.apply(problem.hessian(), linear, eps, max_iter, (eps_backward, *(2 * [proximal_backward]))))


class _Layer(torch.autograd.Function):
    """Weights, status and iterations from H, which all columns share, and the linear terms."""

    @staticmethod
    def forward(ctx, H, linear, eps, max_iter, backward_settings):
        matrix, rows = H.numpy(), linear.numpy()
        wanted = any(ctx.needs_input_grad)
        ctx.qps, ctx.settings = [], backward_settings
        weights = np.empty_like(rows)
        status, iterations = np.empty(len(rows), dtype=np.int64), np.empty(len(rows), dtype=np.int64)
        for n, row in enumerate(rows):
            qp = _solved(matrix, row, eps, max_iter)
            weights[n] = qp.results.x
            status[n] = _STATUS.get(qp.results.info.status, Status.FAILED)
            iterations[n] = qp.results.info.iter
            if wanted:
                ctx.qps.append(qp)
        outputs = tuple(map(torch.from_numpy, (weights, status, iterations)))
        ctx.mark_non_differentiable(*outputs[1:])
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx, grad, *_):
        K = grad.shape[1]
        dH, dlinear = torch.zeros(K, K, dtype=grad.dtype, device=grad.device), torch.empty_like(grad)
        for n, qp in enumerate(ctx.qps):
            # The derivative of the weights alone: none of the multipliers.
            loss = np.zeros(2 * K + 1)
            loss[:K] = grad[n].numpy()
            _proxqp.dense.compute_backward(qp, loss, *ctx.settings)
            derivative = qp.model.backward_data
            dH += torch.from_numpy(derivative.dL_dH)
            dlinear[n] = torch.from_numpy(derivative.dL_dg)
        return dH, dlinear, None, None, None


def _solved(H: np.ndarray, linear: np.ndarray, eps: float, max_iter: int | None) -> "_proxqp.dense.QP":
    K = len(linear)
    qp = _proxqp.dense.QP(K, 1, K)
    qp.settings.eps_abs = eps
    if max_iter is not None:
        qp.settings.max_iter = max_iter
    qp.init(H, linear, np.ones((1, K)), np.ones(1), np.eye(K), np.zeros(K), np.full(K, 1e20))
    qp.solve()
    return qp
