"""Two processes that train on one device, by DistributedDataParallel, against one process with the joint batch.

Run as a script, ``python two_on_a_card.py cuda`` or ``cpu``; it fails when they do not agree.
"""

import copy
import socket
import sys

import torch
from torch import distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from scq import quantizers

NAMES = ("scq", "scq_relaxed", "vq")
STEPS = 3


class _Model(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.encoder, self.quantizer = nn.Linear(6, 4), quantizers.get(name).make(15, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output = self.quantizer(self.encoder(x))
        return output.quantized.square().mean() + output.loss


def train(model: nn.Module, batches: torch.Tensor) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for batch in batches:
        optimizer.zero_grad()
        model(batch).backward()
        optimizer.step()


def work(rank: int, port: int, device: str, backend: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(backend, f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    for name in NAMES:
        torch.manual_seed(0)
        model = _Model(name).to(device)
        alone = copy.deepcopy(model)
        batches = torch.randn(STEPS, 2, 16, 6).to(device)
        train(DistributedDataParallel(model, device_ids=[0] if device == "cuda" else None), batches[:, rank])
        train(alone, batches.flatten(1, 2))
        for (what, found), expected in zip(model.state_dict().items(), alone.state_dict().values(), strict=True):
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4, msg=f"{name} {what}")
    distributed.destroy_process_group()


def main(device: str) -> None:
    for backend in ("nccl", "gloo") if device == "cuda" else ("gloo",):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        try:
            multiprocessing.spawn(work, (port, device, backend), nprocs=2)
        except multiprocessing.ProcessRaisedException as error:
            # It has no communicator for two processes on a card, and says so when it is first used.
            if backend != "nccl" or "Duplicate GPU" not in str(error):
                raise
            print("NCCL refuses two processes on one card")
            continue
        print(f"two processes trained as one, by {backend}")
        return


if __name__ == "__main__":
    main(sys.argv[1])
