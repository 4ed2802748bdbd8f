"""What a report is of: read from folders, and said in a sentence."""

from collections.abc import Sequence
from pathlib import Path

from scq.validation.page import sentences
from scq.validation.paired.record import Record, read_record
from scq.validation.runs import sentences as of_runs
from scq.validation.runs.record import Runs, is_run, read_runs
from scq.validation.studies.results import sentences as of_studies
from scq.validation.studies.results.record import StudyRecord, is_study, read_study


def read(folders: Sequence[Path]) -> Record | StudyRecord | Runs:
    """What is in the folder: a study, a run, paired runs, a comparison; of several folders the runs.

    Raises:
        ValueError: there is none, nothing in it could be reported, or of several one is no run's.
    """
    if not folders:
        raise ValueError("folder is empty, must name one or more")
    if len(folders) > 1 or is_run(folders[0]):
        return read_runs(folders)
    return read_study(folders[0]) if is_study(folders[0]) else read_record(folders[0])


def in_short(record: Record | StudyRecord | Runs) -> str:
    """What the folder shows: of a study, of the training runs when there are any, or of the backends."""
    if isinstance(record, Runs):
        return of_runs.headline(record)
    if isinstance(record, StudyRecord):
        return of_studies.headline(record)
    if record.runs:
        return sentences.headline(record)
    return sentences.backend_sentence(record) or "No exact backend of ours was measured."
