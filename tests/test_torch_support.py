"""The table of docs/torch.md: each of its cells is found out."""

import pytest
from pages import DOCS
from registry_tables import markdown_of_torch
from torch_support import FACTS, NAMES, Fact

_SLOW = (pytest.mark.slow, pytest.mark.timeout(600))
CASES = [
    pytest.param(fact, name, id=f"{fact.feature}-{name}", marks=_SLOW if fact.slow else ())
    for fact in FACTS
    for name in NAMES
]


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace.*:DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(("fact", "name"), CASES)
def test_what_the_table_promises_holds_and_no_less(fact: Fact, name: str) -> None:
    assert fact.check(name) == fact.of(name)


def test_the_table_of_the_page_is_the_facts() -> None:
    stale = "docs/torch.md is stale: paste registry_tables.markdown_of_torch()"
    assert markdown_of_torch() in (DOCS / "torch.md").read_text(), stale
