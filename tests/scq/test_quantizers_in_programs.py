"""What programs do with a layer and its output: change it in place, freeze it, trace it, feed it what is broken."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import scq
from scq.quantizers.regularizers import Quantized, Regularizer

NAMES = ["vq", "vq_ema", "rotation", "simvq", "fsq", "gumbel", "smoothed_knn_l2", "scq", "scq_relaxed", "scq_annealed"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_the_output_may_be_changed_in_place(name: str, dtype: torch.dtype) -> None:
    layer = scq.quantizer(name, 16, 4, channel_dim=1).to(dtype).eval()
    a = torch.randn(2, 4, 3, 3, dtype=dtype).requires_grad_()
    b = a.detach().clone().requires_grad_()
    torch.relu(layer(a).quantized + 1).square().sum().backward()
    quantized = layer(b).quantized
    quantized += 1
    torch.relu_(quantized).square().sum().backward()
    torch.testing.assert_close(b.grad, a.grad)


@pytest.mark.parametrize("set_to_none", [False, True])
@pytest.mark.parametrize("name", ["vq", "simvq", "scq", "scq_annealed"])
def test_a_frozen_codebook_is_moved_by_no_optimiser(name: str, set_to_none: bool) -> None:
    """Neither by momentum nor by weight decay, which act on whatever has a gradient, if only one of zeros."""
    layer = scq.quantizer(name, 16, 4)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad(set_to_none=set_to_none)
        layer(torch.randn(32, 4)).loss.backward()
        optimizer.step()
    layer.freeze()
    before = layer.codebook.detach().clone()
    for _ in range(3):
        layer(torch.randn(32, 4, requires_grad=True)).loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=set_to_none)
    assert torch.equal(layer.codebook, before)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", NAMES)
def test_a_latent_that_is_not_finite_has_an_index_all_the_same(name: str, bad: float) -> None:
    """One out of range ends the process on a GPU."""
    layer = scq.quantizer(name, 64, 4)
    x = torch.randn(8, 4)
    clean = layer.eval()(x).indices
    x[3] = bad
    indices = layer.train()(x.requires_grad_()).indices
    assert 0 <= indices.min() and indices.max() < layer.codebook_size
    assert layer.decode(indices).shape == x.shape
    if name != "gumbel":  # draws noise
        others = torch.arange(8) != 3
        assert torch.equal(indices[others], clean[others])


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace.*:DeprecationWarning")
def test_a_trace_is_refused_and_export_named() -> None:
    class Codes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = scq.SoftConvexQuantizer(16, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x).quantized

    with pytest.raises(RuntimeError, match=r"torch\.export"):
        torch.jit.trace(Codes().eval(), torch.randn(3, 4), check_trace=False)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("x", [np.zeros((3, 4), dtype=np.float32), [[0.0] * 4], None, torch.zeros(3, 4, dtype=int)])
def test_what_is_no_floating_point_tensor_is_refused_by_name(name: str, x: Any) -> None:
    with pytest.raises(TypeError, match="x is .*, must be a floating-point tensor"):
        scq.quantizer(name, 16, 4)(x)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("name", ["vq", "scq", "fsq"])
@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda layer: layer(torch.zeros(3, 4), [True, False, True]), "mask is list, must be torch.bool"),
        (lambda layer: layer(torch.zeros(3, 4), torch.ones(3)), "mask is torch.float32, must be torch.bool"),
        (lambda layer: layer.decode([1, 2]), "indices is list, must be a tensor of torch.int64"),
        (lambda layer: layer.decode(torch.ones(2)), "indices is torch.float32, must be a tensor of torch.int64"),
        (lambda layer: layer.combine(np.ones((2, 16))), "weights is ndarray, must be a floating-point tensor"),
    ],
)
def test_other_arguments_are_refused_by_name_too(name: str, call: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        call(scq.quantizer(name, 64, 4))


def test_a_users_regularizer_needs_no_name() -> None:
    class Spread(Regularizer):
        def __call__(self, quantized: Quantized) -> torch.Tensor:
            return quantized.latents.var()

    term = Spread(0.5)
    assert term.name == "Spread"
    x = torch.randn(20, 4)
    plain, more = (scq.SoftConvexQuantizer(8, 4, regularizers=terms) for terms in ([], [term]))
    more.load_state_dict(plain.state_dict())
    torch.testing.assert_close(more(x).loss - plain(x).loss, 0.5 * x.var())
