"""Processes, devices and precision of a run, by Hugging Face accelerate."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator, DistributedType
from accelerate.state import AcceleratorState, GradientState, is_initialized
from accelerate.utils import GradientAccumulationPlugin
from torch import distributed

from scq.training.config import TrainConfig
from scq.training.model import pick_device

_KINDS = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)


@contextmanager
def accelerated(config: TrainConfig) -> Iterator[tuple[Accelerator, torch.device]]:
    """An accelerator for the processes that ``accelerate launch`` or ``torchrun`` started, or for this one alone.

    What it set up it takes down again, so that runs with other settings may follow in the same process.

    Yields:
        The accelerator, and the device of this process.

    Raises:
        ValueError: a device or precision that is not there, or a batch that the processes cannot divide.
    """
    device = _device(config)
    _check_precision(config.precision, device)
    ours, opened = not is_initialized(), not distributed.is_initialized()
    accelerator = Accelerator(
        cpu=device.type == "cpu",
        mixed_precision=config.precision,
        # Not by number: the environment of `accelerate launch` would win over that.
        gradient_accumulation_plugin=GradientAccumulationPlugin(config.accumulate, sync_with_dataloader=False),
        # It knows one GPU a process only; a run alone may name another.
        device_placement=False,
    )
    try:
        if accelerator.distributed_type not in _KINDS:
            raise ValueError(
                f"the launcher asks for {accelerator.distributed_type.value}, must ask for data parallel training on "
                "CPUs or NVIDIA GPUs: run `accelerate config` again, or give --cpu or --multi_gpu"
            )
        world = accelerator.num_processes
        if config.batch_size % (world * config.accumulate):
            raise ValueError(
                f"batch_size is {config.batch_size}, must be a multiple of processes times accumulate, "
                f"{world} x {config.accumulate}: the batch of all processes is divided among them"
            )
        if world == 1 and _by_cpu_launcher() and "MASTER_PORT" in os.environ:
            # What `accelerate launch --cpu --num_processes 2` does: the training is right, but slower than asked for.
            warnings.warn(
                "accelerate launch started one process: on CPUs it starts several by MPI only; use torchrun",
                stacklevel=3,
            )
        yield accelerator, accelerator.device if world > 1 else device
    finally:
        if opened and distributed.is_initialized():
            distributed.destroy_process_group()
        if ours:
            AcceleratorState._reset_state(reset_partial_state=True)
            GradientState._reset_state()


def _device(config: TrainConfig) -> torch.device:
    """The device of the configuration, where "auto" does what the launcher says."""
    if config.device == "auto" and _by_cpu_launcher():
        return torch.device("cpu")
    device = pick_device(config.device)
    if device.index is not None and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError(
            f"device is {config.device!r}, must be auto, cpu or cuda when several processes train: each takes the GPU "
            "of its number"
        )
    return device


def _by_cpu_launcher() -> bool:
    return os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")


def _check_precision(precision: str, device: torch.device) -> None:
    # Accelerate would say nothing, and compute in float32.
    if precision == "fp16" and device.type != "cuda":
        raise ValueError(f"precision is 'fp16', which needs a GPU; on the {device.type} it must be 'no' or 'bf16'")
    if precision == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise ValueError("precision is 'bf16', which this GPU cannot compute in; it must be 'no' or 'fp16'")
