"""Figures of a study: the quantizers beside each other, and the codebooks that start collapsed."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scq.validation.common.plots.look import look
from scq.validation.common.plots.panel import Panel
from scq.validation.common.plots.style import SOFT, log_axis, save, steps_axis, style
from scq.validation.common.seeds import over_seeds
from scq.validation.studies.plots.arms import dots
from scq.validation.studies.results.record import StressRun, StudyRecord
from scq.validation.studies.results.summary import COLLAPSED_BELOW
from scq.validation.studies.results.tables import SHOWN

_CAPTIONS = {
    "mse": "Mean squared error of held-out pictures at scale [0, 1]; soft codes carry more bits than hard ones",
    "psnr": "Peak signal-to-noise ratio of held-out pictures; the axis does not start at zero",
    "accuracy": "Share of held-out characters that are the likeliest; soft codes carry more bits than hard ones",
    "hard_accuracy": "The same when only the codeword of the largest weight is kept",
    "code_bits": "Entropy of the hard codes of all held-out latents",
    "hard_perplexity": "Perplexity of the hard codes of all held-out latents",
    "hardening": "What the error grows by when only the codeword of the largest weight is kept",
    "tightness": "Mean distance of the weights to their nearest vertex of the simplex; 0 is a hard code",
    "forward_ratio": "Forward pass in evaluation, as a multiple of that without quantization, which took turns with it",
    "memory": "Peak memory of one training step, above what the process had before",
}


def draw_study(record: StudyRecord, folder: Path) -> dict[str, list[Panel]]:
    """Draws what the record has data for, and writes PNG and PDF into ``folder``.

    Returns:
        The figures by section: "results" and "stress".
    """
    panels: dict[str, list[Panel]] = {"results": [], "stress": []}
    with style():
        for data in dict.fromkeys(summary.data for summary in record.summaries):
            here = [
                s for s in record.summaries if s.data == data and {name for name, _ in s.varied} <= {"codebook_size"}
            ]
            for name, caption in _CAPTIONS.items():
                drawing = dots(here, SHOWN[name])
                if drawing is not None:
                    how = over_seeds(s.seeds for s in here)
                    if name == "forward_ratio":
                        how = "median, and smallest to largest, of all repeats"
                    full = f"{data}: {caption[0].lower()}{caption[1:]}; {how}."
                    panels["results"].append(Panel(f"{data}_{name}", full, save(drawing, folder, f"{data}_{name}")))
        if record.stress:
            caption = (
                f"Codebooks of {record.stress[0].size:,} codewords from a start with all of them far from the "
                f"latents: hard perplexity and codewords used of each logged batch. Below the dotted line, a tenth of "
                f"the largest perplexity that a batch of {record.stress[0].ceiling:,} codes can have, a codebook "
                "counts as collapsed."
            )
            panels["stress"].append(Panel("stress", caption, save(_curves(record.stress), folder, "stress")))
    return panels


def _curves(runs: Sequence[StressRun]) -> Figure:
    """Hard perplexity and codewords used beside each other; colour and dashes are the arm."""
    drawing = Figure(figsize=(9.2, 4.3))
    left, right = drawing.add_axes((0.07, 0.12, 0.33, 0.84)), drawing.add_axes((0.47, 0.12, 0.33, 0.84))
    _lines(left, runs, lambda run: run.perplexity)
    left.axhline(COLLAPSED_BELOW * runs[0].ceiling, color=SOFT, linestyle=(0, (1, 2)), linewidth=1.0)
    left.set_ylabel("hard perplexity of the batch, codewords")
    _lines(right, runs, lambda run: run.active)
    right.set_ylabel("codewords used by the batch")
    handles, labels = left.get_legend_handles_labels()
    drawing.legend(handles, labels, loc="center right", borderaxespad=0.3, handlelength=2.6)
    return drawing


def _lines(axes: Axes, runs: Sequence[StressRun], values: Callable[[StressRun], np.ndarray]) -> None:
    for number, run in enumerate(runs):
        shown = look(number)
        axes.plot(run.steps, values(run), color=shown.colour, linestyle=shown.dashes, label=run.arm)
    steps_axis(axes)
    log_axis(axes)
