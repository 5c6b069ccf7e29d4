"""Who made an account what it is, facet by facet."""

import pytest
from hypothesis import given

from modlog import AccountNotFoundError, Actor, Selection
from modlog._domain.account import replay
from modlog._domain.blame import blame
from modlog._domain.events import AccountErased, Envelope
from modlog.testing import histories
from tests import model
from tests.laws import PURE
from tests.likeness import assert_same, plain_event
from tests.recording import append

WAN = {"actor": Actor.human("wan"), "reason": "clean-up"}
MAKERS = {
    "existence": ("account.created",),
    "profile": ("account.created", "profile.changed"),
    "flag": ("account.flagged",),
    "sanction": ("account.suspended", "account.deleted"),
    "protection": ("account.protected",),
}


def told(log, account_id="110018"):
    """facet and key → the versions that made it and took it away."""
    return {
        (line.facet, line.key): (line.made_by.version, line.gone_by and line.gone_by.version)
        for line in log.blame(account_id)
    }


@pytest.fixture
def log(place):
    with place.open() as log:
        yield log


def test_every_facet_with_what_made_it_and_what_took_it_away(log):
    log.create("110018", profile={"nickname": "Lei Jun", "avatar": "a.png"}, **WAN)
    log.change_profile("110018", {"nickname": "Lei", "avatar": None}, **WAN)
    log.flag("110018", label="spam", **WAN)
    log.flag("110018", label="nudity", **WAN)
    log.clear_flags("110018", flags=[3], **WAN)
    log.suspend("110018", **WAN)
    log.delete("110018", **WAN)
    log.restore("110018", lifts=[6], **WAN)
    log.protect("110018", **WAN)
    log.unprotect("110018", **WAN)
    assert told(log) == {
        ("existence", None): (1, None),
        ("profile", "nickname"): (2, None),
        ("profile", "avatar"): (1, 2),
        ("flag", 3): (3, 5),
        ("flag", 4): (4, None),
        ("sanction", 6): (6, 8),
        ("sanction", 7): (7, None),
        ("protection", None): (9, 10),
    }
    values = {(line.facet, line.key): line.value for line in log.blame("110018")}
    assert values["profile", "nickname"] == "Lei"
    assert (values["flag", 4], values["sanction", 7]) == ("nudity", "deletion")
    assert [line.facet for line in log.blame("110018") if line.stands] == [
        "existence",
        "profile",
        "flag",
        "sanction",
    ]
    (made_by,) = [line.made_by for line in log.blame("110018") if line.key == "nickname"]
    assert made_by == log.history("110018")[1]


def test_what_a_revert_took_back_is_gone_by_it(log):
    log.create("110018", profile={"nickname": "Lei"}, **WAN)
    deleted = log.delete("110018", **WAN)
    log.revert(Selection(positions=deleted.position), **WAN)
    assert told(log)["sanction", 2] == (2, 3)
    log.revert(Selection(type="events.reverted"), **WAN)
    assert told(log)["sanction", 2] == (2, None)


def test_a_value_that_a_revert_took_back_leaves_the_one_before(log):
    log.create("110018", profile={"nickname": "Lei"}, **WAN)
    changed = log.change_profile("110018", {"nickname": "Wang"}, **WAN)
    log.revert(Selection(positions=changed.position), **WAN)
    assert told(log)["profile", "nickname"] == (1, None)


def test_the_event_that_took_something_away_came_after_what_made_it(log):
    log.create("110018", profile={"nickname": "Lei"}, **WAN)
    log.change_profile("110018", {"nickname": None}, **WAN)
    again = log.change_profile("110018", {"nickname": "Wang"}, **WAN)
    log.revert(Selection(positions=again.position), **WAN)
    assert told(log)["profile", "nickname"] == (1, 2)


def test_with_its_creation_everything_of_an_account_is_gone(log):
    created = log.create("110018", profile={"nickname": "Lei"}, **WAN)
    log.protect("110018", **WAN)
    log.revert(Selection(positions=created.position), **WAN)
    assert set(told(log).values()) == {(1, 3), (2, 3)}
    log.create("110018", **WAN)
    assert told(log) == {
        ("existence", None): (4, None),
        ("profile", "nickname"): (1, 3),
        ("protection", None): (2, 3),
    }


def test_an_erasure_takes_every_facet(log):
    log.create("110018", profile={"nickname": "Lei"}, **WAN)
    log.flag("110018", label="spam", **WAN)
    envelope = Envelope(actor=Actor.system("erasure"), reason="by law")
    append(log, "110018", AccountErased(), envelope)
    assert told(log) == {
        ("existence", None): (1, 3),
        ("profile", "nickname"): (1, 3),
        ("flag", 2): (2, 3),
    }


def test_an_account_that_is_not_known(log):
    with pytest.raises(AccountNotFoundError):
        log.blame("110018")


def comes_after(made_by, gone_by, history):
    """Only a revert of the creation that came back into force may be older than what it took."""
    later = [one.data["targets"] for one in history[gone_by.version :] if is_revert(one)]
    return gone_by.version > made_by.version or (is_revert(gone_by) and len(later) > 1)


def is_revert(one):
    return one.type == "events.reverted"


@pytest.mark.laws
@PURE
@given(history=histories(erasures=True))
def test_what_stands_is_the_state_and_every_cause_is_one(history):
    state = replay(history)
    lines = blame(history)
    assert_same({x.key: x.value for x in lines if x.facet == "profile" and x.stands}, state.profile)
    assert {x.key: x.value for x in lines if x.facet == "flag" and x.stands} == state.flags
    assert {x.key: x.value for x in lines if x.facet == "sanction" and x.stands} == {
        version: one.kind for version, one in state.sanctions.items()
    }
    for facet, stands in (
        ("existence", state.created and not state.erased),
        ("protection", state.protected),
    ):
        assert any(x.stands for x in lines if x.facet == facet) == stands
    assert len({(x.facet, x.key) for x in lines}) == len(lines)
    plain = [plain_event(one) for one in history]
    for line in lines:
        assert line.made_by.type in MAKERS[line.facet]
        assert line.gone_by is None or comes_after(line.made_by, line.gone_by, history)
        # The event that is named counts, unless what it made has been reverted.
        for one in filter(None, (line.gone_by, line.made_by if line.stands else None)):
            assert model.counts(plain[one.version - 1], plain)
