"""The fused kernels compiled for GPUs that are not here, and what each needs of one. Run as a script: prints JSON.

Arguments: architectures (75, 80, 90), and names of kernels as CASES has them; by default all of them.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from scq.solvers.fused.backward import pull_back_columns, sum_over_columns
from scq.solvers.fused.forward import solve_columns
from scq.solvers.fused.stages import Stage, options, stages

TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"

# Not of the stage's type nor of the latents', by the arguments' names in the kernels.
LONG = {"anchor", "queue", "state", "size", "steps", "index", "again"}
DOUBLE = {"GS", "d_lam"}
NUMBERS = {"N", "F", "K", "PLACES", "max_iter", "above"}
SCALARS = {"tol", "enough", "resolution", "precise"}
OF_THE_STAGE = {"E", "INVERSE", "SPARE"}
BYTES = {"INSIDE": "*i8", "active": "*i1"}


def _type(name: str, real: str, own: str) -> str:
    if name in NUMBERS:
        return "i32"
    if name in SCALARS:
        return "fp32"
    if name in LONG:
        return "*i64"
    if name in DOUBLE:
        return "*fp64"
    return BYTES.get(name, own if name in OF_THE_STAGE else real)


def _floating(dtype: torch.dtype) -> str:
    return "*fp32" if dtype == torch.float32 else "*fp64"


def _cases() -> dict[str, tuple[Any, dict[str, Any], dict[str, Any], str, str]]:
    """Every kernel that latents in float32 may launch, by name: function, constants, options, types of pointers."""
    found = {}
    single: dict[Stage, None] = {}
    for places in (128, 256, 512):
        single |= dict.fromkeys(stages(places, torch.float32))
    for stage in single:
        name = f"{stage.places} places, {'float64' if stage.double else 'float32'}"
        own = _floating(stage.dtype)
        common = stage.constants(), stage.options()
        found[f"solve, {name}"] = solve_columns, {"BK": stage.codewords, **common[0]}, common[1], "*fp32", own
        backward = {"W": stage.places, "HAS_VALUES": True, "HAS_COMBINED": True, **common[0]}
        found[f"derivative, {name}"] = pull_back_columns, backward, common[1], "*fp32", own
    summing = {"W": 128, "FB": 16, "R": 32, "HAS_COMBINED": True}
    found["sum for the codebook"] = sum_over_columns, summing, options(1), "*fp32", "*fp32"
    return found


CASES = _cases()


def needs(name: str, architecture: int) -> dict[str, int | str]:
    """Registers of a thread, bytes of its stack (where registers are spilled), bytes of shared memory of a program."""
    function, constants, settings, real, own = CASES[name]
    names = function.arg_names
    signature = {x: "constexpr" if x in constants else _type(x, real, own) for x in names}
    # As tensors lie, and as most sizes are.
    sixteen = [x for x in names if signature[x].startswith("*") and x not in LONG] + ["F", "K", "PLACES"]
    attributes = {(names.index(x),): [["tt.divisibility", 16]] for x in sixteen if x in names}
    values = {(names.index(x),): value for x, value in constants.items()}
    source = ASTSource(fn=function, signature=signature, constexprs=values, attrs=attributes)
    compiled = triton.compile(source, target=GPUTarget("cuda", architecture, 32), options=settings)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(compiled.asm["cubin"])
        file.flush()
        usage = subprocess.run(
            [TOOLS / "cuobjdump", "-res-usage", file.name], capture_output=True, text=True, check=True
        ).stdout
    registers, stack = (int(re.search(rf"{word}:(\d+)", usage)[1]) for word in ("REG", "STACK"))
    return {
        "kernel": name,
        "architecture": architecture,
        "threads": 32 * settings["num_warps"],
        "registers": registers,
        "stack": stack,
        "shared": compiled.metadata.shared,
    }


def main() -> None:
    asked = sys.argv[1:]
    architectures = [int(x) for x in asked if x.isdigit()] or [75, 80, 90]
    kernels = [x for x in asked if not x.isdigit()] or list(CASES)
    for architecture in architectures:
        for kernel in kernels:
            print(json.dumps(needs(kernel, architecture)), flush=True)


if __name__ == "__main__":
    main()
