"""The standard VQ-VAE, around any quantizer."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from scq.data.dataset import Dataset
from scq.data.image_data import ImageData
from scq.models.autoencoding import PictureModel
from scq.models.residual import Residual
from scq.quantizers.base import Quantizer


class Autoencoder(PictureModel):
    """Encoder, quantizer, decoder: two convolutions of stride 2, a residual stack, and the mirror image of both.

    A 32 x 32 picture becomes 8 x 8 latents of ``dim`` channels, a 128 x 128 one 32 x 32. It is trained with

        loss = ||reconstruction - picture||^2 / variance of the data + loss of the quantizer        (means, not sums).

    Args:
        quantizer: with channels at dimension 1, for latents of ``dim`` channels.
        in_channels: of the pictures.
        width: channels of the convolutions; the first one has half of it.
        residual_width: channels inside a residual block.
        residual_layers: residual blocks in the encoder, and in the decoder.
        dim: channels of a latent.

    Raises:
        TypeError: a width, dim or number that is not an int.
        ValueError: one that is too small, or a quantizer whose channels are not at dimension 1.

    Weights start from torch's global random state, as torch's layers do. The reconstruction is not bounded.

    Source: the architecture of arXiv 1711.00937, section 4.1, as published with its code (DeepMind's Sonnet 2,
    examples/vqvae_example.ipynb), whose widths are the defaults.
    """

    def __init__(
        self,
        quantizer: Quantizer,
        in_channels: int = 3,
        width: int = 128,
        residual_width: int = 32,
        residual_layers: int = 2,
        dim: int = 64,
    ) -> None:
        super().__init__()
        # The outermost convolutions have half of the width.
        for name, value, least in (
            ("in_channels", in_channels, 1),
            ("width", width, 2),
            ("residual_width", residual_width, 1),
            ("residual_layers", residual_layers, 0),
            ("dim", dim, 1),
        ):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} is a {type(value).__name__}, must be an int")
            if value < least:
                raise ValueError(f"{name} is {value}, must be at least {least}")
        if quantizer.channel_dim != 1:
            raise ValueError(
                f"quantizer has channel_dim={quantizer.channel_dim}, must have 1: latents are (B, dim, h, w)"
            )

        self.in_channels = in_channels
        self._variance: float | None = None

        def residuals() -> list[nn.Module]:
            return [*(Residual(width, residual_width) for _ in range(residual_layers)), nn.ReLU()]

        self.encoder = nn.Sequential(
            nn.Conv2d(in_channels, width // 2, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width // 2, width, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            *residuals(),
            nn.Conv2d(width, dim, 1),
        )
        self.quantizer = quantizer
        self.decoder = nn.Sequential(
            nn.Conv2d(dim, width, 3, padding=1),
            *residuals(),
            nn.ConvTranspose2d(width, width // 2, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(width // 2, in_channels, 4, stride=2, padding=1),
        )

    @property
    def last_of_encoder(self) -> nn.Conv2d:
        last = self.encoder[-1]
        assert isinstance(last, nn.Conv2d)
        return last

    def encode(self, pictures: Float[Tensor, "B channels H W"]) -> Float[Tensor, "B dim h w"]:
        """Latents, before quantization.

        Raises:
            ValueError: other channels than ``in_channels``, or H or W not a multiple of 4: their reconstruction would
                have another size.
        """
        channels = self.in_channels
        if pictures.ndim != 4 or pictures.shape[1] != channels or pictures.shape[2] % 4 or pictures.shape[3] % 4:
            raise ValueError(
                f"pictures has shape {tuple(pictures.shape)}, must be (B, {channels}, H, W), H and W multiples of 4"
            )
        return self.encoder(pictures)

    def decode(self, quantized: Float[Tensor, "B dim h w"]) -> Float[Tensor, "B channels H W"]:
        """Pictures from quantized latents."""
        return self.decoder(quantized)

    def meet(self, dataset: Dataset) -> None:
        """Takes the variance of the pictures, by which the loss divides their error."""
        assert isinstance(dataset, ImageData)
        self._variance = dataset.variance

    def loss(
        self, quantized: Float[Tensor, "B dim h w"], batch: Float[Tensor, "B channels H W"]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """||reconstruction - picture||^2 / variance, and the same undivided as "mse".

        Raises:
            ValueError: the model has not met the data, whose variance it would divide by.
        """
        if self._variance is None:
            raise ValueError("model knows no data, must meet it before it has a loss: model.meet(dataset)")
        mse = mse_loss(self.decode(quantized), batch)
        return mse / self._variance, {"mse": mse.detach()}
