"""From a guess of the weights to the exact ones: a safeguarded active-set method on compact supports, in float64."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from solvers.methods import Instance
from solvers.support import Support, join, solve_on_support

_ENTERING = 8
"""Codewords that may enter a support in one round: more saves few rounds and costs more solves."""

_BOLD_ROUNDS = 4
"""Rounds in which all negative weights are dropped at once. It repairs a good guess fast, but may cycle; later rounds
step to the first weight that reaches zero, which lowers the objective and so terminates."""

_SHARES = 1e-3, 0.1
"""Codewords enter while the residual exceeds this share of tol: far below it at first, because the rounds that this
takes are few; close to it from the 20th round on, where rounding errors may be all that is left."""

_CHUNK_ELEMENTS = 2**21
"""Entries of the largest arrays of a chunk, (n, K), (n, S, F) and (n, S, S): 16 MB each in float64."""


@dataclass(frozen=True)
class Polished:
    """Weights on compact supports.

    Attributes:
        support: the codewords that may have weight.
        values: (N, S) their weights, positive; 0 in unused places.
        residual: (N,) the relative KKT residual over all K codewords, in the units of the instance; infinite where
            the rounds ran out before a check over all K.
        rounds: (N,) linear solves done.
    """

    support: Support
    values: Float[Tensor, "N S"]
    residual: Float[Tensor, " N"]
    rounds: Int[Tensor, " N"]


@torch.no_grad()
def polish(
    problem: Instance,
    guess: Float[Tensor, "N K"],
    active: Bool[Tensor, "N K"],
    tol: float,
    max_rounds: Int[Tensor, " N"],
) -> Polished:
    """The exact weights, from a guess of them and of their support.

    Each round solves the KKT system on the support of every unfinished column. Where all weights are positive, the
    multipliers of all K codewords are computed, and the codewords that would lower the objective most enter; the
    column is finished when none would. Where a weight is not positive, the iterate moves towards the solved weights
    until the first weight reaches zero, and that codeword leaves. From the fifth round on every such step lowers the
    objective, no support occurs twice, and the method ends: Lawson and Hanson, "Solving Least Squares Problems"
    (1974), chapter 23; Nocedal and Wright, "Numerical Optimization" (2006), section 16.5.

    Args:
        problem: the instance, in any dtype; all arithmetic here is float64.
        guess: (N, K) weights near the solution, >= 0, with positive weight on some active codeword.
        active: (N, K) the guessed support.
        tol: the relative KKT residual to reach.
        max_rounds: (N,) how many linear solves each column may take.
    """
    rows = max(1, _CHUNK_ELEMENTS // problem.codebook.shape[0])
    columns = torch.arange(problem.latents.shape[0], device=guess.device)
    parts = [
        _Chunk(problem.select(part), guess[part], active[part]).run(tol, max_rounds[part])
        for part in columns.split(rows)
    ]
    return Polished(
        Support.join([part.support for part in parts]),
        join([part.values for part in parts]),
        torch.cat([part.residual for part in parts]),
        torch.cat([part.rounds for part in parts]),
    )


class _Chunk:
    """The iteration's state for some columns. ``index``, ``valid`` and ``p`` are (n, S) and packed to the left."""

    def __init__(self, problem: Instance, guess: Tensor, active: Tensor) -> None:
        self.problem = problem.to(torch.float64)
        # Unused places point at a codeword of zeros.
        self.padded = torch.nn.functional.pad(self.problem.codebook, (0, 0, 0, 1))
        support = Support.of(active)
        self.index, self.valid = support.index, support.valid
        self.p = support.gather(guess).double()
        self.p /= self.p.sum(1, keepdim=True)

    def run(self, tol: float, limit: Tensor) -> Polished:
        rounds = torch.zeros_like(limit)
        residual = torch.full_like(limit, torch.inf, dtype=torch.float64)
        pending = (rounds < limit).nonzero().flatten()
        for count in range(int(limit.max())):
            rounds[pending] += 1
            feasible, broken = self._solve(pending, bold=count < _BOLD_ROUNDS)
            check = pending[feasible]
            residual[pending] = torch.inf
            entered, residual[check] = self._verify(check, tol * _SHARES[count >= 20])
            finished = broken
            finished[feasible] |= ~entered
            pending = pending[~finished & (rounds[pending] < limit[pending])]
            if not pending.numel():
                break
        return Polished(Support(self.index, self.valid), self.p, residual, rounds)

    def _anchor_on(self, rows: Tensor, index: Tensor) -> Tensor:
        anchor = self.problem.anchor[rows]
        return anchor.gather(1, index) if anchor.dim() == 2 else (index == anchor[:, None]).double()

    def _solve(self, rows: Tensor, bold: bool) -> tuple[Tensor, Tensor]:
        """One linear solve and one step. Returns which of ``rows`` have only positive weights, and which broke down."""
        index, valid, p = self.index[rows], self.valid[rows], self.p[rows]
        size = int(valid.sum(1).max())
        index, valid, p = index[:, :size], valid[:, :size], p[:, :size]
        solved = torch.empty_like(p)
        step = max(1, _CHUNK_ELEMENTS // max(1, size * max(size, self.problem.codebook.shape[1])))
        for part in torch.arange(rows.shape[0], device=rows.device).split(step):
            codewords = self.padded[torch.where(valid[part], index[part], self.padded.shape[0] - 1)]
            rhs = (codewords @ self.problem.latents[rows[part]][..., None]).squeeze(2)
            rhs += self.problem.lam * self._anchor_on(rows[part], index[part]) * valid[part]
            solved[part] = solve_on_support(codewords, valid[part], self.problem.lam, rhs, 1.0)
        broken = solved.isnan().any(1)
        negative = valid & (solved <= 0)
        feasible = ~negative.any(1) & ~broken

        if bold:
            stepped = torch.where(negative, 0.0, solved)
            stepped = stepped / stepped.sum(1, keepdim=True)
            dropped = negative
        else:
            ratio = torch.where(negative, p / (p - solved), torch.inf)
            # 0 / 0: a codeword that has just entered with weight 0 and stays there.
            ratio = torch.where(ratio.isnan(), 0.0, ratio)
            length = ratio.amin(1, keepdim=True).clamp_max(1.0)
            dropped = negative & (ratio <= length)
            stepped = torch.where(dropped, 0.0, (p + length * (solved - p)).clamp_min(0.0))
            stepped = torch.where(feasible[:, None], solved, stepped)
        self._store(rows, index, valid & ~dropped | broken[:, None] & valid, torch.where(broken[:, None], p, stepped))
        return feasible, broken

    def _verify(self, rows: Tensor, tol: float) -> tuple[Tensor, Tensor]:
        """Multipliers over all K. Lets the worst violators in; returns where any entered, and the relative residual."""
        index, valid, p = self.index[rows], self.valid[rows], self.p[rows]
        weights = Support(index, valid).scatter(p, self.problem.codebook.shape[0])
        g = self.problem.select(rows).gradient(weights)
        scale = torch.maximum(g.abs().amax(1), self.problem.floor)
        nu = (weights * g).sum(1, keepdim=True)
        descent = nu - g
        complementarity = (weights * descent).abs().amax(1)
        descent = torch.where(weights > 0, 0.0, descent)
        worst, codeword = descent.topk(min(_ENTERING, descent.shape[1]), dim=1)
        residual = torch.maximum(worst[:, 0].clamp_min(0.0), complementarity) / scale
        enters = worst > (tol * scale)[:, None]
        entered = enters.any(1)
        if entered.any():
            enters, codeword = enters[entered], codeword[entered]
            self._store(
                rows[entered],
                torch.cat([index[entered], codeword], 1),
                torch.cat([valid[entered], enters], 1),
                torch.cat([p[entered], p.new_zeros(enters.shape)], 1),
            )
        return entered, residual

    def _store(self, rows: Tensor, index: Tensor, valid: Tensor, p: Tensor) -> None:
        """Writes supports back, packed to the left, in wider arrays when they no longer fit."""
        order = valid.long().argsort(dim=1, descending=True, stable=True)
        size = int(valid.sum(1).max()) if rows.numel() else 0
        order = order[:, :size]
        extra = size - self.index.shape[1]
        if extra > 0:
            self.index, self.valid, self.p = (
                torch.nn.functional.pad(x, (0, extra)) for x in (self.index, self.valid, self.p)
            )
        valid = valid.gather(1, order)
        self.valid[rows] = False
        self.p[rows] = 0.0
        self.index[rows, :size] = index.gather(1, order)
        self.valid[rows, :size] = valid
        self.p[rows, :size] = torch.where(valid, p.gather(1, order), 0.0)
