"""``scq doctor``: one screen for a report of a fault. Whatever is broken is a line of it, and never the end of it.

Everything is found out in a process apart, the versions included: what a broken package does there is an answer too.
"""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.text import Text

from scq import data, models, quantizers, solvers
from scq.cli.apart import Failed, apart
from scq.cli.trying import Trial, broken, trials, tries
from scq.data.registry import datasets, get
from scq.data.root import find_root
from scq.extras import EXTRAS, missing, versions
from scq.solvers import plugins
from scq.solvers.folders import cache_folder, existing
from scq.solvers.registry import BackendInfo, backends
from scq.training.terminal_table import terminal_table

_WIDTH = 120
"""Of a screen that goes into a file or a pipe."""

_HEADINGS = ("backend", "device", "KKT residual", "gradient error", "ms", "")
_NUMERIC = (False, False, True, True, True, False)


def examine(console: Console) -> int:
    """Prints the screen.

    Returns:
        0 when every backend that is installed answers right, otherwise 1; the last line names those that do not.
    """
    facts, infos = _facts(), backends()
    planned = tries(infos)
    with console.status("Trying each backend"):
        found = list(apart([*facts.values(), *(work for _, work in planned)]))
    said = dict(zip(facts, found[: len(facts)], strict=True))
    tried = trials(planned, found[len(facts) :])
    if isinstance(said["torch"], Failed):
        tried = [Trial("torch", "", wrong=said["torch"].why)]
    wide = console.width if console.is_terminal else _WIDTH
    screen = Console(file=console.file, width=wide, highlight=False)
    lines = [(name, f"broken: {fact.why}" if isinstance(fact, Failed) else fact) for name, fact in said.items()]
    screen.print(terminal_table(wide, (), _shortened(lines)))
    screen.print()
    screen.print(terminal_table(wide, _HEADINGS, _shortened(_rows(infos, tried)), _NUMERIC))
    screen.print()
    wrong = broken(tried)
    right = len({trial.backend for trial in tried})
    last = f"Does not work: {', '.join(wrong)}." if wrong else f"All {right} backends that are installed answer right."
    screen.print(Text(last), soft_wrap=True)
    return int(bool(wrong))


def _facts() -> dict[str, Callable[[], str]]:
    data = {f"data {info.name}": partial(_data, info.name) for info in datasets() if info.finder}
    return {
        "python": _python,
        "system": _system,
        "packages": _packages,
        "extras": _extras,
        "plugins": _plugins,
        "torch": _torch,
        "devices": _devices,
        "threads": _threads,
        "kernels": _kernels,
        "memory": _memory,
        "disk": _disk,
        "data root": _data_root,
        **data,
    }


def _python() -> str:
    return f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}"


def _system() -> str:
    return f"{platform.platform()}, {os.cpu_count()} processors"


def _packages() -> str:
    found = versions()
    absent = ", ".join(name for name, version in found.items() if version is None)
    here = ", ".join(f"{name} {version}" for name, version in found.items() if version is not None)
    return here + f"; not installed: {absent}" * bool(absent)


def _extras() -> str:
    lacking = {extra: missing(extra) for extra in EXTRAS}
    return ", ".join(f"{extra} (without {', '.join(names)})" if names else extra for extra, names in lacking.items())


def _plugins() -> str:
    """What others brought along, and what of it is broken."""
    brought = [f"{name} {version}" for name, version in plugins.packages().items()]
    brought += [f"--import {module}" for module in plugins.named()]
    registries = (solvers.registry, quantizers.registry, data.registry, models.registry)
    for one in registries:
        one.REGISTRY.entries()  # which tries them
    wrong = [f"{name} is broken: {why}" for one in registries for name, why in one.REGISTRY.broken.items()]
    return "; ".join([", ".join(brought) or "none", *wrong])


def _torch() -> str:
    import torch

    return f"{torch.__version__}, built {f'for CUDA {torch.version.cuda}' if torch.version.cuda else 'without CUDA'}"


def _devices() -> str:
    import torch

    found = ["cpu"]
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        found.append(f"cuda:{number} {torch.cuda.get_device_name(number)} ({_gib(free)} of {_gib(total)} free)")
    return ", ".join(found + ["mps"] * torch.backends.mps.is_available())


def _threads() -> str:
    import torch

    number, policy = (os.environ.get(name, "not set") for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY"))
    return (
        f"torch {torch.get_num_threads()}, OMP_NUM_THREADS {number}, OMP_WAIT_POLICY {policy} (the scq command sets "
        "PASSIVE where nobody does)"
    )


def _kernels() -> str:
    import numba

    from scq.solvers.compiled.cache import folder

    if numba.config.DISABLE_JIT:
        return "none are compiled: NUMBA_DISABLE_JIT is set"
    place = folder()
    files = [path for path in place.glob("*") if not path.name.startswith(".")]
    writable = "can be written to" if os.access(existing(place), os.W_OK) else "cannot be written to"
    size = sum(path.stat().st_size for path in files) / 2**20
    return f"{len(files)} compiled, {size:.1f} MiB, in {place}, which {writable}"


def _memory() -> str:
    import psutil

    memory = psutil.virtual_memory()
    return f"{_gib(memory.available)} of {_gib(memory.total)} free"


def _disk() -> str:
    cache = cache_folder()
    here, there = (_gib(shutil.disk_usage(path).free) for path in (Path.cwd(), existing(cache)))
    return f"{here} free here, {there} in {cache}"


def _data_root() -> str:
    root = find_root(None)
    return f"{root}{'' if root.path.exists() else ', which is not there'}"


def _data(name: str) -> str:
    try:
        return str(get(name).find())
    except FileNotFoundError:
        return "not there"
    except ValueError as error:  # several, of which the user has to name one
        return str(error)


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"


def _rows(infos: Sequence[BackendInfo], tried: Sequence[Trial]) -> list[tuple[str, ...]]:
    """Of each backend what was tried of it, or why nothing was."""
    rows = []
    for info in infos:
        mine = [trial for trial in tried if trial.backend == info.name]
        rows += [(t.backend, t.device, *_numbers(t), t.wrong or "promises none" * (not info.exact)) for t in mine]
        if not mine:
            rows.append((info.name, *[""] * 4, info.why_not or "not tried"))
    return rows


def _numbers(trial: Trial) -> tuple[str, ...]:
    values = (f"{trial.residual:.1e}", f"{trial.gradient_error:.1e}", f"{1e3 * trial.seconds:.3g}")
    return tuple("" if value == "nan" else value for value in values)


def _shortened(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The user's name is nobody's business."""
    home = f"{Path('~').expanduser()}{os.sep}"
    return [tuple(cell.replace(home, f"~{os.sep}") for cell in row) for row in rows]
