"""Who has a VQ-VAE: the quantizer swapped in a model of your own, and what each does to the reconstruction.

    python examples/replacing_vq.py              # a minute or two; --steps 20 for a look

The model, the loss and the loop stay as they are: every quantizer has the output of vector-quantize-pytorch's
VectorQuantize, ``quantized, indices, loss``, and two more. Needs ``pip install 'scq[train]'`` for the photographs.
"""

import argparse

import torch
from torch import nn
from torch.nn.functional import mse_loss

import scq


class Autoencoder(nn.Module):
    """Any convolutional autoencoder; the batch norm keeps latents at unit scale, for which lam = 0.1 is meant."""

    def __init__(self, quantizer: nn.Module) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 8, 4, 2, 1), nn.BatchNorm2d(8))
        self.quantizer = quantizer
        self.decoder = nn.Sequential(nn.ConvTranspose2d(8, 32, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(32, 3, 4, 2, 1))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        quantized, indices, loss, *_ = self.quantizer(self.encoder(x))
        return self.decoder(quantized), indices, loss


def trained(quantizer: nn.Module, pictures: torch.Tensor, steps: int) -> Autoencoder:
    torch.manual_seed(0)
    model = Autoencoder(quantizer)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  # the codebook is among the parameters
    for _ in range(steps):
        batch = pictures[torch.randint(len(pictures), (64,))]
        reconstruction, _, loss = model(batch)
        optimizer.zero_grad()
        (mse_loss(reconstruction, batch) / pictures.var() + loss).backward()
        optimizer.step()
    return model.eval()


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400)
    steps = parser.parse_args().steps
    data = scq.data.load("photos")
    train, test = scq.data.to_float(data.train), scq.data.to_float(data.test[:256])
    K, F = 128, 8
    for name in ("vq", "vq_ema", "scq"):
        quantizer = scq.quantizer(name, K, F, channel_dim=1, init="kmeans")
        with torch.enable_grad():
            model = trained(quantizer, train, steps)
        soft, indices, _ = model(test)
        hard = model.decoder(quantizer.decode(indices))  # what comes back where indices are stored
        used = len(indices.unique())
        errors = f"MSE {mse_loss(soft, test):.5f}, of the hard codes {mse_loss(hard, test):.5f}"
        print(f"{name:7} {errors}, {used} of {K} codes")


if __name__ == "__main__":
    main()
