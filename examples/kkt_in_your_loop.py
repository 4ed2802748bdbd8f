"""Who has a loop of their own: KKT residuals, convergence and the gap in its log, in three lines.

    python examples/kkt_in_your_loop.py          # some seconds

``scq.Monitor`` finds the quantizers in any model. Training goes on bit for bit as without it, and passes that are not
recorded cost nothing. A callback gets the numbers as they come, for wandb, TensorBoard or a print.
"""

import argparse
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.functional import mse_loss

import scq


class Quantized(nn.Module):
    """A transformer layer whose tokens are quantized: not a model of scq's."""

    def __init__(self, dim: int = 16) -> None:
        super().__init__()
        self.block = nn.TransformerEncoderLayer(dim, 4, 4 * dim, dropout=0.0, batch_first=True)
        self.bottleneck = scq.SoftConvexQuantizer(codebook_size=64, dim=dim)
        self.head = nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        output = self.bottleneck(self.block(x))
        return self.head(output.quantized), output.loss


def report(step: int, numbers: Mapping[str, float]) -> None:
    kkt, converged = numbers["bottleneck/kkt_relative"], numbers["bottleneck/converged_share"]
    gap, codes = numbers["bottleneck/gap/weights_l2"], numbers["bottleneck/hard_perplexity"]
    print(f"step {step:3}: KKT {kkt:.0e}, {converged:.0%} converged, {codes:.1f} codes, relaxation off by {gap:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100)
    steps = parser.parse_args().steps
    torch.manual_seed(0)
    model = Quantized()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with scq.Monitor(model, every=20, callback=report) as monitor:
        for _ in range(steps):
            x = torch.randn(8, 32, 16)
            made, loss = model(x)
            optimizer.zero_grad()
            (mse_loss(made, x) + loss).backward()
            optimizer.step()
    worst = max(monitor.history["bottleneck/kkt_relative"].values())
    print(f"worst relative KKT residual of the passes that were recorded: {worst:.0e}")


if __name__ == "__main__":
    main()
