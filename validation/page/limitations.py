"""What the numbers of a report do not show."""

from scq.validation.comparison.rows import Outcome
from scq.validation.paired.record import Record


def limitations(record: Record) -> list[str]:
    """The limits of a folder's results, from the settings they were made with."""
    return [*_of_training(record), *_of_comparison(record)]


def _of_training(record: Record) -> list[str]:
    settings = record.settings
    if not settings:
        return []
    pictures = record.data.get("train_pictures")
    seen = settings["steps"] * settings["batch_size"]
    epochs = f", {seen / pictures:.1f} times each of {pictures:,} training pictures" if pictures else ""
    points = [
        f"One seed ({settings['seed']}). The spread between seeds was not measured; a difference of a few tenths of "
        "a decibel may be chance.",
        f"A small model (width {settings['width']}, {settings['codebook_size']} codewords of {settings['dim']} "
        f"channels) trained briefly: {settings['steps']:,} steps of {settings['batch_size']} pictures{epochs}. Larger "
        "models, longer training and other data may order the methods differently.",
        f"One setting for all methods (lam {settings['lam']:g}, learning rate {settings['learning_rate']:g}, "
        f"{settings['relaxation_steps']} steps of the relaxation); none was tuned for any of them.",
        "The comparison is at equal codebook, not at equal rate: soft weights carry more than log2 K bits a latent. "
        "The error of hard decoding stands beside for that reason; no soft model was trained for it. Soft perplexity "
        "is near uniform by construction when weights are dense.",
        "Residuals and the gap are of training batches, at the logged steps only.",
    ]
    if record.data.get("name") == "photos":
        points.append("The pictures are small tiles of few photographs; the held-out ones come from two photographs.")
    return points


def _of_comparison(record: Record) -> list[str]:
    if not record.rows:
        return []
    columns = " or ".join(f"{n:,}" for n in sorted({row.columns for row in record.rows}))
    points = [
        "Times and memory of backends are of one machine, the processor only, and were measured on "
        f"{columns} columns, as the table says: a batched backend gains from more columns."
    ]
    lost = sorted({row.backend for row in record.rows if row.outcome != Outcome.OK})
    if lost:
        points.append(f"Not every backend could be measured in full: {', '.join(lost)}; the table says why.")
    return points
