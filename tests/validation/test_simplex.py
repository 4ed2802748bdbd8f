import pytest

from scq.validation.simplex import FAMILIES, simplex_figure, terms


def test_the_figure_shows_what_only_the_neighbours_can_tell_apart() -> None:
    values = [terms(family.sample()) for family in FAMILIES]
    for name in ("KNN-L2", "KNN-CE"):
        vertices, uniform, centre = (value[name] for value in values)
        assert vertices < 0.1 * uniform < 0.1 * centre
    assert max(value["perplexity"] for value in values) < 0.01
    texts = [text.get_text() for text in simplex_figure().texts]
    assert [text.splitlines()[0] for text in texts] == [f"KNN-L2  {value['KNN-L2']:.4f}" for value in values]


def test_samples_are_the_same_each_time() -> None:
    assert terms(FAMILIES[1].sample()) == pytest.approx(terms(FAMILIES[1].sample()), abs=0)
