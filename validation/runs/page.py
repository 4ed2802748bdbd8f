"""The page of one run, or of several side by side."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from scq.validation.common.metrics import METRICS, Metric
from scq.validation.common.plots.panel import Panel
from scq.validation.common.plots.style import save, style
from scq.validation.common.rendering import plainly, render
from scq.validation.common.seeds import over_seeds
from scq.validation.common.tables import Table, spread_cell, table, text
from scq.validation.page.basis import of_training
from scq.validation.runs.looking import Looked, look_at
from scq.validation.runs.plots import curves, models
from scq.validation.runs.record import Runs
from scq.validation.runs.sentences import beside, differences, headline

_PRIVATE = ("out", "name", "data_root")
"""Settings that are paths of a machine."""


def runs_page(runs: Runs, figures: Path) -> str:
    """The page; its figures are written into ``figures``. It has what the runs have, and no place for what they have
    not."""
    seen, unseen = look_at(runs.tested)
    with style():
        panels = {section: list(drawn) for section, drawn in _drawn(runs, seen, figures).items()}
    alone = len(runs.runs) == 1
    return render(
        "runs.html.j2",
        title="Training run" if alone else "Training runs side by side",
        headline=headline(runs),
        beside=beside(runs),
        basis=_basis(runs),
        missing=[*([] if alone else runs.missing), *unseen],
        tests=_tests(runs),
        differences=_differences(runs),
        panels=panels,
        settings={run.label: _shown(run.record.settings) for run in runs.runs},
        environment=plainly(runs.environment),
    )


def _drawn(runs: Runs, seen: Mapping[str, Looked], folder: Path) -> Mapping[str, Iterator[Panel]]:
    """The figures by section, each drawn when it comes."""

    def panels(*made: tuple[str, str, Figure | None]) -> Iterator[Panel]:
        return (Panel(name, said, save(drawing, folder, name)) for name, said, drawing in made if drawing is not None)

    how = over_seeds(map(len, runs.groups.values()))
    drawn = {
        "tests": panels(
            (
                "test_psnr",
                f"Peak signal-to-noise ratio of held-out pictures; the axis does not start at zero; {how}.",
                models.numbers(runs, "psnr"),
            ),
            ("test_ssim", f"Structural similarity of held-out pictures; {how}.", models.numbers(runs, "ssim")),
            (
                "test_perplexity",
                f"Use of the codebook by all held-out latents: perplexity of the largest weight's "
                f"codeword (hard) and of the mean weights (soft); {how}.",
                models.numbers(runs, "perplexity"),
            ),
        )
        if len(runs.tested) > 1
        else panels(),
        "samples": panels(
            *(
                (
                    f"samples_{at}",
                    f"Held-out pictures of {data}, spread evenly, and what the model makes of them.",
                    drawing,
                )
                for at, (data, drawing) in enumerate(models.samples(seen))
            )
        ),
        "codebook": panels(*_codebooks(runs, seen)),
        "codewords": panels(*_codewords(runs, seen)),
    }
    for section, names in curves.sections(runs).items():
        drawn[section] = panels(
            *(
                (curves.file_name(section, at, name), curves.caption(runs, name), curves.curve(runs, name))
                for at, name in enumerate(names)
            )
        )
    return drawn


def _codebooks(runs: Runs, seen: Mapping[str, Looked]) -> Iterator[tuple[str, str, Figure | None]]:
    yield (
        "code_use",
        "How often each codeword is the hard code of a latent of some held-out examples, the most used first; where a "
        "line ends, the others are never.",
        models.use(seen, runs),
    )
    for at, run in enumerate(run for run in runs.runs if run.label in seen):
        whose = f" of {run.label}" if len(runs.runs) > 1 else ""
        one = seen[run.label]
        yield (
            f"codebook_{at}",
            f"The codewords{whose} in the plane of their first two principal axes, larger where more latents have them "
            "as their hard code.",
            models.codebook(one),
        )


def _codewords(runs: Runs, seen: Mapping[str, Looked]) -> Iterator[tuple[str, str, Figure | None]]:
    """Of one run: those of several say nothing beside each other, because no codeword is another's."""
    said = "The most used codewords, each decoded as if all latents were it, and how many have it."
    if len(runs.runs) == 1:
        for one in seen.values():
            yield "codewords", said, models.tiles(one)


def _tests(runs: Runs) -> Table | None:
    """A column for each group, mean and deviation where it has several seeds."""
    if not runs.tested:
        return None
    names = dict.fromkeys([*METRICS, *(name for run in runs.tested for name in run.test)])
    metrics = [METRICS.get(name, Metric(name, name.replace("_", " "))) for name in names]
    rows = (
        [
            text(metric.title),
            *(
                spread_cell([run.test.get(metric.name) for run in members], metric.digits, metric.scale)
                for members in runs.groups.values()
            ),
        ]
        for metric in metrics
        if metric.name != "pictures_per_second"  # of one pass, in runs of earlier versions: no measurement
    )
    how = over_seeds(map(len, runs.groups.values()))
    return table(f"Held-out examples, {how}", ("", *runs.groups), rows).without_holes


def _differences(runs: Runs) -> Table | None:
    """The settings that are not the same in all; None where the runs are called by the one that is not."""
    found = differences(runs)
    if len(found) < 2:
        return None
    rows = ([text(name), *(text(values[run.label]) for run in runs.runs)] for name, values in found.items())
    return table("Settings that differ", ("", *(run.label for run in runs.runs)), rows)


def _basis(runs: Runs) -> dict[str, str]:
    """What all runs have in common, in short, and their seeds."""
    shared = [of_training(run.record.settings, {}) for run in runs.runs]
    common = {name: value for name, value in shared[0].items() if all(one.get(name) == value for one in shared)}
    seeds = sorted({int(run.record.settings["seed"]) for run in runs.runs})
    rest = {name: value for name, value in common.items() if name != "seed"}
    return {"seed" if len(seeds) == 1 else "seeds": ", ".join(map(str, seeds)), **rest}


def _shown(settings: Mapping[str, object]) -> dict[str, str]:
    return plainly({name: value for name, value in settings.items() if name not in _PRIVATE})
