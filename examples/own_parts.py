"""A backend, a quantizer, a data set and a model of your own, for every command:

    scq train --import own_parts --model patches --data gratings --quantizer sign --steps 50
    scq compare --import own_parts --backends nnls active_set

run beside this file. A package that is installed names the same entries in its pyproject.toml instead, and needs no
``--import``:

    [project.entry-points."scq.quantizers"]
    sign = "my_package.entries:SIGN"

The groups are scq.backends, scq.quantizers, scq.datasets and scq.models.
"""

import numpy as np
import torch
from scipy.optimize import nnls
from torch import nn
from torch.nn.functional import mse_loss

import scq
from scq import data, models, quantizers, solvers


def solve(problem: solvers.Instance, *, tol: float, max_iter: int | None = None) -> solvers.Result:
    """Lawson and Hanson's active set, one column after the other: minimises ||C^T p - z||^2 + lam ||p - a||^2 over the
    simplex as the point of least norm in the hull of the columns of [C^T - z 1^T; sqrt(lam) (I - a 1^T)]."""
    C, root, K = problem.codebook.numpy(), problem.lam.sqrt().item(), problem.codebook.shape[0]
    anchors = problem.anchor if problem.anchor.dim() == 2 else torch.eye(K)[problem.anchor]
    weights = np.zeros((len(anchors), K))
    status = torch.full((len(anchors),), int(solvers.Status.SOLVED))
    for n, (z, a) in enumerate(zip(problem.latents.numpy(), anchors.numpy(), strict=True)):
        B = np.vstack([C.T - z[:, None], root * (np.eye(K) - a[:, None]), np.ones(K)])
        try:
            q, _ = nnls(B, np.eye(len(B))[-1], maxiter=max_iter)
            weights[n] = q / q.sum()
        except RuntimeError:  # what SciPy raises when it is out of iterations
            status[n] = int(solvers.Status.MAX_ITER)
    return solvers.Result(torch.from_numpy(weights), status=status, iterations=torch.zeros_like(status))


class Sign(quantizers.Quantizer):
    """z_q = sign(z) in every channel, straight through: 2^F codes without a codebook (LFQ, arXiv 2310.05737, section
    3.1, without its entropy term)."""

    def __init__(self, dim: int, channel_dim: int) -> None:
        super().__init__(channel_dim)
        self.register_buffer("digits", 2 ** torch.arange(dim))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> scq.QuantizerOutput:
        keep = torch.ones_like(x) if mask is None else mask.unsqueeze(self.channel_dim).expand_as(x).to(x.dtype)
        x = x * keep
        signs = torch.where(x > 0, 1.0, -1.0) * keep
        indices = ((signs > 0).movedim(self.channel_dim, -1) * self.digits).sum(-1)
        loss = (x - signs).square().sum() / keep.sum()
        return scq.QuantizerOutput(x + (signs - x).detach(), indices, loss, None, {})

    def decode(self, indices: torch.Tensor) -> torch.Tensor:
        bits = (indices[..., None] & self.digits) > 0
        return torch.where(bits, 1.0, -1.0).movedim(-1, self.channel_dim)


def sign(codebook_size: int, dim: int, channel_dim: int = -1) -> Sign:
    """The sizes and channel_dim are given by every run; what else a quantizer takes its entry names in ``takes``."""
    return Sign(dim, channel_dim)


def read_gratings(root: None) -> data.ImageData:
    """Coloured gratings of random direction and wavelength."""
    generator = torch.Generator().manual_seed(0)
    waves = torch.rand(576, 3, 3, 1, 1, generator=generator) - 0.5  # of a picture and colour: x, y and phase
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    gratings = (2 * (waves[:, :, 0] * x + waves[:, :, 1] * y) + 6 * waves[:, :, 2]).sin()
    pictures = (127.5 * (gratings + 1)).round().to(torch.uint8)
    return data.ImageData("gratings", pictures[:512], pictures[512:], "gratings, drawn")


class Patches(models.Model):
    """A linear autoencoder of 4 x 4 patches: 64 latents a picture."""

    channel_dim = 1

    def __init__(self, quantizer: quantizers.Quantizer, dim: int) -> None:
        super().__init__()
        self.quantizer = quantizer
        self.encoder = nn.Sequential(nn.Conv2d(3, dim, 4, 4), nn.BatchNorm2d(dim))
        self.decoder = nn.ConvTranspose2d(dim, 3, 4, 4)

    def encode(self, batch: torch.Tensor) -> torch.Tensor:
        return self.encoder(batch)

    def loss(self, quantized: torch.Tensor, batch: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        error = mse_loss(self.decoder(quantized), batch)
        return error, {"mse": error.detach()}

    @torch.no_grad()
    def evaluate(self, examples: torch.Tensor) -> dict[str, float]:
        return {"mse": float(mse_loss(self._made(examples).cpu(), data.to_float(examples)))}

    @torch.no_grad()
    def samples(self, examples: torch.Tensor) -> torch.Tensor:
        return ((self._made(examples).cpu() + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)

    def _made(self, examples: torch.Tensor) -> torch.Tensor:
        pictures = data.to_float(examples).to(self.decoder.weight.device)
        return self.decoder(self.quantizer(self.encode(pictures)).quantized)


NNLS = solvers.BackendInfo(
    "nnls",
    "SciPy's non-negative least squares, one column after the other",
    solve,
    batched=False,
    accuracy={"float32": 1e-5, "float64": 1e-9},
    package="scipy",
    install="pip install scipy",
    citation="Lawson and Hanson, Solving Least Squares Problems (1974), chapter 23",
)
SIGN = quantizers.QuantizerInfo("sign", "the sign of each channel", layer=sign, citation="Yu et al., arXiv 2310.05737")
# Of known parts, in another combination, a name is all that is needed:
COSINE = quantizers.QuantizerInfo(
    "cosine_rotation",
    "VQ by cosine with the rotation trick",
    quantizers.Parts("spherical", "nearest", "rotation", ("codebook", "commitment")),
)
GRATINGS = data.DatasetInfo("gratings", "coloured gratings", "own_parts:read_gratings", "nobody", packaged=True)
PATCHES = models.ModelInfo("patches", "a linear autoencoder of 4 x 4 patches", "own_parts:Patches")

solvers.register(NNLS)
quantizers.register(SIGN)
quantizers.register(COSINE)
data.register(GRATINGS)
models.register(PATCHES)
