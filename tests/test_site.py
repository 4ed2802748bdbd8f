"""The site as it is built: without warnings, without anything from the net, with links that lead somewhere."""

import importlib.util
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from browser import launched, needed, opened
from pages import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("material") is None, reason="mkdocs-material is not installed"),
]

_LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}


class Page(HTMLParser):
    """What a page loads by itself, where its links lead, its anchors, and its emphasised words."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value is not None}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag in _LOADED and _LOADED[tag] in values:
            self.loaded.append(values[_LOADED[tag]])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def test_nothing_is_loaded_from_the_net(site: Path, pages: dict[Path, Page]) -> None:
    foreign = {where for page in pages.values() for where in page.loaded if re.match(r"(https?:)?//", where)}
    assert foreign == set()
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//[^)\"']*", styles) == []


def test_every_link_leads_to_a_page_and_a_place_on_it(site: Path, pages: dict[Path, Page]) -> None:
    lost = []
    for path, page in pages.items():
        if path.name == "404.html":  # its links start at the root of a server
            continue
        for link in (*page.links, *page.loaded):
            address, anchor = urldefrag(link)
            if re.match(r"[a-z]+:", link) or link == ".":
                continue
            target = (path.parent / unquote(address)).resolve() if address else path
            known = pages.get(target)
            if not target.is_file() or (anchor and known and unquote(anchor) not in known.anchors):
                lost.append(f"{path.relative_to(site)}: {link}")
    assert lost == []


def test_formulas_keep_their_asterisks(pages: dict[Path, Page]) -> None:
    for path in pages:
        emphasised = re.findall(r"<em>(.*?)</em>", path.read_text(), re.DOTALL)
        assert [words for words in emphasised if re.search(r"[|^=()]", words)] == [], path.name


def test_no_cross_reference_is_left_as_it_was_written(pages: dict[Path, Page]) -> None:
    for path in pages:
        assert re.findall(r":(?:attr|class|data|func|meth|mod):`?<?[^ ]*", path.read_text()) == [], path.name


def test_wide_tables_fold_on_a_telephone_and_fade_where_they_go_on(site: Path) -> None:
    needed()
    folded = (
        "[...document.querySelectorAll('table[data-wide] tbody td')]"
        ".every(x => getComputedStyle(x).display != 'table-cell')"
    )
    headed = "getComputedStyle(document.querySelector('table[data-wide] td:nth-child(2)'), '::before').content"
    cut = (
        "[...document.querySelectorAll('.md-typeset__scrollwrap')]"
        ".every(x => x.hasAttribute('data-more') == (x.scrollWidth > x.clientWidth + 2))"
    )
    with launched() as browser:
        for page in ("torch", "choosing", "backends", "api/scq"):
            for width in (400, 1000, 1600):
                with opened(browser, site / f"{page}.html", width) as shown:
                    shown.page.wait_for_function("document.querySelector('.md-typeset__scrollwrap')")
                    shown.ask("document.querySelectorAll('details').forEach(x => (x.open = true))")
                    shown.page.wait_for_timeout(100)  # the observer speaks after the next layout
                    assert shown.ask("document.documentElement.scrollWidth") == width, (page, width)
                    assert shown.ask(folded) == (width == 400), (page, width)
                    assert shown.ask(cut) and shown.complaints == [], (page, width)
                    if page == "torch":
                        assert shown.ask(headed) == ('"scq"' if width == 400 else "none")
