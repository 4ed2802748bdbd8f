"""Everything that a training run goes on from: to files, and back."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from safetensors.torch import load
from torch import Tensor, nn

from scq.data.batching import Batches
from scq.quantizers import processes
from scq.quantizers.earlier import renamed
from scq.training.checkpoint import Checkpoint
from scq.training.folder import CONFIG, WEIGHTS
from scq.training.log import MetricLog
from scq.training.run import Run
from scq.training.tensors import serialised
from scq.training.terminal import say

_STATE, _NUMBERS = "training.safetensors", "training.json"


class TrainingState:
    """What changes from step to step, of one process.

    Attributes:
        step: the last one that was done.
        elapsed: seconds of training up to there.

    Args:
        model: its parameters and buffers.
        optimizers: of the model's parameters, each of which belongs to one at most.
        batches: where the order of the examples is.
        scaler: of fp16's losses; None for other precisions.
        device: whose random numbers are drawn, beside those of the CPU.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        batches: Batches,
        scaler: torch.amp.GradScaler | None,
        device: torch.device,
    ) -> None:
        self.step, self.elapsed = 0, 0.0
        self._model, self._optimizers, self._batches = model, optimizers, batches
        self._scaler, self._device = scaler, device

    def files(self) -> dict[str, bytes]:
        """The content of a checkpoint, in the first process; nothing in the others. All must call it: each has random
        numbers of its own.

        ``model.safetensors`` is as that of a finished run. ``training.safetensors`` has
        ``optimizer.<parameter>.<key>``, ``batches.<key>``, and ``random.<device>`` with a row for each process.
        """
        tensors = {f"batches.{key}": value for key, value in self._batches.state_dict().items()}
        tensors |= {f"random.{name}": self._of_all(state) for name, state in self._random().items()}
        rank, world = processes.number()
        if rank > 0:
            return {}
        for name, parameter in self._model.named_parameters():
            for optimizer in self._optimizers:
                for key, value in optimizer.state.get(parameter, {}).items():
                    tensors[f"optimizer.{name}.{key}"] = value
        numbers = {
            "step": self.step,
            "elapsed": self.elapsed,
            "processes": world,
            "scaler": self._scaler.state_dict() if self._scaler is not None else None,
        }
        return {
            WEIGHTS: serialised(self._model.state_dict()),
            _STATE: serialised(tensors),
            _NUMBERS: json.dumps(numbers, indent=2).encode(),
        }

    def load(self, checkpoint: Checkpoint) -> None:
        """Goes on where :meth:`files` was called.

        Raises:
            ValueError: by another number of processes, whose random numbers would be missing or left over; on a GPU
                when the run was on a CPU; or the settings were changed to those of another model.
        """
        rank, world = processes.number()
        numbers: dict[str, Any] = json.loads(checkpoint.files[_NUMBERS])
        if numbers["processes"] != world:
            raise ValueError(
                f"the run was trained by {numbers['processes']} processes, must be resumed by as many, not by {world}"
            )
        tensors = load(checkpoint.files[_STATE])
        random = _under("random", tensors)
        if self._device.type not in random:
            raise ValueError(
                f"the run was trained on a CPU, must be resumed on one, not on {self._device}, of whose random numbers "
                "it knows nothing: where device is 'auto', CUDA_VISIBLE_DEVICES= hides the GPUs"
            )
        self.step, self.elapsed = numbers["step"], numbers["elapsed"]
        try:
            self._model.load_state_dict(load(checkpoint.files[WEIGHTS]))
        except RuntimeError as error:
            raise ValueError(
                f"the checkpoint of step {checkpoint.step} is of another model than that of {CONFIG}: {error}"
            ) from error
        self._load_optimizers(_under("optimizer", tensors))
        self._batches.load_state_dict(_under("batches", tensors))
        if self._scaler is not None:
            self._scaler.load_state_dict(numbers["scaler"])
        torch.set_rng_state(random["cpu"][rank].clone())
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(random["cuda"][rank].clone(), self._device)

    def save(self, run: Run, log: MetricLog | None) -> None:
        """A checkpoint of the run, by the first process, which has the log; all of them must call it."""
        if log:
            self.elapsed = log.elapsed
        files = self.files()
        if log:
            with run.writing(self.step):
                log.sync()
                run.checkpoints.write(self.step, files)

    def restore(self, run: Run, first: bool) -> None:
        """Goes on where the newest whole checkpoint of the run is, if there is one, and cuts the log there."""
        found, damaged = run.checkpoints.newest()
        if first:
            for error in damaged:
                say(f"Left out: {error}", "yellow")
        mine = torch.tensor([found.step if found else 0], dtype=torch.long, device=self._device)
        steps = processes.gathered(mine).tolist()
        if len(set(steps)) > 1:
            raise ValueError(f"folder is '{run.folder}', must be one that all machines see; checkpoints found: {steps}")
        if found:
            self.load(found)
        if first:
            run.checkpoints.discard(after=self.step)
            run.cut_log(self.step)

    def _random(self) -> dict[str, Tensor]:
        states = {"cpu": torch.get_rng_state()}
        if self._device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self._device)
        return states

    def _of_all(self, state: Tensor) -> Tensor:
        # On the device: not every way for processes to talk takes tensors of the CPU.
        return processes.gathered(state[None].to(self._device)).cpu()

    def _load_optimizers(self, tensors: dict[str, Tensor]) -> None:
        renamed(tensors, "quantizer.")
        of_parameters: dict[str, dict[str, Tensor]] = {}
        for path, value in tensors.items():
            name, _, key = path.rpartition(".")
            of_parameters.setdefault(name, {})[key] = value
        names = {parameter: name for name, parameter in self._model.named_parameters()}
        if unknown := of_parameters.keys() - names.values():
            raise ValueError(f"the checkpoint has an optimizer's state of {sorted(unknown)}, which the model has not")
        for optimizer in self._optimizers:
            own = [names[parameter] for group in optimizer.param_groups for parameter in group["params"]]
            state = {number: of_parameters[name] for number, name in enumerate(own) if name in of_parameters}
            groups = optimizer.state_dict()["param_groups"]  # the configuration's, which has not changed
            optimizer.load_state_dict({"state": state, "param_groups": groups})


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(f"{prefix}."): value for name, value in tensors.items() if name.startswith(f"{prefix}.")}
