"""On a GPU: what no pretend device knows. `make gpu` runs these, and everything else that is skipped without one."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from mixed_precision import scaled_steps
from torch import Tensor, nn

from scq import SoftConvexQuantizer, quantizers, solvers
from scq.solvers.deferred import of_step, settle
from scq.solvers.synthetic import hull

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")]

TWO_ON_A_CARD = Path(__file__).parent / "helpers" / "two_on_a_card.py"
CUDA = torch.device("cuda", 0)


@contextmanager
def no_waits() -> Iterator[None]:
    """Everything that makes the host wait for the device is an error."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("entry", quantizers.entries(), ids=lambda entry: entry.name)
def test_a_training_step_waits_for_nothing(entry: quantizers.QuantizerInfo, masked: bool) -> None:
    layer = entry.make(15, 4).to(CUDA)
    x = torch.randn(2, 30, 4, device=CUDA, requires_grad=True)
    mask = torch.arange(60, device=CUDA).reshape(2, 30) % 7 > 0 if masked else None
    parameters = [*layer.parameters(), x]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, foreach=True)

    def step() -> None:
        optimizer.zero_grad()
        output = layer(x, mask)
        (output.quantized.square().sum() + output.loss).backward()
        optimizer.step()

    # Kernels are compiled, and libraries loaded, in the first ones.
    for _ in range(2):
        step()
    with no_waits():
        for _ in range(3):
            step()


def test_an_evaluation_waits_for_nothing() -> None:
    layer = SoftConvexQuantizer(15, 4).to(CUDA).eval()
    x = torch.randn(64, 4, device=CUDA)
    with torch.no_grad():
        layer(x)
        with no_waits():
            layer(x)


def test_a_codebook_that_is_not_finite_is_an_error_that_names_its_step() -> None:
    latents, codebook = (x.to(CUDA) for x in hull(64, 4, 15, torch.float32))
    broken = codebook.clone()
    broken[3, 1] = torch.nan
    with of_step(7):
        solution = solvers.solve(solvers.Problem(latents, broken), throw=False)
    assert not torch.isfinite(solution.reconstruction).any()
    with pytest.raises(ValueError, match="step 7: codebook has NaN or infinity in codeword 3"):
        settle(CUDA, wait=True)
    with pytest.raises(ValueError, match="codebook has NaN or infinity in codeword 3"):
        solvers.solve(solvers.Problem(latents, broken))
    assert solvers.solve(solvers.Problem(latents, codebook)).converged.all()


@pytest.mark.parametrize("name", ["scq", "scq_relaxed", "vq"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_reaches_the_model_and_not_the_codes(name: str, dtype: torch.dtype) -> None:
    layer, encoder = quantizers.get(name).make(15, 4).to(CUDA), nn.Linear(6, 4).to(CUDA)
    x = torch.randn(64, 6, device=CUDA)
    with torch.autocast("cuda", dtype):
        latents = encoder(x)
        output = layer(latents)
        loss = output.quantized.float().square().mean() + output.loss
    loss.backward()
    assert latents.dtype == output.quantized.dtype == dtype
    assert output.loss.dtype == torch.float32
    assert all(torch.isfinite(p.grad).all() for p in [*layer.parameters(), *encoder.parameters()])
    alone = layer(latents.detach().float())
    assert torch.equal(alone.indices, output.indices)
    torch.testing.assert_close(alone.loss, output.loss)


@pytest.mark.parametrize("name", ["scq", "scq_relaxed", "vq"])
def test_a_scaler_skips_a_step_whose_gradients_overflow_and_goes_on(name: str) -> None:
    check_scaled_steps(scaled_steps(name, CUDA), scaled_steps(name, torch.device("cpu")))


def check_scaled_steps(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert torch.equal(found["before"].cpu(), found["skipped"].cpu())
    assert not torch.equal(found["skipped"].cpu(), found["after"].cpu())
    for name, value in expected.items():
        torch.testing.assert_close(found[name].cpu(), value, atol=1e-4, rtol=1e-4, msg=name)


def test_two_processes_on_one_card_train_as_one() -> None:
    """By NCCL, or gloo where NCCL refuses two processes on a card."""
    result = subprocess.run([sys.executable, TWO_ON_A_CARD, "cuda"], capture_output=True, text=True, timeout=110)
    assert result.returncode == 0, result.stderr
    assert "as one" in result.stdout
