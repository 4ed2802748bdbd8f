"""The one call behind which every backend stands."""

import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from typing import Any

import torch

from scq.solvers.attempt import Attempt, compact, judge, normalise
from scq.solvers.clock import Clock
from scq.solvers.deferred import settle
from scq.solvers.errors import BackendError
from scq.solvers.failing import anchors, asked, perhaps_unresolved, shielded
from scq.solvers.implicit import differentiate, unresolved
from scq.solvers.instance import Instance, Result
from scq.solvers.once import once
from scq.solvers.problem import Problem
from scq.solvers.registry import DEFAULT_BACKEND, BackendInfo, get
from scq.solvers.residuals import Residuals, kkt_residuals
from scq.solvers.solution import Solution, combine, failure
from scq.solvers.status import Status, failed_of
from scq.solvers.suggestions import did_you_mean
from scq.solvers.through import through_transforms
from scq.solvers.transforms import transformed


def solve(
    problem: Problem,
    backend: str = DEFAULT_BACKEND,
    tol: float | None = None,
    max_iter: int | None = None,
    throw: bool = True,
    gradient: str | None = None,
    as_given: bool = False,
    **options: Any,
) -> Solution:
    r"""Solves every column of the problem,

        p* = argmin_p  1/2 ||C^T p - z||^2 + lam/2 ||p - a||^2   subject to   p >= 0, sum(p) = 1.

    Float16 and bfloat16 are solved in float32 or better, also under autocast. Exact backends receive the problem
    centred at the codebook's mean and scaled to unit size, unless ``as_given``; neither changes the minimiser.

    Of the implicit derivative, and of the relaxation's own, derivatives of every order are right, and torch.func's
    transforms (grad, vmap, jacrev, jvp) see through the call; there an exact backend solves one sample of vmap after
    the other, and ``errors`` is empty.

    Args:
        problem: latents (N, F), codebook (K, F), lam and anchor.
        backend: a name among ``solvers.backends()``.
        tol: bound of the relative KKT residual of every column; by default what the backend's entry promises
            (``accuracy``) for the latents' dtype. Of exact backends alone.
        max_iter: bound of the iterations of every column; by default the backend's own. Of exact backends alone.
        throw: raise when any column failed, after all were treated; otherwise return, with the failures in ``status``.
            Elsewhere than on the CPU the host waits for the device once to know, and otherwise for what a backend asks
            alone; unasked, of a lam below 2e-12 of the longest codeword's square every column of several codewords has
            failed, since its derivative may be unresolved.
        gradient: ``"implicit"`` (the shared implicit differentiation), ``"native"`` (the backend's own derivative) or
            ``"none"``; by default the first that the backend offers.
        as_given: hand an exact backend the problem as it stands, neither centred nor scaled: what a package's own users
            would get from it.
        **options: the backend's own options.

    Returns:
        A :class:`scq.solvers.Solution`. A column with NaN or infinity in its latent, one that did not converge, or one
        whose implicit derivative float64 does not resolve, holds its anchor, has zero gradient, and changes no other
        column.

    Raises:
        TypeError, ValueError: a wrong argument; an unknown backend or option is answered with the known ones.
        BackendMissingError: the backend's package is not installed, or cannot be imported; the message has the command
            that installs it.
        BackendError: whatever ``throw`` is: the backend raised for every column, so that it is at fault and no latent.
        SolveError: with ``throw=True``, when columns failed; the exception carries the solution.
        RuntimeError: a package's own derivative, or ``history``, within torch.func's transforms. A package's own
            derivative also raises it where it is differentiated again.

    Source: arXiv 2310.03004, Eq. 7 (exact) and Algorithm 2 (relaxed).
    """
    info, run = _backend(problem, backend, options)
    info.check_asked(tol, max_iter, gradient)
    gradient = info.gradient[0] if gradient is None else gradient
    dtype = _compute_dtype(info, problem.latents.dtype)
    tol = (
        info.accuracy.get(_name(torch.promote_types(problem.latents.dtype, torch.float32)), 1.0) if tol is None else tol
    )

    clock = Clock(problem.latents.device)
    if transformed():
        again = partial(solve, backend=backend, tol=tol, max_iter=max_iter, throw=throw, as_given=as_given, **options)
        solved = through_transforms(problem, info, dtype, gradient, again, options)
        found = solved.weights, solved.status, solved.iterations
        return Solution(problem, info.name, *found, clock.stop(), solved.reconstruction)
    on_host = problem.latents.device.type == "cpu"
    with torch.autocast(problem.latents.device.type, enabled=False):
        instance = normalise(problem, dtype, centred=info.exact and not as_given)
        native = gradient == "native" and torch.is_grad_enabled()
        if native and info.package is not None:
            instance = _differentiable_once(instance, info)
        attempt = Attempt(info, run, tol, max_iter, options)
        if native and not on_host:
            instance, failing = shielded(instance)
        with torch.set_grad_enabled(native):
            try:
                result = attempt(instance if native else instance.detach())
            except BackendError:
                # A codebook that is not finite may be what it could not solve.
                settle(problem.latents.device, wait=True)
                raise
            status = judge(problem, info, result, tol)
            failed = failed_of(status)
            weights = compact(result)
            some, tiny = asked(problem, instance, failed, throw)
            if tiny is None and gradient == "implicit":
                singular = perhaps_unresolved(instance, weights) & ~failed
                status, failed = torch.where(singular, int(Status.SINGULAR), status), failed | singular
            if native and not on_host:
                failing.append(failed)
            if some:
                if native and on_host and not bool(failed.all()):
                    # No history through a failed column: its derivative may be NaN, and the codebook's is a sum.
                    good = (~failed).nonzero().flatten()
                    second = Attempt(info, run, tol, max_iter, options)
                    again = compact(second(instance.select(good)))
                    if second.errors:
                        first = next(iter(second.errors.values()))
                        raise BackendError(f"backend {info.name!r} raised for columns that it had solved: {first}")
                    weights = anchors(problem, weights.values.dtype).replaced(good, again)
                else:
                    weights = weights.instead(failed, anchors(problem, weights.values.dtype))
            if tiny and gradient == "implicit":
                # Whether or not anyone records: a layer gives in training what it gives in evaluation.
                singular = unresolved(instance.detach(), weights) & ~failed
                status, failed = torch.where(singular, int(Status.SINGULAR), status), failed | singular
                weights = weights.instead(singular, anchors(problem, weights.values.dtype))
                some = bool(failed.any())
        combined = None
        if gradient == "implicit" and torch.is_grad_enabled():
            with torch.no_grad():
                combined = combine(problem, weights)
            weights, combined = differentiate(instance, weights, failed, combined)
        elif some and torch.is_grad_enabled():
            combined = combine(problem, weights)
            combined = torch.where(failed[:, None], combined.detach(), combined)
        weights = weights.to(problem.latents.dtype)
    solution = Solution(
        problem=problem,
        backend=info.name,
        compact=weights,
        combined=combined,
        status=status,
        iterations=result.iterations,
        clock=clock.stop(),
        errors=attempt.errors,
        history=_history(problem, result),
    )
    if throw:
        # The answers are there: the host has waited for them.
        settle(problem.latents.device, wait=True)
        if some:
            raise failure(solution)
    return solution


def _backend(problem: Problem, backend: str, options: dict[str, Any]) -> tuple[BackendInfo, Callable[..., Result]]:
    """The backend's entry and function, after every check that needs no solving."""
    if not isinstance(problem, Problem):
        raise TypeError(f"problem is a {type(problem).__name__}, must be a solvers.Problem")
    info = get(backend)
    device = problem.latents.device.type
    if device not in info.devices:
        raise ValueError(f"latents are on {device}, backend {backend!r} computes on: {', '.join(info.devices)}")
    run = info.load()
    parameters = inspect.signature(run).parameters.values()
    known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in ("tol", "max_iter")]
    for name in options:
        if name not in known:
            raise TypeError(
                f"{name!r} is no option of backend {backend!r}, which takes: {', '.join(known) or 'none'}"
                f"{did_you_mean(name, known)}"
            )
    return info, run


def _differentiable_once(instance: Instance, info: BackendInfo) -> Instance:
    message = f"the derivative that backend {info.name!r} has of its own has none; that of gradient='implicit' has"
    latents, codebook, lam = once(message, instance.latents, instance.codebook, instance.lam)
    instance = replace(instance, latents=latents, codebook=codebook, lam=lam)
    return replace(instance, anchor=once(message, instance.anchor)[0]) if instance.anchor.dim() == 2 else instance


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _compute_dtype(info: BackendInfo, dtype: torch.dtype) -> torch.dtype:
    wide = torch.promote_types(dtype, torch.float32)
    return wide if _name(wide) in info.dtypes else torch.float64


def _history(problem: Problem, result: Result) -> Residuals | None:
    if result.history is None:
        return None
    steps = [kkt_residuals(problem, weights) for weights in result.history]
    return Residuals(**{f.name: torch.stack([getattr(step, f.name) for step in steps]) for f in fields(Residuals)})
