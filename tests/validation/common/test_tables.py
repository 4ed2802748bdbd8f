import json
import math
from pathlib import Path

import pytest

from scq.validation.common.files import read_json, write_json
from scq.validation.common.rendering import plainly, render
from scq.validation.common.tables import number, table, text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "—"),
        (math.nan, "—"),
        (math.inf, "∞"),
        (0.0, "0"),
        (12345.6, "12,346"),
        (23.456, "23.5"),
        (0.01234, "0.0123"),
        (1.234e-9, "1.2e-9"),
        (-3.2e7, "-3.2e7"),
        (99.96, "100"),
    ],
)
def test_numbers_have_three_digits(value: float | None, shown: str) -> None:
    assert number(value).text == shown


def test_markdown_escapes_what_would_break_the_table() -> None:
    made = table("caption", ["name", "value"], [[text("a|b\nc"), number(2.0)]])
    assert made.markdown().splitlines() == ["| name | value |", "| --- | ---: |", "| a\\|b c | 2.00 |"]


def test_transposed_keeps_every_cell() -> None:
    made = table(
        "", ["method", "x", "y"], [[text("a"), number(1.0), number(2.0)], [text("b"), number(3.0), number(4.0)]]
    )
    flipped = made.transposed()
    assert flipped.headings == ("method", "a", "b")
    assert [[cell.text for cell in row] for row in flipped.rows] == [["x", "1.00", "3.00"], ["y", "2.00", "4.00"]]


def test_html_escapes_text() -> None:
    made = table("<caption>", ["<b>"], [[text("<script>alert(1)</script>")]])
    page = render("table.html.j2", table=made, means=made, notes=["<u>"], settings={"a": "<i>"}, environment={})
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<i>" not in page
    assert "<u>" not in page


def test_settings_are_written_as_people_do() -> None:
    settings = {"time_limit": 3.0, "sizes": ((8, 2, 4), (9, 2, 4)), "backends": (), "out": None, "packages": {"a": 1}}
    assert plainly(settings) == {
        "time limit": "3.0",
        "sizes": "8 x 2 x 4, 9 x 2 x 4",
        "backends": "—",
        "out": "—",
        "packages": "a 1",
    }


def test_json_is_strict_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"a": [math.nan, 1.0], "b": {"c": math.inf}})
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {"a": [None, 1.0], "b": {"c": None}}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
    path.write_text("{")
    with pytest.raises(ValueError, match=r"x\.json"):
        read_json(path)
