"""Figures of the log of runs: one for each number, a line for each run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scq.validation.common.plots.look import look
from scq.validation.common.plots.style import SIZE, figure, legend, log_axis, smooth, steps_axis
from scq.validation.common.tables import number
from scq.validation.runs.record import Runs

SECTIONS = {"training": "train/", "kkt": "kkt/", "gap": "gap/", "codes": "quantizer/", "time": "time/"}
"""The sections of the page that have curves, and how the numbers in them begin."""

_ELSEWHERE = {"quantizer/hard_perplexity": "training"}
"""Numbers that stand in another section: a collapse is seen at once."""

_LEFT_OUT = ("time/elapsed", "time/gap", "gap/decoded_mse_difference")
"""What says nothing as a curve of its own."""

_BESIDE = 4
"""Runs whose names stand above a figure; those of more stand beside it."""


@dataclass(frozen=True)
class Number:
    """How a number of the log is shown.

    Attributes:
        title: of the axis, with the unit.
        caption: what it is, in a sentence.
        log: whether its axis is logarithmic where all values are above 0.
        scale: it is multiplied by.
        smoothed: whether its batches differ so much that a mean of five lines is drawn over them.
    """

    title: str
    caption: str
    log: bool = False
    scale: float = 1.0
    smoothed: bool = False


NUMBERS = {
    "train/mse": Number(
        "MSE of the training batch, 10⁻³", "Reconstruction error of the training batch", True, 1e3, True
    ),
    "train/loss": Number("loss", "What the optimiser makes smaller", True, smoothed=True),
    "train/quantizer_loss": Number("loss of the quantizer", "The quantizer's part of the loss", True, smoothed=True),
    "train/gradient_norm": Number("norm of the gradient", "Length of the gradient before it is clipped", True),
    "quantizer/hard_perplexity": Number(
        "hard perplexity, codewords", "Use of the codebook by the largest weights of the training batch", smoothed=True
    ),
    "quantizer/soft_perplexity": Number("soft perplexity, codewords", "Use of the codebook by the mean weights"),
    "quantizer/active_codes": Number("codewords used", "Codewords that are the largest of some latent of the batch"),
    "quantizer/support_size": Number("support, codewords a latent", "Codewords with weight above 1e-6"),
    "quantizer/largest_weight": Number("largest weight, mean", "1 is plain vector quantization"),
    "quantizer/lam": Number("lam", "The regularisation weight", True),
    "quantizer/iterations": Number("iterations a latent, mean", "Iterations of the solver"),
    "quantizer/converged_share": Number("converged latents, %", "Latents whose residual is within tol", scale=100.0),
    "quantizer/margin": Number("margin, median", "Strict complementarity; near zero the gradient is one-sided", True),
    "quantizer/weakly_active_share": Number(
        "latents with one-sided gradient, %", "Latents with a weakly active codeword", scale=100.0
    ),
    "quantizer/duality_gap": Number("Frank-Wolfe gap, mean", "An upper bound of the excess objective", True),
    "kkt/relative": Number("relative KKT residual, largest", "Recomputed in float64 from the weights alone", True),
    "kkt/primal": Number("primal residual, largest", "By how much weights leave the simplex", True),
    "kkt/dual": Number("dual residual, largest", "A codeword that would still lower the objective", True),
    "kkt/complementarity": Number("complementarity, largest", "Weight on a codeword that should be off", True),
    "gap/weights_l2": Number(
        "‖p exact - p relaxed‖, mean", "Distance of exact and relaxed weights of the same latents"
    ),
    "gap/gradient_latents_cosine": Number("cosine of ∂L/∂Z", "Between the exact and the relaxed gradient"),
    "gap/gradient_codebook_cosine": Number("cosine of ∂L/∂C", "Between the exact and the relaxed gradient"),
    "time/step": Number("seconds a step", "Mean since the line before"),
}
"""Those that are known; others stand under the name that they have in the log."""


def names(runs: Runs, section: str) -> list[str]:
    """The numbers of a section that some run has logged: the known ones first."""
    prefix = SECTIONS[section]
    logged = dict.fromkeys(name for run in runs.runs for line in run.record.history for name in line)
    mine = [name for name in logged if _ELSEWHERE.get(name, section) == section and name not in _LEFT_OUT]
    mine = [name for name in mine if name.startswith(prefix) or name in _ELSEWHERE]
    return sorted(mine, key=lambda name: list(NUMBERS).index(name) if name in NUMBERS else len(NUMBERS))


def file_name(section: str, at: int, name: str) -> str:
    """Of the figure of a number; those that are not known may be called what no file is."""
    return name.replace("/", "_") if name in NUMBERS else f"{section}_{at}"


def curve(runs: Runs, name: str) -> Figure | None:
    """The number over the steps; None where no run has a value that is finite."""
    shown = NUMBERS.get(name, Number(name, ""))
    series = [(at, *_series(runs, at, name)) for at in range(len(runs.runs))]
    series = [(at, steps, values * shown.scale) for at, steps, values in series if len(steps)]
    if not series:
        return None
    drawing, axes = _frame(len(runs.runs))
    for at, steps, values in series:
        how, label = look(at), runs.runs[at].label
        marker = "." if len(steps) == 1 else ""
        if shown.smoothed and len(steps) > 1:
            axes.plot(steps, values, color=how.colour, linewidth=0.8, alpha=0.25, gid=label)
            values = smooth(values)
        axes.plot(steps, values, color=how.colour, linestyle=how.dashes, marker=marker, label=label)
    axes.set_ylabel(shown.title)
    steps_axis(axes)
    if shown.log and all((values > 0).all() for _, _, values in series):
        log_axis(axes)
    if 1 < len(series) <= _BESIDE:
        legend(axes)
    elif len(series) > 1:
        drawing.legend(loc="center right", borderaxespad=0.3, handlelength=2.4)
    return drawing


def caption(runs: Runs, name: str) -> str:
    """What a curve shows."""
    shown = NUMBERS.get(name, Number(name, ""))
    said = f"{shown.caption} ({name})" if shown.caption else name
    if shown.smoothed:
        said += "; faint as logged, strong smoothed over five lines of the log"
    if name == "time/step":
        firsts = [f"{first} s{_of(runs, at)}" for at in range(len(runs.runs)) if (first := _first(runs, at))]
        if firsts:
            said += f". The first step, which also compiles and allocates, is left out: {', '.join(firsts)}"
    return f"{said}."


def _of(runs: Runs, at: int) -> str:
    return f" ({runs.runs[at].label})" if len(runs.runs) > 1 else ""


def _first(runs: Runs, at: int) -> str:
    """The seconds of the first step of a run."""
    steps, values = runs.runs[at].record.series("time/step")
    return number(float(values[0])).text if len(steps) > 1 and steps[0] == 1 else ""


def _series(runs: Runs, at: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    steps, values = runs.runs[at].record.series(name)
    return (steps[1:], values[1:]) if name == "time/step" and _first(runs, at) else (steps, values)


def _frame(count: int) -> tuple[Figure, Axes]:
    if count <= _BESIDE:
        return figure()
    drawing = Figure(figsize=(SIZE[0] + 2.2, SIZE[1]))
    return drawing, drawing.add_axes((0.1, 0.14, 0.55, 0.82))


def sections(runs: Runs) -> dict[str, Sequence[str]]:
    """The numbers of every section."""
    return {section: names(runs, section) for section in SECTIONS}
