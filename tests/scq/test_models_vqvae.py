"""The autoencoder: its architecture, and what it passes on."""

import pytest
import torch
from torch import nn

import scq


def model(seed: int = 0, quantizer: str = "vq", **sizes: int) -> scq.Autoencoder:
    torch.manual_seed(seed)
    sizes = {"width": 16, "residual_width": 4, "dim": 8} | sizes
    return scq.Autoencoder(quantizer=scq.quantizer(quantizer, 32, sizes["dim"], channel_dim=1), **sizes)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_pictures_of_32_become_8_x_8_latents_and_come_back() -> None:
    pictures = torch.rand(5, 3, 32, 32) - 0.5
    output = model()(pictures)
    assert output.latents.shape == output.quantized.quantized.shape == (5, 8, 8, 8)
    assert output.quantized.indices.shape == (5, 8, 8)
    assert output.reconstruction.shape == pictures.shape


@pytest.mark.parametrize("quantizer", ["vq_ema", "scq", "gumbel", "fsq"])
def test_pictures_become_codes_and_come_back_and_nothing_moves(quantizer: str) -> None:
    built, pictures = model(quantizer=quantizer).train(), torch.rand(3, 3, 32, 32) - 0.5
    before = {name: value.clone() for name, value in built.state_dict().items()}
    codes = built.encode_to_codes(pictures)
    assert built.quantizer.training
    assert all(torch.equal(value, before[name]) for name, value in built.state_dict().items())
    assert codes.shape == (3, 8, 8) and codes.dtype == torch.int64 and 0 <= codes.min() and codes.max() < 36
    assert torch.equal(codes, built.eval()(pictures).quantized.indices)
    assert torch.equal(built.decode_codes(codes), built.decode(built.quantizer.decode(codes)))


def test_default_widths_are_those_of_the_public_vqvae() -> None:
    built = scq.Autoencoder(quantizer=scq.NoQuantizer(channel_dim=1))

    def convolution(inputs: int, outputs: int, size: int) -> int:
        return inputs * outputs * size * size + outputs

    stack = 2 * (convolution(128, 32, 3) + convolution(32, 128, 1))
    encoder = convolution(3, 64, 4) + convolution(64, 128, 4) + convolution(128, 128, 3) + stack
    decoder = convolution(64, 128, 3) + stack + convolution(128, 64, 4) + convolution(64, 3, 4)
    assert parameters(built.encoder) == encoder + convolution(128, 64, 1)
    assert parameters(built.decoder) == decoder


def test_one_latent_sees_its_own_part_of_the_picture() -> None:
    pictures = torch.zeros(1, 3, 64, 64, requires_grad=True)
    model(residual_layers=0).encode(pictures)[0, :, 8, 8].sum().backward()
    assert pictures.grad is not None
    seen = pictures.grad.abs().sum(dim=(0, 1)).nonzero()
    # Two convolutions of size 4 and stride 2, one of size 3: 18 pixels wide, centred on pixels 32 to 35.
    assert seen.min() >= 25 and seen.max() <= 42


def test_decoder_reads_the_quantized_latents_alone() -> None:
    built = model(quantizer="scq")
    output = built(torch.rand(2, 3, 32, 32) - 0.5)
    torch.testing.assert_close(built.decode(output.quantized.quantized), output.reconstruction)


@pytest.mark.parametrize("quantizer", ["vq", "scq", "scq_relaxed", "none"])
def test_reconstruction_loss_reaches_every_parameter_of_encoder_and_decoder(quantizer: str) -> None:
    built = model(quantizer=quantizer)
    output = built(torch.rand(2, 3, 32, 32) - 0.5)
    output.reconstruction.square().mean().backward()
    without = [n for n, p in built.named_parameters() if p.grad is None or not p.grad.any()]
    # Straight-through passes the codebook by: its own loss trains it.
    assert without == (["quantizer.embedding.codewords"] if quantizer == "vq" else [])


def test_start_depends_on_the_global_seed_alone() -> None:
    first, same, other = model(1).state_dict(), model(1).state_dict(), model(2).state_dict()
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["encoder.0.weight"], other["encoder.0.weight"])


@pytest.mark.parametrize(("name", "value"), [("width", 1), ("residual_width", 0), ("residual_layers", -1), ("dim", 0)])
def test_sizes_that_are_too_small_are_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value}, must be at least"):
        scq.Autoencoder(quantizer=scq.NoQuantizer(channel_dim=1), **{name: value})


@pytest.mark.usefixtures("as_a_user")
def test_size_that_is_no_int_is_refused() -> None:
    with pytest.raises(TypeError, match="width is a float, must be an int"):
        scq.Autoencoder(quantizer=scq.NoQuantizer(channel_dim=1), width=64.0)  # pyrefly: ignore


def test_quantizer_with_channels_elsewhere_is_refused() -> None:
    with pytest.raises(ValueError, match="channel_dim=-1, must have 1"):
        scq.Autoencoder(quantizer=scq.NoQuantizer(channel_dim=-1))


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("shape", [(2, 1, 32, 32), (2, 3, 30, 32), (2, 3, 32, 31), (3, 32, 32)])
def test_pictures_that_would_not_come_back_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="pictures has shape .*multiples of 4"):
        model()(torch.zeros(shape))
