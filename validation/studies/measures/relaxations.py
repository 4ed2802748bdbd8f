"""How far the relaxation is from the programme that it stands for, on the latents of a trained model, at each m."""

from typing import Any

import torch

from scq.data import to_float
from scq.diagnostics import measure_gap
from scq.quantizers import SoftConvexQuantizer
from scq.quantizers.layout import from_rows, to_rows
from scq.validation.latents import spread
from scq.validation.studies.measures import Trained

STEPS = (1, 5, 20, 200)
"""m, the clip-and-shift steps."""

_PICTURES = 64


def measure(trained: Trained) -> dict[str, Any]:
    """
    Returns:
        points: one dict for each m, and one for the exact projection on the simplex: steps (None for that one) and the
            numbers of :func:`scq.diagnostics.measure_gap`, on the latents of 64 held-out pictures.
    """
    model = trained.model()
    quantizer = model.quantizer
    if not isinstance(quantizer, SoftConvexQuantizer):
        return {}
    pictures = trained.pictures
    target = to_float(pictures[spread(len(pictures), _PICTURES)]).to(trained.device)
    with torch.no_grad():
        latents = model.encode(target)
    points = []
    for steps in (*STEPS, None):
        gap = measure_gap(
            to_rows(latents, quantizer.dim, quantizer.channel_dim),
            quantizer.codebook,
            float(quantizer.lam),
            decode=lambda rows: model.decode(from_rows(rows, latents, quantizer.channel_dim)),
            target=target,
            quantization_weight=quantizer.quantization_weight,
            steps=steps or 1,
            projection="alternating" if steps else "exact",
        )
        points.append({"steps": steps, **gap})
    return {"points": points}
