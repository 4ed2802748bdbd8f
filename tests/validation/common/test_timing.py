"""Times with a clock that is told what to say: nothing here is measured."""

from collections.abc import Callable

import pytest
import torch

from scq.validation.common.measuring.timing import Repeated, alike, cell, distinguishable, in_turns, pooled, repeated

CPU = torch.device("cpu")


class Told:
    """A clock that only work moves on, and who worked in which order."""

    def __init__(self) -> None:
        self.time, self.order = 0.0, ""

    def __call__(self, device: torch.device) -> float:
        assert device == CPU
        return self.time

    def work(self, name: str, *seconds: float) -> Callable[[], None]:
        left = iter(seconds)

        def work() -> None:
            self.order += name
            self.time += next(left)

        return work


def test_work_takes_turns_and_the_first_round_is_not_counted() -> None:
    clock = Told()
    works = {"a": clock.work("a", 9.0, 1.0, 2.0, 4.0), "b": clock.work("b", 99.0, 10.0, 20.0, 40.0)}
    assert in_turns(works, 3, CPU, clock=clock) == {"a": (1.0, 2.0, 4.0), "b": (10.0, 20.0, 40.0)}
    assert clock.order == "abababab"


def test_what_is_warm_already_is_counted_from_the_first_call() -> None:
    clock = Told()
    assert in_turns({"a": clock.work("a", 9.0, 1.0)}, 2, CPU, warm=0, clock=clock) == {"a": (9.0, 1.0)}


def test_no_further_round_begins_after_the_limit() -> None:
    clock = Told()
    works = {"a": clock.work("a", 1.0, 1.0), "b": clock.work("b", 1.0, 1.0)}
    assert in_turns(works, 5, CPU, warm=0, limit=0.0, clock=clock) == {"a": (1.0,), "b": (1.0,)}


def test_the_statistics_are_those_of_the_values() -> None:
    found = Repeated((4.0, 1.0, 2.0, 3.0))
    assert (found.minimum, found.median, found.maximum, found.n) == (1.0, 2.5, 4.0, 4)
    assert found.rate(12) == Repeated((3.0, 12.0, 6.0, 4.0))
    assert found.over(Repeated((2.0, 2.0, 4.0, 6.0))) == Repeated((2.0, 0.5, 0.5, 0.5))
    assert pooled([found, Repeated((9.0,))]).maximum == 9.0
    assert found.words(scale=10.0) == "25.0 (10.0 to 40.0)"
    assert (cell(found).text, cell(found).number) == ("2.50 (1.00 to 4.00)", 2.5)
    assert cell(None).text == "—"


@pytest.mark.parametrize(
    ("a", "b", "apart"),
    [
        ((1.0, 2.0), (3.0, 4.0), True),
        ((3.0, 4.0), (1.0, 2.0), True),
        ((1.0, 3.0), (2.0, 4.0), False),
        ((1.0, 2.0), (2.0, 3.0), False),
        ((1.0, 9.0), (4.0, 5.0), False),
        ((1.0,), (3.0, 4.0), False),  # one alone has no spread
    ],
)
def test_ranges_that_overlap_tell_nothing_apart(a: tuple[float, ...], b: tuple[float, ...], apart: bool) -> None:
    assert distinguishable(Repeated(a), Repeated(b)) is apart


def test_one_measurement_is_none() -> None:
    assert repeated([1.0]) is None
    assert repeated([]) is None
    assert repeated([1.0, 2.0]) == Repeated((1.0, 2.0))


def test_the_pairs_that_cannot_be_told_apart_are_named() -> None:
    measured = {"a": Repeated((1.0, 2.0)), "b": Repeated((1.5, 3.0)), "c": Repeated((5.0, 6.0))}
    assert alike(measured) == [("a", "b")]
