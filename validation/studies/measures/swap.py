"""The swap test: a model that was trained with one solver, evaluated with the other."""

from typing import Any

from scq.programme import swap_solver
from scq.quantizers.registry import get
from scq.validation.studies.measures import Trained


def measure(trained: Trained) -> dict[str, Any]:
    """
    Returns:
        solver: the other one, "exact" or "relaxed", as the settings of the run have it.
        test: the numbers that the model evaluates itself by, with it; nothing else of the model changes.
    """
    model = trained.model()
    if not get(trained.config.quantizer).convex:
        return {}
    side = swap_solver(model.quantizer, trained.config)
    return {"solver": side, "test": model.evaluate(trained.images.test)}
