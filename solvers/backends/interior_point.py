r"""Batched primal-dual interior point, finished by an active-set polish. Ours; exact.

Mehrotra's predictor-corrector on all columns at once, from a strictly feasible start. The KKT matrix of a column is
C C^T + D with D = diag(lam + mu / p), so by Woodbury only the F x F matrix I + C^T D^{-1} C is factored; for all
columns these come from one matrix product of the (N, K) weights D^{-1} with the products of codebook columns. The
iteration stops early, when it has told active from inactive codewords; :mod:`solvers.polish` then finds the exact
weights on that support in float64 and checks all K multipliers. A poor guess costs rounds there, never accuracy.

Warm start: none. Gradient: the shared implicit differentiation.
Source: S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM J. Optim. 2 (1992);
Nocedal and Wright, "Numerical Optimization" (2006), algorithm 16.4.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from solvers.backends import Instance, Result
from solvers.polish import polish
from solvers.status import Status
from solvers.support import Support

_CHUNK_ELEMENTS = 2**20
"""Entries of a chunk's (n, K) and (n, F, F) arrays, about fifteen of which live at a time: 60 MB in float32."""

_PRODUCT_ELEMENTS = 2**22
"""Entries of a block of products of codebook columns, (K, pairs): 16 MB in float32."""

_GAP = 1e-3
"""The relative complementarity gap at which the support is clear enough for the polish to take over."""

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
    rows = max(1, _CHUNK_ELEMENTS // max(K, F * F))
    parts = [_solve_chunk(problem, slice(i, i + rows), tol, max_iter, history) for i in range(0, N, rows)]
    weights, status, iterations, supports, iterates = zip(*parts, strict=True)
    if history:
        # A chunk that finished earlier keeps its last iterate.
        longest = max(x.shape[0] for x in iterates)
        iterates = [torch.cat([x, x[-1:].expand(longest - x.shape[0], -1, -1)]) for x in iterates]
    return Result(
        torch.cat(weights),
        torch.cat(status),
        torch.cat(iterations),
        support=Support.join(list(supports)),
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
) -> tuple[Tensor, Tensor, Tensor, Support, Tensor | None]:
    part = replace(problem, latents=problem.latents[rows], anchor=problem.anchor[rows])
    columns = _Columns(part)
    iterates = []
    for _ in range(max_iter):
        columns.step()
        if history:
            iterates.append(columns.weights())
        if not columns.running.numel():
            break
    p, mu = columns.p, columns.mu
    # Where nothing is active, as after a breakdown, the polish starts from the largest weight.
    active = (p > mu) | (p == p.amax(1, keepdim=True))
    exact = polish(part, p, active, tol, max_iter - columns.iterations)
    weights = exact.support.scatter(exact.values, p.shape[1]).to(p.dtype)
    if history:
        iterates.append(weights)
    status = torch.where(exact.residual <= tol, int(Status.SOLVED), int(Status.MAX_ITER))
    stacked = torch.stack(iterates) if history else None
    return weights, status, columns.iterations + exact.rounds, exact.support, stacked


class _Columns:
    """The primal-dual iterates of a chunk. ``running`` are the columns whose gap is not yet small enough."""

    def __init__(self, problem: Instance) -> None:
        self.problem = problem
        n, F, K = *problem.latents.shape, problem.codebook.shape[0]
        self.p = problem.latents.new_full((n, K), 1.0 / K)
        g = problem.gradient(self.p)
        lowest = g.amin(1, keepdim=True)
        spread = (g.mean(1, keepdim=True) - lowest).clamp_min(_GAP * problem.floor)
        # Primal and dual feasible, every multiplier positive.
        self.mu = g - lowest + spread
        self.nu = (lowest - spread).squeeze(1)
        self.running = torch.arange(n, device=g.device)
        self.iterations = torch.zeros_like(self.running)
        self.pairs = torch.triu_indices(F, F, device=g.device)

    def weights(self) -> Tensor:
        return self.p / self.p.sum(1, keepdim=True)

    def step(self) -> None:
        """One predictor-corrector step of the running columns; finished ones leave."""
        at, C, lam = self.running, self.problem.codebook, self.problem.lam
        p, mu, nu = self.p[at], self.mu[at], self.nu[at]
        g = self.problem.select(at).gradient(p)
        r_dual = g - nu[:, None] - mu
        r_primal = p.sum(1) - 1
        w = p / (lam * p + mu)
        factor = self._factor(w)

        def solve(rhs: Tensor) -> Tensor:
            """(C C^T + D)^{-1} rhs, by Woodbury."""
            rhs = w * rhs
            inner = torch.cholesky_solve((rhs @ C)[..., None], factor).squeeze(2)
            return torch.addcmul(rhs, w, inner @ C.T, value=-1)

        ones = solve(torch.ones_like(p))
        ones_sum = ones.sum(1)

        def direction(target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            """The Newton step for p mu + p dmu + mu dp = p target."""
            x = solve(target - r_dual)
            dnu = -(r_primal + x.sum(1)) / ones_sum
            dp = torch.addcmul(x, dnu[:, None], ones)
            return dp, target - mu / p * dp, dnu

        target = -mu
        dp, dmu, _ = direction(target)
        gap = (p * mu).sum(1)
        length = self._length(p, dp, mu, dmu)[:, None]
        ahead = ((p + length * dp) * (mu + length * dmu)).sum(1)
        centre = (ahead / gap).pow(3) * gap / p.shape[1]
        target = torch.addcdiv(target, centre[:, None] - dp * dmu, p)
        dp, dmu, dnu = direction(target)
        length = _STEP * self._length(p, dp, mu, dmu)
        p = torch.addcmul(p, length[:, None], dp)
        mu = torch.addcmul(mu, length[:, None], dmu)
        nu = torch.addcmul(nu, length, dnu)

        sound = torch.isfinite(p).all(1) & torch.isfinite(mu).all(1)
        gap = (p * mu).sum(1)
        scale = torch.maximum(g.abs().amax(1), self.problem.floor)
        if bool(sound.all()):
            self.p[at], self.mu[at], self.nu[at] = p, mu, nu
        else:
            # A column that broke down stops at its last sound iterate, and the polish takes it from there.
            self.p[at[sound]], self.mu[at[sound]], self.nu[at[sound]] = p[sound], mu[sound], nu[sound]
        self.iterations[at] += 1
        self.running = at[sound & (gap > _GAP * scale)]

    def _factor(self, w: Tensor) -> Tensor:
        """Cholesky factors of I + C^T diag(w_n) C, from (K, pairs) products of codebook columns."""
        C = self.problem.codebook
        n, F = w.shape[0], C.shape[1]
        matrix = w.new_zeros(n, F, F)
        for i, j in self.pairs.split(max(1, _PRODUCT_ELEMENTS // w.shape[1]), dim=1):
            matrix[:, j, i] = w @ (C[:, i] * C[:, j])
        matrix.diagonal(dim1=1, dim2=2).add_(1.0)
        return torch.linalg.cholesky_ex(matrix).L

    @staticmethod
    def _length(p: Tensor, dp: Tensor, mu: Tensor, dmu: Tensor) -> Float[Tensor, " n"]:
        """The longest step, up to 1, that keeps p and mu >= 0: one for both, since p is part of the dual residual."""
        fastest = torch.maximum((-dp / p).amax(1), (-dmu / mu).amax(1))
        return fastest.clamp_min(1.0).reciprocal()
