"""A name that is not known is answered with the one that was probably meant, in Python and on the command line."""

from collections.abc import Callable

import pytest
import torch

import scq
from scq import data, solvers
from scq.cli import main
from scq.solvers.suggestions import nearest
from scq.training import TrainConfig
from scq.validation.studies.plans.files import read_plan

pytestmark = pytest.mark.usefixtures("as_a_user")


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("vqema", ("vq", "vq_ema", "fsq"), "vq_ema"),
        ("cifar", ("photos", "cifar10", "gtsrb"), "cifar10"),
        ("ACTIVE-SET", ("active_set", "interior_point"), "active_set"),
        ("--lr", ("--log-every", "--learning-rate", "--lam"), "--learning-rate"),
        ("--step", ("--relaxation-steps", "--steps"), "--steps"),
        ("xyzzy", ("photos", "cifar10"), None),
        ("", ("photos",), None),
    ],
)
def test_the_nearest_name_is_found(name: str, known: tuple[str, ...], meant: str | None) -> None:
    assert nearest(name, known) == meant


PROBLEM = solvers.Problem(torch.zeros(2, 3), torch.eye(4, 3), 0.1)


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda: scq.quantizer("vqema", 8, 4), "vq_ema"),
        (lambda: scq.quantizer("linear+nearst", 8, 4), "nearest"),
        (lambda: scq.SoftConvexQuantizer(8, 4, backend="activeset"), "active_set"),
        (lambda: scq.SoftConvexQuantizer(8, 4, init="kmean"), "kmeans"),
        (lambda: scq.SoftConvexQuantizer(8, 4, on_failure="fall_back"), "fallback"),
        (lambda: solvers.solve(PROBLEM, backend="activeset"), "active_set"),
        (lambda: solvers.solve(PROBLEM, backend="relaxed", step=3), "steps"),
        (lambda: data.load("cifar"), "cifar10"),
        (lambda: read_plan("relaxtion"), "relaxation"),
        (lambda: TrainConfig(data="photo"), "photos"),
        (lambda: TrainConfig(init="kmean"), "kmeans"),
        (lambda: TrainConfig(trackers=("tensorbord",)), "tensorboard"),
    ],
)
def test_a_name_that_is_not_known_is_answered_with_the_one_most_like_it(call: Callable[[], object], meant: str) -> None:
    with pytest.raises((ValueError, TypeError), match=f"; did you mean '{meant}'\\?$|; did you mean '{meant}'\\? for"):
        call()


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["trian"], "train"),
        (["train", "--step", "3"], "--steps"),
        (["train", "--lr", "3"], "--learning-rate"),
        (["train", "--bs", "3"], "--batch-size"),
        (["gap", "--lr", "3"], "--learning-rate"),
        (["train", "--no-gpa"], "--no-gap"),
        (["train", "--quantizer", "vqema"], "vq_ema"),
        (["train", "--data", "cifar"], "cifar10"),
        (["train", "--init", "kmean"], "kmeans"),
        (["data", "cifar"], "cifar10"),
        (["compare", "--backends", "activeset"], "active_set"),
        (["gap", "--methods", "exct"], "exact"),
        (["study", "--plan", "relaxtion"], "relaxation"),
    ],
)
def test_a_typing_error_is_answered_in_one_line_with_what_was_meant(
    arguments: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.endswith(f"; did you mean '{meant}'?\n")


def test_nothing_is_suggested_that_is_not_like_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--xyzzy", "3"]) == 2
    assert "did you mean" not in capsys.readouterr().err
