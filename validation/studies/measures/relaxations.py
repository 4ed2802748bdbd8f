"""How far the relaxation is from the programme that it stands for, on the latents of a trained model, at each m."""

from typing import Any

from scq.data.dataset import spread
from scq.diagnostics import gap_of
from scq.quantizers.registry import get
from scq.validation.studies.measures import Trained

STEPS = (1, 5, 20, 200)
"""m, the clip-and-shift steps."""

_EXAMPLES = 64


def measure(trained: Trained) -> dict[str, Any]:
    """
    Returns:
        points: one dict for each m, and one for the exact projection on the simplex: steps (None for that one) and the
            numbers of :func:`scq.diagnostics.gap_of`, on 64 held-out examples.
    """
    model = trained.model()
    if not get(trained.config.quantizer).convex:
        return {}
    chosen = trained.images.test[spread(len(trained.images.test), _EXAMPLES)]
    batch = trained.images.ready(chosen).to(trained.device)
    points = []
    for steps in (*STEPS, None):
        how = {"steps": steps, "projection": "alternating"} if steps else {"steps": 1, "projection": "exact"}
        gap = gap_of(model, batch, trained.config, **how)
        points.append({"steps": steps, **gap})
    return {"points": points}
