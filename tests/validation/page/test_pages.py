"""The pages in a real browser: a silent console, figures that load, tables that sort, and no screen too narrow."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Page, launched, needed, opened
from report_pages import comparison_page, gap_page, run_page, study_page

needed()

PAGES = {"gap": gap_page, "comparison": comparison_page, "study": study_page, "run": run_page}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture(
    scope="module",
    params=["gap", *(pytest.param(name, marks=pytest.mark.slow) for name in ("comparison", "study", "run"))],
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
        sizes = shown.ask("[...document.querySelectorAll('figure svg')].map(e => e.getBBox().width)")
        assert sizes and min(sizes) > 100
        ids = shown.ask("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids))
        # What a figure refers to is its own.
        refers = "[...document.querySelectorAll('use')].map(e => e.getAttribute('xlink:href').slice(1))"
        assert set(shown.ask(refers)) <= set(ids)
        assert shown.complaints == []


def test_a_click_on_a_heading_sorts_by_it(browser: Any, page: Path) -> None:
    with opened(browser, page) as shown:
        if not shown.page.locator("table.sortable").count():
            pytest.skip("nothing on this page is sorted")
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


def place(page: Page, figure: str, point: str) -> list[Any]:
    """Where in the window the first point of a figure is for which the expression of ``p`` holds, and the point."""
    return page.ask(
        f"(() => {{ const f = document.getElementById('figure-{figure}'); f.scrollIntoView();"
        f" const p = JSON.parse(f.querySelector('script').textContent).points.find(p => {point});"
        " const s = new DOMPoint(p[2], p[3]).matrixTransform(f.querySelector('svg').getScreenCTM());"
        " return [s.x, s.y, p]; })()"
    )


def test_the_nearest_point_says_its_values_and_a_click_on_a_name_hides_it(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(browser, gap_page(tmp_path)) as shown:
        figure = shown.page.locator("#figure-gap_weights")
        x, y, point = place(shown, "gap_weights", "p[4] === 'L1, exact run' && p[5] === '13'")
        shown.page.mouse.move(x + 3, y - 2)
        tip = figure.locator(".tip")
        assert tip.inner_text().splitlines() == [
            "L1, exact run",
            "optimiser step: 13",
            f"distance of the weights, mean: {point[6]}",
        ]
        # Five lines of the log are one point: their mean, of 0.5 / step at steps 7, 10, 13, 16, 19.
        assert float(point[6]) == pytest.approx(sum(0.5 / step for step in (7, 10, 13, 16, 19)) / 5, rel=1e-3)

        drawn = figure.locator(f"[data-series='{point[0]}']")
        assert drawn.count() == 2  # as logged, and smoothed
        name = figure.get_by_role("switch", name="L1, exact run")
        name.click()
        assert name.get_attribute("aria-checked") == "false"
        assert [drawn.nth(i).is_visible() for i in range(2)] == [False, False]
        others = figure.locator("[data-series]:visible")
        assert others.count() == 6
        x, y, _ = place(shown, "gap_weights", "p[4] === 'L1, exact run' && p[5] === '13'")
        shown.page.mouse.move(x, y)
        assert tip.is_hidden() or "L1, exact run" not in tip.inner_text()
        name.focus()
        shown.page.keyboard.press("Enter")
        assert [drawn.nth(i).is_visible() for i in range(2)] == [True, True]
        shown.page.mouse.move(0, 0)
        assert tip.is_hidden()
        assert shown.complaints == []


def test_a_wide_table_says_that_there_is_more_until_its_end_is_seen(browser: Any, page: Path) -> None:
    for width in (400, 1000):
        with opened(browser, page, width) as shown:
            shown.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
            shown.page.wait_for_timeout(100)  # until the boxes have been measured
            cut = (
                "[...document.querySelectorAll('.scroll')].map(b => [b.scrollWidth > b.clientWidth + 2,"
                " !b.previousElementSibling.hidden])"
            )
            boxes = shown.ask(cut)
            assert boxes and all(wide == said for wide, said in boxes)
            if width == 400:
                assert any(wide for wide, _ in boxes)
            shown.ask("document.querySelectorAll('.scroll').forEach(b => { b.scrollLeft = b.scrollWidth; })")
            shown.page.wait_for_timeout(100)
            assert not any(said for _, said in shown.ask(cut))


def test_the_contents_lead_to_every_section_and_open_what_is_folded(browser: Any, page: Path) -> None:
    with opened(browser, page) as shown:
        links = shown.ask("[...document.querySelectorAll('nav.contents a')].map(a => a.getAttribute('href').slice(1))")
        assert links == shown.ask("[...document.querySelectorAll('h2')].map(h => h.id)") and len(links) > 2
        folded = shown.page.locator("details.section").last
        assert not folded.evaluate("one => one.open")
        shown.page.locator("nav.contents a").last.click()
        shown.page.wait_for_function("document.querySelector('details.section:last-of-type').open")
        top = folded.locator("h2").evaluate("h => h.getBoundingClientRect().top")
        assert 0 <= top < 1000


def test_without_scripts_everything_is_there(browser: Any, page: Path) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1600, "height": 1000})
    try:
        tab = context.new_page()
        tab.goto(page.as_uri())
        box = tab.locator("figure svg").first.bounding_box()
        assert box is not None and box["width"] > 300 and box["height"] > 100
        assert tab.locator("nav.contents a").count() > 2
        assert tab.locator(".cue").count() == 0
    finally:
        context.close()
