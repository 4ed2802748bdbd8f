"""What do the number of codewords and the channels of a latent do?"""

import statistics
from pathlib import Path

from scq.validation.studies.plots.series import Axis
from scq.validation.studies.questions.answer import Answer, Values, over, spread
from scq.validation.studies.results.record import StudyRecord

_FIGURES = {
    "psnr": (Axis("PSNR, dB"), "Reconstruction of held-out pictures"),
    "hard_mse": (Axis("MSE of hard decoding", log=True), "Error when only the largest weight is kept"),
    "support_size": (Axis("support, codewords a latent"), "Codewords with weight above 10⁻⁶"),
    "step_ratio": (
        Axis("time of a step / unquantised", log=True),
        "Time of a training step as a multiple of one without quantization, in turns, median and range",
    ),
}
_SETTINGS = {"codebook_size": "K", "dim": "F"}


def answer(record: StudyRecord, figures: Path) -> Answer | None:
    arms = [*record.arms("scq"), *filter(None, map(record.plain, ("scq_relaxed", "vq")))]
    data = record.datasets[0]
    reply = Answer("size", "What do the number of codewords K and the channels of a latent F do?", figures)
    for setting, letter in _SETTINGS.items():
        for name, (axis, caption) in _FIGURES.items():
            full = f"{data}: {caption[0].lower()}{caption[1:]}, over {letter}."
            reply.along(f"{setting}_{name}", full, record, arms, setting, name, axis)
        for arm in arms:
            times = dict(over(record, arm, setting, "step_ratio", "step_ratio_min", "step_ratio_max"))
            parts = [
                f"{letter} {x:g}: {spread(value, 'dB', 4)}{_time(times.get(x))}"
                for x, (value,) in over(record, arm, setting, "psnr")
            ]
            if len(parts) > 1:
                reply.sentences.append(f"{data}, {arm}: {'; '.join(parts)}.")
    return reply if reply.panels else None


def _time(times: list[Values] | None) -> str:
    """Of a step, median and range; nothing of runs whose times have no spread."""
    if times is None:
        return ""
    medians, lowest, highest = times
    middle, low, high = statistics.median(medians), min(lowest), max(highest)
    return f", a step {middle:.3g} ({low:.3g} to {high:.3g}) times as long as unquantised"
