"""The pages in a real browser: a silent console, figures that load, tables that sort, and no screen too narrow."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Page, launched, needed, opened
from report_pages import comparison_page, gap_page, study_page

needed()

PAGES = {"gap": gap_page, "comparison": comparison_page, "study": study_page}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture(
    scope="module", params=["gap", *(pytest.param(name, marks=pytest.mark.slow) for name in ("comparison", "study"))]
)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return PAGES[request.param](tmp_path_factory.mktemp(request.param))


def column(page: Page, number: int) -> list[str]:
    """The sort keys of a column of the first table, in the order shown."""
    return page.ask(
        f"[...document.querySelector('table.sortable').tBodies[0].rows].map(r => r.cells[{number}])"
        ".map(c => c.dataset.number ?? c.textContent.trim())"
    )


def test_the_page_works_without_a_word_on_the_console(browser: Any, page: Path) -> None:
    with opened(browser, page) as shown:
        # As a reader who scrolls would see them: figures below the fold are loaded when they come near.
        shown.ask("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
        shown.page.wait_for_function("[...document.images].every(image => image.complete)")
        assert shown.ask("document.images.length") > 0
        assert shown.ask("[...document.images].filter(image => image.naturalWidth === 0).map(i => i.alt)") == []

        headings = shown.page.locator("table.sortable").first.locator("th button")
        numeric = shown.ask(
            "[...document.querySelector('table.sortable').tHead.rows[0].cells].findIndex(c => c.className === 'number')"
        )
        headings.nth(numeric).click()
        numbers = [float(value) for value in column(shown, numeric) if value != "—"]
        assert len(numbers) > 1 and numbers == sorted(numbers)
        headings.nth(numeric).click()
        assert [float(value) for value in column(shown, numeric) if value != "—"] == numbers[::-1]
        headings.nth(0).click()
        names = column(shown, 0)
        assert names == sorted(names, key=str.lower)
        assert shown.complaints == []


@pytest.mark.parametrize("width", [400, 1600])
def test_no_width_makes_the_page_scroll_sideways(browser: Any, page: Path, width: int) -> None:
    with opened(browser, page, width) as shown:
        assert shown.ask("document.documentElement.scrollWidth") <= width
        # What is wider than the screen scrolls in a box of its own, which the keyboard reaches.
        cut = "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
        assert shown.ask(f"{cut}.filter(e => !e.closest('.scroll[tabindex]')).map(e => e.outerHTML.slice(0, 80))") == []
        smallest = "Math.min(...[...document.querySelectorAll('p, li, td, th, figcaption, dd')].map(e =>"
        assert shown.ask(f"{smallest} parseFloat(getComputedStyle(e).fontSize)))") >= 12
        assert shown.complaints == []


def test_a_dark_screen_gets_dark_letters_on_white_all_the_same(browser: Any, page: Path) -> None:
    with opened(browser, page) as shown:
        shown.page.emulate_media(color_scheme="dark")
        colours = shown.ask("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
        assert colours == ["rgb(255, 255, 255)", "rgb(28, 35, 41)"]
