"""What a run costs: the time of a forward pass and of a training step, and the memory of the latter.

Runs of a study are measured hours apart, and while others train. Each is therefore timed in turns with the same
model without quantization: ratios to that can be compared between runs, milliseconds cannot.
"""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from scq.quantizers.identity import NoQuantizer
from scq.validation.common.measuring.memory import PeakMemory
from scq.validation.common.measuring.passes import forward, step
from scq.validation.common.measuring.timing import circumstances, in_turns
from scq.validation.studies.measures import Trained

_ROUNDS = 7
_EXAMPLES = 64


def measure(trained: Trained) -> dict[str, Any]:
    """
    Returns:
        forward, step: seconds of each round, of the forward pass in evaluation, ``pictures`` (examples of whatever
            kind) at a time, and of forward and backward of a training step of the run's batch.
        plain_forward, plain_step: the same of the model without its quantizer, in the same rounds.
        memory: bytes at the peak of one training step above what the process had before it.
        pictures, threads, load: of the timing.
    """
    before = circumstances()
    device, model = trained.device, trained.model()
    plain = copy.deepcopy(model)
    plain.quantizer = NoQuantizer(channel_dim=model.channel_dim)
    test = trained.images.test
    # Which examples they are changes nothing in what is allocated, and little in the time.
    wanted = torch.arange(max(_EXAMPLES, trained.config.batch_size)) % len(test)
    examples = trained.images.ready(test[wanted]).to(device)
    few, batch = examples[:_EXAMPLES], examples[: trained.config.batch_size]
    works = {
        "forward": partial(forward, model, few),
        "plain_forward": partial(forward, plain, few),
        "step": partial(step, model, batch),
        "plain_step": partial(step, plain, batch),
    }
    seconds = in_turns(works, _ROUNDS, device)
    return {**seconds, "memory": _memory(works["step"], device), "pictures": len(few), **before}


def _memory(work: Callable[[], None], device: torch.device) -> int:
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    with PeakMemory() as memory:
        work()
    return memory.grown
