"""The training loop."""

import contextlib
import dataclasses
import time
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from scq import models
from scq.data.dataset import Dataset, LazyExamples
from scq.data.image_data import dataset_of
from scq.data.registry import GIVEN
from scq.models.base import Model
from scq.quantizers import registry
from scq.training import trackers
from scq.training.acceleration import accelerated
from scq.training.claiming import check_backend, claimed, of_the_first
from scq.training.config import TrainConfig
from scq.training.folder import TEST, write_json
from scq.training.images import images_of
from scq.training.interruption import Interruption
from scq.training.lock import held
from scq.training.log import MetricLog
from scq.training.model import build_model, noise_seed, seeds
from scq.training.progress import TrainingProgress
from scq.training.run import Run
from scq.training.samples import Samples
from scq.training.state import TrainingState
from scq.training.step import Step
from scq.training.terminal import say


@dataclasses.dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: where it lives.
        model: trained, in evaluation mode, on the training device.
        history: the log, one dict a line. Empty in all processes but the first.
        test: what the model's ``evaluate`` says of the held-out examples. Empty in all processes but the first.
    """

    folder: Path
    model: Model
    history: list[dict[str, int | float]]
    test: dict[str, float]


def train(config: TrainConfig, progress: bool = True, data: Dataset | tuple[Tensor, Tensor] | None = None) -> RunResult:
    """Trains a model and evaluates it on the held-out examples, or on a share of the training examples.

    Its loss and its optimisers are the model's (:class:`scq.models.Model`): of the autoencoder

        ||reconstruction - picture||^2 / variance of the data + loss of the quantizer        (means, not sums)

    by Adam. The first step, every ``log_every``-th and the last are logged, with the KKT residuals of the solver in
    use on that step's batch and, when asked for, the gap to the relaxation (:func:`scq.diagnostics.gap_of`).

    The run's folder is new: ``config.out / name``, with a number after it when there is one already. It holds
    config.json, run.toml, environment.json, metrics.jsonl (each line on disk at once), tensorboard/ (the same numbers,
    and every ``samples_every`` steps what the model makes of held-out examples), model.safetensors and test.json; with
    ``config.dump_every`` also problems/, what the solver was given (of several processes the first one's); until the
    end checkpoints/, from which :func:`resume` goes on. At Ctrl-C the step is ended and saved, with the weights so far
    as model.safetensors, and KeyboardInterrupt is raised; a second Ctrl-C does not wait.

    In processes that ``accelerate launch`` or ``torchrun`` started, each takes its part of every batch, and what they
    do together is what one process would do, up to rounding. The first one alone writes and evaluates.

    Args:
        config: the settings.
        progress: shows a bar with the time left, the loss and the KKT residual; where there is no terminal, a line
            of them for each line of the log.
        data: in place of the data set that ``config.data`` names, which is "given" in the run's config.json: a data
            set of your own, or two tensors of examples, for training and for testing.

    Raises:
        TypeError: data is something else.
        ValueError: bad settings, data of another kind than the model takes, a device or tracker that is not there, a
            device that the backend does not compute on, or a folder that cannot be written, has no room, or is another
            process's; before training.
        solvers.BackendMissingError: the backend's package is not installed; before training.
        FileNotFoundError: the data is not where it is looked for.
        OSError: the log or a checkpoint cannot be written. The message names the step and the last good checkpoint.
    """
    given = None if data is None else dataset_of(data)
    return _train(config if given is None else dataclasses.replace(config, data=GIVEN), given, None, progress)


def resume(folder: Path | str, progress: bool = True, data: Dataset | tuple[Tensor, Tensor] | None = None) -> RunResult:
    """Goes on with a run that was stopped, from its newest whole checkpoint, with the settings of its config.json.

    On a CPU, with as many threads, the weights are bit for bit those of a run that was not stopped. Lines that were
    logged after the checkpoint are dropped and come again. Without a checkpoint it begins at the start; a run that has
    finished is left as it is.

    Args:
        folder: the run's. Processes on several machines must all see it.
        progress: as for :func:`train`.
        data: what was passed to :func:`train`, if anything was.

    Raises:
        ValueError: it is no run's folder, another process works in it, or other processes than before would go on;
            otherwise as :func:`train`.
    """
    run = Run(Path(folder))
    return _train(run.config, None if data is None else dataset_of(data), run, progress)


def _train(config: TrainConfig, given: Dataset | None, before: Run | None, progress: bool) -> RunResult:
    with contextlib.ExitStack() as lock:
        with accelerated(config) as (accelerator, device):
            first = accelerator.is_main_process
            if before is not None and before.finished:
                return _finished(before, device, first)
            trackers.check_installed(config.trackers)
            if registry.get(config.quantizer).convex:
                check_backend(config.backend, device)
            dataset = images_of(config, given)
            if dataset.kind != models.get(config.model).kind:
                raise ValueError(
                    f"data is {dataset.kind}, must be {models.get(config.model).kind}, as model {config.model!r} takes"
                )
            if progress and first and isinstance(dataset.train, LazyExamples):
                say(dataset.description)
            model = build_model(config).to(device).train()
            model.meet(dataset)
            # The lock is the first process's: several of one launcher are one run.
            run = Run(of_the_first(lambda: claimed(lock, config, before, model, device).folder, first, device))
            history = _run(config, model, dataset, accelerator, device, run, before is not None, progress and first)
        # From here on the processes have nothing in common: none can wait for another.
        model.eval()
        if not first:
            return RunResult(run.folder, model, [], {})
        with run.explained(model, first):
            with run.writing(config.steps):
                run.write_model(model, lasting=True)
            test = model.evaluate(dataset.test)
            if dataset.left_out:
                say(f"Left out: {dataset.left_out} files that could not be read", "yellow")
            with run.writing(config.steps):
                write_json(run.folder / TEST, test, lasting=True)
        run.checkpoints.clear()
    return RunResult(run.folder, model, history, test)


def _run(
    config: TrainConfig,
    model: Model,
    dataset: Dataset,
    accelerator: Accelerator,
    device: torch.device,
    run: Run,
    resumed: bool,
    progress: bool,
) -> list[dict[str, int | float]]:
    """The steps that are not done yet. Returns the whole log, in the first process."""
    first, alone = accelerator.is_main_process, accelerator.num_processes == 1
    generator = torch.Generator().manual_seed(seeds(config.seed)[2])
    batches = dataset.batches(config.batch_size, generator)
    optimizers = model.optimizers(config.learning_rate)
    state = TrainingState(model, list(optimizers.values()), batches, accelerator.scaler, device)
    interruption = Interruption()
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng([device] if device.type == "cuda" else []))
        torch.manual_seed(noise_seed(config.seed, accelerator.process_index))
        if resumed:
            state.restore(run, first)
            if progress:
                say(f"Going on after step {state.step}")
        stack.callback(batches.close)
        # Not before: what is written after Ctrl-C would be weights that nothing has trained.
        stack.enter_context(run.explained(model, first))
        if state.step == 0:
            entry = models.get(config.model)
            model.start(next(batches).to(device), **entry.options(config, entry.starting))
        batches.divide(accelerator.process_index, accelerator.num_processes)
        advance = Step(config, accelerator, model, optimizers, device, run)
        log = samples = None
        if first:
            with run.writing(state.step):
                started = trackers.start(run.folder, config, state.step)
                log = stack.enter_context(MetricLog(run.folder, started, state.elapsed))
            samples = Samples(config, model, dataset, started, accelerator.num_processes)
        title = config.name or config.quantizer
        bar = stack.enter_context(TrainingProgress(title, config.steps, state.step, disable=not progress))
        if alone:  # several could not agree on the step to stop at
            stack.enter_context(interruption)
        seconds, since = 0.0, 0
        for step in range(state.step + 1, config.steps + 1):
            start = time.perf_counter()
            logged = step == 1 or step % config.log_every == 0 or step == config.steps
            numbers = advance(next(batches), step, logged)
            seconds, since = seconds + time.perf_counter() - start - advance.aside, since + 1
            state.step = step
            bar.step()
            if logged and log:
                with run.writing(step):
                    log.write(step, numbers | {"time/step": seconds / since})
                bar.show(log.history[-1])
                seconds, since = 0.0, 0
            if samples and samples.due(step):
                with run.writing(step):
                    samples.show(step)
            if step % config.checkpoint_every == 0 or interruption.asked:
                state.save(run, log)
            if interruption.asked:
                raise KeyboardInterrupt
        # Otherwise the test would pay for residuals that nobody reads.
        model.quantizer.diagnose = False
        return log.history if log else []


def _finished(run: Run, device: torch.device, first: bool) -> RunResult:
    if first:
        if run.checkpoints.steps():  # of a run that was killed between its last two files
            with held(run.folder):
                run.checkpoints.clear()
        say(f"{run.folder} has finished before")
    model = run.model().to(device)
    if not first:
        return RunResult(run.folder, model, [], {})
    return RunResult(run.folder, model, run.log(), run.test)
