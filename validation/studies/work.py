"""One cell of a study, from the training to its numbers. Runs in any process, on any machine that sees the folder."""

import traceback
from functools import partial
from typing import Any

from scq.training.folder import TEST
from scq.training.resuming import command, part_of
from scq.training.run import Run
from scq.training.terminal import say
from scq.validation.common.attempts import attempt
from scq.validation.common.files import read_json, write_json
from scq.validation.studies.cells import PlannedRun
from scq.validation.studies.measures import Trained, measure


def complete(cell: PlannedRun) -> bool:
    """Whether there is nothing left to do for it."""
    return Run(cell.run).finished and all(_file(cell, name).is_file() for name in cell.measures)


def perform(cell: PlannedRun) -> dict[str, Any]:
    """Does what is left to do for a cell: trains it, measures it.

    Returns:
        ``{"state": "done", "test": ..., "log": ..., "measures": ..., "unmeasured": ...}``: the test metrics, the last
        line of the log, what was measured, and an error for each measure that failed; or
        ``{"state": "failed", "error": ..., "traceback": ...}``.
    """
    if not Run(cell.run).finished:
        # At Ctrl-C, and on a full disk, it is the study that is gone on with.
        with part_of(command("study", cell.config.out.parent)):
            outcome = attempt(cell.config, progress=False, tell=partial(say, stderr=True))
        if outcome["state"] == "failed":
            return outcome
    trained, errors = Trained(cell.run, cell.config), {}
    for name in cell.measures:
        if _file(cell, name).is_file():
            continue
        try:
            write_json(_file(cell, name), measure(name, trained))
        except Exception as error:  # noqa: BLE001  reported with the run, and in the report; the others go on
            errors[name] = f"{type(error).__name__}: {error}"
            say(traceback.format_exc(), stderr=True)
    return outcome_of(cell) | {"unmeasured": errors}


def outcome_of(cell: PlannedRun) -> dict[str, Any]:
    """What a finished cell left in its folder, as :func:`perform` returns it."""
    files = {name: _file(cell, name) for name in cell.measures}
    measures = {name: read_json(file) for name, file in files.items() if file.is_file()}
    missing = {name: "not measured yet" for name in cell.measures if name not in measures}
    outcome = {"state": "done", "test": read_json(cell.run / TEST), "log": Run(cell.run).log()[-1]}
    return outcome | {"measures": measures, "unmeasured": missing}


def _file(cell: PlannedRun, name: str) -> Any:
    return cell.run / f"{name}.json"
