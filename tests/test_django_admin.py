"""The admin: who may see and do what, and what is recorded then."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

import modlog
from modlog import Actor, Guardrails, Selection
from modlog._cli.escaping import visible
from tests.djangosite import KINDS

WAN: dict[str, Any] = {"actor": Actor.human("wan"), "reason": "clean-up", "policy": "illegal"}
HOSTILE = (
    "<script>alert(1)</script>",
    "'\"&amp;<img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% debug %}",
    "\u202eevil\x1b[31m",
    "../../etc/passwd?x=1#y",
    "a b+c%2F",
    "revert",
    "مستخدم",
)


@pytest.fixture(params=KINDS)
def alias(request: pytest.FixtureRequest, site: Any) -> Iterator[str]:
    with site.using(request.param):
        yield request.param
    site.close()


@pytest.fixture
def log(alias: str) -> modlog.ModLog:
    from modlog.django import log

    return log


@pytest.fixture
def account(log: modlog.ModLog) -> str:
    """Suspended, flagged, and deleted by two clean-ups."""
    account_id = f"account-{log.head}-one"
    log.create(account_id, {"nickname": "Lei Jun"}, actor=Actor.system("sign-up"))
    log.flag(account_id, "spam", 0.9, actor=Actor.model("judge", version="3"))
    log.delete(account_id, **WAN, batch_id=f"{account_id} first")
    log.delete(account_id, **WAN, batch_id=f"{account_id} second")
    return account_id


@pytest.fixture
def staff(site: Any) -> Iterator[Any]:
    """Clients of staff, by name and permissions."""
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Permission

    users = get_user_model().objects
    users.all().delete()

    def client_of(name: str, *permissions: str) -> Client:
        user, _ = users.get_or_create(username=name, is_staff=True)
        codes = [f"{one}_{kind}" for one in permissions for kind in ("account", "sweep")]
        user.user_permissions.set(
            Permission.objects.filter(codename__in=codes, content_type__app_label="modlog")
        )
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        return client

    yield client_of
    users.all().delete()


ALL = ("view", "restore", "revert", "plan", "approve", "execute")


def page(name: str, *args: str, **query: Any) -> str:
    from django.contrib.admin.utils import quote
    from django.utils.http import urlencode

    address: str = reverse(f"admin:modlog_{name}", args=[quote(one) for one in args])
    return f"{address}?{urlencode(query, doseq=True)}" if query else address


def send(client: Client, address: str, **more: Any) -> Any:
    """Send the form of a page as a browser would, with these fields filled in."""
    seen = client.get(address)
    assert seen.status_code == 200, seen
    form = seen.content.decode().rpartition('<form method="post"')[2].partition("</form>")[0]
    fields: dict[str, list[str]] = {}
    for tag in re.findall("<input[^>]*>", form):
        told = dict(re.findall(r'(name|value|type)="([^"]*)"', tag))
        if told.get("type") == "hidden":
            fields.setdefault(unescape(told["name"]), []).append(unescape(told.get("value", "")))
    assert fields.get("csrfmiddlewaretoken")
    return client.post(address, {**fields, **more}, follow=True)


def messages(answer: Any) -> str:
    """What the page tells, above all else on it."""
    found = re.search(r'class="messagelist".*?</ul>', answer.content.decode(), re.DOTALL)
    return unescape(re.sub("<[^>]*>", "", found[0])) if found else ""


def test_the_index_leads_to_accounts_and_sweeps(staff, alias):
    shown = staff("mei", *ALL).get(reverse("admin:index")).content.decode()
    for address in (page("account_changelist"), page("sweep_changelist"), page("sweep_add")):
        assert f'href="{address}"' in shown
    assert "Moderation" in shown
    assert page("account_changelist") not in staff("eve").get("/admin/").content.decode()


def test_each_page_and_act_needs_its_permission(staff, account, log):
    sweep = log.plan_sweep([account], "flag", label="x", **WAN).batch_id
    pages = {
        page("account_changelist"): "view",
        page("account_change", account): "view",
        page("account_restore", account, lifts=3): "restore",
        page("account_revert", position=log.head - 1): "revert",
        page("sweep_changelist"): "view",
        page("sweep_add"): "plan",
        page("sweep_change", sweep): "view",
    }
    for address, permission in pages.items():
        others = [one for one in ALL if one != permission]
        for do in ("get", "post"):
            answer = getattr(loosely(staff("eve", *others)), do)(address)
            assert answer.status_code == 403, (do, address)
        assert staff("eve", permission).get(address).status_code == 200, address
        assert Client().get(address).status_code == 302
    for do in ("approve", "reject", "execute"):
        others = [one for one in ALL if one != ("approve" if do == "reject" else do)]
        answer = loosely(staff("eve", *others)).post(
            page("sweep_change", sweep), {"do": do, "reason": "x"}
        )
        assert answer.status_code == 403
    assert log.account(account).version == 4
    assert log.sweep(sweep).state == "planned"


def loosely(client: Client) -> Client:
    """As if the page had a token, so that it is the permission that is missing."""
    client.handler.enforce_csrf_checks = False
    return client


def test_nothing_is_done_without_the_token_of_a_page(staff, account, log):
    client = staff("mei", *ALL)
    sweep = log.plan_sweep([account], "flag", label="x", **WAN).batch_id
    head = log.head
    for address, fields in (
        (page("account_restore", account), {"lifts": 3, "version": 4, "reason": "x"}),
        (page("account_revert"), {"position": head - 1, "shown": "x", "reason": "x"}),
        (page("sweep_add"), {"ids": account, "action": "delete", "reason": "x"}),
        (page("sweep_change", sweep), {"do": "execute"}),
    ):
        assert client.post(address, fields).status_code == 403
    assert log.head == head


def test_an_account_is_found_by_its_id(staff, account):
    client = staff("mei", "view")
    found = client.get(page("account_changelist", q=account))
    assert found.headers["location"] == page("account_change", account)
    begins = client.get(page("account_changelist", q=account[:-1])).content.decode()
    assert page("account_change", account) in begins
    nobody = client.get(page("account_changelist", q="nobody like this")).content.decode()
    assert "No account has this id" in nobody
    gone = client.get(page("account_changelist", status="deleted")).content.decode()
    assert page("account_change", account) in gone
    assert account not in client.get(page("account_changelist", status="active")).content.decode()
    for odd in ("\x00", "x" * 300, "\ud800".encode("utf-8", "surrogatepass")):
        assert client.get(page("account_changelist", q=odd)).status_code == 200
    away = client.get(page("account_change", "nobody"), follow=True)
    assert "not in this ledger" in messages(away)


def test_a_timeline_shows_what_happened_and_what_stands(staff, account, log):
    log.revert(Selection(batch_id=f"{account} first"), **WAN)
    shown = staff("mei", *ALL).get(page("account_change", account)).content.decode()
    assert shown.count('name="lifts"') == 1
    assert shown.count('class="taken-back"') == 1
    for told in ("Lei Jun", "model judge@3", "label: spam; score: 0.9", "(illegal)"):
        assert told in unescape(shown)
    plain = staff("eve", "view").get(page("account_change", account)).content.decode()
    assert "Restore…" not in plain
    assert "Take back…" not in plain
    assert 'name="position"' not in plain


def test_a_long_timeline_has_pages(staff, account, log):
    with log.transaction():
        for number in range(120):
            log.note(account, f"note {number}", actor=WAN["actor"])
    client = staff("mei", "view")
    newest = client.get(page("account_change", account)).content.decode()
    assert ("note 119" in newest, "note 1;" in newest, "account.created" in newest) == (True, 0, 0)
    assert "account.created" in client.get(page("account_change", account, p=2)).content.decode()


def test_a_sanction_is_lifted_after_it_was_shown_what_that_comes_to(staff, account, log):
    client = staff("mei", *ALL)
    address = page("account_restore", account, lifts=3)
    shown = client.get(address).content.decode()
    assert "Still standing" in shown
    assert log.account(account).version == 4
    answer = send(client, address, reason="a mistake", policy="appeal-7")
    assert "is lifted: deleted" in messages(answer)
    event = log.history(account)[-1]
    assert (event.actor, event.reason, event.policy) == (
        Actor.human("mei"),
        "a mistake",
        "appeal-7",
    )
    assert event.correlation_id
    assert list(log.account(account).sanctions) == [4]


def test_a_restore_of_an_account_that_has_changed_is_not_carried_out(staff, account, log):
    client = staff("mei", *ALL)
    address = page("account_restore", account, lifts=[3, 4])
    answer = send(client, address, reason="x", version="3")
    assert "version" in messages(answer)
    assert log.account(account).version == 4


def test_a_restore_needs_a_reason_and_something_to_lift(staff, account, log):
    client = staff("mei", *ALL)
    answer = send(client, page("account_restore", account, lifts=3), reason=" ")
    assert "This field is required" in answer.content.decode()
    for odd in ({}, {"lifts": "x"}, {"lifts": 99}):
        answer = client.get(page("account_restore", account, **odd), follow=True)
        assert "Choose what is to be lifted" in messages(answer)
    assert log.account(account).version == 4


def test_what_happened_is_taken_back_as_it_was_shown(staff, account, log):
    client = staff("mei", *ALL)
    position = log.history(account)[2].position
    address = page("account_revert", position=position, account=account)
    shown = client.get(address).content.decode()
    assert unescape(shown).count(f"account.deleted by human wan, {account} second") == 1
    answer = send(client, address, reason="the founder's own account")
    assert "Taken back: 1 event of 1 account, as batch revert-" in messages(answer)
    event = log.history(account)[-1]
    assert (event.actor, event.type) == (Actor.human("mei"), "events.reverted")
    assert event.data["targets"] == [3]


def test_another_outcome_than_was_shown_is_shown_first(staff, account, log):
    client = staff("mei", *ALL)
    address = page("account_revert", batch=f"{account} first")
    seen = client.get(address)
    log.restore(account, **WAN)
    fields = dict(re.findall(r'name="(shown|head|csrfmiddlewaretoken)" value="([^"]*)"',
                             seen.content.decode()))  # fmt: skip
    assert set(fields) == {"shown", "head", "csrfmiddlewaretoken"}
    answer = client.post(address, fields | {"batch": f"{account} first", "reason": "x"})
    assert "Something has happened meanwhile" in messages(answer)
    assert log.history(account)[-1].type == "account.restored"


def test_later_events_never_join_what_was_shown(staff, account, log):
    client = staff("mei", *ALL)
    address = page("account_revert", batch=f"{account} first", head=log.head)
    log.note(account, "also of the batch", actor=WAN["actor"], batch_id=f"{account} first")
    log.flag(account, "x", **WAN, batch_id=f"{account} first")
    send(client, address, reason="x")
    assert log.history(account)[-1].data["targets"] == [3]


@pytest.mark.parametrize("odd", [{}, {"position": "x"}, {"position": "9" * 30}, {"account": "a"}])
def test_a_revert_of_nothing_is_refused(odd, staff, log):
    head = log.head
    answer = staff("mei", *ALL).get(page("account_revert", **odd), follow=True)
    assert answer.redirect_chain or "Nothing was selected" in answer.content.decode()
    assert log.head == head


def test_a_sweep_is_planned_approved_by_another_and_carried_out(staff, account, site, alias, log):
    with site.using(alias, GUARDRAILS=Guardrails(sweep_share=0, sweep_size=1)):
        others = [f"{account}-{number}" for number in range(3)]
        for one in others:
            log.create(one, actor=Actor.system("sign-up"))
        wan, mei = staff("wan", *ALL), staff("mei", *ALL)
        fields = {"ids": "\r\n".join([*others, "", "nobody "]), "action": "suspend"}
        fields |= {"reason": "illegal accounts", "until": "2999-01-01T10:00", "batch_id": account}
        answer = send(wan, page("sweep_add"), **fields)
        assert "The sweep of 4 accounts is planned" in messages(answer)
        address = page("sweep_change", account)
        for client in (wan, mei):
            loosely(client).post(address, {"do": "execute"})
            assert log.sweep(account).state == "planned"
        assert "somebody else than you" in wan.get(address).content.decode()
        answer = loosely(wan).post(address, {"do": "approve"}, follow=True)
        assert "second person" in messages(answer)
        answer = send(mei, address, do="approve")
        assert "is approved" in messages(answer)
        assert log.sweep(account).approved_by == Actor.human("mei")
        answer = send(wan, address, do="execute")
        assert "3 done, 1 unknown" in messages(answer)
        assert {log.account(one).status for one in others} == {"suspended"}
        assert page("account_revert", batch=account).replace("&", "&amp;") in (
            mei.get(address).content.decode()
        )
        answer = send(mei, page("account_revert", batch=account), reason="wrong list")
        assert "Taken back: 3 events of 3 accounts" in messages(answer)
        assert {log.account(one).status for one in others} == {"active"}


def test_a_sweep_is_rejected_with_a_reason(staff, account, log):
    plan = log.plan_sweep([account], "delete", **WAN)
    client, address = staff("mei", *ALL), page("sweep_change", plan.batch_id)
    answer = send(client, address, do="reject")
    assert "Say why it is rejected" in answer.content.decode()
    send(client, address, do="reject", reason="wrong list")
    assert log.sweep(plan.batch_id).state == "rejected"


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        ({"ids": " \n "}, "This field is required"),
        ({"action": "create"}, "Select a valid choice"),
        ({"reason": ""}, "This field is required"),
        ({"score": "2", "action": "flag", "label": "x"}, "less than or equal to 1"),
        ({"action": "flag"}, "label"),
        ({"until": "2999-01-01T10:00"}, "until"),
        ({"ids": "x" * 300}, "255"),
    ],
)
def test_a_plan_that_cannot_be_is_told(odd, told, staff, account, log):
    head = log.head
    fields = {"ids": account, "action": "delete", "reason": "x"} | odd
    answer = send(staff("mei", *ALL), page("sweep_add"), **fields)
    assert told in answer.content.decode()
    assert log.head == head


def test_hostile_text_is_text(staff, log):
    client = staff("mei", *ALL)
    for name in HOSTILE:
        with modlog.acting(Actor.human(name), reason=name, policy=name, batch_id=f"b {name}"):
            if not known(log, name):
                log.create(name, {name: name})
            log.flag(name, name)
            log.delete(name)
        sweep = log.plan_sweep([name], "flag", label=name, actor=Actor.bot(name), reason=name)
        position = log.history(name)[-1].position
        for address in (
            page("account_changelist", status="deleted"),
            page("account_changelist"),
            page("account_change", name),
            page("account_restore", name, lifts=3),
            page("account_revert", position=position, account=name),
            page("account_revert", batch=f"b {name}"),
            page("sweep_change", sweep.batch_id),
            page("sweep_changelist"),
        ):
            shown = client.get(address)
            assert shown.status_code == 200, address
            text = re.sub('<input type="hidden"[^>]*>', "", shown.content.decode())
            for evil in ("<script>alert", "<img src=x", "\u202e", "\x1b"):
                assert evil not in text, (evil, address)
            assert visible(name)[:5] in unescape(text), address
        answer = send(client, page("account_restore", name, lifts=3), reason=name)
        assert "is lifted" in messages(answer), name
    assert log.verify().ok


def known(log: modlog.ModLog, name: str) -> bool:
    try:
        return bool(log.account(name))
    except modlog.AccountNotFoundError:
        return False
