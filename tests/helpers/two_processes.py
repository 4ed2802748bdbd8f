"""Two processes that quantize half of the latents each. Run as a script; it fails when they do not agree."""

import socket

import torch
from torch import distributed, multiprocessing

from scq import quantizer

K, F, N = 12, 4, 40


def gathered(tensor: torch.Tensor) -> list[torch.Tensor]:
    parts = [torch.empty_like(tensor) for _ in range(2)]
    distributed.all_gather(parts, tensor)
    return parts


def work(rank: int, port: int) -> None:
    distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    # Without revival: what one process with all latents would do.
    torch.manual_seed(0)
    layer, alone = (quantizer("vq_ema", K, F, decay=0.8, revive_below=0.0) for _ in range(2))
    alone.load_state_dict(layer.state_dict())
    alone.freeze()
    batches = torch.randn(5, 2, N, F)
    for batch in batches:
        layer(batch[rank])
    for name, buffer in layer.named_buffers():
        torch.testing.assert_close(*gathered(buffer.float()), rtol=0, atol=0, msg=name)

    # With revival: the same in both, from latents of both.
    torch.manual_seed(rank)
    revived = quantizer("vq_ema", K, F, decay=0.0)
    revived.embedding.restart(100 + layer.codebook)
    x = torch.randn(N, F)
    revived(x)
    for name, buffer in revived.named_buffers():
        torch.testing.assert_close(*gathered(buffer.float()), rtol=0, atol=0, msg=name)
    mine = (revived.codebook[:, None] == x).all(2).any(1).sum()
    first, second = gathered(mine)
    assert first + second >= K // 2 and 0 <= first - second <= 1, f"{first} and {second} codewords were revived"

    # The k-means start is that of one process with all latents, though one has fewer than the other.
    torch.manual_seed(0)
    latents = torch.randn(N, F)
    started, single = (quantizer("vq", K, F, init="kmeans") for _ in range(2))
    single.load_state_dict(started.state_dict())
    started(latents[:15] if rank == 0 else latents[15:])
    torch.testing.assert_close(*gathered(started.codebook.detach()), rtol=0, atol=0)
    distributed.destroy_process_group()
    single(latents)
    torch.testing.assert_close(started.codebook, single.codebook, rtol=0, atol=0)

    if rank == 0:
        alone.freeze(False)
        for batch in batches:
            alone(batch.reshape(-1, F))
        torch.testing.assert_close(layer.codebook, alone.codebook)
        torch.testing.assert_close(layer.embedding.cluster_size, alone.embedding.cluster_size)


if __name__ == "__main__":
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(work, (port,), nprocs=2)
