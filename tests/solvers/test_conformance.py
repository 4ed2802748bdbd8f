"""Every check on every registered backend: an entry in the registry inherits them all.

The checks stand in tests/helpers/checks_*.py. One that a backend fails must be named in its entry's ``limits``, with
the reason; it is then expected to fail, and a limit that is no longer true fails here.
"""

import importlib

import pytest
import torch
from conformance import CHECKS, draw
from oracles import enumerate_supports, least_distance

from scq import solvers

MODULES = ("checks_solutions", "checks_gradients", "checks_inputs")
pytest.register_assert_rewrite(*MODULES)
for module in MODULES:
    importlib.import_module(module)

CASES = [
    pytest.param(
        name,
        info,
        id=f"{name}-{info.name}",
        marks=[] if info.available else pytest.mark.skip(reason=str(info.why_not)),
    )
    for info in solvers.backends()
    for name, check in CHECKS.items()
    if check.applies(info)
]


@pytest.mark.parametrize(("name", "info"), CASES)
def test_check(name: str, info: solvers.BackendInfo, device: torch.device, request: pytest.FixtureRequest) -> None:
    if device.type not in info.devices:
        with pytest.raises(ValueError, match="computes on"):
            solvers.solve(draw(2, 3, 4).problem(device), info.name)
        return
    if name in info.limits:
        request.applymarker(pytest.mark.xfail(reason=info.limits[name], strict=True))
    CHECKS[name].run(info, device)


@pytest.mark.parametrize("info", solvers.backends(), ids=lambda info: info.name)
def test_limits_name_checks_that_apply(info: solvers.BackendInfo) -> None:
    assert not [name for name in info.limits if name not in CHECKS or not CHECKS[name].applies(info)]
    assert all(len(reason) > 20 for reason in info.limits.values())


@pytest.mark.parametrize(("F", "lam", "dense"), [(2, 0.01, False), (3, 0.1, True), (6, 1.0, False)])
def test_the_two_oracles_agree(F: int, lam: float, dense: bool) -> None:
    case = draw(8, F, 7, lam, dense)
    arguments = case.z, case.C, case.lam, case.a
    assert abs(enumerate_supports(*arguments) - least_distance(*arguments)).max() < 1e-11
