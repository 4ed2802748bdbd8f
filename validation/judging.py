"""How good the reconstructions of a finished run look: picture by picture, and as a set."""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scq.data import to_float
from scq.data.batching import at_once
from scq.data.dataset import Dataset, Examples, spread
from scq.models.autoencoding import PictureModel, as_pictures
from scq.models.evaluation import Errors
from scq.perceptual.distances import features_of, of_features
from scq.perceptual.features import FeatureDistance
from scq.perceptual.networks import Features, inception, pooled_features
from scq.quantizers.stacked import places
from scq.training.images import images_of
from scq.training.model import pick_device
from scq.training.run import Run
from scq.validation.common.files import write_json
from scq.validation.common.tables import Table, number, table, text

JUDGED = "judged.json"

_AT_ONCE = 250
"""Pictures of 32 x 32 pixels, or as many pixels of larger ones."""

_SETS = {"features": ("Frechet, features", "kernel, features"), "inception": ("rFID", "KID")}


def judge(
    folder: Path | str,
    *,
    lpips: str = "none",
    lpips_weights: Path | None = None,
    rfid: bool = False,
    inception_file: Path | None = None,
    average: bool = False,
    pictures: int = 50_000,
    data_root: Path | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """Measures the reconstructions of the held-out pictures, softly and after hard decoding, and writes judged.json.

    Reconstructions are rounded to 8 bits first, as published evaluations do.

    Args:
        folder: of a finished run, of a model of pictures.
        lpips: "alex", "vgg" or "none".
        lpips_weights: of its network.
        rfid: rFID and KID too.
        inception_file: a TorchScript file of Inception; None for torch-fidelity's.
        average: with the averaged weights.
        pictures: at most so many, evenly over the held-out ones.
        data_root: where the data is, if not where the run had it.
        device: to compute on.

    Returns:
        pictures: N. soft and hard: of each, mse, psnr, ssim, feature_distance, where asked for lpips_alex or lpips_vgg,
        and the :class:`scq.perceptual.DistributionDistances` "features" and, where asked for, "inception"; hard is
        missing for a model without a codebook.

    Raises:
        ValueError: no finished run, a model that is not of pictures, or one without averaged weights.
        ConnectionError, FileNotFoundError, ImportError: weights that are not here; the message says how to get them.
    """
    run = Run.open(folder)
    settings, model = run.config, run.model()
    if not isinstance(model, PictureModel):
        raise ValueError(f"run is '{run.folder}', whose model is {settings.model!r}, must be a model of pictures")
    place = pick_device(device)
    model = model.to(place)
    distances: dict[str, Any] = {"feature_distance": FeatureDistance().to(place)}
    networks: dict[str, Features] = {"features": pooled_features(place)}
    if lpips != "none":
        from scq.perceptual.lpips import LPIPS

        distances[f"lpips_{lpips}"] = LPIPS(lpips, lpips_weights).to(place)  # pyrefly: ignore
    if rfid:
        networks["inception"] = inception(inception_file, place)
    images = images_of(settings if data_root is None else replace(settings, data_root=data_root))
    wanted = min(pictures, len(images.test), len(images.train))
    with model.averaged() if average else nullcontext():
        found = _measured(model, images, wanted, distances, networks)
    write_json(run.folder / JUDGED, {"average": average, **found})
    return found


@torch.no_grad()
def _measured(
    model: PictureModel, images: Dataset, wanted: int, distances: dict[str, Any], networks: dict[str, Features]
) -> dict[str, Any]:
    device = next(model.parameters()).device
    kinds = ("soft", "hard") if any(places(model.quantizer)) else ("soft",)
    errors = {kind: Errors(distances, device) for kind in kinds}
    seen: dict[tuple[str, str], list[Tensor]] = {}
    for held_out, train in zip(_batches(images.test, wanted), _batches(images.train, wanted), strict=True):
        pictures = to_float(held_out).to(device)
        output = model(pictures)
        made = {"soft": output.reconstruction}
        if "hard" in kinds:
            made["hard"] = model.decode(model.quantizer.decode(output.quantized.indices))
        sets = {kind: as_pictures(one) for kind, one in made.items()}
        for kind, one in sets.items():
            errors[kind].update(to_float(one.to(device)), pictures)
        for name, network in networks.items():
            for which, one in (sets | {"held_out": held_out, "train": train}).items():
                seen.setdefault((name, which), []).append(features_of(network, [one]))
    features = {key: torch.cat(parts) for key, parts in seen.items()}
    # Of files that cannot be read some may be missing, on one side.
    kept = min(map(len, features.values()))
    features = {key: found[:kept] for key, found in features.items()}
    return {"pictures": kept} | {
        kind: errors[kind].compute()
        | {
            name: of_features(features[name, kind], features[name, "held_out"], features[name, "train"])._asdict()
            for name in networks
        }
        for kind in kinds
    }


def _batches(examples: Examples, wanted: int) -> Iterator[Tensor]:
    numbers = spread(len(examples), wanted)
    for some in numbers.split(at_once(examples, _AT_ONCE)):
        yield examples[some]


def judged_table(found: Mapping[str, Any]) -> Table:
    """A row for each way to decode, and the floor: what as many training pictures have."""
    kinds = [kind for kind in ("soft", "hard") if kind in found]
    sets = [name for name in _SETS if name in found[kinds[0]]]
    single = [name for name, value in found[kinds[0]].items() if not isinstance(value, Mapping)]
    rows = [
        [
            text({"soft": "as trained", "hard": "hard decoding"}[kind]),
            *(number(found[kind][name], 4) for name in single),
            *(number(found[kind][name][one], 4) for name in sets for one in ("frechet", "kernel")),
        ]
        for kind in kinds
    ]
    soft = found[kinds[0]]
    floor = (number(soft[name][f"{one}_floor"], 4) for name in sets for one in ("frechet", "kernel"))
    rows.append([text("floor: training pictures"), *(number(None) for _ in single), *floor])
    headings = ("decoding", *single, *(title for name in sets for title in _SETS[name]))
    return table(f"{found['pictures']} held-out pictures, and as many of training", headings, rows)
