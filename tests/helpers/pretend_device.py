"""A pretend accelerator: tensors that say they are on another device while their numbers stay on the CPU.

It refuses what CUDA refuses, an operator on tensors of two devices, and counts what a GPU pays for: the kernels that
are launched, and the waits of the host for the device. Importing it registers the device with torch for good, which
:mod:`torch.accelerator` then takes for the machine's: hence a process of its own (tests/helpers/on_pretend_device.py).
"""

import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from cuda_rules import launches, mixed, waits
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

ROOT = Path(__file__).parents[2]
PRETEND = "pretend"
DEVICE = torch.device("cpu")  # until it is registered, below


class Counts:
    """What was asked of the device.

    Attributes:
        kernels: how often each operator was launched. One counts as one kernel, though some launch several.
        waits: how often the host waited, by operator and the line of ours that asked for it.
    """

    def __init__(self) -> None:
        self.kernels: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()

    def wait(self, name: str) -> None:
        self.waits[f"{name} at {_asked_by()}"] += 1


class Pretend(torch.Tensor):
    """A tensor on the device; ``held`` has its numbers."""

    held: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "Pretend":
        layout = {"strides": held.stride(), "storage_offset": held.storage_offset()}
        made = torch.Tensor._make_wrapper_subclass(cls, held.size(), **layout, dtype=held.dtype, device=DEVICE)
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, operator: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return _computed(operator, args, kwargs or {})

    def tolist(self) -> Any:
        # torch has none for subclasses; CUDA's is one copy.
        _counts.kernels["aten._to_copy"] += 1
        _counts.wait("tolist")
        return self.held.tolist()

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"Pretend({self.held})"


class _Counting(TorchDispatchMode):
    """Sees the operators that make a tensor on the device of none that is there."""

    def __torch_dispatch__(self, operator: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return _computed(operator, args, kwargs or {})


_counts = Counts()


@contextmanager
def counted(device: torch.device) -> Iterator[Counts]:
    """Counts what is asked of the device within; of the CPU nothing."""
    global _counts
    if device != DEVICE:
        yield Counts()
        return
    before, _counts = _counts, Counts()
    try:
        # The backward pass in this thread, so that it is known which line of ours asked.
        with _Counting(), torch.autograd.set_multithreading_enabled(False):
            yield _counts
    finally:
        _counts = before


def _computed(operator: Any, args: tuple, kwargs: dict) -> Any:
    """What the operator makes of the numbers, on the device where torch would put it."""
    name = operator._schema.name.replace("::", ".")
    tensors = [*_tensors(args), *_tensors(kwargs.values())]
    ours = [x for x in tensors if isinstance(x, Pretend)]
    written = args[0] if name.endswith("_") and args and isinstance(args[0], torch.Tensor) else None
    asked = kwargs.get("device")
    if written is not None:
        there = isinstance(written, Pretend)
    else:
        there = bool(ours) if asked is None else torch.device(asked).type == PRETEND
    if ours or there:
        if ours and mixed(name, args, tensors, there):
            raise RuntimeError(f"Expected all tensors to be on the same device, but found {DEVICE} and cpu, in {name}")
        _counts.kernels[name] += launches(operator, name)
        if waits(name, args, kwargs, there):
            _counts.wait(name)

    result = operator(*_each(_held, args), **{key: _each(_held, x) for key, x in kwargs.items()})
    if written is not None:
        if there and torch.Tag.inplace_view in operator.tags:
            _reshape(operator, args, kwargs)
        return written
    # A tensor that an operator hands on is the same tensor still.
    same = {id(x.held): x for x in ours}

    def wrapped(x: Any) -> Any:
        return (same.get(id(x)) if id(x) in same else Pretend(x)) if isinstance(x, torch.Tensor) else x

    return _each(wrapped, result) if there else result


def _each(function: Callable[[Any], Any], x: Any) -> Any:
    """The function of everything in what an operator takes or gives; torch's own tree_map takes several times as long
    as the operator."""
    return [_each(function, one) for one in x] if isinstance(x, (list, tuple)) else function(x)


def _tensors(values: Iterable[Any]) -> Iterator[torch.Tensor]:
    for x in values:
        if isinstance(x, torch.Tensor):
            yield x
        elif isinstance(x, (list, tuple)):
            yield from _tensors(x)


def _reshape(operator: Any, args: tuple, kwargs: dict) -> None:
    """Does to what torch knows of a tensor's shape what the operator did to the tensor that it holds."""
    before = torch._C._meta_in_tls_dispatch_include()
    with no_dispatch():
        torch._C._set_meta_in_tls_dispatch_include(True)
        try:
            operator(*args, **kwargs)
        finally:
            torch._C._set_meta_in_tls_dispatch_include(before)


def _held(x: Any) -> Any:
    if isinstance(x, torch.device):
        return torch.device("cpu")
    return x.held if isinstance(x, Pretend) else x


def _asked_by() -> str:
    """The innermost line of ours."""
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in ("scq", "solvers", "validation"):
            return f"{path.relative_to(ROOT)}:{frame.lineno} {frame.line}"
    return "no line of ours"


class _Module(_DummyBackendModule):
    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]


def _register() -> torch.device:
    """Makes the device known, and what it cannot do without: allocating, and being written to from the CPU."""
    _setup_privateuseone_for_python_backend(PRETEND, backend_module=_Module())
    aten = torch.ops.aten
    for operator, name in (
        (aten.empty.memory_format, "empty.memory_format"),
        (aten.empty_strided.default, "empty_strided"),
    ):
        _LIBRARY.impl(
            name,
            lambda *args, operator=operator, **kwargs: _computed(operator, args, {**kwargs, "device": DEVICE}),
            "PrivateUse1",
        )
    _LIBRARY.impl("copy_", lambda *args: _computed(aten.copy_.default, args, {}), "PrivateUse1")
    return torch.device(PRETEND, 0)


_LIBRARY = torch.library.Library("aten", "IMPL")
DEVICE = _register()
