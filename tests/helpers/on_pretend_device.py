"""Solvers and quantizers on the pretend device, against the CPU. Run as a script, apart from the tests: torch takes the
device for the machine's. Prints a JSON object: of each case what differs, and the kernels and waits that it cost.
"""

import copy
import json
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pretend_training
import torch
from pretend_device import DEVICE, PRETEND, Counts, counted
from torch import Tensor

from scq import quantizers, solvers
from scq.solvers import registry
from scq.solvers.synthetic import hull
from scq.solvers.weights import Weights

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
CPU = torch.device("cpu")


def tried(run: Callable[..., dict[str, Any]], *arguments: Any, **options: Any) -> dict[str, Any]:
    """What it returns; or what it raised, as what differs, so that the other cases are still to be had."""
    try:
        return run(*arguments, **options)
    except (RuntimeError, TypeError, ValueError):
        return {"differs": traceback.format_exc().splitlines()}


def spent(counts: Counts) -> dict[str, Any]:
    return {"kernels": counts.kernels.total(), "waits": counts.waits.total(), "lines": dict(counts.waits)}


def differing(found: dict[str, Tensor], expected: dict[str, Tensor], share: float) -> list[str]:
    """The names of what is on the wrong device, of another dtype or shape, or further off than that share."""
    assert found.keys() == expected.keys()
    wrong = []
    for name, right in expected.items():
        ours = found[name]
        if ours.device != DEVICE or ours.dtype != right.dtype or ours.shape != right.shape:
            wrong.append(f"{name}: {ours.dtype} {tuple(ours.shape)} on {ours.device}")
        else:
            allowed = share * max(1.0, float(right.double().abs().nan_to_num(0.0).max())) if right.numel() else 0.0
            if not torch.allclose(ours.cpu().double(), right.double(), rtol=0.0, atol=allowed, equal_nan=True):
                wrong.append(f"{name}: off by {float((ours.cpu().double() - right.double()).abs().max()):.3g}")
    return wrong


def itself() -> dict[str, Any]:
    """What the device is for, tried on one operator each: what it raised, or kernels and waits."""
    x, mask, number = torch.ones(3), torch.tensor([True, False, True]), torch.tensor(2.0)
    there, mask_there = x.to(DEVICE), mask.to(DEVICE)
    operators: dict[str, Callable[[], Any]] = {
        "add": lambda: there + there,
        "add a number": lambda: there + 1,
        "add a number of the CPU": lambda: there + number,
        "add the CPU's": lambda: there + x,
        "add to the CPU's": lambda: x.add_(there),
        "make": lambda: torch.zeros(3, dtype=torch.float32, device=DEVICE),
        "view": lambda: there.view(3, 1).T,
        "allocate": lambda: torch.empty_like(there),
        "item": lambda: there.sum().item(),
        "bool": lambda: bool(mask_there.any()),
        "nonzero": lambda: mask_there.nonzero(),
        "select by a mask": lambda: there[mask_there],
        "select of the CPU's": lambda: x[mask_there],
        "select by the CPU's": lambda: there[mask],
        "put by a mask": lambda: there.clone().index_put_((mask_there,), there[:2]),
        "fill by a mask": lambda: there.clone().index_put_((mask_there,), number),
        "mask": lambda: there.clone().masked_fill_(mask_there, 0.0),
        "where": lambda: torch.where(mask_there, there, 0.0),
        "list": lambda: there.tolist(),
        "to the CPU": lambda: there.cpu(),
        "from the CPU": lambda: x.to(DEVICE),
        "from the CPU, not waiting": lambda: x.to(DEVICE, non_blocking=True),
        "number from the CPU": lambda: torch.tensor(1.0, dtype=torch.float32, device=DEVICE),
        "full": lambda: torch.full((), 1.0, dtype=torch.float32, device=DEVICE),
    }
    found: dict[str, Any] = {}
    for name, run in operators.items():
        try:
            with counted(DEVICE) as counts:
                run()
            found[name] = [counts.kernels.total(), counts.waits.total()]
        except RuntimeError as error:
            found[name] = str(error)
    return found


def solve(info: solvers.BackendInfo, case: str, gradient: str) -> dict[str, Any]:
    """Forward and backward of one solve."""
    torch.manual_seed(0)
    latents, codebook = hull(48, 4, 24, DTYPES.get(case, torch.float32))
    dense = torch.rand(48, 24).add(0.01) if case == "dense anchor" else None
    if case == "failed column":
        latents[5] = torch.nan
    options = {"projection": "exact"} if case == "exact projection" else {}
    results, costs = [], {}
    for device in (CPU, DEVICE):
        z, C = (x.detach().to(device).requires_grad_() for x in (latents, codebook))
        anchor = None if dense is None else (dense / dense.sum(1, keepdim=True)).to(device)
        with counted(device) as forward:
            problem = solvers.Problem(z, C, anchor=anchor)
            throw = case != "failed column"
            solution = solvers.solve(problem, info.name, throw=throw, gradient=gradient, **options)
            loss = solution.weights.square().sum() + solution.reconstruction.square().sum()
        with counted(device) as backward:
            loss.backward()
        parts = {name: getattr(solution, name).detach() for name in ("weights", "reconstruction", "status")}
        results.append(parts | {"latents.grad": z.grad, "codebook.grad": C.grad})
        costs = {"forward": spent(forward), "backward": spent(backward)}
    return {"differs": differing(results[1], results[0], 1e-2 if case == "bfloat16" else 1e-4), **costs}


def residuals(case: str) -> dict[str, Any]:
    latents, codebook = hull(48, 4, 24, DTYPES.get(case, torch.float32))
    solution = solvers.solve(solvers.Problem(latents, codebook))
    weights = solution.weights.detach() * (1.1 if case == "off the simplex" else 1.0)
    compact = solution.compact.detach()
    results, costs = [], {}
    for device in (CPU, DEVICE):
        problem = solvers.Problem(latents.to(device), codebook.to(device))
        given = weights.to(device)
        if case == "compact":
            given = Weights(compact.values.to(device), compact.index.to(device), compact.codewords)
        with counted(device) as counts:
            found = solvers.kkt_residuals(problem, given)
        results.append(vars(found) | {"relative": found.relative})
        costs = {"certificate": spent(counts)}
    return {"differs": differing(results[1], results[0], 1e-6), **costs}


def quantize(entry: quantizers.QuantizerInfo, layout: str, dtype: torch.dtype, **options: Any) -> dict[str, Any]:
    """Two training steps, the second counted, and one of evaluation."""
    torch.manual_seed(0)
    first = entry.make(15, 4, channel_dim=1 if layout == "channels second" else -1, **options)
    x = torch.randn((2, 4, 5, 6) if layout == "channels second" else (2, 30, 4)).to(dtype)
    mask = torch.arange(60).reshape(2, 30) % 7 > 0 if layout == "masked" else None
    results, costs = [], {}
    for device in (CPU, DEVICE):
        layer, given = copy.deepcopy(first).to(device), None if mask is None else mask.to(device)
        named: dict[str, Tensor] = {}
        for step in ("first", "training", "evaluation"):
            layer.train(step != "evaluation")
            latents = x.to(device, copy=True).requires_grad_(layer.training)
            torch.manual_seed(2)
            with counted(device) as counts, torch.set_grad_enabled(layer.training):
                output = layer(latents, given)
                if layer.training:
                    (output.quantized.square().sum() + output.loss).backward()
            costs[step] = spent(counts)
            parts = {name: x for name, x in output._asdict().items() if isinstance(x, Tensor)} | output.info
            # The CPU's kernels count something else.
            parts.pop("iterations", None)
            named |= {f"{step} {name}": x.detach() for name, x in parts.items()}
            if layer.training:
                named[f"{step} latents.grad"] = latents.grad
        named |= {f"{name}.grad": x.grad for name, x in layer.named_parameters() if x.grad is not None}
        results.append(named | dict(layer.state_dict()))
    del costs["first"]
    return {"differs": differing(results[1], results[0], 1e-2 if dtype == torch.bfloat16 else 1e-4), **costs}


def in_all_layouts(entry: quantizers.QuantizerInfo) -> dict[str, Any]:
    return {
        f"{layout}, {name}": tried(quantize, entry, layout, dtype)
        for layout in ("channels last", "channels second", "masked")
        for name, dtype in DTYPES.items()
    }


def main() -> None:
    torch.set_num_threads(1)
    own = [info for info in solvers.backends() if info.package is None]
    for info in own:
        # Entries name the devices of real machines; a solver is torch code, which none of them is written into.
        registry.unregister(info.name)
        registry.register(replace(info, devices=(*info.devices, PRETEND)))
    cases = (*DTYPES, "dense anchor", "failed column")
    found = {
        "itself": itself(),
        "solves": {
            f"{info.name}, {case}": tried(solve, info, case, gradient)
            for info in own
            for gradient in info.gradient
            for case in (*cases, *["exact projection"] * (not info.exact))
        },
        "residuals": {case: tried(residuals, case) for case in (*DTYPES, "compact", "off the simplex")},
        "quantizers": {entry.name: in_all_layouts(entry) for entry in quantizers.entries()},
        "training": {
            name: tried(pretend_training.steps, name, spent, differing) for name in ("scq", "scq_relaxed", "vq")
        },
        "looking": tried(pretend_training.gap, spent, differing),
        "refused": pretend_training.refused(),
        "tiny": pretend_training.tiny(),
        "started": tried(quantize, quantizers.get("vq"), "channels last", torch.float32, init="kmeans"),
    }
    with pretend_training.fused():
        found["fused"] = {entry.name: in_all_layouts(entry) for entry in pretend_training.exact()}
        found["precision"] = pretend_training.precision(differing)
        found["fused training"] = tried(pretend_training.steps, "scq", spent, differing)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
