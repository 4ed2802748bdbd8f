"""What does lam do?"""

from pathlib import Path

from scq.validation.studies.plots.series import Axis
from scq.validation.studies.questions.answer import Answer, over, spread
from scq.validation.studies.results.record import StudyRecord

_FIGURES = {
    "psnr": (Axis("PSNR, dB"), "Reconstruction of held-out pictures"),
    "hard_mse": (Axis("MSE of hard decoding", log=True), "Error when only the largest weight is kept"),
    "support_size": (Axis("support, codewords a latent"), "Codewords with weight above 10⁻⁶"),
    "quantizer/largest_weight": (Axis("largest weight, mean"), "Largest weight; 1 is a hard code"),
    "hard_perplexity": (Axis("hard perplexity, codewords"), "Use of the codebook by the largest weights"),
    "soft_perplexity": (Axis("soft perplexity, codewords"), "Use of the codebook by the mean weights"),
    "quantizer/weakly_active_share": (Axis("share of latents"), "Latents whose gradient is one-sided"),
    "quantizer/iterations": (Axis("iterations a latent, mean"), "Iterations of the solver"),
}

_OF_THE_SOLVE = ("quantizer/weakly_active_share", "quantizer/iterations")


def answer(record: StudyRecord, figures: Path) -> Answer | None:
    arms = record.arms("scq", "scq_relaxed")
    data = record.datasets[0]
    reply = Answer("strength", "What does lam do?", figures)
    for name, (axis, caption) in _FIGURES.items():
        reply.along(
            name.replace("/", "_"),
            f"{data}: {caption[0].lower()}{caption[1:]}, over lam.",
            record,
            # The relaxation is differentiated as it is, and makes a fixed number of steps.
            record.arms("scq") if name in _OF_THE_SOLVE else arms,
            "lam",
            name,
            axis,
        )
    for arm in arms:
        parts = [
            f"lam {lam:g}: {spread(psnr, 'dB', 4)}, support {spread(support, digits=2)}, hard perplexity "
            f"{spread(used, digits=2)}"
            for lam, (psnr, support, used) in over(record, arm, "lam", "psnr", "support_size", "hard_perplexity")
        ]
        if len(parts) > 1:
            reply.sentences.append(f"{data}, {arm}: {'; '.join(parts)}.")
    return reply if reply.panels else None
