"""What the terms of smoothed vector quantization see: weights on the simplex, and the value of each term.

``python -m scq.validation.simplex docs/simplex.png`` writes the figure of the documentation.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import matplotlib.patches
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from scq.quantizers.regularizers import KNNCE, KNNL2, MeanPerplexity, Quantized
from scq.validation.common.plots.style import GRID, INK, SOFT, style

SAMPLES, SEED = 400, 0
_CORNERS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, 3**0.5 / 2]])


@dataclass(frozen=True)
class Family:
    """Weights over three codewords, Dirichlet with the same concentration for each, so that their mean is uniform."""

    title: str
    concentration: float

    def sample(self) -> Float[Tensor, "N 3"]:
        """The weights; the same in every call."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            return torch.distributions.Dirichlet(torch.full((3,), self.concentration)).sample((SAMPLES,))


FAMILIES = (Family("at the vertices", 0.05), Family("uniform", 1.0), Family("in the centre", 30.0))


def terms(weights: Float[Tensor, "N 3"]) -> dict[str, float]:
    """The terms of these weights, as the figure has them."""
    nothing = torch.zeros(len(weights), 1)
    quantized = Quantized(nothing, nothing, weights, weights.clamp_min(1e-30).log())
    named = {"KNN-L2": KNNL2(), "KNN-CE": KNNCE(), "perplexity": MeanPerplexity()}
    return {name: float(term(quantized)) for name, term in named.items()}


def simplex_figure() -> Figure:
    """One triangle a family, with the value of each term below it."""
    with style(), mpl.rc_context({"axes.grid": False}):
        drawing = Figure(figsize=(7.2, 3.0))
        for number, family in enumerate(FAMILIES):
            axes = drawing.add_axes((number / 3 + 0.02, 0.24, 0.293, 0.64))
            weights = family.sample()
            axes.add_patch(mpl.patches.Polygon(_CORNERS.numpy(), facecolor=GRID, edgecolor=SOFT, alpha=0.6))
            x, y = (weights @ _CORNERS).T.numpy()
            axes.scatter(x, y, s=7, color="#0072B2", alpha=0.55, linewidths=0, zorder=2)
            axes.set(xlim=(-0.05, 1.05), ylim=(-0.06, 0.93), aspect="equal", title=family.title)
            axes.set_axis_off()
            values = "\n".join(f"{name}  {value:.4f}" for name, value in terms(weights).items())
            drawing.text(number / 3 + 1 / 6, 0.2, values, ha="center", va="top", color=INK, linespacing=1.4)
    return drawing


if __name__ == "__main__":
    simplex_figure().savefig(Path(sys.argv[1]), dpi=150, metadata={"Software": None})
