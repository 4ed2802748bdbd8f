"""ProxQP beside ProxSuite's own torch layer, whose derivative the backend's native gradient claims to be."""

import pytest
import torch
from conformance import draw

from scq import solvers
from scq.solvers.errors import OptionError

pytest.importorskip("proxsuite", reason="proxsuite is not installed")

CASE = draw(6, 4, 12)


def gradients(weights: torch.Tensor, leaves: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    factors = torch.linspace(-1, 1, weights.numel(), dtype=torch.float64).view_as(weights)
    return torch.autograd.grad((weights * factors).sum(), leaves)


# The layer writes tensors into arrays, which torch before 2.7 does in a way that NumPy 2 is about to drop.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_weights_and_native_gradient_are_those_of_the_layer() -> None:
    from proxsuite.torch.qplayer import QPFunction

    tensors = CASE.tensors(torch.device("cpu"))
    leaves = [tensors["latents"], tensors["codebook"]]
    ours = solvers.solve(solvers.Problem(**tensors), "proxqp", gradient="native").weights

    z, C = leaves
    K = C.shape[0]
    eye, one = torch.eye(K, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    linear = -(z @ C.T + CASE.lam * eye[tensors["anchor"]])
    upper = torch.full((K,), 1e20, dtype=torch.float64)
    layer = QPFunction(eps=1e-12, eps_backward=1e-9, rho_backward=1e-8, mu_backward=1e-8)
    theirs, *_ = layer(C @ C.T + CASE.lam * eye, linear, one.expand(1, K), one, eye, 0 * upper, upper)

    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)
    # The layer returns its derivatives in float32.
    torch.testing.assert_close(gradients(ours, leaves), gradients(theirs, leaves), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("option", ["eps", "eps_backward", "proximal_backward"])
def test_accuracies_that_are_not_positive_are_refused(option: str) -> None:
    with pytest.raises(OptionError, match=f"{option} is 0.0, must be > 0"):
        solvers.solve(CASE.problem(torch.device("cpu")), "proxqp", **{option: 0.0})


def test_its_iteration_limit_counts_as_not_converged() -> None:
    solution = solvers.solve(CASE.problem(torch.device("cpu")), "proxqp", max_iter=1, throw=False)
    assert (solution.status == solvers.Status.MAX_ITER).all()
