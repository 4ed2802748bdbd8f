"""Encoder and decoder of diffusers' VQModel, without what is between them."""

from collections.abc import Sequence

from diffusers.models.autoencoders.vae import Decoder, Encoder


def encoder(widths: Sequence[int], dim: int, blocks: int, groups: int, attention: bool) -> Encoder:
    """From pictures (B, 3, H, W) to features (B, dim, h, w).

    Args:
        widths: channels of each level.
        dim: channels of the features.
        blocks: residual blocks of a level.
        groups: of the normalisations.
        attention: at the last level and behind it, or nowhere.
    """
    plain, last = "DownEncoderBlock2D", "AttnDownEncoderBlock2D" if attention else "DownEncoderBlock2D"
    return Encoder(
        in_channels=3,
        out_channels=dim,
        down_block_types=(*(plain,) * (len(widths) - 1), last),
        block_out_channels=tuple(widths),
        layers_per_block=blocks,
        norm_num_groups=groups,
        double_z=False,
        mid_block_add_attention=attention,
    )


def decoder(widths: Sequence[int], dim: int, blocks: int, groups: int, attention: bool) -> Decoder:
    """From features (B, dim, h, w) to pictures (B, 3, H, W); the arguments are those of :func:`encoder`."""
    plain, first = "UpDecoderBlock2D", "AttnUpDecoderBlock2D" if attention else "UpDecoderBlock2D"
    return Decoder(
        in_channels=dim,
        out_channels=3,
        up_block_types=(first, *(plain,) * (len(widths) - 1)),
        block_out_channels=tuple(widths),
        layers_per_block=blocks,
        norm_num_groups=groups,
        mid_block_add_attention=attention,
    )
