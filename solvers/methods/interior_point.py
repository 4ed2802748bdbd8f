r"""Batched primal-dual interior point, finished by an active-set polish. Ours; exact.

Mehrotra's predictor-corrector on all columns at once, from a strictly feasible start. The KKT matrix of a column is
C C^T + D with D = diag(lam + mu / p), so by Woodbury only the F x F matrix I + C^T D^{-1} C is factored; for all
columns these come from one matrix product of the (N, K) weights D^{-1} with the products of codebook columns. The
iteration stops early, when it has told active from inactive codewords; :mod:`scq.solvers.polish` then finds the exact
weights on that support in float64 and checks all K multipliers. A poor guess costs rounds there, never accuracy.

Warm start: none. Gradient: the shared implicit differentiation.
Source: S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM J. Optim. 2 (1992);
Nocedal and Wright, "Numerical Optimization" (2006), algorithm 16.4.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from scq.solvers.instance import Instance, Result
from scq.solvers.polish import polish
from scq.solvers.status import Status
from scq.solvers.weights import Weights

_CHUNK_ELEMENTS = 2**24
"""Entries of all of a chunk's arrays, about ten of (n, K) and three of (n, F, F): 64 MB in float32."""

_PRODUCT_ELEMENTS = 2**22
"""Entries of a block of products of codebook columns: 16 MB in float32."""

_GAP = 1e-3
"""The relative complementarity gap at which the support is clear enough for the polish to take over."""

_SPREAD = 0.3
"""The smallest multiplier of the start, as a share of the mean one."""

_STEP = 0.99
"""The share of the way to the boundary that a step may go."""


def solve(problem: Instance, *, tol: float, max_iter: int | None = None, history: bool = False) -> Result:
    """Solves an instance; ``history=True`` keeps the weights after every interior-point iteration, (T, N, K).

    ``iterations`` counts interior-point iterations and polish rounds of each column; ``max_iter`` (default 200) bounds
    their sum.
    """
    max_iter = 200 if max_iter is None else max_iter
    problem = _reduce(problem)
    N, F, K = *problem.latents.shape, problem.codebook.shape[0]
    rows = max(1, _CHUNK_ELEMENTS // (10 * K + 3 * F * F))
    parts = [_solve_chunk(problem, slice(i, i + rows), tol, max_iter, history) for i in range(0, N, rows)]
    weights, status, iterations, iterates = zip(*parts, strict=True)
    if history:
        # A chunk that finished earlier keeps its last iterate.
        longest = max(x.shape[0] for x in iterates)
        iterates = [torch.cat([x, x[-1:].expand(longest - x.shape[0], -1, -1)]) for x in iterates]
    return Result(
        Weights.join(list(weights)),
        torch.cat(status),
        torch.cat(iterations),
        certified=True,
        history=torch.cat(iterates, 1) if history else None,
    )


def _reduce(problem: Instance) -> Instance:
    """The same weights from min(F, K) features: codewords and latents rotated onto the span of the codewords."""
    K, F = problem.codebook.shape
    if F <= K:
        return problem
    basis = torch.linalg.qr(problem.codebook.T.double()).Q.to(problem.codebook.dtype)
    return replace(problem, latents=problem.latents @ basis, codebook=problem.codebook @ basis)


def _solve_chunk(
    problem: Instance, rows: slice, tol: float, max_iter: int, history: bool
) -> tuple[Weights, Tensor, Tensor, Tensor | None]:
    part = replace(problem, latents=problem.latents[rows], anchor=problem.anchor[rows])
    # A search for the support does not need more; where float32 breaks down, the polish takes longer.
    columns = _Columns(part.to(torch.float32))
    iterates = []
    for _ in range(max_iter):
        columns.step()
        if history:
            iterates.append(columns.weights().to(problem.latents.dtype))
        if not columns.running.numel():
            break
    columns.finish()
    p, mu = columns.p, columns.mu
    # Where nothing is active, as after a breakdown, the polish starts from the largest weight.
    active = (p > mu) | (p == p.amax(1, keepdim=True))
    exact = polish(part, p, active, tol, max_iter - columns.iterations)
    weights = Weights(exact.values, exact.support.index, p.shape[1])
    if history:
        iterates.append(weights.dense().to(problem.latents.dtype))
    status = torch.where(exact.residual <= tol, int(Status.SOLVED), int(Status.MAX_ITER))
    stacked = torch.stack(iterates) if history else None
    return weights, status, columns.iterations + exact.rounds, stacked


class _Columns:
    """The primal-dual iterates of a chunk. Running columns are kept together; finished ones go to ``p`` and ``mu``.

    A strictly feasible start keeps every iterate feasible up to rounding, so C (C^T p - z) + lam (p - a) = nu + mu
    holds throughout and is never evaluated: the iteration reads the problem through its start alone. What rounding
    does to that is left to the polish.
    """

    def __init__(self, problem: Instance) -> None:
        n, K = problem.latents.shape[0], problem.codebook.shape[0]
        self.lam, self.floor = problem.lam, problem.floor
        # A column of ones beside the codebook lets one product carry both C^T x and sum(x).
        self.C1 = torch.cat([problem.codebook, problem.codebook.new_ones(K, 1)], 1)
        p = problem.latents.new_full((n, K), 1.0 / K)
        g = problem.gradient(p)
        lowest = g.amin(1)
        spread = (_SPREAD * (g.mean(1) - lowest)).clamp_min(_GAP * self.floor)
        self.nu = lowest - spread
        mu = g.sub_(self.nu[:, None])
        self.running = torch.arange(n, device=p.device)
        self.iterations = torch.zeros_like(self.running)
        self.p, self.mu = p, mu
        self._p, self._mu = p.clone(), mu.clone()

    def weights(self) -> Float[Tensor, "n K"]:
        """The current weights of all columns, on the simplex."""
        p = self.p.index_copy(0, self.running, self._p)
        return p / p.sum(1, keepdim=True)

    def step(self) -> None:
        r"""One predictor-corrector step of the running columns; finished ones leave.

        Steps are kept relative, r = dp / p, because Newton's equation p dmu + mu dp = p mu t then reads
        dmu / mu = t - r: the predictor has t = -1, and the corrector t = r^2 + r - 1 + sigma / (p mu) from the
        predictor's r.
        """
        p, mu, C1 = self._p, self._mu, self.C1
        product = p * mu
        w = torch.addcmul(mu, p, self.lam).reciprocal_()
        v = product * w
        w *= p
        factor = self._factor(w)
        w1 = w @ C1
        inner_ones = torch.cholesky_solve(w1[:, :-1, None], factor).squeeze(2)
        ones_sum = w1[:, -1] - (inner_ones * w1[:, :-1]).sum(1)
        excess = p.sum(1) - 1

        def direction(vt: Tensor) -> tuple[Tensor, Tensor]:
            """dp and dnu for p dmu + mu dp = p mu t, given v t = w mu t."""
            x1 = vt @ C1
            inner = torch.cholesky_solve(x1[:, :-1, None], factor).squeeze(2)
            x_sum = x1[:, -1] - (inner * w1[:, :-1]).sum(1)
            dnu = -(excess + x_sum) / ones_sum
            inner = torch.addcmul(inner, dnu[:, None], inner_ones)
            shift = torch.cat([inner, -dnu[:, None]], 1) @ C1.T
            return torch.addcmul(vt, w, shift, value=-1), dnu

        r = direction(-v)[0].div_(p)
        lowest, highest = torch.aminmax(r, dim=1)
        length = torch.maximum(-lowest, highest + 1).clamp_min(1.0).reciprocal()
        gap = product.sum(1)
        first, second = _dot(product, r), _dot(product, r.square())
        ahead = (1 - length) * gap - length.square() * (first + second)
        centre = (ahead / gap).pow(3) * gap / p.shape[1]

        t = torch.addcmul(r, r, r).addcdiv_(centre[:, None].expand_as(product), product).sub_(1.0)
        r, dnu = direction(v.mul_(t))
        r = r.div_(p)
        t -= r
        length = _STEP * torch.maximum(-r.amin(1), -t.amin(1)).clamp_min(_STEP).reciprocal()
        p = torch.addcmul(p, p, r.mul_(length[:, None]))
        mu = torch.addcmul(mu, mu, t.mul_(length[:, None]))
        self.nu = torch.addcmul(self.nu, length, dnu)
        self.iterations[self.running] += 1

        gap = _dot(p, mu)
        scale = torch.maximum((mu.amax(1) + self.nu).abs(), self.nu.abs()).clamp_min(self.floor)
        sound = torch.isfinite(gap)
        stays = sound & (gap > _GAP * scale)
        # All that the host must know, in one question.
        left = int(stays.sum())
        if left == stays.shape[0]:
            self._p, self._mu = p, mu
            return
        # A column that broke down keeps its last sound iterate, and the polish takes it from there.
        p = torch.where(sound[:, None], p, self._p)
        mu = torch.where(sound[:, None], mu, self._mu)
        stay, leave = stays.long().argsort(descending=True, stable=True).tensor_split((left,))
        leaves = self.running[leave]
        self.p[leaves], self.mu[leaves] = p[leave], mu[leave]
        self.running, self.nu, self._p, self._mu = self.running[stay], self.nu[stay], p[stay], mu[stay]

    def finish(self) -> None:
        """Writes the columns that are still running, when the iterations have run out."""
        self.p[self.running], self.mu[self.running] = self._p, self._mu

    def _factor(self, w: Float[Tensor, "n K"]) -> Float[Tensor, "n F F"]:
        """Cholesky factors of I + C^T diag(w_n) C, from the products of codebook columns, (K, F^2)."""
        K, F = self.C1.shape[0], self.C1.shape[1] - 1
        C = self.C1[:, :F]
        matrix = w.new_empty(w.shape[0], F, F)
        for i in torch.arange(F, device=w.device).split(max(1, _PRODUCT_ELEMENTS // (K * F))):
            matrix[:, i] = (w @ (C[:, i, None] * C[:, None]).flatten(1)).unflatten(1, (-1, F))
        matrix.diagonal(dim1=1, dim2=2).add_(1.0)
        return torch.linalg.cholesky_ex(matrix).L


def _dot(x: Float[Tensor, "n K"], y: Float[Tensor, "n K"]) -> Float[Tensor, " n"]:
    return (x[:, None] @ y[..., None]).flatten()
