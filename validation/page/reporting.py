"""The report: one page that needs nothing but itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scq.training.terminal import say
from scq.validation.common.files import write_text
from scq.validation.common.rendering import plainly, render
from scq.validation.comparison.row_table import notes, row_table
from scq.validation.comparison.shifted_means import means_table
from scq.validation.page.basis import basis
from scq.validation.page.figures import draw_all
from scq.validation.page.limitations import limitations
from scq.validation.page.read import read
from scq.validation.page.sentences import (
    backend_sentence,
    gap_sentence,
    hard_sentence,
    headline,
    seed_sentence,
    swap_sentence,
)
from scq.validation.paired.record import Record
from scq.validation.paired.tables import gap_table, metrics_table, swap_table
from scq.validation.runs.page import runs_page
from scq.validation.runs.record import Runs
from scq.validation.studies.page import study_page

_TITLE = "Exact and relaxed soft convex quantization"

_PRIVATE = ("out", "name", "data_root", "quantizer", "latents", "resume")
"""Settings that are paths of a machine, or differ between the runs."""


def report(folder: Path | str | Sequence[Path | str], progress: bool = True, out: Path | str | None = None) -> Path:
    """Writes the report of a folder, complete or not: index.html, and figures as PNG and PDF.

    The page holds its figures, style and script, and asks for nothing over a network. What is missing (a method that
    failed, a comparison that was not made) is named at its top. An earlier report in the same place is replaced.

    Args:
        folder: of :func:`scq.validation.gap`, :func:`scq.validation.demo`, :func:`scq.validation.compare`,
            :func:`scq.validation.study` or :func:`scq.training.train`; or several of the last, which are shown side by
            side, those that differ in their seed alone together.
        progress: says where the page is.
        out: the folder that the page is written into; by default ``folder/report``, of several runs ``report`` beside
            the first.

    Returns:
        The path of index.html.

    Raises:
        ValueError: nothing in the folder could be reported, or of several one is no run's.
    """
    folders = [Path(folder)] if isinstance(folder, Path | str) else [Path(one) for one in folder]
    # Read before anything is written: a folder that cannot be reported on is left alone.
    record = read(folders)
    place = Path(out) if out is not None else (folders[0] if len(folders) == 1 else folders[0].parent) / "report"
    figures = place / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    if isinstance(record, Runs):
        content = runs_page(record, figures)
    else:
        content = _page(record, figures) if isinstance(record, Record) else study_page(record, figures)
    page = place / "index.html"
    write_text(page, content)
    if progress:
        say(f"Report: {page}")
    return page


def _page(record: Record, figures: Path) -> str:
    return render("report.html.j2", **_values(record), panels=draw_all(record, figures))


def _values(record: Record) -> dict[str, Any]:
    sentences = [backend_sentence(record)]
    if record.runs:
        sentences = [headline(record), hard_sentence(record), seed_sentence(record), gap_sentence(record), *sentences]
    return {
        "title": _TITLE if record.runs else "Solver backends compared",
        "headline": sentences[0],
        "beside": [sentence for sentence in sentences[1:] if sentence],
        "basis": basis(record),
        "paired": _paired(record),
        "swap_sentence": swap_sentence(record),
        "limitations": limitations(record),
        "missing": record.missing,
        "data": record.data,
        # A column for each method: there are fewer of them than of metrics, and a narrow page takes them.
        "metrics": metrics_table(record.tests, record.speeds and record.speeds.forward).transposed().without_holes
        if record.tests
        else None,
        "swap": swap_table(record.swap).transposed().without_holes if record.swap else None,
        "gap": gap_table(record),
        "rows": row_table(record.rows) if record.rows else None,
        "means": means_table(record.rows, record.comparison["config"]["time_limit"]) if record.rows else None,
        "notes": notes(record.rows),
        "settings": _shown(record.settings),
        "comparison_settings": _shown(record.comparison.get("config", {})),
        "environment": plainly(record.environment),
    }


def _paired(record: Record) -> str:
    """What the methods have in common."""
    if len(record.tests) < 2:
        return ""
    return "The same autoencoder, trained from the same seed on the same batches; only the quantizer differs."


def _shown(settings: Mapping[str, Any]) -> dict[str, str]:
    return plainly({name: value for name, value in settings.items() if name not in _PRIVATE})
