"""What the quantizers of a model do while it is trained, in whatever loop."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.hooks import RemovableHandle

from scq.quantizers.base import Quantizer, QuantizerOutput
from scq.quantizers.calls import Call, Recorder, by_name
from scq.quantizers.checks import at_least_one
from scq.quantizers.passes import within_backward
from scq.quantizers.soft_convex import SoftConvexQuantizer
from scq.quantizers.stacked import places
from scq.sides import gap_of_calls
from scq.solvers.deferred import settle
from scq.solvers.transforms import transformed
from scq.training.config import CommonConfig

LossOfQuantized = Callable[[Tensor], Tensor]
"""From the quantized latents of this step, as the layer returns them, to a scalar."""


class Monitor:
    r"""Records what the quantizers in a model do, every so many of their training passes, in whatever loop.

        with scq.Monitor(model, every=100) as monitor:
            ...                                            # the loop, as it is
        monitor.history["quantizer/kkt_relative"]          # {0: 2.1e-07, 100: 3.4e-07, ...}

    Of each quantizer, by the name that it has in the model, it records the numbers of its ``info`` with the KKT
    residuals, and of soft convex ones the gap between exact and relaxed, the numbers of :func:`scq.measure_gap`, as
    ``gap/...``. Training goes on bit for bit as without it: gradients, parameters, buffers and random states are the
    same, and a pass that is not recorded computes nothing more.

    Of residual and grouped quantizers each number is there for each stage or group, by the index of its codes as in
    ``kkt_relative/0``, and for all, as ``kkt_relative``: of KKT residuals the largest, of failed columns the sum,
    otherwise the mean. The gap of each is measured while the others are held.

    A pass counts where the model is in training mode and the layer is called: with gradient accumulation, several a
    step. What a backward computes again (:mod:`torch.utils.checkpoint`) and what torch.func's transforms compute does
    not count. ``torch.compile`` is given the model first, and the monitor the model that it returns: graphs break at
    each quantizer. A layer that is frozen, or in evaluation mode in a model that is trained, is recorded as all others;
    copies of the model are not. A model is pickled whole after :meth:`remove`; its state_dict at any time.

    Args:
        model: holds one quantizer of scq or more, at any depth.
        every: passes from one that is recorded to the next, the first of all among them.
        loss: the training loss as a function of the quantized latents, for which the gap is measured too: errors as
            ``gap/decoded_loss_exact``, and gradients. It is called with what the layer would have returned, in the
            middle of the model's forward pass, and sees the batch by the variables of the loop. Of several soft convex
            quantizers, a mapping by their names. None for the layers' own loss.
        callback: called with the number of the pass, from 0, and the numbers by name, at each recorded pass of each
            quantizer.
        gap: False leaves it out, and its cost: two solves, two derivatives, and what ``loss`` costs, each twice.

    Attributes:
        history: the numbers by name, as ``"encoder.quantizer/kkt_relative"``; of each, the values by pass.

    Raises:
        TypeError, ValueError: naming the argument, what it was and what it must be.
    """

    def __init__(
        self,
        model: nn.Module,
        every: int = 100,
        *,
        loss: LossOfQuantized | Mapping[str, LossOfQuantized] | None = None,
        callback: Callable[[int, dict[str, float]], object] | None = None,
        gap: bool = True,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"model is a {type(model).__name__}, must be a torch.nn.Module")
        layers = _outermost(model)
        if not layers:
            raise ValueError(f"model is a {type(model).__name__} without a quantizer of scq, must have one")
        self._model, self._every, self._callback, self._gap = model, at_least_one("every", every), callback, gap
        self._losses = _losses(layers, loss)
        self._passes = dict.fromkeys(layers, 0)
        self._recorded: dict[str, list[bool]] = {}
        self._measuring = False
        self.history: dict[str, dict[int, float]] = {}
        self._handles: list[Recorder | RemovableHandle] = []
        for name, layer in layers.items():
            recorder = Recorder(layer)
            self._handles.append(recorder)
            before, after = self._hooks(name, layer, recorder)
            self._handles.append(layer.register_forward_pre_hook(before))
            # Called where the layer raises, too: what was turned on is turned off.
            self._handles.append(layer.register_forward_hook(after, always_call=True))

    def remove(self) -> None:
        """Takes its hooks off the model. The history stays."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def _due(self, name: str) -> bool:
        """Whether the pass of the quantizer of that name that begins is recorded."""
        return self._passes[name] % self._every == 0

    def _number(self, name: str) -> int:
        """The number of the pass that is being recorded."""
        return self._passes[name] - 1

    def _hooks(self, name: str, own: Quantizer, recorder: Recorder) -> tuple[Callable[..., None], Callable[..., None]]:
        diagnosed = [place.layer for place in places(own)]

        @torch.compiler.disable
        def before(layer: Any, args: Any) -> None:
            # A copy of the model has copies of the hooks.
            if layer is not own or not self._model.training or self._measuring or within_backward() or transformed():
                return
            if self._due(name):
                self._recorded[name] = [each.diagnose for each in diagnosed]
                own.diagnose = True
                recorder.begin()
            self._passes[name] += 1

        @torch.compiler.disable
        def after(layer: Any, args: Any, output: Any) -> None:
            if layer is not own or name not in self._recorded or self._measuring:
                return
            for each, diagnose in zip(diagnosed, self._recorded.pop(name), strict=True):
                each.diagnose = diagnose
            calls = recorder.end()
            if isinstance(output, QuantizerOutput):
                self._record(name, output, calls)

        return before, after

    def _record(self, name: str, output: QuantizerOutput, calls: Sequence[Call]) -> None:
        info = by_name(output.info)
        # In one transfer: each costs a wait for the device.
        values = torch.stack([value.double() for value in info.values()]).tolist() if info else []
        numbers = dict(zip(info, values, strict=True))
        settle(output.quantized.device, wait=True)
        if self._gap:
            gap = self._gap_of(calls, output.quantized, self._losses.get(name))
            numbers.update((f"gap/{number}", value) for number, value in gap.items())
        numbers = {f"{name}/{number}" if name else number: value for number, value in numbers.items()}
        step = self._number(name)
        for number, value in numbers.items():
            self.history.setdefault(number, {})[step] = value
        if self._callback is not None:
            self._callback(step, numbers)

    def _gap_of(self, calls: Sequence[Call], x: Tensor, loss: LossOfQuantized | None) -> dict[str, float]:
        kind = x.device.type
        autocast, dtype = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)

        def of_quantized(quantized: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            assert loss is not None
            # As the model's own pass computes it; what that casts, and keeps until its end, is not shared.
            with _kept(self._model, x.device), torch.autocast(kind, dtype, enabled=autocast, cache_enabled=False):
                value = loss(quantized.to(x.dtype))
            if not isinstance(value, Tensor) or value.dim():
                raise TypeError(f"loss returned {value!r}, must return a tensor without dimensions")
            return value, {"loss": value.detach()}

        self._measuring = True
        try:
            # What torch.utils.checkpoint does with tensors saved for the backward is not for the backward in here.
            with saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor):
                return gap_of_calls(calls, x, CommonConfig(), None if loss is None else of_quantized)
        finally:
            self._measuring = False


def _outermost(model: nn.Module) -> dict[str, Quantizer]:
    """The quantizers of a model by name, but for those that others consist of."""
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, Quantizer)}
    inner = {id(part) for layer in layers.values() for part in layer.modules() if part is not layer}
    return {name: layer for name, layer in layers.items() if id(layer) not in inner}


def _losses(
    layers: Mapping[str, Quantizer], loss: LossOfQuantized | Mapping[str, LossOfQuantized] | None
) -> Mapping[str, LossOfQuantized]:
    convex = [
        name
        for name, layer in layers.items()
        if any(isinstance(place.layer, SoftConvexQuantizer) for place in places(layer))
    ]
    if loss is None:
        return {}
    if not isinstance(loss, Mapping):
        if len(convex) != 1:
            raise ValueError(f"loss is one function, must be a mapping by name: soft convex quantizers are {convex}")
        return {convex[0]: loss}
    for name in loss:
        if name not in convex:
            raise ValueError(f"loss is of {name!r}, must be of soft convex quantizers, which are {convex}")
    return loss


@contextmanager
def _kept(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Puts back what a pass through parts of the model moves: its buffers, as of batch norm, and random states."""
    before = [
        (module, name, buffer, buffer.clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            for module, name, buffer, value in before:
                # Not by copy_ of the buffer itself: autograd would take what the encoder has saved for changed.
                buffer.data.copy_(value)
                module._buffers[name] = buffer
