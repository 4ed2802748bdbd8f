"""A comparison that was interrupted, and is gone on with."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scq.training.settings import from_mapping
from scq.validation.common.files import read_json, written_by_us
from scq.validation.comparison.plan import PlannedRow, key
from scq.validation.comparison.rows import Outcome, Row, read_rows
from scq.validation.config import CompareConfig

JSON = "compare.json"

_SAME = ("lam", "repeats", "peer_columns", "seed", "latents")
"""Settings without which rows cannot stand in one table. The lists say which rows there are, and may have grown."""

_MACHINE = ("processor", "physical_cores", "cpus", "torch_threads", "python")


def check_comparison(folder: Path) -> None:
    """
    Raises:
        ValueError: no comparison is in the folder.
    """
    if not (folder / JSON).is_file():
        raise ValueError(f"resume is '{folder}', must be the folder of a comparison (it has no {JSON})")


def settings(folder: Path) -> CompareConfig:
    """The settings that a comparison was begun with, to go on with it.

    Raises:
        ValueError: no comparison is in the folder, or none of this version.
    """
    check_comparison(folder)
    with written_by_us(folder / JSON):
        return dataclasses.replace(from_mapping(CompareConfig, read_json(folder / JSON)["config"]), resume=folder)


def earlier(
    path: Path, config: CompareConfig, environment: Mapping[str, Any], plan: Sequence[PlannedRow]
) -> tuple[dict[tuple[Any, ...], Row], float]:
    """The rows of an earlier comparison that are kept, by their keys, and the seconds that it took.

    Kept is what was measured, or was killed at a time limit that is not longer now. What failed, or was missing, is
    tried again.

    Raises:
        ValueError: one with other settings or of another machine, or one with rows that are not asked
            for now.
    """
    folder = path.parent
    content = read_json(path)
    now = dataclasses.asdict(config)
    for name in _SAME:
        was, wanted = content["config"].get(name), now[name]
        if isinstance(wanted, Path) and was is not None:
            was = Path(was).resolve()
        if was != wanted:
            raise ValueError(f"resume is '{folder}', where {name} was {was}, must be {wanted}")
    limit = content["config"]["time_limit"]
    if config.time_limit < limit:
        raise ValueError(f"resume is '{folder}', where time_limit was {limit}, must be at least that")
    before = content["environment"]
    for name in _MACHINE:
        if before.get(name) != environment.get(name):
            raise ValueError(
                f"resume is '{folder}', which was measured with {name} {before.get(name)}, must be "
                f"{environment.get(name)} as here: times would not compare"
            )
    for package, version in before.get("packages", {}).items():
        # One that was missing may have been installed since: its rows are measured now.
        if version is not None and environment["packages"].get(package) != version:
            raise ValueError(
                f"resume is '{folder}', which was measured with {package} {version}, must be "
                f"{environment['packages'].get(package)} as here"
            )
    wanted_keys = {key(cell.row) for cell in plan}
    rows = {key(row): row for row in read_rows(content)}
    for row_key, row in rows.items():
        if row_key not in wanted_keys:
            raise ValueError(
                f"resume is '{folder}', which has {row.label} on {row.where}, must be asked for again with the same "
                "backends, families, sizes, dtypes, presets and variants, or more"
            )
    finished = (Outcome.OK, Outcome.TIME_LIMIT) if config.time_limit == limit else (Outcome.OK,)
    kept = {row_key: row for row_key, row in rows.items() if row.outcome in finished}
    return kept, content["seconds"]
