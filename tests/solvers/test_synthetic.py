"""Problems from a seed."""

import torch

from scq.solvers import synthetic


def test_latents_made_a_few_at_a_time_are_those_made_at_once(monkeypatch) -> None:
    latents, codebook = synthetic.hull(50, 3, 20, seed=4)
    monkeypatch.setattr(synthetic, "_WEIGHTS_AT_ONCE", 7 * 20)
    again, same = synthetic.hull(50, 3, 20, seed=4)
    torch.testing.assert_close(again, latents, rtol=0, atol=1e-15)
    assert torch.equal(same, codebook)
