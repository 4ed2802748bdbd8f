import pytest
import torch

from scq.validation.common.measuring.memory import PeakMemory


@pytest.mark.parametrize("sampled", [None, True])
def test_peak_counts_what_was_given_back_before_the_end(sampled: bool | None) -> None:
    megabytes = 160
    with PeakMemory(sampled) as memory:
        block = torch.ones(megabytes * 2**18)
        for _ in range(20):  # long enough for the sampling thread to look
            block.mul_(1.0)
        del block
    assert memory.grown / 2**20 == pytest.approx(megabytes, rel=0.15)


def test_earlier_peaks_do_not_count() -> None:
    block = torch.ones(2**26)
    del block
    with PeakMemory() as memory:
        pass
    assert memory.grown < 20 * 2**20
