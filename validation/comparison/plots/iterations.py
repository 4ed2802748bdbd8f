"""Figures of the comparison's iterations: what each brings, and how many it takes as a model trains."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes

from scq.validation.common.plots.style import log_axis, steps_axis
from scq.validation.comparison.plots.labels import label
from scq.validation.comparison.plots.problem import FLOOR, Problem, heading, looks
from scq.validation.comparison.rows import Row


def convergence(rows: Sequence[Row], problem: Problem, axes: Axes) -> bool:
    """The median residual as a line, the largest as a faint one; of several tolerances the tightest."""
    axes.set_xlabel("stopped after so many iterations")
    axes.set_ylabel("relative KKT residual")
    names, points = [], []
    curves = _curves(problem.rows(rows))
    for backend, (colour, marker) in looks(rows).items():
        if backend not in curves:
            continue
        counts, medians, largest = zip(*curves[backend].curve, strict=True)
        medians, largest = ([max(value, FLOOR) for value in values] for values in (medians, largest))
        axes.plot(
            counts,
            medians,
            color=colour,
            marker=marker,
            markersize=4.5,
            linewidth=1.4,
            label=f"_{backend}",
            gid=backend,
        )
        axes.plot(counts, largest, color=colour, linewidth=0.9, alpha=0.4, gid=backend)
        names.append((backend, (counts[-1], medians[-1]), colour))
        points += zip(counts, medians, strict=True)
    if not points:
        return False
    log_axis(axes, "x")
    log_axis(axes, "y")
    axes.margins(0.08, 0.08)
    label(axes, names, points)
    return True


def convergence_answer(rows: Sequence[Row], problem: Problem) -> str:
    bound = 1e-9
    reached, never = [], []
    for backend, row in _curves(problem.rows(rows)).items():
        count = next((int(count) for count, _, largest in row.curve if largest <= bound), None)
        if count is None:
            never.append(backend)
        else:
            reached.append((count, backend))
    listed = ", ".join(f"{backend} {count}" for count, backend in sorted(reached))
    answer = f"The worst latent is within 1e-9 after: {listed}." if listed else "None gets within 1e-9."
    missed = f" Not at all: {', '.join(never)}." if never else ""
    return (
        f"How many iterations does it take? {heading(problem)}: the backends stopped early; strong the median latent, "
        f"faint the worst of the first 16. {answer}{missed} An iteration is a factorisation for some, a codeword for "
        "others, and a step m for the relaxation; active_set keeps half of its limit for a second attempt."
    )


def _curves(rows: Sequence[Row]) -> dict[str, Row]:
    """The row of each backend that has a curve; of several tolerances the tightest."""
    tightest: dict[str, Row] = {}
    for row in rows:
        if row.curve and (row.backend not in tightest or (row.tol or 1.0) < (tightest[row.backend].tol or 1.0)):
            tightest[row.backend] = row
    return tightest


def iterations_over_training(rows: Sequence[Row], problem: Problem, axes: Axes) -> bool:
    axes.set_ylabel("iterations a latent, mean")
    return _over_training(problem.all_rows(rows), axes, lambda row: row.iterations or None)


def residuals_over_training(rows: Sequence[Row], problem: Problem, axes: Axes) -> bool:
    axes.set_ylabel("relative KKT residual, largest")
    return _over_training(problem.all_rows(rows), axes, lambda row: row.kkt_max)


def iterations_over_training_answer(rows: Sequence[Row], problem: Problem) -> str:
    changes = []
    for backend, points in _lines(problem.all_rows(rows), lambda row: row.iterations or None).items():
        if len(points) > 1:
            changes.append(f"{backend} {points[0][1]:.3g} to {points[-1][1]:.3g}")
    answer = f" From the first dumped step to the last: {', '.join(changes)}." if changes else ""
    return f"Do the problems get harder as a model trains? {heading(problem)}, of each dumped step.{answer}"


def residuals_over_training_answer(rows: Sequence[Row], problem: Problem) -> str:
    lines = _lines(problem.all_rows(rows), lambda row: row.kkt_max)
    worst = ", ".join(f"{backend} {max(y for _, y in points):.0e}" for backend, points in lines.items())
    return f"Does accuracy hold as a model trains? {heading(problem)}, of each dumped step; the largest: {worst}."


def _over_training(rows: Sequence[Row], axes: Axes, value: Callable[[Row], float | None]) -> bool:
    """A line for each backend."""
    names, points = [], []
    for backend, line in _lines(rows, value).items():
        colour, marker = looks(rows)[backend]
        line = [(step, max(y, FLOOR)) for step, y in line]
        look = {"color": colour, "marker": marker, "markersize": 4.5, "linewidth": 1.4}
        axes.plot(*zip(*line, strict=True), label=f"_{backend}", gid=backend, **look)
        names.append((backend, line[-1], colour))
        points += line
    if len({step for step, _ in points}) < 2:
        return False
    steps_axis(axes)
    log_axis(axes)
    axes.margins(0.12, 0.08)
    # Room for the names, at the ends of their lines.
    axes.set_xlim(0, 1.28 * max(step for step, _ in points))
    label(axes, names, points)
    return True


def _lines(rows: Sequence[Row], value: Callable[[Row], float | None]) -> dict[str, list[tuple[int, float]]]:
    """Steps and values of each backend with its own settings in float64; of several tolerances the last."""
    by_backend: dict[str, dict[int, float]] = {}
    for row in rows:
        y = value(row)
        if row.step is not None and not row.variant and row.dtype == "float64" and y is not None:
            by_backend.setdefault(row.backend, {})[row.step] = y
    return {backend: sorted(points.items()) for backend, points in by_backend.items()}
