"""The report of a study: one page that needs nothing but itself."""

from pathlib import Path

from scq.validation.common.rendering import plainly, render
from scq.validation.common.seeds import over_seeds
from scq.validation.studies.cells import VALIDATION_SHARE
from scq.validation.studies.plots.figures import draw_study
from scq.validation.studies.questions import answers
from scq.validation.studies.results.record import StudyRecord
from scq.validation.studies.results.sentences import headline
from scq.validation.studies.results.tables import choice_table, result_tables, stress_table

_SET_BY_STUDY = ("quantizer", "gap", "latents_offset", "validation_share", "learning_rate")


def study_page(record: StudyRecord, figures: Path) -> str:
    """The page; its figures are written into ``figures``."""
    return render(
        "study.html.j2",
        kicker="Study: arms tuned alike" if "tuning" in record.plan else "Study",
        headline=headline(record),
        basis=_basis(record),
        spread=_spread(record),
        data={name: entry["description"] for name, entry in record.data.items()},
        missing=record.missing,
        results=result_tables(record),
        choices=choice_table(record),
        stress=stress_table(record),
        panels=draw_study(record, figures),
        answers=answers(record, figures),
        limitations=limitations(record),
        validation_share=f"{VALIDATION_SHARE:.0%}".replace("%", " %"),
        title=record.plan["title"],
        kind=record.model.kind,
        arms=_arms(record),
        common=plainly({name: value for name, value in record.train.items() if name not in _SET_BY_STUDY}),
        environment=plainly(record.environment),
    )


def _basis(record: StudyRecord) -> dict[str, str]:
    """What the numbers rest on, in a line at the top."""
    train, plan = record.train, record.plan
    done = sum(row["state"] == "done" for row in record.rows)
    return {
        "seeds": str(plan["seeds"]),
        "data": ", ".join(record.datasets),
        "arms": str(len(plan["arms"])),
        "runs": f"{done:,} of {record.planned:,}",
        "training": f"{train['steps']:,} steps of {train['batch_size']}",
        "codebook": ", ".join(f"K {size}" for size in sorted({summary.size for summary in record.summaries}))
        or f"F {train['dim']}",
    }


def _spread(record: StudyRecord) -> str:
    """What numbers in the tables are."""
    untuned = ", which nothing was tuned on" if "tuning" in record.plan else ""
    return f"Numbers are {over_seeds(summary.seeds for summary in record.summaries)}{untuned}."


def limitations(record: StudyRecord) -> list[str]:
    """What the numbers of a study do not show, from the settings they were made with."""
    train, plan = record.train, record.plan
    seen = train["steps"] * train["batch_size"]
    epochs = ", ".join(f"{seen / d['train_pictures']:.1f} times each of {name}" for name, d in record.data.items())
    tuned = {
        "each": "tuned at every place",
        "centre": f"tuned on {plan['datasets'][0]} at the centre alone, and used everywhere",
        None: "not tuned",
    }[plan["tuning"].get("where", "centre") if "tuning" in plan else None]
    quantizers = {settings.get("quantizer", arm) for arm, settings in plan["arms"].items()}
    width = f"width {train['width']}, " if "width" in record.model.settings else ""
    points = [
        f"A small model ({width}latents of {train['dim']} channels) trained briefly: "
        f"{train['steps']:,} steps of {train['batch_size']} examples, {epochs}. Larger models and longer training may "
        "order the quantizers differently.",
        f"Learning rate and weight were {tuned}. What was not on the grid, as temperatures, decays, lam and "
        "neighbours, has its default for all.",
        "One seed: the spread between seeds was not measured, and a small difference may be chance."
        if plan["seeds"] == 1
        else f"Seeds: {plan['seeds']}. A standard deviation of so few is rough.",
        "The comparison is at equal K, not at equal rate: soft weights carry more than log2 K bits a latent. The error "
        "that hard decoding adds stands beside for that reason."
        + (" fsq's grid has about K codewords, not exactly K." if "fsq" in quantizers else ""),
        "Times are of the machine that ran it, with whatever else it did then, and other runs beside. Shown are "
        "multiples of the time without quantization, taken in turns, with the range of all repeats: arms whose ranges "
        "overlap are not told apart. Memory is by how much the process grew in one training step.",
    ]
    if "tuning" in plan:
        points.append(
            "Quantizers without a weight in their loss have fewer trials than the others: their grid has learning "
            "rates only. A choice at the edge of the grid says that the grid is too small for that quantizer."
        )
    if "stress" in plan:
        points.append("The stress test is of one seed, and its curves are of training batches, not of all latents.")
    return points


def _arms(record: StudyRecord) -> dict[str, str]:
    return {
        arm: ", ".join(f"{name} {value}" for name, value in plainly(settings).items()) or f"quantizer {arm}"
        for arm, settings in record.plan["arms"].items()
    }
