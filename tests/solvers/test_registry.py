"""The registry: entries as data, listed without importing torch."""

import subprocess
import sys
import types
from dataclasses import FrozenInstanceError, replace

import pytest
import torch

from scq import solvers
from scq.solvers.instance import Instance, Result
from scq.solvers.synthetic import hull

INFO = solvers.BackendInfo(
    name="vertex",
    title="Always the anchor",
    run=lambda problem, *, tol, max_iter=None: vertex(problem),
    accuracy={"float32": 1e-5, "float64": 1e-9},
)


def vertex(problem: Instance) -> Result:
    weights = torch.nn.functional.one_hot(problem.anchor, problem.codebook.shape[0]).to(problem.latents)
    zeros = torch.zeros_like(problem.anchor)
    return Result(weights, zeros, zeros)


@pytest.fixture
def registered():
    yield solvers.register(INFO)
    solvers.unregister(INFO.name)


def test_a_users_backend_is_found_and_its_wrong_answers_are_caught(registered: solvers.BackendInfo) -> None:
    problem = solvers.Problem(*hull(8, 3, 10), 0.1)
    solution = solvers.solve(problem, registered.name, throw=False)
    wrong = (solvers.solve(problem).weights - problem.dense_anchor()).abs().amax(1) > 1e-9
    assert wrong.sum() >= 6
    torch.testing.assert_close(solution.status == solvers.Status.INACCURATE, wrong)
    with pytest.raises(solvers.SolveError, match="of 8 columns.*Inaccurate") as caught:
        solvers.solve(problem, registered.name)
    assert caught.value.solution.weights.shape == (8, 10)
    # Where the anchor is the solution, the same backend is right.
    codebook = hull(1, 3, 10)[1]
    assert solvers.solve(solvers.Problem(codebook[:4].clone(), codebook), registered.name).converged.all()


def test_a_duplicate_name_is_refused(registered: solvers.BackendInfo) -> None:
    with pytest.raises(ValueError, match="'vertex', which is registered already"):
        solvers.register(registered)


@pytest.mark.usefixtures("as_a_user")
def test_something_else_than_an_entry_is_refused() -> None:
    with pytest.raises(TypeError, match="info is a str"):
        solvers.register("qp")


def test_an_unknown_backend_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="backend is 'osqp', must be one of: active_set, interior_point, relaxed"):
        solvers.solve(solvers.Problem(*hull(2, 3, 4)), "osqp")


def test_a_missing_package_is_answered_with_its_install_command() -> None:
    missing = solvers.register(
        replace(INFO, name="missing", package="no_such_package", install="pip install no-such-package")
    )
    try:
        assert not missing.available
        with pytest.raises(solvers.BackendMissingError, match="pip install no-such-package"):
            solvers.solve(solvers.Problem(*hull(2, 3, 4)), "missing")
    finally:
        solvers.unregister("missing")


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    "change", [{"name": "two words"}, {"dtypes": ()}, {"gradient": ("exact",)}, {"accuracy": {"float64": 1e-9}}]
)
def test_an_inconsistent_entry_is_refused(change: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(INFO, **change)


def test_entries_cannot_be_changed_in_place() -> None:
    entry = solvers.backends()[0]
    with pytest.raises(FrozenInstanceError):
        entry.exact = False
    with pytest.raises(TypeError):
        entry.accuracy["float64"] = 1.0


def test_listing_imports_no_torch() -> None:
    program = "import sys, solvers; assert solvers.backends(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_unknown_attributes_are_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'qp'"):
        _ = solvers.qp
    assert set(solvers.__all__) == set(dir(solvers))
    assert all(getattr(solvers, name) is not None for name in solvers.__all__)


def test_no_public_name_is_shadowed_by_a_module_of_the_same_name() -> None:
    solvers.solve(solvers.Problem(*hull(2, 3, 4)))
    for name in solvers.__all__:
        assert not isinstance(getattr(solvers, name), types.ModuleType), name


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(("name", "value"), [("tol", 1e-6), ("max_iter", 7)])
def test_what_a_relaxation_has_no_use_for_is_refused(name, value):
    message = f"{name} is {value}, but applies to exact backends alone \\(backend is 'relaxed'\\)"
    problem = solvers.Problem(torch.zeros(2, 3), torch.eye(4, 3), 0.1)
    with pytest.raises(ValueError, match=message):
        solvers.solve(problem, "relaxed", **{name: value})
    with pytest.raises(ValueError, match="steps is 5, but applies to projection 'alternating' alone"):
        solvers.solve(problem, "relaxed", steps=5, projection="exact")
