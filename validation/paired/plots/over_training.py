"""Figures of what happens over training: the methods beside each other, and the solvers inside them."""

from matplotlib.axes import Axes

from scq.validation.common.plots.style import legend, log_axis, smooth, steps_axis
from scq.validation.common.run_record import RunRecord
from scq.validation.paired.methods import METHODS, MethodInfo
from scq.validation.paired.record import Record


def training_mse(record: Record, axes: Axes) -> bool:
    axes.set_ylabel("MSE of the training batch, 10⁻³")
    drawn = _methods(record, axes, "train/mse", scale=1e3, smoothed=True)
    log_axis(axes)
    return drawn


def training_mse_caption(record: Record) -> str:
    return (
        "Reconstruction error of the training batch, at scale [0, 1]; faint as logged, strong smoothed over five lines "
        "of the log." + (" All methods see the same batches." if len(record.runs) > 1 else "")
    )


def training_perplexity(record: Record, axes: Axes) -> bool:
    axes.set_ylabel("hard perplexity, codewords")
    return _methods(record, axes, "quantizer/hard_perplexity", smoothed=True)


def kkt_parts(record: Record, axes: Axes) -> bool:
    """Colour is the method, dashes the residual."""
    axes.set_ylabel("relative KKT residuals, largest")
    parts = {"primal": "solid", "dual": (0, (4, 1.6)), "complementarity": (0, (1.2, 1.2))}
    drawn = False
    for part, dashes in parts.items():
        for name, run in record.soft.items():
            steps, values = run.series(f"kkt/{part}")
            if len(steps):
                label = f"{part.removesuffix('arity')}, {name}"
                axes.plot(steps, values, color=METHODS[name].colour, linestyle=dashes, label=label)
                drawn = True
    log_axis(axes)
    steps_axis(axes)
    if drawn:
        legend(axes, columns=3)
    return drawn


def support(record: Record, axes: Axes) -> bool:
    axes.set_ylabel("support, codewords a latent")
    drawn = _methods(record, axes, "quantizer/support_size")
    axes.set_ylim(bottom=0)
    return drawn


def iterations(record: Record, axes: Axes) -> bool:
    axes.set_ylabel("iterations a latent, mean")
    drawn = _methods(record, axes, "quantizer/iterations")
    axes.set_ylim(bottom=0)
    return drawn


def converged(record: Record, axes: Axes) -> bool:
    axes.set_ylabel("converged latents, %")
    drawn = _methods(record, axes, "quantizer/converged_share", scale=100.0, only=("exact",))
    axes.set_ylim(-3, 103)
    return drawn


def margin(record: Record, axes: Axes) -> bool:
    axes.set_ylabel("margin, median")
    drawn = _methods(record, axes, "quantizer/margin", only=("exact",))
    log_axis(axes)
    return drawn


def weakly_active(record: Record, axes: Axes) -> bool:
    axes.set_ylabel("latents with one-sided gradient, %")
    drawn = _methods(record, axes, "quantizer/weakly_active_share", scale=100.0, only=("exact",))
    axes.set_ylim(bottom=0)
    return drawn


def _methods(
    record: Record,
    axes: Axes,
    name: str,
    scale: float = 1.0,
    smoothed: bool = False,
    only: tuple[str, ...] = tuple(METHODS),
) -> bool:
    """A line for each method; smoothed ones over the faint values as logged."""
    lines = [_line(axes, METHODS[key], run, name, scale, smoothed) for key, run in record.runs.items() if key in only]
    steps_axis(axes)
    if any(lines):
        legend(axes, columns=4)
    return any(lines)


def _line(axes: Axes, method: MethodInfo, run: RunRecord, name: str, scale: float, smoothed: bool) -> bool:
    steps, values = run.series(name)
    if not len(steps):
        return False
    values = values * scale
    if smoothed:
        axes.plot(steps, values, color=method.colour, linewidth=0.8, alpha=0.25, gid=method.title)
        values = smooth(values)
    axes.plot(steps, values, color=method.colour, linestyle=method.dashes, label=method.title)
    return True
