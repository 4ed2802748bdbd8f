"""Reports of folders that are complete, incomplete, or hostile. The folders are made by hand: no training here."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from folders import row, write_comparison, write_complete, write_results, write_run

from scq.validation import report
from scq.validation.page.sentences import backend_sentence, hard_sentence, headline, swap_sentence
from scq.validation.paired.record import read_record


@pytest.fixture
def complete(tmp_path: Path) -> Path:
    return write_complete(tmp_path)


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of the page's text: drawing takes seconds."""
    sections = (
        "held_out",
        "pictures",
        "training",
        "gap",
        "where",
        "gap_pictures",
        "certificates",
        "solver",
        "backends",
    )
    monkeypatch.setattr("scq.validation.page.reporting.draw_all", lambda *_: {section: [] for section in sections})


_ADDRESSES = ("src", "href", "xlink:href", "srcset", "data", "poster")


class Addresses(HTMLParser):
    """Everything that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in _ADDRESSES]


@pytest.mark.slow
def test_a_complete_folder_becomes_one_page_and_its_figures(complete: Path) -> None:
    page = report(complete, progress=False)
    html = page.read_text()
    assert page == complete / "report" / "index.html"
    assert "Missing from this report" not in html

    addresses = Addresses()
    addresses.feed(html)
    assert len(addresses.found) > 200  # with those of the letters of the figures
    assert all(address.startswith(("data:", "#")) for address in addresses.found)
    assert not re.search(r"url\((?!#)|@import|fetch\(|XMLHttpRequest", html)
    assert not re.search(r"https?://", html.replace("http://www.w3.org/2000/svg", ""))  # the name of a dialect of XML

    figures = complete / "report" / "figures"
    names = {path.stem for path in figures.glob("*.png")}
    assert names == {path.stem for path in figures.glob("*.pdf")}
    assert {"test_psnr", "training_mse", "gap_weights", "kkt", "certificate", "reconstructions"} <= names
    assert {"solver_iterations", "backends_latents_16x128_weights", "gap_distances", "gap_pictures"} <= names
    assert "11 in the exact solution and 100 in the relaxation" in html
    assert "contrast of the pixels below is 1.00" in html
    assert all((figures / f"{name}.png").read_bytes().startswith(b"\x89PNG") for name in names)
    assert all((figures / f"{name}.pdf").read_bytes().startswith(b"%PDF") for name in names)
    for heading in ("Held-out pictures", "Swap test", "Backends", "Limitations", "Environment"):
        assert f">{heading}</h2>" in html
    assert "/secret" not in html


def test_the_headline_says_what_the_numbers_say(complete: Path) -> None:
    assert headline(read_record(complete)) == (
        "On 334 held-out pictures (photos), exact SCQ reaches 25.31 dB PSNR: 0.31 dB above the relaxation (25.00 dB), "
        "2.21 dB above VQ (23.10 dB) and 0.69 dB below the unquantised autoencoder (26.00 dB)."
    )
    # Of hard_mse 5.0 and hard perplexity 5.0, which the folder has.
    assert hard_sentence(read_record(complete)) == (
        "Decoded by the largest weight alone: Exact SCQ -6.99 dB at 7 bits a latent (2.32 by entropy), Relaxed SCQ "
        "-6.99 dB at 7 bits a latent (2.32 by entropy) and VQ -6.99 dB at 7 bits a latent (2.32 by entropy). Weights "
        "as trained carry more bits than that."
    )
    assert swap_sentence(read_record(complete)) == (
        "The exactly trained model loses 1.31 dB PSNR when tested with the relaxation."
    )
    sentence = backend_sentence(read_record(complete))
    assert sentence is not None
    assert "interior_point takes 20.0 (18.0 to 22.0) µs a column" in sentence
    assert "qpth, 2,000 (1,800 to 2,200) µs: 100.0 times as long" in sentence


@pytest.mark.usefixtures("no_figures")
def test_what_the_headline_rests_on_stands_beside_it(complete: Path) -> None:
    html = report(complete, progress=False).read_text()
    top = html[html.index("<header>") : html.index("</header>")]
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", top))
    assert facts == {
        "seed": "0",
        "data": "photos, 2,000 to train, 334 held out",
        "training": "40 steps of 64",
        "learning rate": "0.001",
        "codebook": "K 128, F 16",
        "hard code": "7 bits a latent",
    }
    assert "One seed (0): the spread between seeds was not measured" in top
    assert "Decoded by the largest weight alone" in top


@pytest.mark.usefixtures("no_figures")
def test_a_report_of_one_method_does_not_speak_of_the_others(tmp_path: Path) -> None:
    write_run(tmp_path, "vq")
    html = report(tmp_path, progress=False).read_text()
    assert "only the quantizer differs" not in html
    assert "Weights as trained carry more bits" not in html
    assert "All methods see the same batches" not in html


@pytest.mark.usefixtures("no_figures")
def test_missing_parts_are_named_and_the_rest_is_reported(tmp_path: Path) -> None:
    write_run(tmp_path, "vq")
    write_run(tmp_path, "relaxed", finished=False)
    html = report(tmp_path, progress=False).read_text()
    assert "Exact SCQ was not trained" in html
    assert "Relaxed SCQ did not finish; its log ends at step 40" in html
    assert "no comparison of backends" in html
    assert "no swap test" in html
    assert "23.10" in html
    assert ">Swap test</h2>" not in html


@pytest.mark.usefixtures("no_figures")
def test_an_error_message_cannot_become_markup(tmp_path: Path) -> None:
    write_run(tmp_path, "vq")
    write_results(tmp_path, {"exact": "RuntimeError: <script>alert('x')</script> & <b>"})
    html = report(tmp_path, progress=False).read_text()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &lt;b&gt;" in html


def test_an_incomplete_folder_has_the_figures_that_its_data_allow(tmp_path: Path) -> None:
    write_run(tmp_path, "none")
    report(tmp_path, progress=False)
    names = {path.stem for path in (tmp_path / "report" / "figures").glob("*.png")}
    assert names == {"test_psnr", "test_ssim", "training_mse"}


@pytest.mark.usefixtures("no_figures")
def test_a_comparison_alone_is_reported(tmp_path: Path) -> None:
    missing = row("daqp", 0.0, 0.0, outcome="missing", note="not installed", forward=None, weights_error_max=None)
    write_comparison(tmp_path, row("interior_point", 1e-5, 1e-15), missing)
    html = report(tmp_path, progress=False).read_text()
    assert "interior_point takes 20.0 (18.0 to 22.0) µs a column" in html
    assert "Not every backend could be measured in full: daqp" in html


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_without_results_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="must be the folder of paired runs"):
        report(tmp_path / name)
