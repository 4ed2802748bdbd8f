"""Rate and distortion: what do soft weights cost in bits, against hard codes?"""

from pathlib import Path

from scq.validation.studies.plots.series import Axis, points
from scq.validation.studies.questions.answer import Answer, spread
from scq.validation.studies.results.record import StudyRecord

Trace = list[list[tuple[float, float]]]


def answer(record: StudyRecord, figures: Path) -> Answer | None:
    reply = Answer("rate", "At equal bits a latent, who is better?", figures)
    for data in record.datasets:
        traces = {arm: trace for arm in record.plan["arms"] if (trace := _trace(record, arm, data))}
        if not traces:
            continue
        caption = (
            f"{data}: error of held-out pictures decoded from so many bits a latent. One point of a hard code: the "
            "entropy "
            "of its codes. Soft codes: that of the largest weight's codeword, then the 2, 4, 8 and 16 largest "
            "weights at 8 "
            "bits each with their codewords."
        )
        reply.draw(data, caption, points(traces, Axis("bits a latent", log=True), Axis("MSE, 10⁻³", log=True)))
        hard = min(traces, key=lambda arm: sum(y for _, y in traces[arm][0]) / len(traces[arm][0]))
        reply.sentences.append(f"{data}: of the hard codes, {hard} has the smallest error, {_told(traces[hard][0])}.")
        soft = {arm: trace for arm, trace in traces.items() if len(trace) > 1}
        for arm, trace in soft.items():
            reply.sentences.append(f"{data}, {arm}: {'; '.join(_told(pairs) for pairs in trace)}.")
    return reply if reply.panels else None


def _trace(record: StudyRecord, arm: str, data: str) -> Trace:
    summary = record.centre(arm, data)
    rows = record.runs(summary) if summary else []
    runs = [points for row in rows if (points := row["measures"].get("rate", {}).get("points"))]
    return [[(point["bits"], point["mse"] * 1e3) for point in cap] for cap in zip(*runs, strict=True)]


def _told(pairs: list[tuple[float, float]]) -> str:
    bits, errors = zip(*pairs, strict=True)
    return f"{spread(errors)}·10⁻³ at {spread(bits, 'bits')}"
