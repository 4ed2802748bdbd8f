"""Figures of the gap: the same latents solved exactly and by the relaxation, over training.

Two choices make the lines: whose training the latents come from, and which solver or quantity is shown. Where both
solvers are shown, colour is the solver and dashes are the relaxed training; where a difference of the two is shown,
colour is the training.
"""

from matplotlib.axes import Axes

from scq.validation.common.plots.style import SOFT, legend, log_axis, smooth, steps_axis
from scq.validation.paired.methods import METHODS
from scq.validation.paired.record import Record

_FROM = {"exact": "exact run", "relaxed": "relaxed run"}
_DASHES = {"exact": "solid", "relaxed": (0, (4, 1.6))}
_SECOND = (0, (1.2, 1.2))


def weights(record: Record, axes: Axes) -> bool:
    axes.set_ylabel("distance of the weights, mean")
    drawn = _differences(record, axes, {"gap/weights_l1": "L1", "gap/weights_l2": "L2"})
    axes.set_ylim(bottom=0)
    return drawn


def quantisation(record: Record, axes: Axes) -> bool:
    axes.set_ylabel("quantisation error, mean square")
    return _solvers(record, axes, "gap/quantization_mse_{}")


def decoded(record: Record, axes: Axes) -> bool:
    axes.set_ylabel("extra MSE of the decoded batch, %")
    axes.axhline(0, color=SOFT, linewidth=0.9)
    return _differences(
        record, axes, {"gap/decoded_mse_difference": ""}, scale=100.0, divided_by="gap/decoded_mse_exact"
    )


def gradient_cosine(record: Record, axes: Axes) -> bool:
    axes.set_ylabel("cosine of the two gradients")
    drawn = _gradients(record, axes, "cosine")
    axes.set_ylim(top=1.03)
    return drawn


def gradient_ratio(record: Record, axes: Axes) -> bool:
    axes.set_ylabel("norm of relaxed / norm of exact")
    axes.axhline(1, color=SOFT, linewidth=0.9)
    drawn = _gradients(record, axes, "ratio")
    log_axis(axes)
    return drawn


def kkt(record: Record, axes: Axes) -> bool:
    axes.set_ylabel("relative KKT residual, largest")
    return _solvers(record, axes, "gap/kkt_{}")


def certificate(record: Record, axes: Axes) -> bool:
    axes.set_ylabel("certified bound of ‖p - p*‖, mean")
    return _solvers(record, axes, "gap/certificate_{}")


def overlap(record: Record, axes: Axes) -> bool:
    axes.set_ylabel("overlap of the supports (Jaccard)")
    drawn = _differences(record, axes, {"gap/support_overlap": ""})
    axes.set_ylim(0, 1.03)
    return drawn


def _gradients(record: Record, axes: Axes, kind: str) -> bool:
    names = {"latents": "∂L/∂Z", "codebook": "∂L/∂C"}
    return _differences(record, axes, {f"gap/gradient_{name}_{kind}": title for name, title in names.items()})


def _solvers(record: Record, axes: Axes, pattern: str) -> bool:
    drawn = False
    for trained, run in record.soft.items():
        for solver in ("exact", "relaxed"):
            steps, values = run.series(pattern.format(solver))
            if len(steps):
                label = f"{solver} solver, {_FROM[trained]}"
                # The exact line is the broader one: where both agree it still shows below the other.
                width = 3.0 if solver == "exact" else 1.5
                colour = METHODS[solver].colour
                axes.plot(steps, values, color=colour, linewidth=width, linestyle=_DASHES[trained], label=label)
                drawn = True
    log_axis(axes)
    return _finish(axes, drawn)


def _differences(
    record: Record, axes: Axes, names: dict[str, str], scale: float = 1.0, divided_by: str | None = None
) -> bool:
    drawn = False
    for trained, run in record.soft.items():
        for (name, title), dashes in zip(names.items(), ("solid", _SECOND), strict=False):
            steps, values = run.series(name)
            if not len(steps):
                continue
            if divided_by is not None:
                values = values / run.series(divided_by)[1]
            colour = METHODS[trained].colour
            label = ", ".join(part for part in (title, _FROM[trained]) if part)
            axes.plot(steps, scale * values, color=colour, linewidth=0.8, alpha=0.25, gid=label)
            axes.plot(steps, scale * smooth(values), color=colour, linestyle=dashes, label=label)
            drawn = True
    return _finish(axes, drawn)


def _finish(axes: Axes, drawn: bool) -> bool:
    steps_axis(axes)
    if drawn:
        legend(axes)
    return drawn
