"""Two processes train together, then one alone with the same batches: ``two_trainings.py OUT``.

Run as a script; it fails when they do not do the same.
"""

import math
import os
import socket
import sys
from pathlib import Path

import torch
from small_runs import config, few_photos, kept
from torch import distributed, multiprocessing

from scq import data
from scq.data.batching import Batches
from scq.quantizers import entries
from scq.training import evaluate, resume, train
from scq.training.run import Run

# vq from codewords that are no means: of those the gradient is rounding alone, which Adam would blow up.
STARTS = {"scq": "kmeans", "vq": "normal", "vq_ema": "kmeans"}


def one_step(out, quantizer, name):
    return config(out, quantizer=quantizer, init=STARTS[quantizer], steps=1, batch_size=8, name=name)


def recorded(settings):
    """The run, and the gradients of its first step by their place."""
    gradients = []
    step = torch.optim.Adam.step

    def recording(self, *arguments):
        if not gradients:
            gradients.extend(p.grad.clone() for group in self.param_groups for p in group["params"])
        return step(self, *arguments)

    torch.optim.Adam.step = recording
    try:
        result = train(settings, progress=False)
    finally:
        torch.optim.Adam.step = step
    return result, gradients


def work(rank: int, port: int, out: Path) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    distributed.init_process_group("gloo", rank=rank, world_size=2)
    few = few_photos()
    data.load = lambda name, root=None, **settings: few
    for quantizer in STARTS:
        result, gradients = recorded(one_step(out, quantizer, quantizer))
        if rank == 0:
            assert [line["step"] for line in result.history] == [1] and result.test
            torch.save({"gradients": gradients, "model": result.model.state_dict()}, out / f"{quantizer}.pt")
        else:
            assert result.history == [] and result.test == {}
        assert result.folder == out / "runs" / quantizer

    # No parameter is left without a gradient, which DDP would wait for.
    for info in entries():
        train(config(out, quantizer=info.name, steps=2, gap=False, name=f"all-{info.name}"), progress=False)

    # Stopped in step 11, and gone on with.
    settings = kept(out, quantizer="gumbel", batch_size=8)
    whole = train(settings, progress=False)
    following, asked = Batches.__next__, []

    def stopping(self):
        asked.append(None)
        if len(asked) == 12:
            raise RuntimeError("stopped")
        return following(self)

    Batches.__next__ = stopping
    try:
        train(kept(out, quantizer="gumbel", batch_size=8, name="stopped"), progress=False)
    except RuntimeError:
        Batches.__next__ = following
    again = resume(out / "runs" / "stopped", progress=False)
    for name, value in again.model.state_dict().items():
        assert torch.equal(value, whole.model.state_dict()[name]), name

    # Evaluation by one process alone, with a process group still there, waits for nobody.
    if rank == 0:
        evaluate(again.model, few.test)
    distributed.barrier()
    distributed.destroy_process_group()


def compare(out: Path, quantizer: str) -> None:
    alone, gradients = recorded(one_step(out, quantizer, f"{quantizer}-alone"))
    together = torch.load(out / f"{quantizer}.pt", weights_only=True)
    for one, other in zip(gradients, together["gradients"], strict=True):
        torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-6)
    for name, value in alone.model.state_dict().items():
        torch.testing.assert_close(together["model"][name], value, rtol=0, atol=1e-6, msg=name)

    both = out / "runs" / quantizer
    assert {path.name for path in both.iterdir()} == {path.name for path in alone.folder.iterdir()}
    (line,), (other_line,) = alone.history, Run(both).log()
    assert line.keys() == other_line.keys()
    for name, value in line.items():
        # Of medians, cosines and ratios it is the mean of those of the parts.
        if not name.startswith(("time/", "quantizer/margin", "gap/gradient_", "gap/decoded_mse_difference")):
            assert math.isclose(other_line[name], value, rel_tol=1e-4, abs_tol=1e-6), f"{name}: {other_line[name]}"


def main(out: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(work, (port, out), nprocs=2)
    few = few_photos()
    data.load = lambda name, root=None, **settings: few
    for quantizer in STARTS:
        compare(out, quantizer)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
