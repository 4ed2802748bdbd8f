"""What the conformance checks are made of: their list, the problems they solve, and the error that an entry allows."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import torch
from oracles import enumerate_supports, least_distance, multipliers
from torch import Tensor

from scq import solvers
from scq.solvers import BackendInfo, Problem, Solution, Status


@dataclass(frozen=True)
class Check:
    run: Callable[..., None]
    exact_only: bool
    gradient: str | None

    def applies(self, info: BackendInfo) -> bool:
        """A relaxation owes no exact solution; a backend owes only the gradients that it offers."""
        return (info.exact or not self.exact_only) and (self.gradient is None or self.gradient in info.gradient)


CHECKS: dict[str, Check] = {}
"""Every check by name. A check is a function of the backend's entry and the device."""


def check(exact_only: bool = False, gradients: tuple[str, ...] = ()) -> Callable:
    """Adds a function to CHECKS: under its own name, or once a gradient, with ``implicit_`` or ``native_`` before
    the name and ``kind="implicit"`` or ``"native"`` as an argument."""

    def add(function: Callable) -> Callable:
        for gradient in gradients or (None,):
            name = f"{gradient}_{function.__name__}" if gradient else function.__name__
            assert name not in CHECKS
            CHECKS[name] = Check(partial(function, kind=gradient) if gradient else function, exact_only, gradient)
        return function

    return add


@dataclass(frozen=True)
class Case:
    """A problem in NumPy with its exact weights. ``dense``: hand the anchors over as points of the simplex."""

    z: np.ndarray
    C: np.ndarray
    lam: float
    a: np.ndarray
    dense: bool = False

    def problem(self, device: torch.device, dtype: torch.dtype = torch.float64) -> Problem:
        tensors = self.tensors(device, dtype)
        return Problem(tensors["latents"], tensors["codebook"], self.lam, tensors["anchor"])

    def tensors(self, device: torch.device, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
        """latents, codebook, lam (float64) and anchor, leaves that record gradients."""
        leaves = {"latents": torch.tensor(self.z, dtype=dtype), "codebook": torch.tensor(self.C, dtype=dtype)}
        leaves["lam"] = torch.tensor(self.lam, dtype=torch.float64)
        leaves["anchor"] = torch.tensor(self.a, dtype=dtype) if self.dense else torch.tensor(self.a.argmax(1))
        return {name: x.to(device).requires_grad_(x.is_floating_point()) for name, x in leaves.items()}

    def rounded(self, dtype: torch.dtype) -> "Case":
        """The same with its arrays rounded to ``dtype``."""
        z, C, a = (torch.tensor(x).to(dtype).double().numpy() for x in (self.z, self.C, self.a))
        return replace(self, z=z, C=C, a=a)

    @cached_property
    def exact(self) -> np.ndarray:
        oracle = enumerate_supports if len(self.C) <= 8 else least_distance
        return oracle(self.z, self.C, self.lam, self.a)

    @cached_property
    def margin(self) -> np.ndarray:
        return np.maximum(self.exact, multipliers(self.z, self.C, self.lam, self.a, self.exact)[1]).min(1)

    def allowed(self, tol: float) -> np.ndarray:
        """How far weights may be from the exact ones, (N,), when their relative KKT residual is within ``tol``.

        With eps = tol * scale, the smaller of two bounds. The certificate's: lam ||d||^2 <= gap <= 2 eps, with one eps
        for leaving the simplex. And to first order, with a margin m: complementarity leaves multipliers of eps / m on
        the support and weights of eps / m off it, which the KKT system passes on with 1 / lam and |H| / lam. Twice
        that covers the second order.
        """
        centre = self.C.mean(0)
        C = self.C - centre
        g, _ = multipliers(self.z - centre, C, self.lam, self.a, self.exact)
        eps = tol * np.maximum(1.0, np.abs(g).max(1))
        norm = np.linalg.norm(C @ C.T, 2) + self.lam
        with np.errstate(divide="ignore"):
            first_order = 2 * np.sqrt(len(C)) * eps / self.margin.clip(0.0) * (1 + (1 + norm) / self.lam)
        return np.minimum(np.sqrt(2 * eps / self.lam), first_order)


def draw(N: int, F: int, K: int, lam: float = 0.1, dense: bool = False, seed: int = 0) -> Case:
    """Codewords N(0, 1 / F), latents in and around their hull. Of many columns those with the largest margin and a
    support of two codewords or more: so solutions are differentiable, and a vertex is no answer."""
    random = np.random.default_rng(seed)
    C = random.normal(size=(K, F)) / np.sqrt(F)
    z = random.dirichlet(np.full(K, 0.3), size=20 * N) @ C + 0.1 * random.normal(size=(20 * N, F))
    if dense:
        # Multiples of 1 / 64 sum to 1 in every dtype.
        a = random.multinomial(64, random.dirichlet(np.full(K, 0.3), size=20 * N)) / 64
    else:
        a = np.eye(K)[((z[:, None] - C) ** 2).sum(2).argmin(1)]
    case = Case(z, C, lam, a, dense)
    margin = np.where((case.exact > 0).sum(1) >= 2, case.margin, 0.0)
    keep = np.argsort(-margin)[:N]
    assert margin[keep].min() > 2e-3, "draw another seed"
    return replace(case, z=z[keep], a=a[keep])


def tolerance(info: BackendInfo, dtype: torch.dtype = torch.float64) -> float:
    """The relative KKT residual that the entry promises; rounding for a relaxation, compared with itself only."""
    return info.accuracy.get(str(dtype).removeprefix("torch."), 100 * torch.finfo(dtype).eps)


def gradient_tolerance(info: BackendInfo, dtype: torch.dtype = torch.float64) -> float:
    """A derivative is asked for half the digits of the solution."""
    return tolerance(info, dtype) ** 0.5


def finished(info: BackendInfo) -> Status:
    return Status.SOLVED if info.exact else Status.APPROXIMATE


def solve(info: BackendInfo, problem: Problem, **options: object) -> Solution:
    return solvers.solve(problem, info.name, **options)


def gradients(info: BackendInfo, tensors: dict[str, Tensor], seed: int = 1, **options: object) -> dict[str, Tensor]:
    """dL/dlatents and the rest for L = the sum of weights times fixed random numbers, those of column n its own."""
    leaves = [x for x in tensors.values() if x.requires_grad]
    weights = solve(info, Problem(**tensors), **options).weights
    factors = functional(*weights.shape, seed).to(weights.device, weights.dtype)
    found = torch.autograd.grad((weights * factors).sum(), leaves)
    return dict(zip([name for name, x in tensors.items() if x.requires_grad], found, strict=True))


def functional(N: int, K: int, seed: int = 1) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=(N, K)))


def as_numpy(x: Tensor) -> np.ndarray:
    return x.detach().double().cpu().numpy()


def assert_near(found: Tensor, expected: np.ndarray | Tensor, allowed: float | np.ndarray) -> None:
    """Rows no further apart than ``allowed``, in the 2-norm."""
    expected = as_numpy(expected) if isinstance(expected, Tensor) else expected
    assert found.shape == expected.shape
    distance = np.linalg.norm(as_numpy(found) - expected, axis=-1)
    assert (distance <= allowed).all(), f"distance {distance.max():.3g}, allowed {np.min(allowed):.3g}"


def assert_same_derivative(found: Tensor, expected: np.ndarray | Tensor, share: float) -> None:
    """Every entry within ``share`` of the largest one."""
    expected = as_numpy(expected) if isinstance(expected, Tensor) else expected
    assert found.shape == expected.shape
    largest = max(1.0, np.abs(expected).max(initial=0.0))
    error = np.abs(as_numpy(found) - expected).max(initial=0.0) / largest
    assert error <= share, f"relative error {error:.3g}, allowed {share:.3g}"


def assert_exact(info: BackendInfo, solution: Solution, case: Case, dtype: torch.dtype = torch.float64) -> None:
    """Solved, within the promised residual, as near to the oracle as that promise implies."""
    tol = tolerance(info, dtype)
    assert (solution.status == Status.SOLVED).all(), solution
    worst = float(solution.residuals.relative.max())
    assert worst <= tol, f"relative KKT residual {worst:.3g}, promised {tol:g}"
    assert_near(solution.weights, case.exact, case.allowed(tol))
