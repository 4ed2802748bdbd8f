"""What all adapters are: a quantizer with the contract of the one that it replaces."""

from typing import Any

from torch import Tensor, nn

from scq.quantizers.base import Quantizer, QuantizerOutput
from scq.quantizers.stacked import places


class Adapter(nn.Module):
    """A quantizer of scq in the place of another library's.

    Args:
        quantizer: any, also residual and grouped ones.
        channel_dims: where its channels may be.
        hard: of quantizers whose output is a mixture of codewords, whether the codeword of the largest weight goes on
            in place of the mixture, with the mixture's gradient. Others give codewords as they are.

    Attributes:
        quantizer: the layer.
        output: what it returned last, with its graph: its loss and its numbers. None before the first pass, and in
            copies.
    """

    def __init__(self, quantizer: Quantizer, channel_dims: tuple[int, int], hard: bool = False) -> None:
        super().__init__()
        if not isinstance(quantizer, Quantizer):
            raise TypeError(f"quantizer is a {type(quantizer).__name__}, must be a quantizer of scq")
        if quantizer.channel_dim not in channel_dims:
            raise ValueError(
                f"quantizer has channel_dim={quantizer.channel_dim}, must have {channel_dims[0]}, where this model has "
                "the channels"
            )
        self._places = list(places(quantizer))
        if hard and not self._places:
            raise ValueError(f"hard is True, but a {type(quantizer).__name__} has no codewords")
        self.quantizer, self.hard = quantizer, hard
        self.output: QuantizerOutput | None = None
        # from_pretrained makes modules without memory, and fills in what its file has.
        self._made_without_memory = any(tensor.is_meta for tensor in self.state_dict().values())

    def quantize(self, x: Tensor, mask: Tensor | None = None, layer: Quantizer | None = None) -> Tensor:
        """What goes on to the model. It keeps ``output``.

        Args:
            x, mask: as the quantizer takes them.
            layer: in place of the quantizer.
        """
        self.derive()
        layer = self.quantizer if layer is None else layer
        self.output = output = layer(x, mask)
        quantized = output.quantized
        if not self.hard or not any(place.layer.gradient.soft for place in self._places):
            return quantized
        codewords = layer.decode(output.indices).detach().to(quantized.dtype)
        if mask is not None:
            codewords = codewords.where(mask.unsqueeze(layer.channel_dim), 0.0)
        # The codewords bit for bit.
        return codewords + (quantized - quantized.detach())

    def derive(self) -> None:
        """Makes anew what follows from the quantizer's settings and is in no file, where it was made without memory."""
        if self._made_without_memory:
            self.quantizer._apply(lambda tensor: tensor)
            self._made_without_memory = False

    @property
    def code_dims(self) -> int:
        """The dimensions of ``indices`` after those of the positions."""
        return len(self._places[0].index) if self._places else 0

    def extra_repr(self) -> str:
        return f"hard={self.hard}"

    def __getstate__(self) -> dict[str, Any]:
        # Tensors within a graph cannot be copied.
        return self.__dict__ | {"output": None}
