"""The swap test: a model that was trained with one solver, evaluated with the other."""

from typing import Any

from scq.quantizers import SoftConvexQuantizer
from scq.solvers.registry import DEFAULT_BACKEND, get
from scq.training import evaluate
from scq.validation.studies.measures import Trained

STEPS = 20
"""Of the relaxation that an exactly trained model is evaluated with."""


def measure(trained: Trained) -> dict[str, Any]:
    """
    Returns:
        solver: the other one, "exact" or "relaxed".
        test: the metrics of :func:`scq.training.evaluate` with it; nothing else of the model changes.
    """
    model = trained.model()
    quantizer = model.quantizer
    if not isinstance(quantizer, SoftConvexQuantizer):
        return {}
    exact = get(quantizer.backend).exact
    quantizer.backend = "relaxed" if exact else DEFAULT_BACKEND
    quantizer.backend_options = {"steps": STEPS} if exact else {}
    return {"solver": "relaxed" if exact else "exact", "test": evaluate(model, trained.pictures)}
