"""Whether two runs did the same."""

import pytest
import torch

from scq.training.run import Run


def without_times(history):
    return [{name: value for name, value in line.items() if not name.startswith("time/")} for line in history]


def assert_same(result, uninterrupted):
    state = uninterrupted.model.state_dict()
    for name, value in result.model.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert without_times(result.history) == without_times(uninterrupted.history)
    assert Run(result.folder).log() == result.history
    assert result.test == pytest.approx(uninterrupted.test, nan_ok=True, rel=0, abs=0)
