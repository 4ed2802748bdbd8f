"""Every wrong argument of a problem is refused at once, by name."""

import pytest
import torch
from problems import simplex

from scq.solvers import Problem
from scq.solvers.synthetic import hull

Z, C = hull(4, 3, 7)
OFF = simplex(4, 7) * 1.1
NAN = torch.full((4, 7), torch.nan, dtype=torch.float64)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (([[0.0]], C), TypeError, ["latents", "list", "torch.Tensor"]),
        ((Z.long(), C), TypeError, ["latents", "int64", "float32"]),
        ((Z[0], C), ValueError, ["latents", "(3,)", "(N, F)"]),
        ((Z[:, :0], C[:, :0]), ValueError, ["latents", "F >= 1"]),
        ((Z, C.numpy()), TypeError, ["codebook", "ndarray"]),
        ((Z, C.float()), TypeError, ["codebook", "float32", "float64"]),
        ((Z, C[:, :2]), ValueError, ["codebook", "(7, 2)", "(K, 3)"]),
        ((Z, C[:0]), ValueError, ["codebook", "0 codewords", "at least 1"]),
        ((Z, torch.where(C == C[2, 1], torch.nan, C)), ValueError, ["codebook", "NaN", "codeword 2", "finite"]),
        ((Z, C, 0.0), ValueError, ["lam", "0.0", "> 0"]),
        ((Z, C, -1), ValueError, ["lam", "-1", "> 0"]),
        ((Z, C, float("inf")), ValueError, ["lam", "inf", "finite"]),
        ((Z, C, float("nan")), ValueError, ["lam", "nan"]),
        ((Z, C, "0.1"), TypeError, ["lam", "str", "number"]),
        ((Z, C, torch.tensor([0.1])), ValueError, ["lam", "(1,)", "0-dimensional"]),
        ((Z, C, 0.1, 3), TypeError, ["anchor", "int", "tensor"]),
        ((Z, C, 0.1, torch.tensor([0, 1, 2])), ValueError, ["anchor", "(3,)", "(4,)"]),
        ((Z, C, 0.1, torch.tensor([0, 1, 2, 7])), ValueError, ["anchor", "7", "0 to 6"]),
        ((Z, C, 0.1, torch.tensor([0, 1, 2, -1])), ValueError, ["anchor", "-1", "0 to 6"]),
        ((Z, C, 0.1, torch.zeros(4, 6, dtype=torch.float64)), ValueError, ["anchor", "(4, 6)", "(4, 7)"]),
        ((Z, C, 0.1, simplex(4, 7).float()), TypeError, ["anchor", "float32", "float64"]),
        ((Z, C, 0.1, OFF), ValueError, ["anchor", "row 0", "0.1", "sum to 1"]),
        ((Z, C, 0.1, NAN), ValueError, ["anchor", "row 0", "nan"]),
        ((Z, C, 0.1, torch.zeros(4, dtype=torch.bool)), TypeError, ["anchor", "bool", "integers"]),
    ],
)
def test_a_wrong_argument_is_named_with_what_it_was_and_must_be(arguments: tuple, error: type, words: list) -> None:
    with pytest.raises(error) as caught:
        Problem(*arguments)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_default_anchor_is_the_nearest_codeword(dtype: torch.dtype, device: torch.device) -> None:
    latents, codebook = hull(200, 5, 40, dtype, device)
    distances = torch.cdist(latents.double(), codebook.double())
    chosen = distances.gather(1, Problem(latents, codebook).anchor[:, None]).squeeze(1)
    torch.testing.assert_close(chosen, distances.amin(1), atol=1e-6, rtol=0)


def test_the_nearest_codeword_is_right_far_from_the_origin() -> None:
    latents, codebook = hull(200, 5, 40)
    far = Problem((latents + 100).float(), (codebook + 100).float())
    assert (far.anchor == Problem(latents, codebook).anchor).double().mean() > 0.99


def test_lam_may_be_a_tensor_and_says_so_in_the_repr() -> None:
    problem = Problem(Z, C, torch.tensor(0.25), torch.tensor([0, 1, 2, 3]))
    assert repr(problem) == "Problem(N=4, F=3, K=7, lam=0.25, anchor=codewords, torch.float64)"
    assert problem.dense_anchor().argmax(1).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_an_anchor_that_is_a_softmax_in_half_precision_lies_on_the_simplex(dtype: torch.dtype) -> None:
    latents, codebook = hull(500, 5, 40, dtype)
    anchor = torch.randn(500, 40).to(dtype).softmax(1)
    assert (anchor.double().sum(1) - 1).abs().max() > 1e-4
    assert Problem(latents, codebook, 0.1, anchor).anchor is anchor
