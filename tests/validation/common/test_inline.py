"""Figures as parts of a page: whose each part is, where points stand, and what is said of them."""

import re

import pytest
from matplotlib.figure import Figure

from scq.validation.common.plots.dots import Mark, dots
from scq.validation.common.plots.inline import Inline, inlined, key


def drawn() -> Figure:
    """Axes that fill 4 x 2 inches, from (0, 0) to (10, 20)."""
    drawing = Figure(figsize=(4, 2))
    axes = drawing.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 10), ylim=(0, 20), xlabel="step", ylabel="loss")
    return drawing


def points(made: Inline) -> dict[str, list[tuple[float, ...]]]:
    found: dict[str, list[tuple[float, ...]]] = {}
    for _, _, x, y, called, *_ in made.told["points"]:
        found.setdefault(called, []).append((x, y))
    return found


def test_a_point_stands_in_the_svg_where_its_values_say() -> None:
    drawing = drawn()
    drawing.axes[0].plot([0, 5, 10], [0, 10, 20], label="a")
    made = inlined(drawing, "x")
    # In points, 72 to the inch, from the top left corner.
    assert points(made) == {"a": [(0, 144), (144, 72), (288, 0)]}
    assert 'viewBox="0 0 288 144"' in made.svg
    assert made.told["axes"] == [{"x": "step", "y": "loss"}]
    assert [point[5:] for point in made.told["points"]] == [["0", "0"], ["5", "10"], ["10", "20"]]


def test_what_belongs_to_a_series_is_marked_with_its_number_and_its_names_are_keys() -> None:
    drawing = drawn()
    (axes,) = drawing.axes
    axes.plot([1, 2], [1, 2], label="a")
    axes.plot([1, 2], [3, 4], alpha=0.2, gid="b")
    axes.plot([1, 2], [3, 4], label="b")
    axes.plot([1, 2], [5, 6], label="_c, float64", gid="c")
    axes.annotate("c", (1, 5), gid=key("c"))
    axes.axhline(3)
    drawing.legend()
    made = inlined(drawing, "x")
    assert made.told["names"] == ["a", "b", "c"]
    assert [made.svg.count(f'data-series="{number}"') for number in range(3)] == [1, 2, 1]
    assert [made.svg.count(f'data-key="{number}"') for number in range(3)] == [2, 2, 1]  # a line and a text, or a text
    assert re.findall(r'data-hit="(\d)"', made.svg) == ["0", "1", "2"]
    # Neither the faint line nor the one that belongs to nobody has values that are said.
    assert {called: len(found) for called, found in points(made).items()} == {"a": 2, "b": 2, "c, float64": 2}


def test_error_bars_say_their_ends_and_names_on_an_axis_stand_for_numbers() -> None:
    marks = [
        Mark("first", "soft", (1.0, 3.0), 2.0, (0.5, 1.5), "red", "o"),
        Mark("second", "soft", (5.0,), 5.0, (0.0, 0.0), "blue", "s"),
        Mark("first", "hard", (1.5,), 1.5, (0.0, 0.0), "red", "o", filled=False),
    ]
    made = inlined(dots(marks, "PSNR, dB"), "x")
    said = [point[4:] for point in made.told["points"]]
    assert said == [["soft", "2 (1.500 to 3.500)", "first"], ["soft", "5", "second"], ["hard", "1.500", "first"]]
    assert made.told["names"] == ["soft", "hard"]


def test_no_two_figures_share_an_id_and_none_refers_to_another() -> None:
    drawings = [drawn(), drawn()]
    for drawing in drawings:
        drawing.axes[0].plot([1, 2], [1, 2], "o", label="a")
    svgs = [inlined(drawing, name).svg for drawing, name in zip(drawings, ("x", "y"), strict=True)]
    for name, svg in zip(("x", "y"), svgs, strict=True):
        ids = re.findall(r'\bid="([^"]*)"', svg)
        assert ids and len(ids) == len(set(ids)) and all(one.startswith(f"{name}-") for one in ids)
        assert set(re.findall(r'(?:href="#|url\(#)([^")]*)', svg)) <= set(ids)
        assert svg.startswith("<svg ") and svg.endswith("</svg>") and "<style" not in svg and "<metadata" not in svg


def test_a_long_line_is_told_in_part_and_what_is_not_finite_not_at_all() -> None:
    drawing = drawn()
    drawing.axes[0].plot(range(1000), [float("nan")] + [1.0] * 999, label="a")
    told = inlined(drawing, "x").told["points"]
    assert len(told) == 200 and told[0][5] == "1" and told[-1][5] == "999"


@pytest.mark.parametrize(("rows", "order"), [((), ["b", "a"]), (("a", "b"), ["a", "b"])])
def test_rows_of_dots_come_as_they_are_told_to(rows: tuple[str, ...], order: list[str]) -> None:
    marks = [Mark(name, "", (1.0,), 1.0, (0.0, 0.0), "red", "o") for name in ("b", "a")]
    (axes,) = dots(marks, "x", rows).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == order
