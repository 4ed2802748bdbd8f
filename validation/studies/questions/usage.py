"""How much of the codebook is used, and does exact SCQ avoid collapse?"""

from pathlib import Path

from scq.validation.studies.plots.arms import dots
from scq.validation.studies.plots.series import Axis
from scq.validation.studies.questions.answer import Answer, over, spread
from scq.validation.studies.results.record import StudyRecord
from scq.validation.studies.results.summary import COLLAPSED_BELOW
from scq.validation.studies.results.tables import SHOWN


def answer(record: StudyRecord, figures: Path) -> Answer | None:
    arms = [*record.arms("scq"), *filter(None, map(record.plain, ("scq_relaxed", "vq", "vq_ema")))]
    reply = Answer(
        "usage", "How much of the codebook is used? Does exact SCQ avoid collapse, and still at a large K?", figures
    )
    for data in record.datasets:
        here = [s for arm in arms if (s := record.centre(arm, data)) is not None and "hard_perplexity" in s.numbers]
        if len(here) > 1:
            caption = f"{data}: perplexity of the hard codes of all held-out latents, at the centre."
            reply.draw(f"{data}_hard_perplexity", caption, dots(here, SHOWN["hard_perplexity"]))
        for arm in arms:
            over_size = over(record, arm, "codebook_size", "hard_perplexity", "active_codes", data=data)
            parts = [
                f"K {size:g}: perplexity {spread(used)}, {spread(active)} codewords used"
                + (" (collapsed)" if sum(used) / len(used) < COLLAPSED_BELOW * size else "")
                for size, (used, active) in over_size
            ]
            if parts:
                reply.sentences.append(f"{data}, {arm}: {'; '.join(parts)}.")
    data = record.datasets[0]
    for name, title in (("hard_perplexity", "hard perplexity, codewords"), ("active_codes", "codewords used")):
        caption = (
            f"{data}: {title} over all held-out latents. A codebook counts as collapsed where its hard perplexity is "
            "below a tenth of K."
        )
        reply.along(f"over_K_{name}", caption, record, arms, "codebook_size", name, Axis(title, log=True))
    return reply if reply.panels else None
