"""What numbers are said to be: how many seeds they are of, and what follows from them."""

import math

import pytest

from scq.validation.common.metrics import bits, codes, completed
from scq.validation.common.rendering import headings
from scq.validation.common.seeds import over_seeds
from scq.validation.common.tables import number, table, text


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([], "of one seed"),
        ([0, 1, 1], "of one seed"),
        ([3, 3, 0], "mean ± standard deviation over 3 seeds"),
        ([1, 3, 2], "mean ± standard deviation over 1 to 3 seeds"),
    ],
)
def test_one_seed_has_no_spread(numbers: list[int], said: str) -> None:
    assert over_seeds(numbers) == said


def test_the_psnr_and_the_bits_of_the_hard_code_follow_from_its_error_and_perplexity() -> None:
    found = completed({"psnr": 20.0, "mse": 0.01, "hard_mse": 0.1, "hard_perplexity": 8.0})
    assert found["hard_psnr"] == pytest.approx(10.0) and found["hard_bits"] == pytest.approx(3.0)
    # Of a test in which psnr is -10 log10(mse), so is hard_psnr of hard_mse.
    assert found["psnr"] == pytest.approx(-10 * math.log10(0.01))


def test_several_codes_of_a_latent_add_up_and_their_entropy_is_not_told() -> None:
    settings = {"codebook_size": 16, "stages": 3, "groups": 2}
    assert codes(settings) == 6 and bits(settings) == 24 and bits({"codebook_size": 8}) == 3
    assert "hard_bits" not in completed({"hard_perplexity": 8.0}, codes(settings))


@pytest.mark.parametrize(
    "lacking", [{"psnr": 20.0, "hard_mse": math.nan}, {"hard_mse": 0.1}, {"hard_perplexity": None}]
)
def test_what_cannot_be_told_is_left_out(lacking: dict[str, float | None]) -> None:
    assert completed(lacking) == lacking


def test_headings_are_those_with_a_name() -> None:
    assert headings('<h2 id="a">A &amp; B</h2><h2>none</h2><details><h2 id="c">C\n</h2></details>') == [
        ("a", "A &amp; B"),
        ("c", "C\n"),
    ]


def test_rows_of_dashes_are_holes() -> None:
    made = table("", ("metric", "a", "b"), [[text("x"), number(None), number(1.0)], [text("y"), *[number(None)] * 2]])
    assert [row[0].text for row in made.without_holes.rows] == ["x"]
