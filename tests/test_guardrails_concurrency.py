"""Guardrails while many write at once: no event stands that the events before it forbid."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from modlog import Actor, GuardrailError, Guardrails, ModlogError, Selection
from tests import places
from tests.prefixes import Prefixes

WAN, MEI = Actor.human("wan"), Actor.human("mei")
SIGN_UP = Actor.system("sign-up")
WHY = {"reason": "clean-up"}


@pytest.fixture(params=["sqlite", "postgres"])
def shared_place(request):
    """A place that several threads write."""
    with places.fresh(request.param) as place:
        yield place


def at_once(*writers) -> list:
    """What these return, all begun at the same time."""
    barrier = Barrier(len(writers))

    def begin(write):
        barrier.wait()
        return write()

    with ThreadPoolExecutor(len(writers)) as pool:
        return list(pool.map(begin, writers))


def attempts(*commands) -> int:
    """How many of these commands the guardrails let through."""
    done = 0
    for command in commands:
        try:
            command()
            done += 1
        except GuardrailError:
            continue
    return done


def test_no_more_deletions_than_the_hour_allows(shared_place):
    limits = Guardrails(deletions_per_hour=20)
    with shared_place.open(guardrails=limits) as log:
        ids = [f"{n}-{i}" for n in range(16) for i in range(5)]
        for account_id in ids:
            log.create(account_id, actor=SIGN_UP)

        def delete(n):
            return lambda: attempts(
                *(lambda i=i: log.delete(f"{n}-{i}", actor=WAN, **WHY) for i in range(5))
            )

        done = at_once(*(delete(n) for n in range(16)))
        assert sum(done) == 20
        assert len(list(log.events(Selection(type="account.deleted")))) == 20
        assert len(list(log.events(Selection(type="action.refused")))) == 60
        assert Prefixes(deletions_per_hour=20).walk(log) == []
        assert log.verify().ok


@pytest.mark.parametrize("rounds", [3, pytest.param(30, marks=pytest.mark.soak)])
def test_nothing_is_recorded_behind_the_actor_s_own_suspension(shared_place, rounds):
    with shared_place.open() as log:
        for account_id in ("1", "2", "3"):
            log.create(account_id, actor=SIGN_UP)
        for n in range(rounds):
            own = f"own-{n}"
            log.create(own, actor=SIGN_UP)
            rogue = Actor.human(f"rogue-{n}", account_id=own)

            def act(rogue=rogue):
                return attempts(
                    *[
                        command
                        for _ in range(6)
                        for command in (
                            lambda: log.flag("1", "spam", actor=rogue),
                            lambda: log.suspend("2", actor=rogue, **WHY),
                            lambda: log.note("3", "hello", actor=rogue),
                            lambda: log.delete("3", actor=rogue, **WHY),
                        )
                    ]
                )

            def suspend(own=own, rogue=rogue):
                while not list(log.events(Selection(actor=rogue))):
                    pass  # it is under way
                log.suspend(own, actor=WAN, **WHY)

            at_once(*[act] * 7, suspend)
        assert Prefixes().walk(log) == []
        assert log.verify().ok


def test_a_machine_loses_against_the_human_who_restores(shared_place):
    bot = Actor.bot("sweeper")
    with shared_place.open() as log:
        ids = [str(n) for n in range(12)]
        for account_id in ids:
            log.create(account_id, actor=SIGN_UP)
            log.suspend(account_id, actor=bot, **WHY)

        def sanction():
            return attempts(
                *(lambda i=i: log.suspend(i, actor=bot, **WHY) for i in ids),
                *(lambda i=i: log.delete(i, actor=bot, **WHY) for i in ids),
            )

        def restore():
            for account_id in ids:
                log.restore(account_id, actor=MEI, **WHY)

        at_once(sanction, sanction, sanction, restore)
        assert Prefixes().walk(log) == []
        assert log.verify().ok


def test_whatever_they_do_by_whichever_way(shared_place):
    """Commands, transactions, sweeps and reverts, while their actors are sanctioned."""
    limits = Guardrails(deletions_per_hour=30, sweep_size=40, sweep_share=1)
    with shared_place.open(guardrails=limits) as log:
        ids = [f"{n:03}" for n in range(60)]
        for account_id in (*ids, "own-0", "own-1"):
            log.create(account_id, actor=SIGN_UP)
        actors = [Actor.human(f"wan-{n}", account_id=f"own-{n}") for n in range(2)]

        def by(actor):
            def sweep():
                plan = log.plan_sweep(ids[:10], "delete", actor=actor, **WHY)
                return plan.execute(actor=actor)

            def together():
                with log.transaction():
                    log.delete("010", actor=actor, **WHY)
                    log.suspend("011", actor=actor, **WHY)

            def take_back():
                log.revert(Selection(account_id=ids[20:30]), actor=actor, **WHY)

            singles = [lambda i=i: log.delete(i, actor=actor, **WHY) for i in ids[20:30]]
            return [sweep, together, *singles, take_back] * 2

        def runs(commands):
            return lambda: tried(commands)

        def sanction():
            for n in range(2):
                log.suspend(f"own-{n}", actor=MEI, **WHY)
                log.restore(f"own-{n}", actor=MEI, **WHY)
                log.suspend(f"own-{n}", actor=MEI, **WHY)

        at_once(*(runs(by(actor)) for actor in actors for _ in range(3)), sanction)
        assert Prefixes(deletions_per_hour=30).walk(log) == []
        assert log.verify().ok


def tried(commands) -> None:
    """Carry these out; what is refused is passed over."""
    for command in commands:
        try:
            command()
        except ModlogError:
            continue


def test_a_plan_is_refused_if_its_planner_is_suspended_meanwhile(shared_place):
    """The planner's account is asked again when the plan is recorded."""
    with shared_place.open() as log:
        for account_id in ("1", "own"):
            log.create(account_id, actor=SIGN_UP)
        rogue = Actor.human("rogue", account_id="own")

        def ids():
            yield "1"
            log.suspend("own", actor=WAN, **WHY)

        with pytest.raises(GuardrailError):
            log.plan_sweep(ids(), "flag", label="spam", actor=rogue, **WHY)
        assert list(log.sweeps()) == []
        assert Prefixes().walk(log) == []
