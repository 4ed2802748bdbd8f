"""The study: quantizers tuned alike, compared over seeds, and put to the test of a collapsed start."""

import csv
import dataclasses
import io
import math
from pathlib import Path
from typing import Any

from rich.console import Console

from scq import data
from scq.training.environment import environment
from scq.training.model import pick_device
from validation.config import StudyConfig
from validation.files import new_folder, write_json, write_text
from validation.machine import machine
from validation.progress import cell_progress
from validation.studies.cells import Runner
from validation.studies.plan import everywhere, final_cells, quantizers, stress_cells, tuning_cells
from validation.studies.record import JSON, read_study
from validation.studies.summary import choose
from validation.studies.tables import markdown

_LONG = ("test", "traceback")


def study(config: StudyConfig, progress: bool = True) -> Path:
    """Compares quantizers at an equal tuning budget, over seeds, and from a collapsed start.

    Three stages, each of training runs (:func:`scq.training.train`) in folders of their own:

    - tune: every quantizer on the same grid of learning rates and weights, on one seed, with a tenth of the training
      pictures held out. The trial with the smallest MSE of those is chosen.
    - stress: every quantizer with a codebook of ``config.stress_size`` from a start with all codewords far from the
      latents, with the chosen settings.
    - final: every quantizer on every data set at every size with the chosen settings, over fresh seeds. These alone
      are compared, as mean and spread.

    A run that fails stops no other one. Finished runs are kept, so that a killed or timed call goes on where it was
    (``config.resume``). study.json, study.csv (a line a run) and study.md (tables) are replaced after every run.

    Args:
        config: the settings.
        progress: shows a bar with the time left, and where the results are.

    Returns:
        The folder: ``train.out / train.name``, with a number after it when there is one already.

    Raises:
        ValueError: bad settings, or a folder to resume whose runs have other settings.
        FileNotFoundError: the data is not where it is looked for.
        RuntimeError: every run failed.
    """
    images = {name: data.load(name, config.train.data_root) for name in config.datasets}
    device = pick_device(config.train.device)
    folder = config.resume or new_folder(config.train.out, config.train.name or "study")
    tuning = tuning_cells(config, folder)
    choices = everywhere(config)
    total = len(tuning) + len(stress_cells(config, folder, choices)) + len(final_cells(config, folder, choices))
    content: dict[str, Any] = {
        "config": dataclasses.asdict(config) | {"quantizers": quantizers(config)},
        "data": {
            name: {
                "description": split.description,
                "train_pictures": len(split.train),
                "test_pictures": len(split.test),
                "pixels": split.train.shape[2] * split.train.shape[3],
            }
            for name, split in images.items()
        },
        "environment": environment(device) | machine(),
        "planned": total,
    }
    if not (folder / JSON).is_file():
        _write(folder, content, [])
    with cell_progress("study", disable=not progress) as bar:
        runner = Runner(bar, bar.add_task("", total=total), config.minutes, lambda rows: _write(folder, content, rows))
        tried = runner.run(tuning)
        if config.tune != "off":
            choices = choose(tried)
        if not runner.stopped:
            runner.run(stress_cells(config, folder, choices))
            runner.run(final_cells(config, folder, choices))
    if runner.rows and all(row["state"] == "failed" for row in runner.rows):
        raise RuntimeError(f"every run failed; the first: {runner.rows[0]['error']}")
    if progress:
        Console().print(f"Study: {folder / 'study.md'}, and as csv and json beside it", soft_wrap=True)
    return folder


def _write(folder: Path, content: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    write_json(folder / JSON, content | {"rows": rows})
    write_text(folder / "study.csv", _csv(rows))
    write_text(folder / "study.md", markdown(read_study(folder)))


def _csv(rows: list[dict[str, Any]]) -> str:
    """A line a run. What is not known of it is empty."""
    lines = [{name: value for name, value in row.items() if name not in _LONG} for row in rows]
    for line, row in zip(lines, rows, strict=True):
        line |= {name: value for name, value in row.get("test", {}).items() if math.isfinite(value)}
    buffer = io.StringIO()
    names = dict.fromkeys(name for line in lines for name in line)
    writer = csv.DictWriter(buffer, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return buffer.getvalue()
