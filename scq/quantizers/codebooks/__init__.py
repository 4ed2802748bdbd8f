"""Kinds of codebook, one a file."""

from scq.quantizers.codebooks.codebook import Codebook
from scq.quantizers.codebooks.diagonal import Diagonal
from scq.quantizers.codebooks.direct import Direct
from scq.quantizers.codebooks.ema import EMA
from scq.quantizers.codebooks.fixed_grid import FixedGrid
from scq.quantizers.codebooks.linear import Linear, LinearJoint
from scq.quantizers.codebooks.spherical import Spherical

__all__ = ["EMA", "Codebook", "Diagonal", "Direct", "FixedGrid", "Linear", "LinearJoint", "Spherical"]
