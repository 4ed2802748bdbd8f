"""What is written besides checkpoints when the disk is full: the message is that of the step, whoever finds out."""

import errno
from pathlib import Path

import pytest
import torch
from accelerate.tracking import GeneralTracker

from scq.cli import mistakes
from scq.quantizers import SoftConvexQuantizer
from scq.quantizers.calls import recorded
from scq.training.dumps import dump
from scq.training.log import MetricLog
from scq.training.run import Run


class FullDisk(GeneralTracker):
    """A tracker that cannot write, and cannot be closed for the same reason, as TensorBoard's."""

    name, requires_logging_directory, tracker = "full", False, None

    def store_init_configuration(self, values):
        """Nowhere."""

    def log(self, values, step=None):
        raise OSError(errno.ENOSPC, "No space left on device")

    def finish(self):
        raise OSError(errno.ENOSPC, "cannot be closed")


def test_a_tracker_that_cannot_be_closed_does_not_hide_at_which_step_the_disk_was_full(tmp_path):
    place = tmp_path / "my runs"
    place.mkdir()
    with pytest.raises(OSError, match="step 3") as caught, MetricLog(place, [FullDisk()]) as log, Run(place).writing(3):
        log.write(3, {"train/loss": 1.0})
    assert mistakes.is_mistake(caught.value)
    assert mistakes.one_line(caught.value) == (
        f"step 3 could not be written to '{place}': No space left on device; saved up to step 0; to go on from there: "
        f"scq train --resume '{place}'"
    )


def test_a_tracker_that_cannot_be_closed_is_reported_when_nothing_else_is(tmp_path):
    with pytest.raises(OSError, match="cannot be closed"), MetricLog(tmp_path, [FullDisk()]):
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_dump_that_does_not_fit_is_an_error_of_the_disk(tmp_path):
    problems = tmp_path / "problems"
    problems.mkdir()
    (problems / ".step-000003.safetensors.partial").symlink_to("/dev/full")
    layer = SoftConvexQuantizer(8, 4)
    with recorded(layer) as calls:
        layer(torch.randn(5, 4))
    with (
        pytest.raises(OSError, match=r"step 3 could not be written .* No space left on device"),
        Run(tmp_path).writing(3),
    ):
        dump(tmp_path, 3, *calls)
