"""What is particular to each peer: its options arrive, what it prints or warns of becomes a status, its pitfalls are
avoided. What all backends share is in test_conformance.py."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from problems import simplex

from scq import solvers
from scq.solvers import Problem, Status
from scq.solvers.errors import OptionError
from scq.solvers.registry import get
from scq.solvers.synthetic import hull

PEERS = ("cvxpylayers", "qpth", "daqp", "clarabel")


@pytest.fixture(autouse=True)
def _installed(request: pytest.FixtureRequest) -> None:
    for name in PEERS:
        if name in request.node.name and not get(name).available:
            pytest.skip(str(get(name).why_not))


def derivatives(latents: torch.Tensor, codebook: torch.Tensor, backend: str, **options: object) -> list[torch.Tensor]:
    """dL/dlatents, dL/dcodebook and dL/dlam of a fixed linear function of the weights."""
    inputs = [latents.clone(), codebook.clone(), torch.tensor(0.1, dtype=torch.float64)]
    inputs = [x.requires_grad_() for x in inputs]
    weights = solvers.solve(Problem(*inputs), backend, **options).weights
    factors = torch.randn(weights.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return list(torch.autograd.grad((weights * factors).sum(), inputs))


def error(found: list[torch.Tensor], expected: list[torch.Tensor]) -> float:
    return max(float((x - y).norm() / y.norm()) for x, y in zip(found, expected, strict=True))


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("backend", PEERS)
def test_anchors_of_either_kind_arrive(backend: str, dense: bool) -> None:
    latents, codebook = hull(4, 4, 10)
    anchor = simplex(4, 10) if dense else torch.tensor([7, 0, 9, 3])
    problem = Problem(latents, codebook, 0.5, anchor)
    expected = solvers.solve(problem).weights
    assert (solvers.solve(problem, backend).weights - expected).abs().max() < 1e-7


@pytest.mark.parametrize(("backend", "expected"), [("qpth", 1e-3), ("cvxpylayers", 1e-6)])
def test_native_gradients_agree_with_the_implicit_one(backend: str, expected: float) -> None:
    """qpth's are worse than its weights: it bounds slacks and multipliers from below by 1e-8."""
    latents, codebook = hull(6, 4, 10)
    reference = derivatives(latents, codebook, "interior_point")
    assert error(derivatives(latents, codebook, backend, gradient="native"), reference) < expected
    assert error(derivatives(latents, codebook, backend, gradient="implicit"), reference) < 1e-6


@pytest.mark.parametrize("backend", ["qpth", "cvxpylayers"])
def test_chunks_change_neither_weights_nor_gradients(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    latents, codebook = hull(5, 3, 8)
    whole = derivatives(latents, codebook, backend)
    weights = solvers.solve(Problem(latents, codebook), backend).weights
    monkeypatch.setattr(f"scq.solvers.methods.{backend}._CHUNK_ELEMENTS", 2 * 8 * (8 if backend == "qpth" else 3))
    assert (solvers.solve(Problem(latents, codebook), backend).weights - weights).abs().max() < 1e-8
    assert error(derivatives(latents, codebook, backend), whole) < 1e-5


@pytest.mark.parametrize("backend", PEERS)
def test_a_small_max_iter_is_reported_as_such(backend: str) -> None:
    latents, codebook = hull(3, 4, 12)
    solution = solvers.solve(Problem(latents, codebook), backend, max_iter=2, throw=False)
    assert (solution.status == Status.MAX_ITER).all()
    assert torch.equal(solution.weights.argmax(1), torch.cdist(latents, codebook).argmin(1))


@pytest.mark.parametrize("backend", ["qpth", "daqp", "clarabel"])
def test_iterations_are_counted(backend: str) -> None:
    latents, codebook = hull(3, 4, 12)
    iterations = solvers.solve(Problem(latents, codebook), backend).iterations
    assert (iterations >= 3).all()


def test_a_looser_tol_saves_clarabel_iterations() -> None:
    problem = Problem(*hull(3, 4, 12))
    loose, tight = (solvers.solve(problem, "clarabel", tol=tol).iterations for tol in (1e-3, 1e-9))
    assert (loose < tight).all()


@pytest.mark.parametrize("backend", PEERS)
def test_no_print_and_no_warning_reaches_the_user(backend: str, capfd: pytest.CaptureFixture[str]) -> None:
    latents, codebook = hull(3, 4, 12)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        derivatives(latents, codebook, backend)
        solvers.solve(Problem(latents, codebook), backend, max_iter=2, throw=False)
    assert not caught
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("backend", "options", "message"),
    [
        ("cvxpylayers", {"mode": "sparse"}, "'sparse', must be one of: dense, lsqr"),
        ("cvxpylayers", {"eps": 0.0}, "eps is 0.0"),
        ("cvxpylayers", {"solver_args": {"no_such": 1}}, "no_such"),
        ("qpth", {"eps": -1.0}, "eps is -1.0"),
        ("qpth", {"not_improved_limit": 0}, "not_improved_limit is 0"),
        ("daqp", {"settings": {"no_such": 1}}, "no_such.*primal_tol"),
        ("daqp", {"settings": {"primal_tol": "small"}}, "'small', must be a number"),
        ("clarabel", {"settings": {"no_such": 1}}, "no_such.*tol_feas"),
        ("clarabel", {"settings": {"max_iter": "many"}}, "'many'"),
    ],
)
def test_a_wrong_option_is_refused(backend: str, options: dict, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        solvers.solve(Problem(*hull(2, 3, 5)), backend, **options)


@pytest.mark.parametrize(
    ("backend", "options"),
    [("daqp", {"settings": {"iter_limit": 2}}), ("clarabel", {"settings": {"max_iter": 2}})],
)
def test_settings_replace_ours(backend: str, options: dict) -> None:
    solution = solvers.solve(Problem(*hull(3, 4, 12)), backend, throw=False, max_iter=100, **options)
    assert (solution.status == Status.MAX_ITER).all()


def test_cvxpylayers_own_defaults_are_in_reach() -> None:
    """Loose weights and, with LSQR on top of them, gradients that are off by per cents."""
    latents, codebook = hull(6, 8, 24)
    solution = solvers.solve(Problem(latents, codebook), "cvxpylayers", tol=1.0, solver_args={})
    assert solution.residuals.relative.max() > 1e-7
    reference = derivatives(latents, codebook, "interior_point")
    assert error(derivatives(latents, codebook, "cvxpylayers"), reference) < 1e-6
    assert error(derivatives(latents, codebook, "cvxpylayers", tol=1.0, solver_args={}), reference) > 1e-3


@pytest.mark.parametrize("options", [{"mode": "lsqr"}, {"mode": "lsmr"}, {"solver_args": {"solve_method": "Clarabel"}}])
def test_cvxpylayers_takes_its_other_modes(options: dict) -> None:
    found = derivatives(*hull(2, 3, 6), "cvxpylayers", tol=1e-3, **options)
    assert error(found, derivatives(*hull(2, 3, 6), "interior_point")) < 0.1


def test_a_column_that_cvxpylayers_raises_for_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does the thread pool that the peer leaves behind complain later, which would fail some other test."""
    program = pytest.importorskip("diffcp.cone_program")
    solve_internal, seen, bad = program.solve_internal, [], []

    def raising(A: object, b: np.ndarray, *rest: object, **options: object) -> dict:
        seen.append(b.copy())
        if any(np.array_equal(b, x) for x in bad):
            raise program.SolverError("Solver scs returned status infeasible")
        return solve_internal(A, b, *rest, **options)

    monkeypatch.setattr(program, "solve_internal", raising)
    latents, codebook = hull(4, 3, 6)
    expected = solvers.solve(Problem(latents, codebook), "cvxpylayers").weights
    solvers.solve(Problem(latents[2:3], codebook), "cvxpylayers")
    bad.append(seen[-1])
    latents.requires_grad_()
    solution = solvers.solve(Problem(latents, codebook), "cvxpylayers", throw=False)
    assert solution.status.tolist() == [Status.SOLVED, Status.SOLVED, Status.FAILED, Status.SOLVED]
    assert "infeasible" in solution.errors[2]
    others = [0, 1, 3]
    assert (solution.weights[others] - expected[others]).abs().max() < 1e-12
    solution.weights[:, 0].sum().backward()
    assert torch.equal(latents.grad.abs().sum(1) > 0, torch.tensor([True, True, False, True]))


def test_cvxpylayers_builds_a_layer_once_a_shape() -> None:
    from scq.solvers.methods.cvxpylayers import _layer

    solvers.solve(Problem(*hull(2, 3, 6)), "cvxpylayers")
    built = _layer.cache_info().misses
    solvers.solve(Problem(*hull(4, 3, 6, seed=1)), "cvxpylayers")
    assert _layer.cache_info().misses == built


def _printing(text: str) -> Callable:
    def make(**settings: object) -> Callable:
        def layer(Q: torch.Tensor, linear: torch.Tensor, *constraints: torch.Tensor) -> torch.Tensor:
            print(text)
            exact = solvers.solve(Problem(*hull(3, 4, 12))).weights
            return torch.cat([exact[:2], torch.full_like(exact[:1], 1 / 12)])[: len(linear)]

        return layer

    return make


@pytest.mark.parametrize(
    ("text", "expected"), [("qpth warning: Returning", Status.MAX_ITER), ("iter: 0", Status.INACCURATE)]
)
def test_what_qpth_prints_counts_for_the_columns_that_the_certificate_does_not_clear(
    text: str, expected: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scq.solvers.methods.qpth.QPFunction", _printing(text))
    solution = solvers.solve(Problem(*hull(3, 4, 12)), "qpth", throw=False)
    assert solution.status.tolist() == [Status.SOLVED, Status.SOLVED, expected]


def test_a_column_that_qpth_returns_as_nan_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(**settings: object) -> Callable:
        def layer(Q: torch.Tensor, linear: torch.Tensor, *constraints: torch.Tensor) -> torch.Tensor:
            exact = solvers.solve(Problem(*hull(3, 4, 12))).weights
            return torch.cat([exact[:2], torch.full_like(exact[:1], torch.nan)])[: len(linear)]

        return layer

    monkeypatch.setattr("scq.solvers.methods.qpth.QPFunction", make)
    solution = solvers.solve(Problem(*hull(3, 4, 12)), "qpth", throw=False)
    assert solution.status.tolist() == [Status.SOLVED, Status.SOLVED, Status.FAILED]


@pytest.mark.parametrize("backend", ["daqp", "clarabel"])
def test_a_column_does_not_depend_on_those_before_it(backend: str) -> None:
    latents, codebook = hull(6, 4, 20)
    forwards = solvers.solve(Problem(latents, codebook), backend).weights
    backwards = solvers.solve(Problem(latents.flip(0), codebook), backend).weights
    # Equal up to the matrix product that makes the linear terms, never up to tol.
    assert (forwards - backwards.flip(0)).abs().max() < 1e-13


def test_daqp_says_which_codewords_are_active() -> None:
    weights = solvers.solve(Problem(*hull(6, 4, 20)), "daqp").weights
    exact = solvers.solve(Problem(*hull(6, 4, 20))).weights
    assert torch.equal(weights > 0, exact > 0)
    assert (weights[exact == 0] == 0).all()
