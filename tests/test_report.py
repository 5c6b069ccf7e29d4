"""Reports as people get them: from the command line, and in a real browser."""

import json
import re
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from playwright.sync_api import expect, sync_playwright

import modlog
from modlog import Actor, Selection
from modlog._cli.main import commands
from modlog.testing import MovableClock
from tests.blocklog import load

CHROMIUM = shutil.which("chromium")
T0 = datetime(2026, 3, 9, 11, 44, tzinfo=UTC)
WAN: dict[str, Any] = {
    "actor": Actor.human("wan"),
    "policy": "illegal-content",
    "batch_id": "clean-up",
}
MEI: dict[str, Any] = {"actor": Actor.human("mei"), "reason": "the founder's own account"}
OVERRIDE, ISOLATE = "\u202eevil", "\u2066"
# Accounts whose names try to be more than text, and what is to be seen of them.
HOSTILE = {
    "<script>alert(1)</script>": "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>": "</script><img src=x onerror=alert(1)>",
    "<!--<script>": "<!--<script>",
    OVERRIDE: r"\u202eevil",
    f"{ISOLATE}a\x1b[31m": r"\u2066a\x1b[31m",
    "{{ 7 * 7 }}": "{{ 7 * 7 }}",
    "&amp;'\"": "&amp;'\"",
    "مستخدم": "مستخدم",
    "=1+1": "=1+1",
}
LONG = "<b>long</b>" + "x" * 10_000


def number(n):
    return f"u{n:04}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def url(folder):
    """A clean-up of 129 accounts; three of them come back, and another batch has hit one."""
    url, clock = f"sqlite:///{folder / 'ledger.db'}", MovableClock(T0)
    with modlog.open(url, clock=clock, guardrails=modlog.Guardrails.off()) as log:
        with log.transaction():
            for n in range(120):
                log.create(number(n), {"nickname": f"Nick {n}"}, actor=Actor.system("sign-up"))
            for name in HOSTILE:
                log.create(name, {"nickname": name}, actor=Actor.system("sign-up"))
        clock.move(60)
        with log.transaction():
            for n in range(120):
                log.delete(number(n), **WAN, reason="clean-up of illegal accounts")
            for name in HOSTILE:
                log.delete(name, **WAN, reason=f"<script>alert(2)</script>{OVERRIDE}")
        log.suspend(number(0), actor=Actor.bot("<b>"), reason=LONG, batch_id="nightly")
        clock.move(timedelta(days=30))
        log.restore(number(7), **MEI)
        clock.move(30)
        log.revert(Selection(batch_id="clean-up", account_id=[number(0), number(1)]), **MEI)
    return url


@pytest.fixture(scope="module")
def run(url):
    def run(*arguments, db=url):
        return CliRunner().invoke(commands, ["report", "--db", db, *map(str, arguments)])

    return run


@pytest.fixture(scope="module")
def file(run, folder):
    path = folder / "incident.html"
    result = run("--batch", "clean-up", "-o", path)
    assert result.exit_code == 0, result.output
    return path


# The file


def test_it_is_written_whole_or_not_at_all(run, file, tmp_path):
    before = file.read_bytes()
    result = run("--batch", "clean-up", "-o", file)
    assert result.exit_code == 2
    assert "is there already: name another file, or say --force" in result.stderr
    assert file.read_bytes() == before
    result = run("--batch", "clean-up", "-o", file, "--force", "--json")
    assert json.loads(result.stdout) == {
        "events": 129,
        "accounts": 129,
        "head": 262,
        "findings": 0,
        "output": str(file),
    }
    result = run("--batch", "clean-up", "-o", tmp_path / "none" / "incident.html")
    assert result.exit_code == 2
    assert "incident.html" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_one_that_fails_half_way_leaves_nothing(run, tmp_path, monkeypatch):
    def pages(*_):
        yield "<!doctype html>"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("modlog._cli.reports.pages.pages", pages)
    result = run("--batch", "clean-up", "-o", tmp_path / "incident.html")
    assert result.exit_code == 2
    assert "No space left on device" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_it_can_go_to_the_next_program(run):
    result = run("--batch", "clean-up", "-o", "-")
    assert result.exit_code == 0
    assert result.stdout.startswith("<!doctype html>")
    assert result.stdout.rstrip().endswith("</html>")


def test_what_is_misspelt_is_told_with_what_is_near(run, tmp_path):
    result = run("--batch", "clean-ups", "-o", tmp_path / "incident.html")
    assert result.exit_code == 1
    assert "no events are selected" in result.stderr
    assert "batch 'clean-ups' is not in this ledger; near it: 'clean-up'" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_jinja_it_says_what_to_install(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    result = run("--batch", "clean-up", "-o", tmp_path / "incident.html")
    assert result.exit_code == 2
    assert "pip install 'modlog[report]'" in result.stderr


def data_of(html):
    (data,) = re.findall(r'id="data">(.*?)</script>', html, re.DOTALL)
    return json.loads(data)


def test_keys_of_profiles_are_shown_if_they_are_asked_for(run):
    nickname = data_of(run("--batch", "clean-up", "-o", "-").stdout)
    assert nickname["head"] == {"profile": ["nickname"]}
    assert nickname["rows"][7][2] == ["Nick 7"]
    for keys in (("",), ("avatar",)):
        html = run("--batch", "clean-up", "-o", "-", "--show", *keys).stdout
        assert data_of(html)["head"] == {"profile": []}
        assert "Nick 7" not in html


def test_the_whole_ledger_is_verified_if_that_is_asked_for(run):
    assert "modlog report --verify" in run("--batch", "clean-up", "-o", "-").stdout
    html = run("--batch", "clean-up", "-o", "-", "--verify").stdout
    assert "verified up to position 262: 262 events and 129 accounts are consistent" in html


@pytest.mark.parametrize(
    "filters",
    [
        ("--account", number(0)),
        ("--actor", "human:mei"),
        ("--occurred-since", "2026-03-09 11:44", "--occurred-until", "2026-03-10"),
        (),
    ],
    ids=str,
)
def test_it_is_about_any_selection(run, filters):
    result = run(*filters, "-o", "-")
    assert result.exit_code == 0, result.stderr
    assert data_of(result.stdout)["rows"]


# In a browser


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser):
    """Opens a report in a page; nothing may go wrong in it, and nothing may leave it."""
    pages, told, asked = [], [], []

    def opened(path: Path, scheme="light"):
        page = browser.new_page(color_scheme=scheme, viewport={"width": 1200, "height": 900})
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("dialog", lambda dialog: told.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        pages.append((page, path.as_uri()))
        return page

    yield opened
    for page, _ in pages:
        page.close()
    assert told == []
    assert asked == [uri for _, uri in pages]


@pytest.fixture
def page(opened, file):
    return opened(file)


def rows(page):
    return page.locator("#accounts tbody tr")


def test_it_says_what_happened(page):
    text = page.locator("main").inner_text()
    assert page.title() == "Incident report: batch clean-up"
    assert "human:wan deleted 120 accounts, for “clean-up of illegal accounts”" in text
    assert "The first sign that it was noticed came 30.0 d after the beginning" in text
    assert "human:mei restored account u0007, for “the founder's own account”" in text
    assert "Of 129 deletions, 126 still stand and 3 have ended." in text
    assert "3 were lifted by others and 0 by the hand that had imposed them" in text
    assert "1 account was hit by two batches or more" in text
    assert "position 262" in page.locator("header").inner_text()
    checks = page.locator(".checks").inner_text()
    assert "Each of the 129 accounts was replayed from its events" in checks
    assert "no difference" in checks
    assert page.locator("text=Not to be relied on").count() == 0


def test_who_did_what(page):
    who = page.locator(".deeds tbody tr")
    assert [who.nth(n).locator("td").nth(0).inner_text() for n in range(who.count())] == [
        "human:wan",
        "human:wan",
        "human:mei",
        "human:mei",
    ]
    assert "put right" in who.nth(2).inner_text()
    assert "put right" not in who.nth(0).inner_text()


def test_the_timeline_shows_deletions_discovery_and_repairs(page):
    svg = page.locator("svg")
    assert svg.locator(".sanction rect").count() == 1
    assert svg.locator(".lifting rect").count() == 2
    assert svg.locator(".sign").count() == 1
    assert "30.0 d" in svg.text_content()  # the time that is left out
    places = [
        one.bounding_box()["x"]
        for one in (svg.locator(".sanction rect"), svg.locator(".lifting rect").first)
    ]
    assert places == sorted(places)
    box = svg.bounding_box()
    for mark in svg.locator("rect, text").all():
        inner = mark.bounding_box()
        assert inner["x"] >= box["x"] - 1
        assert inner["x"] + inner["width"] <= box["x"] + box["width"] + 1


def test_accounts_are_paged_and_found_by_keyboard_alone(page):
    assert rows(page).count() == 50
    assert page.locator("#shown").inner_text() == "1–50 of 129"
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "search":
            break
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "left"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "next"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for shown in ("51–100 of 129", "101–129 of 129", "101–129 of 129"):
        page.keyboard.press("Enter")
        assert page.locator("#shown").inner_text() == shown
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    assert page.locator("#shown").inner_text() == "51–100 of 129"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("NICK 77")
    expect(page.locator("#shown")).to_have_text("1–1 of 1")
    assert rows(page).all_inner_texts()[0].startswith("u0077")
    page.keyboard.press("Enter")  # does not send the form, and so does not load the page anew
    assert rows(page).count() == 1
    page.keyboard.type(" and nobody")
    expect(page.locator("#shown")).to_have_text("none")
    assert rows(page).count() == 0


def test_what_is_left_to_do_leads_to_the_accounts(page):
    page.locator("[data-left=still-sanctioned]").click()
    assert page.locator("#shown").inner_text() == "1–50 of 126"
    page.locator("[data-left=messages-were-sent]").click()
    assert [text.split()[0] for text in rows(page).all_inner_texts()] == ["u0000", "u0001", "u0007"]
    founder = rows(page).nth(2).inner_text()
    assert "deletion, 2026-03-09 11:45:00" in founder
    assert "restored by human:mei, 2026-04-08 11:45:00, after 30.0 d" in founder


def test_hostile_text_is_text(page):
    page.locator("#next").click()
    page.locator("#next").click()
    shown = rows(page).locator("th").all_inner_texts()
    assert shown[-len(HOSTILE) :] == list(HOSTILE.values())
    nicknames = rows(page).locator("td:nth-child(2)").all_inner_texts()
    assert nicknames[-len(HOSTILE) :] == list(HOSTILE.values())
    assert page.locator("img, script:not([id]):not(:last-of-type)").count() == 0
    text = page.locator("body").inner_text()
    assert not set(text) & {"\u202e", "\u2066", "\x1b"}
    assert r"<script>alert(2)</script>\u202eevil" in text


def test_a_reason_of_ten_thousand_characters_breaks_nothing(run, opened, folder):
    path = folder / "long.html"
    assert run("--batch", "nightly", "-o", path).exit_code == 0
    page = opened(path)
    reason = page.locator(".long")
    assert reason.inner_text() == LONG
    assert reason.bounding_box()["height"] < 300
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert reason.get_attribute("tabindex") == "0"  # to be scrolled by keys, in any browser


def test_on_a_telephone_nothing_is_cut_off(page):
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


CONTRASTS = """() => {
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const parsed = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const solid = (text) => { const c = parsed(text); return c.length === 3 || c[3] === 1; };
  const ground = (one) => {
    for (let e = one; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if (solid(color)) return parsed(color);
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || ["SCRIPT", "OPTION", "NOSCRIPT", "title"].includes(e.tagName)) continue;
    const style = getComputedStyle(e), svg = e instanceof SVGElement;
    const text = light(parsed(svg ? style.fill : style.color));
    const grounds = svg
      ? [ground(e), parsed(getComputedStyle(document.querySelector("svg .ground")).fill)]
      : [ground(e)];
    for (const one of grounds.map(light)) {
      const ratio = (Math.max(text, one) + 0.05) / (Math.min(text, one) + 0.05);
      found.push([e.tagName, e.textContent.slice(0, 30), ratio]);
    }
  }
  for (const e of document.querySelectorAll("svg [class] rect")) {
    const bar = light(parsed(getComputedStyle(e).fill));
    const one = light(parsed(getComputedStyle(document.querySelector("svg .ground")).fill));
    const ratio = (Math.max(bar, one) + 0.05) / (Math.min(bar, one) + 0.05);
    found.push(["bar", e.textContent, ratio * 1.5]);  // for a shape, 3 is enough
  }
  return found;
}"""


@pytest.mark.parametrize("media", ["screen", "print"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(opened, file, scheme, media):
    page = opened(file, scheme)
    page.emulate_media(media=media, color_scheme=scheme)
    found = page.evaluate(CONTRASTS)
    assert len(found) > 300
    assert [one for one in found if one[2] < 4.5] == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    is_dark = sum(map(int, re.findall(r"\d+", ground)[:3])) < 380
    assert is_dark == (scheme == "dark" and media == "screen")


def test_paper_has_every_account(page):
    page.locator("#next").click()
    page.emulate_media(media="print")
    expect(rows(page)).to_have_count(129)
    assert not page.locator("#controls").is_visible()
    page.set_viewport_size({"width": 700, "height": 1000})  # what a sheet of A4 has
    for table in page.locator("table").all():
        assert table.evaluate("e => e.scrollWidth <= e.parentElement.clientWidth")
    page.emulate_media(media="screen")
    expect(page.locator("#shown")).to_have_text("51–100 of 129")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # where paper is no medium to ask for
    expect(rows(page)).to_have_count(129)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(rows(page)).to_have_count(50)
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) > 4


def test_a_page_without_scripts_says_what_is_missing(browser, file):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(file.as_uri())
    assert page.locator("noscript").inner_text().startswith("The list of accounts needs JavaScript")
    assert "human:wan deleted 120 accounts" in page.locator("main").inner_text()
    assert not page.locator("#controls").is_visible()
    page.context.close()


def test_nothing_else_would_run_or_be_loaded_in_it(browser, file, tmp_path):
    """Even if markup came in: the policy lets no script run but the report's own."""
    path = tmp_path / "changed.html"
    alien = "<script>document.title = 'in'</script><img src='https://example.com/x.png'>"
    path.write_text(file.read_text().replace("<main>", f"<main>{alien}"))
    page, told = browser.new_page(), []
    page.on("console", lambda message: told.append(message.text))
    page.goto(path.as_uri())
    assert page.title() == "Incident report: batch clean-up"
    assert rows(page).count() == 50
    assert len(told) == 2
    assert all("Content Security Policy" in one for one in told)
    page.close()


def test_the_rogue_administrator(enwiki, run, opened, folder):
    path = folder / "rogue.html"
    with modlog.open(folder / "rogue.db") as log:
        load(log, enwiki / "rogue-admin.jsonl")
    chosen = ("--actor", "ue95a506d231a", "--type", "account.suspended")
    assert run(*chosen, "-o", path, db=str(folder / "rogue.db")).exit_code == 0
    text = opened(path).locator("main").inner_text()
    assert "human:ue95a506d231a suspended 10 accounts" in text
    assert "Of 10 suspensions, 0 still stand and 10 have ended." in text
    assert "10 were lifted by others" in text
