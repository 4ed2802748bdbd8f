"""What the numbers of a report rest on, in a line of facts at its top."""

from collections.abc import Mapping
from typing import Any

from scq.validation.common.metrics import bits, codes
from scq.validation.paired.record import Record


def basis(record: Record) -> dict[str, str]:
    """Of paired runs: seed, data, training and codebook; of a comparison the problems and the machine."""
    return (of_training(record.settings, record.data) if record.runs else {}) | _of_machine(record)


def of_training(settings: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, str]:
    """What a run was, in short.

    Args:
        settings: of it, as its config.json has them; what another version did not have is left out.
        data: name, train_pictures and test_pictures, as far as they are known.
    """
    size, number = settings["codebook_size"], codes(settings)
    pictures = [f"{data[key]:,} {what}" for key, what in _SPLITS.items() if data.get(key)]
    return {
        "seed": str(settings["seed"]),
        "data": ", ".join([str(settings.get("data", "photos")), *pictures]),
        "training": f"{settings['steps']:,} steps of {settings['batch_size']}",
        "learning rate": f"{settings['learning_rate']:g}",
        "codebook": f"K {size}, F {settings['dim']}" + (f", {number} codes a latent" if number > 1 else ""),
        "hard code": f"{bits(settings):.3g} bits a latent",
    }


def _of_machine(record: Record) -> dict[str, str]:
    where = record.environment
    return {name: str(where[key]) for name, key in (("on", "processor"), ("device", "device")) if where.get(key)}


_SPLITS = {"train_pictures": "to train", "test_pictures": "held out"}
