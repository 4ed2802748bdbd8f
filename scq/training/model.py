"""From a configuration to a model, untrained or with the weights of a file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scq import models
from scq.models.base import Model
from scq.programme import relaxation_options
from scq.quantizers import Grouped, Quantizer, Residual, registry
from scq.quantizers.earlier import renamed
from scq.training.applicability import RELAXATION
from scq.training.config import TrainConfig
from scq.training.folder import CONFIG
from scq.training.tensors import read_tensors


def seeds(seed: int) -> tuple[int, int, int]:
    """Independent seeds of the codebook, the model and the batches.

    With a stream each, a quantizer that draws more or fewer random numbers than another changes neither the model's
    start nor the batches.
    """
    codebook, model, batches = (int(s.generate_state(1)[0]) for s in np.random.SeedSequence(seed).spawn(3))
    return codebook, model, batches


def noise_seed(seed: int, process: int) -> int:
    """The seed of what quantizers draw while they train; another one for each process, and independent of the rest."""
    return int(np.random.SeedSequence(seed).spawn(4)[3].spawn(process + 1)[process].generate_state(1)[0])


def build_model(config: TrainConfig) -> Model:
    """The untrained model of a configuration, on the CPU.

    The same seed gives the same network and the same codebook whatever the quantizer. The global random state is
    left as it was.
    """
    model, entry = models.get(config.model), registry.get(config.quantizer)
    made = model.load()
    options = {name: getattr(config, name) for name in entry.settings}
    if options.get("backend") == RELAXATION:
        options["backend_options"] = relaxation_options(config)
    codebook_seed, model_seed, _ = seeds(config.seed)

    def one(_: int) -> Quantizer:
        return entry.make(config.codebook_size, config.dim // config.groups, channel_dim=made.channel_dim, **options)

    def staged(_: int) -> Quantizer:
        return one(0) if config.stages == 1 else Residual(one, config.stages, config.stage_dropout)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(codebook_seed)
        quantizer = staged(0) if config.groups == 1 else Grouped(staged, config.groups)
        torch.manual_seed(model_seed)
        return made(quantizer, dim=config.dim, **model.options(config, model.settings))


def trained_model(config: TrainConfig, weights: Path) -> Model:
    """The model of a configuration with the weights in a file, in evaluation mode on the CPU.

    Raises:
        ValueError: the weights are not those of that model.
    """
    state = read_tensors(weights)
    renamed(state, "quantizer.")
    _check_weights(config, state, weights)
    model = build_model(config)
    model.load_state_dict(state)
    return model.eval()


def _check_weights(config: TrainConfig, state: Mapping[str, Tensor], path: Path) -> None:
    """Compares names and shapes before anything is allocated: settings of a few bytes can ask for all memory."""
    expected: dict[str, Tensor] = {}
    entry = models.get(config.model)
    if all(layers <= len(state) for layers in entry.options(config, entry.layers).values()):
        try:
            with torch.device("meta"):
                expected = build_model(config).state_dict()
        except RuntimeError as error:  # more elements than an address has
            raise ValueError(f"'{path}' cannot hold the model of {CONFIG} beside it: {error}") from error
    for name in sorted({*expected, *state}):
        found, wanted = (tuple(side[name].shape) if name in side else None for side in (state, expected))
        if found != wanted:
            raise ValueError(f"'{path}' has {name} of shape {found}, the model of {CONFIG} beside it has {wanted}")


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" is a CUDA GPU when there is one, otherwise the CPU.

    Apple's GPU is not picked: it has no float64, which the KKT residuals need.

    Raises:
        ValueError: no such device on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, dtype=torch.float32, device=device)
    except (RuntimeError, AssertionError) as error:
        # torch without CUDA raises AssertionError here.
        raise ValueError(f"device is {name!r}, which this machine cannot use: {error}") from error
    return device
