"""From a guess of the weights to the exact ones: a safeguarded active-set method on compact supports, in float64."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scq.solvers.instance import Instance
from scq.solvers.support import Support, join, solve_on_support

_ENTERING = 8
"""Codewords that may enter a support in one round: more saves few rounds and costs more solves."""

_BOLD_ROUNDS = 4
"""Rounds in which all negative weights are dropped at once. It repairs a good guess fast, but may cycle; later rounds
step to the first weight that reaches zero, which lowers the objective and so terminates."""

_SHARES = 1e-3, 0.1
"""Codewords enter while the residual exceeds this share of tol: far below it at first, because the rounds that this
takes are few; close to it from the 20th round on, where rounding errors may be all that is left."""

_ROUNDS_AT_ONCE = 4
"""Rounds between two looks of the host at what is finished, where looking means waiting for a device."""

_CHUNK_ELEMENTS, _ON_DEVICE = 2**21, 2**24
"""Entries of the largest arrays of a chunk, (n, K), (n, S, F) and (n, S, S): 16 MB each in float64, and on a device,
where each chunk is launched and waited for anew, 128 MB."""


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
    active: Bool[Tensor, "N K"] | Support,
    tol: float,
    max_rounds: Int[Tensor, " N"],
    rounds_at_once: int | None = None,
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
        active: the guessed support.
        tol: the relative KKT residual to reach.
        max_rounds: (N,) how many linear solves each column may take.
        rounds_at_once: rounds between two looks of the host at what is finished; by default 1 on the host and a few on
            a device, which looking keeps waiting.
    """
    rows = max(1, _entries(guess.device) // problem.codebook.shape[0])
    support = active if isinstance(active, Support) else Support.of(active)
    columns = torch.arange(problem.latents.shape[0], device=guess.device)
    parts = [
        _Chunk(problem.select(part), guess[part], support.rows(part), rounds_at_once).run(tol, max_rounds[part])
        for part in columns.split(rows)
    ]
    return Polished(
        Support.join([part.support for part in parts]),
        join([part.values for part in parts]),
        torch.cat([part.residual for part in parts]),
        torch.cat([part.rounds for part in parts]),
    )


def _entries(device: torch.device) -> int:
    return _CHUNK_ELEMENTS if device.type == "cpu" else _ON_DEVICE


class _Chunk:
    """The iteration's state for some columns. ``index``, ``valid`` and ``p`` are (n, S) and packed to the left."""

    def __init__(self, problem: Instance, guess: Tensor, support: Support, rounds_at_once: int | None) -> None:
        self.problem = problem.to(torch.float64)
        # Unused places point at a codeword of zeros.
        self.padded = torch.nn.functional.pad(self.problem.codebook, (0, 0, 0, 1))
        self.index, self.valid = support.index, support.valid
        self.p = support.gather(guess).double()
        self.p /= self.p.sum(1, keepdim=True)
        on_host = guess.device.type == "cpu"
        self.rounds_at_once = rounds_at_once or (1 if on_host else _ROUNDS_AT_ONCE)
        # Reading which columns to check waits for the device; on the host it saves half of the work.
        self.selective = on_host and self.rounds_at_once == 1

    def run(self, tol: float, limit: Tensor) -> Polished:
        n = limit.shape[0]
        rounds = torch.zeros_like(limit)
        residual = torch.full((n,), torch.inf, dtype=torch.float64, device=limit.device)
        pending, width, done = torch.arange(n, device=limit.device), self.index.shape[1], 0
        while pending.numel():
            some = _Some(self, pending, width)
            for number in range(self.rounds_at_once):
                running = ~some.finished & (rounds[pending] < limit[pending])
                rounds[pending] += running
                some.round(number, running, bold=done < _BOLD_ROUNDS, tol=tol * _SHARES[done >= 20])
                done += 1
            residual[pending] = some.residual
            goes_on = ~some.finished & (rounds[pending] < limit[pending])
            # All that the host must know, in one question.
            left, width = torch.stack([goes_on.sum(), some.valid.sum(1).amax()]).tolist()
            self._store(pending, some.index, some.valid, some.p, width)
            pending = pending[goes_on.long().argsort(descending=True, stable=True)[:left]]
        return Polished(Support(self.index, self.valid), self.p, residual, rounds)

    def _store(self, rows: Tensor, index: Tensor, valid: Tensor, p: Tensor, size: int) -> None:
        """Writes supports of at most that size back, packed to the left, in wider arrays when they no longer fit."""
        order = valid.long().argsort(dim=1, descending=True, stable=True)[:, :size]
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


class _Some:
    """The unfinished columns of a chunk for a few rounds, in which the host learns nothing of them: nothing is packed,
    and each round's entering codewords have places of their own, behind the others."""

    def __init__(self, chunk: _Chunk, rows: Tensor, width: int) -> None:
        self.problem, self.padded, self.selective = chunk.problem.select(rows), chunk.padded, chunk.selective
        index, valid = chunk.index[rows], chunk.valid[rows]
        self.width = width
        self.entering = min(_ENTERING, self.problem.codebook.shape[0])
        spare = chunk.rounds_at_once * self.entering
        self.index, self.valid, self.p = (
            torch.nn.functional.pad(x[:, : self.width], (0, spare)) for x in (index, valid, chunk.p[rows])
        )
        self.residual = torch.full(rows.shape, torch.inf, dtype=torch.float64, device=rows.device)
        self.finished = torch.zeros_like(rows, dtype=torch.bool)

    def round(self, number: int, running: Tensor, bold: bool, tol: float) -> None:
        """One linear solve, one step and, where all weights are positive, one check of the ``running`` columns."""
        feasible, broken = self._solve(running, bold)
        self.residual = torch.where(running, torch.inf, self.residual)
        entered = self._verify(number, running & feasible, tol)
        self.finished |= running & (broken | feasible & ~entered)

    def _anchor_on(self, rows: Tensor, index: Tensor) -> Tensor:
        anchor = self.problem.anchor[rows]
        return anchor.gather(1, index) if anchor.dim() == 2 else (index == anchor[:, None]).double()

    def _solve(self, running: Tensor, bold: bool) -> tuple[Tensor, Tensor]:
        """One linear solve and one step. Returns which columns have only positive weights, and which broke down."""
        valid, p = self.valid, self.p
        solved = torch.empty_like(p)
        size = p.shape[1]
        step = max(1, _entries(p.device) // max(1, size * max(size, self.problem.codebook.shape[1])))
        for part in torch.arange(p.shape[0], device=p.device).split(step):
            index = self.index[part]
            codewords = self.padded[torch.where(valid[part], index, self.padded.shape[0] - 1)]
            rhs = (codewords @ self.problem.latents[part][..., None]).squeeze(2)
            rhs += self.problem.lam * self._anchor_on(part, index) * valid[part]
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
        moves = (running & ~broken)[:, None]
        self.valid = torch.where(moves, valid & ~dropped, valid)
        self.p = torch.where(moves, stepped, p)
        return feasible, broken

    def _verify(self, number: int, check: Tensor, tol: float) -> Tensor:
        """Multipliers over all K. Lets the worst violators in; returns where any entered."""
        rows = check.nonzero().flatten() if self.selective else torch.arange(check.shape[0], device=check.device)
        weights = Support(self.index[rows], self.valid[rows]).scatter(self.p[rows], self.problem.codebook.shape[0])
        g = self.problem.select(rows).gradient(weights)
        scale = torch.maximum(g.abs().amax(1), self.problem.floor)
        nu = (weights * g).sum(1, keepdim=True)
        descent = nu - g
        complementarity = (weights * descent).abs().amax(1)
        # Of the support too: where its matrix is nearly singular, the solve leaves more than rounding there.
        residual = torch.maximum(descent.amax(1).clamp_min(0.0), complementarity) / scale
        worst, codeword = torch.where(weights > 0, 0.0, descent).topk(self.entering, dim=1)
        self.residual[rows] = torch.where(check[rows], residual, self.residual[rows])
        enters = (worst > (tol * scale)[:, None]) & check[rows, None]
        places = slice(self.width + number * self.entering, self.width + (number + 1) * self.entering)
        self.index[rows, places] = codeword
        self.valid[rows, places] = enters
        self.p[rows, places] = 0.0
        entered = torch.zeros_like(check)
        entered[rows] = enters.any(1)
        return entered
