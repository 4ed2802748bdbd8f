"""The shared KKT solve on supports, against dense linear algebra."""

import pytest
import torch

from scq.solvers.support import Support, solve_on_support


@pytest.mark.parametrize(("S", "F"), [(3, 8), (8, 8), (12, 3)], ids=["small", "square", "woodbury"])
@pytest.mark.parametrize("lam", [10.0, 0.1, 1e-6])
@pytest.mark.parametrize("total", [0.0, 1.0])
def test_the_bordered_system_is_solved(S: int, F: int, lam: float, total: float) -> None:
    codewords = torch.randn(5, S, F, dtype=torch.float64)
    valid = torch.rand(5, S) > 0.3
    valid[:, 0] = True
    codewords, rhs = codewords * valid[..., None], torch.randn(5, S, dtype=torch.float64) * valid
    u = solve_on_support(codewords, valid, torch.tensor(lam, dtype=torch.float64), rhs, total)
    assert (u[~valid] == 0).all()
    for n in range(5):
        C = codewords[n][valid[n]]
        k = C.shape[0]
        bordered = torch.ones(k + 1, k + 1, dtype=torch.float64)
        bordered[:k, :k] = C @ C.T + lam * torch.eye(k, dtype=torch.float64)
        bordered[k, k] = 0.0
        expected = torch.linalg.solve(bordered, torch.cat([rhs[n][valid[n]], rhs.new_tensor([total])]))[:k]
        torch.testing.assert_close(u[n][valid[n]], expected, rtol=1e-6, atol=1e-7 / lam**0.5)


def test_compact_and_dense_forms_agree() -> None:
    mask = torch.rand(6, 9) > 0.5
    mask[2] = False
    dense = torch.randn(6, 9) * mask
    support = Support.of(mask)
    torch.testing.assert_close(support.scatter(support.gather(dense), 9), dense)
    assert support.valid.sum(1).tolist() == mask.sum(1).tolist()


def test_an_indefinite_column_becomes_nan_and_leaves_the_others() -> None:
    codewords = torch.zeros(2, 2, 3, dtype=torch.float64)
    codewords[0, 0, 0] = torch.nan
    valid = torch.ones(2, 2, dtype=torch.bool)
    u = solve_on_support(codewords, valid, torch.tensor(0.1, dtype=torch.float64), torch.ones(2, 2).double(), 1.0)
    assert u[0].isnan().any()
    torch.testing.assert_close(u[1], torch.full((2,), 0.5, dtype=torch.float64))
