"""The figures of the comparison: how accurate an answer is, and how long it takes."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from scq.validation.common.plots.style import SOFT, log_axis
from scq.validation.comparison.plots.labels import label
from scq.validation.comparison.plots.problem import FLOOR, Problem, heading, looks
from scq.validation.comparison.rows import Row, told_apart

_SIZES = {"low": 5.0, "mid": 7.5, "high": 10.0, "": 8.0}
"""Of a marker, by tolerance preset."""


def weights_accuracy(rows: Sequence[Row], problem: Problem, axes: Axes) -> bool:
    axes.set_ylabel("weights error ‖p - p*‖, largest")
    return _scatter(problem.rows(rows), axes, lambda row: row.weights_error_max)


def gradient_accuracy(rows: Sequence[Row], problem: Problem, axes: Axes) -> bool:
    axes.set_ylabel("relative error of ∂L/∂C")
    return _scatter(problem.rows(rows), axes, lambda row: row.codebook_gradient_error)


def weights_answer(rows: Sequence[Row], problem: Problem) -> str:
    question = f"Who gets the weights right, and how fast? {heading(problem)}"
    return f"{question}: {_answer(problem.rows(rows), lambda row: row.weights_error_max, 'weights within', 1e-6)}"


def gradient_answer(rows: Sequence[Row], problem: Problem) -> str:
    question = f"Whose gradient can be trained with? {heading(problem)}"
    return f"{question}: {_answer(problem.rows(rows), lambda row: row.codebook_gradient_error, '∂L/∂C within', 1e-3)}"


def _answer(rows: Sequence[Row], error: Callable[[Row], float | None], what: str, bound: float) -> str:
    """In float64, and in float32, which training is in."""
    double, single = ([row for row in rows if row.dtype == dtype] for dtype in ("float64", "float32"))
    parts = [_fastest(double, error, what, bound)] if double or not single else []
    if single:
        parts.append(f"In float32, {_fastest(single, error, what, bound)}")
    return " ".join(parts)


def _fastest(rows: Sequence[Row], error: Callable[[Row], float | None], what: str, bound: float) -> str:
    """Which rows stay within an error, the fastest two of different backends, and which ways do not."""
    good: list[tuple[float, Row]] = []
    bad: list[Row] = []
    for row in rows:
        value, time = error(row), row.total
        if value is None or time is None:
            continue
        if value <= bound and not row.failures:
            good.append((time, row))
        else:
            bad.append(row)
    within = f"{what} {bound:.0e}".replace("e-0", "e-")
    if not good:
        return f"none has {within}."
    good.sort(key=lambda pair: pair[0])
    time, first = good[0]
    sentence = f"fastest with {within} is {first.title}, {first.microseconds} a column"
    others = [row for _, row in good if row.backend != first.backend]
    level = list(dict.fromkeys(row.title for row in others if not told_apart(first, row)))
    if level:
        sentence += f"; not told apart from it by their times: {', '.join(level)}"
    elif others:
        sentence += f"; next {others[0].title}, {(others[0].total or 0) / time:,.1f} times as long"
    titles = {row.title for _, row in good}
    never = [title for title in dict.fromkeys(row.title for row in bad) if title not in titles]
    return sentence + (f". Not within it: {', '.join(never)}." if never else ".")


def _scatter(rows: Sequence[Row], axes: Axes, error: Callable[[Row], float | None]) -> bool:
    """A point for each backend, dtype and tolerance with the range of its times, those of a backend joined; its
    variants hang on a dotted line."""
    axes.set_xlabel("forward and backward, µs a column")
    names, points = [], []
    for backend, (colour, marker) in looks(rows).items():
        with_our_settings, others = [], []
        for row in (row for row in rows if row.backend == backend):
            value, time = error(row), row.total
            if value is None or time is None:
                continue
            point = (time * 1e6, max(value, FLOOR))
            face = colour if row.dtype == "float64" else "white"
            look = {"color": colour, "markerfacecolor": face, "markeredgewidth": 1.4, "zorder": 3, "gid": backend}
            look |= {"label": f"_{row.label}"}
            if row.timing is not None:
                ends = (row.timing.minimum * 1e6, row.timing.maximum * 1e6)
                axes.plot(ends, (point[1], point[1]), color=colour, linewidth=1.1, zorder=2, gid=backend)
            if row.variant:
                axes.plot(*point, marker, markersize=4.5, alpha=0.8, **look)
                others.append(point)
            else:
                axes.plot(*point, marker, markersize=_SIZES[row.preset], **look)
                with_our_settings.append(point)
            points.append(point)
        if with_our_settings:
            axes.plot(
                *zip(*with_our_settings, strict=True), color=colour, linewidth=0.9, alpha=0.5, zorder=2, gid=backend
            )
        for point in others:
            if with_our_settings:
                axes.plot(
                    *zip(with_our_settings[0], point, strict=True),
                    ":",
                    color=colour,
                    linewidth=1.0,
                    alpha=0.7,
                    zorder=2,
                    gid=backend,
                )
        if with_our_settings or others:
            names.append((backend, (with_our_settings or others)[0], colour))
    if not points:
        return False
    log_axis(axes, "x")
    log_axis(axes, "y")
    axes.margins(0.12, 0.12)
    label(axes, names, points)
    keys = _keys(rows)
    if keys:
        axes.figure.legend(handles=keys, loc="upper left", ncols=len(keys), borderaxespad=0.2, columnspacing=1.0)
    return True


def _keys(rows: Sequence[Row]) -> list[Line2D]:
    """What fill and size mean, as far as the figure has it."""
    kinds = [("float64", 7.0, SOFT), ("float32", 7.0, "white")]
    kinds = kinds if len({row.dtype for row in rows}) > 1 else []
    kinds += [(name, size, SOFT) for name, size in _SIZES.items() if name and any(row.preset == name for row in rows)]
    kinds += [("as its users run it", 4.5, SOFT)] if any(row.variant for row in rows) else []
    return [
        Line2D([], [], linestyle="", marker="o", color=SOFT, markersize=size, markerfacecolor=face, label=name)
        for name, size, face in kinds
    ]
