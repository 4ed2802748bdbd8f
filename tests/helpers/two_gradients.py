"""Two processes with DistributedDataParallel against one: prints as JSON what differs, by quantizer. A script."""

import json
import socket
import sys

import torch
from torch import distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

import scq


def gradients(model: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    output = model(x)
    (output.quantized.square().mean() + output.loss).backward()
    return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


def work(rank: int, port: int, names: list[str]) -> None:
    distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    said = {}
    for name in names:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 4), scq.quantizer(name, 8, 4)).double()
        alone = nn.Sequential(nn.Linear(4, 4), scq.quantizer(name, 8, 4)).double()
        alone.load_state_dict(model.state_dict())
        x = torch.randn(2, 12, 4, dtype=torch.float64)
        found = gradients(DistributedDataParallel(model), x[rank])
        wanted = gradients(alone, x.flatten(0, 1))
        close = [torch.allclose(one, other, rtol=1e-6, atol=1e-9) for one, other in zip(found, wanted, strict=True)]
        said[name] = "" if all(close) else f"differ: {close}"
    if rank == 0:
        print(json.dumps(said))
    distributed.destroy_process_group()


if __name__ == "__main__":
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(work, (port, sys.argv[1:]), nprocs=2)
