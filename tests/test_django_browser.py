"""The admin as moderators have it: in a real browser, on a telephone too."""

import shutil
import threading
from collections.abc import Iterator
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from playwright.sync_api import expect, sync_playwright

import modlog
from modlog import Actor, Guardrails

CHROMIUM = shutil.which("chromium")
HOSTILE = "<img src=x onerror=alert(1)>\u202eevil"
NAMES = ("wan", "mei")
PASSWORD = "correct horse"  # noqa: S105


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def fill(log: modlog.ModLog) -> None:
    """Two clean-ups have hit the founder's account; another account tries to be markup."""
    wan: dict[str, Any] = {"actor": Actor.human("wan"), "policy": "illegal-content"}
    with log.transaction():
        for name in ("110018", HOSTILE, *(f"u{number:03}" for number in range(40))):
            log.create(name, {"nickname": f"Nick {name}"}, actor=Actor.system("sign-up"))
            log.flag(name, label=name, score=0.9, actor=Actor.model("judge", version="3"))
        for batch in ("clean-up", "nightly"):
            for name in ("110018", HOSTILE):
                log.delete(name, reason=f"{batch} of {name}", batch_id=batch, **wan)
        log.suspend("u000", reason="word " * 300, **wan)
    log.plan_sweep(["u039"], action="delete", batch_id="weekly", reason="dead", **wan)


@pytest.fixture(scope="module")
def address(site: Any) -> Iterator[str]:
    """The site, served as Django's own server would serve it; everybody may do everything."""
    from django.contrib.auth import get_user_model
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.core.handlers.wsgi import WSGIHandler

    users = get_user_model().objects
    users.all().delete()
    for name in NAMES:
        users.create_superuser(name, password=PASSWORD)
    with site.using("default", GUARDRAILS=Guardrails(sweep_share=0, sweep_size=1)):
        from modlog.django import log

        fill(log)
        handler = StaticFilesHandler(WSGIHandler())
        with make_server("127.0.0.1", 0, handler, Server, Quiet) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}/admin/"
            server.shutdown()
            thread.join()
        users.all().delete()
    site.close()


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def logged_in(browser: Any, address: str) -> Iterator[Any]:
    """Pages of people who are logged in; nothing may go wrong in them."""
    told: list[str] = []
    contexts = []

    def logged_in(name: str, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("dialog", lambda dialog: told.append(dialog.message))
        page.goto(address)
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        return page

    yield logged_in
    for context in contexts:
        context.close()
    # Django's login form asks for the focus, which the test may have given to a field before.
    assert [text for text in told if not text.startswith("Autofocus processing was blocked")] == []


def find(page: Any, account_id: str) -> None:
    page.get_by_role("link", name="Accounts", exact=True).first.click()
    page.get_by_label("Id:").fill(account_id)
    page.get_by_role("button", name="Search").click()


def test_one_of_two_deletions_is_lifted_and_the_other_taken_back(logged_in):
    page = logged_in("mei")
    find(page, "110018")
    expect(page.locator("#sanctions tbody tr")).to_have_count(2)
    page.get_by_label("Lift the sanction of version 3").check()
    page.get_by_role("button", name="Restore…").click()
    expect(page.locator(".outcome")).to_contain_text("goes from deleted to deleted")
    page.get_by_label("Reason").fill("an appeal")
    page.get_by_role("button", name="Restore").click()
    expect(page.locator(".messagelist")).to_contain_text("is lifted: deleted")
    expect(page.locator("#sanctions tbody tr")).to_have_count(1)
    page.get_by_label("Take back version 4").check()
    page.get_by_role("button", name="Take back…").click()
    expect(page.locator(".facts")).to_contain_text("deleted → active")
    page.get_by_label("Reason").fill("the founder's own account")
    page.get_by_role("button", name="Take back").click()
    expect(page.locator(".facts").first).to_contain_text("active")
    expect(page.locator("#timeline tr.taken-back")).to_have_count(1)
    expect(page.locator("#timeline tbody tr").first).to_contain_text("human mei")


def test_a_sweep_waits_for_a_second_person(logged_in):
    wan, mei = logged_in("wan"), logged_in("mei")
    wan.get_by_role("link", name="Sweeps", exact=True).first.click()
    wan.get_by_role("link", name="Plan a sweep").click()
    wan.get_by_label("Name").fill("casino")
    wan.get_by_label("Action").select_option("suspend")
    wan.get_by_label("Accounts").fill("u001\nu002\nu003\nnobody")
    wan.get_by_label("Reason").fill("illegal accounts")
    wan.get_by_label("Until").fill("2999-01-01T10:00")
    wan.get_by_role("button", name="Plan").click()
    expect(wan.locator(".outcome")).to_contain_text("somebody else than you")
    expect(wan.get_by_role("button", name="Approve")).to_have_count(0)
    mei.get_by_role("link", name="Sweeps", exact=True).first.click()
    mei.get_by_role("link", name="casino").click()
    expect(mei.get_by_role("button", name="Carry out")).to_have_count(0)
    mei.get_by_role("button", name="Approve").click()
    expect(mei.locator(".messagelist")).to_contain_text("The sweep is approved")
    wan.reload()
    wan.get_by_role("button", name="Carry out").click()
    expect(wan.locator(".messagelist")).to_contain_text("3 done, 1 unknown")
    wan.get_by_role("link", name="Take back…").click()
    expect(wan.locator(".facts")).to_contain_text("suspended → active")


def test_text_that_tries_to_be_markup_is_text(logged_in):
    page = logged_in("mei")
    find(page, "<img")
    page.get_by_role("link", name="<img src=x").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE.replace("\u202e", r"\u202e"))
    assert page.locator("#content img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_telephone_nothing_is_cut_off(scheme, logged_in, address):
    page = logged_in("mei", viewport={"width": 360, "height": 700}, color_scheme=scheme)
    for path in (
        "",
        "modlog/account/",
        "modlog/account/u000/change/",
        "modlog/account/u000/restore/?lifts=3",
        "modlog/account/revert/?batch=clean-up",
        "modlog/sweep/",
        "modlog/sweep/add/",
        "modlog/sweep/weekly/change/",
    ):
        page.goto(address + path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_the_dark_theme_is_the_admins_own(logged_in, address):
    page = logged_in("mei", color_scheme="dark")
    page.goto(f"{address}modlog/account/110018/change/")
    dark = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(dark) == "rgb(18, 18, 18)"
    of_table = "getComputedStyle(document.querySelector('#timeline td')).color"
    assert page.evaluate(of_table) != "rgb(0, 0, 0)"
