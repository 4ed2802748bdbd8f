"""An autoencoder of text, character by character, with codes between: around any quantizer."""

import lzma
import math
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int, Integer, UInt8
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from scq.models.base import Model
from scq.models.measuring import CodebookUse, evaluating
from scq.models.starting import calibrate
from scq.quantizers.base import Quantizer, QuantizerOutput
from scq.quantizers.stacked import places
from scq.quantizers.usage import counts, perplexity

CHARACTERS = 256
"""A character is a byte of UTF-8."""

PER_CODE = 4
"""Characters a code."""

_BATCH = 256


class TextOutput(NamedTuple):
    """What the autoencoder of text returns.

    Attributes:
        logits: (B, 256, L), of the characters.
        quantized: the quantizer's output; ``quantized.quantized`` is (B, dim, L/4).
        latents: (B, dim, L/4), before quantization.
    """

    logits: Float[Tensor, "B 256 L"]
    quantized: QuantizerOutput
    latents: Float[Tensor, "B dim codes"]


class TextAutoencoder(Model):
    """Embedding, two convolutions of stride 2, quantizer, two transposed convolutions: four characters a code.

    A window of 128 characters becomes 32 latents of ``dim`` channels. All characters are predicted at once from the
    codes, none from the others. It is trained with

        loss = -mean log p(character | codes) + loss of the quantizer,

    with natural logarithms.

    Args:
        quantizer: with channels at dimension 1, for latents of ``dim`` channels.
        width: channels of the embedding and the convolutions.
        dim: channels of a latent.

    Raises:
        ValueError: a quantizer whose channels are not at dimension 1.

    Weights start from torch's global random state, as torch's layers do.

    Source: none; the smallest network that puts codes between a text and itself. Whether SCQ works beyond pictures is
    an open question of arXiv 2310.03004.
    """

    channel_dim: ClassVar[int] = 1

    def __init__(self, quantizer: Quantizer, width: int = 64, dim: int = 16) -> None:
        super().__init__()
        if quantizer.channel_dim != 1:
            raise ValueError(f"quantizer has channel_dim={quantizer.channel_dim}, must have 1: latents are (B, dim, L)")
        self.embedding = nn.Embedding(CHARACTERS, width)
        self.encoder = nn.Sequential(
            nn.Conv1d(width, width, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv1d(width, width, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv1d(width, dim, 1),
        )
        self.quantizer = quantizer
        self.decoder = nn.Sequential(
            nn.Conv1d(dim, width, 3, padding=1),
            nn.ReLU(),
            nn.ConvTranspose1d(width, width, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose1d(width, CHARACTERS, 4, stride=2, padding=1),
        )

    def encode(self, characters: Int[Tensor, "B L"]) -> Float[Tensor, "B dim codes"]:
        """Latents, before quantization.

        Raises:
            ValueError: L is not a multiple of 4: what is decoded would have another length.
        """
        if characters.ndim != 2 or characters.shape[1] % PER_CODE:
            raise ValueError(f"characters has shape {tuple(characters.shape)}, must be (B, L), L a multiple of 4")
        return self.encoder(self.embedding(characters).transpose(1, 2))

    def decode(self, quantized: Float[Tensor, "B dim codes"]) -> Float[Tensor, "B 256 L"]:
        """Logits of the characters, from quantized latents."""
        return self.decoder(quantized)

    def decode_codes(self, codes: Int[Tensor, "B codes *parts"]) -> Int[Tensor, "B L"]:
        """The likeliest characters, from the hard codes of :meth:`encode_to_codes`."""
        return self.decode(self.quantizer.decode(codes)).argmax(1)

    def forward(self, characters: Int[Tensor, "B L"]) -> TextOutput:
        """Encodes, quantizes and decodes."""
        latents = self.encode(characters)
        quantized = self.quantizer(latents)
        return TextOutput(self.decode(quantized.quantized), quantized, latents)

    def start(self, batch: Int[Tensor, "B L"]) -> None:
        """Gives the channels of the latents of this batch mean 0 and variance 1: what
        :func:`scq.models.starting.calibrate` says."""
        last = self.encoder[-1]
        assert isinstance(last, nn.Conv1d)
        calibrate(last, self.encode(batch))

    def loss(
        self, quantized: Float[Tensor, "B dim codes"], batch: Int[Tensor, "B L"]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """-mean log p(character | codes), and as "accuracy" the share of characters that are the likeliest."""
        logits = self.decode(quantized)
        return cross_entropy(logits, batch), {"accuracy": (logits.argmax(1) == batch).double().mean()}

    def evaluate(self, examples: UInt8[Tensor, "N L"]) -> dict[str, float]:
        r"""What is left of held-out text behind the codes, and what the codes cost.

        Returns:
            accuracy, cross_entropy: the share of characters that are the likeliest, and -mean log2 p(character |
                codes), in bits a character.
            hard_accuracy, hard_cross_entropy: the same when only the argmax codeword of each latent is kept.
            code_bits: what the hard codes cost, in bits a character: their entropy over all held-out text, as an ideal
                entropy coder of single codes needs, divided by 4; of stages and groups the sum. With
                hard_cross_entropy beside it, which is what it costs to correct the decoder, it is the length of a
                lossless code.
            hard_perplexity, soft_perplexity, active_codes, support_size, tightness, converged_share: over all codes.
            chance_accuracy: of always the commonest character.
            xz_bits: of the held-out text alone, packed by xz: bits a character.
            What needs a codebook is NaN without one.
        """
        codebooks = list(places(self.quantizer))
        used = [torch.zeros(place.layer.codebook_size, dtype=torch.long, device="cpu") for place in codebooks]
        use = CodebookUse(self.quantizer)
        right, nats = {"": 0, "hard_": 0}, {"": 0.0, "hard_": 0.0}
        with evaluating(self) as device:
            for windows in examples.split(_BATCH):
                characters = windows.to(device).long()
                output = self(characters)
                use.update(output.quantized)
                logits, codes = {"": output.logits}, output.quantized.indices
                if codebooks:
                    logits["hard_"] = self.decode(self.quantizer.decode(codes))
                for mass, place in zip(used, codebooks, strict=True):
                    mass += counts(codes[(..., *place.index)], place.layer.codebook_size).cpu()
                for how, one in logits.items():
                    right[how] += int((one.argmax(1) == characters).sum())
                    nats[how] += float(cross_entropy(one, characters, reduction="sum"))
        numbers = {}
        for how in right:
            there = bool(codebooks) or not how
            numbers[f"{how}accuracy"] = right[how] / examples.numel() if there else math.nan
            numbers[f"{how}cross_entropy"] = nats[how] / examples.numel() / math.log(2) if there else math.nan
        bits = sum(math.log2(perplexity(mass)) for mass in used)
        numbers["code_bits"] = bits / PER_CODE if codebooks else math.nan
        packed = lzma.compress(examples.cpu().numpy().tobytes(), preset=9)
        commonest = int(examples.flatten().long().bincount().max())
        landmarks = {"chance_accuracy": commonest / examples.numel(), "xz_bits": 8 * len(packed) / examples.numel()}
        return numbers | use.compute() | landmarks

    def samples(self, examples: UInt8[Tensor, "N L"]) -> UInt8[Tensor, "N L"]:
        """The likeliest characters of held-out windows, as windows; :func:`as_text` makes them readable."""
        with evaluating(self) as device:
            return self(examples.to(device).long()).logits.argmax(1).to(torch.uint8).cpu()


def as_text(windows: Integer[Tensor, "N L"]) -> list[str]:
    """Windows as texts. Bytes that are no UTF-8, as where a window cuts a letter, become U+FFFD."""
    return [bytes(window).decode(errors="replace") for window in windows.tolist()]
