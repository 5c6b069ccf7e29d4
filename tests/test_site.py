"""The documentation as a site: it builds without a warning, and its generated parts are true."""

import importlib
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from sphinx.util.inventory import InventoryFile

import modlog

DOCS = Path(__file__).parents[1] / "docs"
GENERATE = runpy.run_path(str(DOCS / "generate.py"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `make docs` does it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", DOCS, folder]
    built = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert (built.returncode, built.stderr) == (0, "")
    return folder


def test_what_the_code_tells_by_itself_stands_in_the_pages():
    for path, text in GENERATE["generated"]().items():
        assert path.is_file(), f"run `make docs`, which writes {path.name}"
        assert path.read_text() == text, f"run `make docs`, which writes {path.name}"


def test_every_page_is_part_of_it(site):
    pages = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}

    assert len(pages) > 30
    assert {page for page in pages if not (site / page).is_file()} == set()


@pytest.mark.parametrize("module", GENERATE["MODULES"])
def test_every_public_name_can_be_looked_up(site, module):
    with (site / "objects.inv").open("rb") as file:
        known = InventoryFile.load(file, "", os.path.join)
    names = {name for kind, found in known.items() if kind.startswith("py:") for name in found}

    public = importlib.import_module(module).__all__
    assert {name for name in public if f"{module}.{name}" not in names} == set()
    assert "modlog.ModLog.delete" in names


def test_nothing_is_loaded_from_elsewhere(site):
    """Links may lead anywhere; what a browser loads by itself comes from the site."""
    loads = re.compile(
        r"""<(?:script|img|iframe|source)[^>]*\ssrc="(?:https?:)?//|"""
        r"""<link[^>]*\shref="(?:https?:)?//|@import|url\(["']?(?:https?:)?//"""
    )
    texts = [*site.rglob("*.html"), *site.rglob("*.css")]

    assert len(texts) > 30
    assert [path.name for path in texts if loads.search(path.read_text())] == []


def test_it_says_of_which_modlog_it_is(site):
    assert f"modlog {modlog.__version__}" in (site / "index.html").read_text()


# What reaches beyond the screen, unless it stands in something that can be moved sideways.
BEYOND = """() => [...document.querySelectorAll("article *")].filter(one => {
    if (one.getBoundingClientRect().right <= innerWidth + 1) return false;
    for (let box = one; box && box.tagName !== "ARTICLE"; box = box.parentElement)
        if (["auto", "scroll"].includes(getComputedStyle(box).overflowX)) return false;
    return true;
}).map(one => one.outerHTML.slice(0, 80))"""


def test_on_a_telephone_nothing_is_cut_off_and_nothing_is_asked_for_elsewhere(site):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    asked, told, beyond = [], [], {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: told.append(str(error)))
        for path in sorted(site.rglob("*.html")):
            page.goto(path.as_uri())
            beyond[path.name] = page.evaluate(BEYOND)
        browser.close()
    assert len(asked) > 100
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert told == []
    assert {name: found for name, found in beyond.items() if found} == {}
