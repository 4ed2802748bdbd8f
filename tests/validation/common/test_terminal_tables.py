"""Tables of the command line on a narrow terminal, on a wide one and in a pipe: no word or number is cut."""

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from folders import FORWARD, PSNR
from rich.console import Console

from scq.cli import datasets, listing
from scq.data.registry import datasets as all_datasets
from scq.quantizers import entries
from scq.solvers import backends
from scq.training.terminal_table import terminal_table
from scq.validation.common.measuring.timing import Repeated
from scq.validation.common.tables import Table, number, table, text
from scq.validation.comparison.row_table import brief_tables
from scq.validation.comparison.rows import Outcome, Row
from scq.validation.paired.tables import metrics_table

WIDTHS = (40, 80, 200)


def printed(show: Callable[[Console], Any], width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    show(console)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def check(table: Table, width: int) -> None:
    lines = printed(table.show, width)
    assert max(map(len, lines)) <= width
    found = " ".join(lines).split()
    for row in table.rows:
        for cell in row:
            for word in cell.text.split():
                assert any(word == one or word == one.strip(":") for one in found), f"{word!r} of {cell.text!r}"
    assert "…" not in "".join(lines)


ROWS = [
    Row(
        backend=name,
        variant="",
        preset=preset,
        tol=1e-6,
        family="hull",
        dtype="float64",
        lam=0.1,
        columns=1024,
        features=64,
        codewords=512,
        outcome=Outcome.OK,
        forwards=[1.2345e-4, 2.3456e-4],
        backwards=[0.5e-4, 0.7e-4],
        kkt_max=3.4e-12,
        weights_error_max=3.0e-1,
        codebook_gradient_error=1.4e-2,
    )
    for name in ("interior_point", "cvxpylayers")
    for preset in ("", "high")
]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_summary_of_a_comparison_has_every_number_whole(width: int) -> None:
    for brief in brief_tables(ROWS):
        assert "0.30" in brief.markdown()
        check(brief, width)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_summary_of_paired_runs_has_every_number_whole(width: int) -> None:
    tests = {name: {"psnr": value, "mse": 0.0123456, "hard_mse": 1.23e-9} for name, value in PSNR.items()}
    speeds = {name: Repeated(tuple(100 / seconds for seconds in rounds)) for name, rounds in FORWARD.items()}
    check(metrics_table(tests, speeds).transposed(), width)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_lists_have_every_word_whole(width: int) -> None:
    quantizers = printed(lambda console: listing.show_quantizers(entries(), console), width)
    solvers = printed(lambda console: listing.show(backends(), console), width)
    sets = printed(lambda console: datasets.show(all_datasets(), console), width)
    for lines in (quantizers, solvers, sets):
        assert "…" not in "".join(lines)
        assert max(len(line) for line in lines if " is missing: " not in line) <= width
    words = re.findall(r"\S+", " ".join(quantizers))
    for entry in entries():
        assert entry.name in words
        assert all(part in words for part in (entry.parts.regularizers if entry.parts else ()))
    words = re.findall(r"\S+", " ".join(solvers))
    assert all(word in words for info in backends() for word in (info.name, *info.devices, *info.dtypes))
    assert [f"{value:.0e}".replace("e-0", "e-") in words for info in backends() for value in info.accuracy.values()]
    assert all(info.name in " ".join(sets).split() for info in all_datasets())


def test_a_table_stands_side_by_side_where_it_fits_and_folds_where_its_words_do() -> None:
    made = table("", ["name", "value"], [[text("a"), text("one two")], [text("b"), number(0.3)]])
    assert len(printed(made.show, 40)) == 4
    assert len(printed(made.show, 10)) == 5
    assert printed(made.show, 9) == ["a", "  value:", "one two", "b", "  value:", "0.300"]


def test_brackets_are_no_markup() -> None:
    made = terminal_table(40, ("a", "b"), [("x", "[red]y[/red]")])
    assert "[red]y[/red]" in "\n".join(printed(lambda console: console.print(made), 40))
