"""Moreau's options, and its limit of iterations where its default is too low."""

import pytest
import torch
from conformance import draw

from scq import solvers
from scq.solvers.errors import OptionError

pytest.importorskip("moreau", reason="moreau is not installed")

CPU = torch.device("cpu")


def test_more_iterations_than_its_default_of_200_are_permitted() -> None:
    generator = torch.Generator().manual_seed(0)
    latents, codebook = (torch.randn(n, 16, dtype=torch.float64, generator=generator) for n in (2, 260))
    solution = solvers.solve(solvers.Problem(latents, codebook), "moreau")
    assert solution.iterations.max() > 200
    assert solution.residuals.relative.max() <= 1e-9


def test_its_iteration_limit_counts_as_not_converged() -> None:
    solution = solvers.solve(draw(6, 4, 12).problem(CPU), "moreau", max_iter=2, throw=False)
    assert (solution.status == solvers.Status.MAX_ITER).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tolerance": 1e-6}, r"settings has 'tolerance', Moreau knows: primal_tol"),
        ({"primal_tol": -1.0}, r"settings is {'primal_tol': -1.0}, refused by Moreau"),
    ],
)
def test_settings_that_it_does_not_take_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        solvers.solve(draw(2, 3, 4).problem(CPU), "moreau", settings=settings)
