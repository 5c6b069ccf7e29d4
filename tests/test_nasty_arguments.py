"""Every public call with each of its parameters replaced by each of a list of nasty values.

It works, or it raises a `ModlogError`; and whatever came of it, the ledger is consistent.
"""

import inspect
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import cached_property
from io import BytesIO
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import pytest
from attrs import define, field, frozen

import modlog
from modlog import Actor, Guardrails, ModlogError, Selection
from modlog._services.acting import Circumstances, Given
from modlog.testing import MovableClock
from tests.nasty import NASTY, OwnError

pytestmark = pytest.mark.no_cover  # tens of thousands of calls, for which there are examples

COMMAND = tuple(Given.__annotations__ | Circumstances.__annotations__)
CARRIED = ("reason", "actor", "policy", "occurred_at", "correlation_id", "confidence", "metadata")
REVERT = SWEEP = (*CARRIED, "misspelt")
LATE = datetime(2099, 1, 1, tzinfo=UTC)


@define(eq=False)
class World:
    """A ledger in use, and what calls are made on."""

    log: modlog.ModLog
    clock: MovableClock
    kind: str
    numbers: Iterator[int] = field(factory=count)

    def new(self) -> str:
        return f"new-{next(self.numbers)}"

    def account(self) -> str:
        """A new one, as what went before may have taken any other back.

        An hour later, as sweeps of one hour count together, and there are many of them here.
        """
        self.clock.move(3_600)
        return str(self.log.create(self.new()).account_id)

    def flagged(self) -> str:
        return str(self.log.flag(self.account(), "spam").account_id)

    def deleted(self) -> str:
        return str(self.log.delete(self.account()).account_id)

    def flag(self) -> Selection:
        return Selection(positions=[self.log.flag(self.account(), "x").position])

    def plan(self) -> modlog.SweepPlan:
        return self.log.plan_sweep([self.account()], "flag", batch_id=self.new(), label="x")

    def revert_plan(self) -> modlog.RevertPlan:
        return self.log.plan_revert(self.flag())

    @cached_property
    def view(self) -> modlog.View:
        return self.log.as_of(self.log.head).without(Selection(type="account.flagged"))


@frozen
class Call:
    """How a public callable is called well.

    Attributes:
        target: gives the callable, in a world.
        good: gives its arguments there.
        more: names that its `**` parameter takes.
        left_out: parameters that have a test of their own.
    """

    target: Callable[[World], Callable]
    good: Callable[[World], Mapping[str, object]] = field(default=lambda w: {})
    more: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def on_log(name: str, good=lambda w: {}, more=(), left_out=()) -> Call:
    return Call(lambda w: getattr(w.log, name), good, tuple(more), tuple(left_out))


def command(name: str, good) -> Call:
    return on_log(name, good, COMMAND)


def opened(**given):
    """Opens a ledger with these arguments, and uses it."""
    with modlog.open("sqlite://", **given) as log, modlog.acting(Actor.human("wan"), reason="r"):
        log.create("a")
        log.delete("a")
        log.restore("a", actor=Actor.bot("b"))
        plan = log.plan_sweep(["a"], "flag", label="x")
        if plan.needs_approval:
            plan.approve(actor=Actor.human("mei"))
        plan.execute()
        return log.count()


def upgraded(**given):
    """Upgrades a ledger of its own with these arguments."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        modlog.open(path).close()
        return modlog.upgrade(path, **given)


def backed_up(**given):
    """Backs a ledger of its own up with these arguments."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        modlog.open(path).close()
        return modlog.backup(path, Path(folder) / "copy.db", **given)


def archived(world: World):
    """Archives the ledger with these arguments."""

    def archive(**given):
        with TemporaryDirectory() as folder:
            return world.log.archive(folder, **given)

    return archive


def with_archive(does: Callable[..., object]) -> Callable[[World], Callable]:
    """Does something with an archive of the ledger, and a place for another."""

    def begin(world: World):
        def called(**given):
            with TemporaryDirectory() as folder:
                world.log.archive(folder)
                return does(folder, **given)

        return called

    return begin


def clock(answer: object):
    """Opens a ledger whose clock gives this answer."""
    return opened(clock=lambda: answer)


def rule(answer: object):
    return opened(guardrails=Guardrails(rules=[lambda *_: answer]))


def guarded(**given):
    return opened(guardrails=Guardrails(**given))


def accepting(_world: World):
    """Accepts the clock of a ledger whose last event lies in the future."""

    def accept(**given):
        answers = iter((LATE, *[datetime(2026, 1, 1, tzinfo=UTC)] * 2))
        with modlog.open("sqlite://", clock=lambda: next(answers)) as log:
            log.create("a")
            return log.accept_clock(**given)

    return accept


def supposed(world: World):
    """A record of a what-if, its fields as parameters."""
    return lambda **record: world.log.with_([record]).count()


def adopting(world: World):
    """A row of an adoption, its fields as parameters."""
    return lambda account_id, at, status, until=None, profile=None: world.log.adopt(
        [
            {
                "account_id": account_id,
                "at": at,
                "status": status,
                "until": until,
                "profile": profile,
            }
        ]
    )


def comparing(world: World):
    """A comparison that is gone through."""
    return lambda **given: list(world.log.reconcile(**given))


def told_to_the_eu(world: World):
    """A deletion with these metadata, as a statement."""

    def told(**metadata):
        deleted = world.log.delete(world.account(), metadata=metadata)
        return world.log.dsa(Selection(positions=deleted.position), policies={})

    return told


def projected(world: World):
    """A projection in a database of its own, whose row is at the beginning again each time."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE tracking (projection TEXT PRIMARY KEY, position INTEGER)")

    def project(**given):
        with connection:
            connection.execute("INSERT OR REPLACE INTO tracking VALUES ('n', 0)")
        return world.log.project(**{"connection": connection, **given})

    return project


RECORD = lambda **more: lambda w: {"do": "note", "account_id": w.account(), "text": "t"} | more  # noqa: E731


def sealed(world: World) -> modlog.ModLog:
    world.log.seal(KEY)
    return world.log


def bundled(world: World):
    def bundle(**given):
        with TemporaryDirectory() as folder:
            return sealed(world).bundle(folder, **given)

    return bundle


def bundle_of(world: World) -> str:
    folder = mkdtemp(prefix="modlog-")
    sealed(world).bundle(folder)
    return folder


WITNESS = modlog.SigningKey.generate("witness.example", witness=True)
KEY = modlog.SigningKey.generate("example.com/ledger")
CALLS: dict[str, Call] = {
    "open": Call(lambda w: opened, left_out=("url", "schema")),  # tests/test_opening.py
    "backup": Call(lambda w: backed_up, left_out=("url", "target", "schema")),  # test_backup.py
    "upgrade": Call(lambda w: upgraded, left_out=("url", "schema")),  # read as those of open
    "open: what a clock says": Call(
        lambda w: clock, lambda w: {"answer": datetime(2026, 1, 1, tzinfo=UTC)}
    ),
    "acting": Call(lambda w: modlog.acting, more=tuple(Circumstances.__annotations__)),
    "Actor": Call(lambda w: Actor, lambda w: {"kind": "human", "id": "wan"}),
    "Actor.human": Call(lambda w: Actor.human, lambda w: {"id": "wan"}),
    "Actor.bot": Call(lambda w: Actor.bot, lambda w: {"id": "b"}),
    "Actor.model": Call(lambda w: Actor.model, lambda w: {"id": "m"}),
    "Actor.system": Call(lambda w: Actor.system, lambda w: {"id": "s"}),
    "Actor.parsed": Call(lambda w: Actor.parsed, lambda w: {"value": {"kind": "bot", "id": "b"}}),
    "Guardrails": Call(lambda w: guarded),
    "Guardrails: what a rule says": Call(lambda w: rule, lambda w: {"answer": None}),
    "Guardrails.off": Call(lambda w: Guardrails.off),
    "Selection": Call(
        lambda w: lambda **given: list(w.log.events(Selection(**given))), more=("misspelt",)
    ),
    "Selection, left out of a view": Call(
        lambda w: lambda **given: w.log.without(Selection(**given)).count()
    ),
    "ModLog.create": command("create", lambda w: {"account_id": w.new()}),
    "ModLog.change_profile": command(
        "change_profile", lambda w: {"account_id": w.account(), "changes": {"k": 1}}
    ),
    "ModLog.flag": command("flag", lambda w: {"account_id": w.account(), "label": "spam"}),
    "ModLog.clear_flags": command("clear_flags", lambda w: {"account_id": w.flagged()}),
    "ModLog.suspend": command("suspend", lambda w: {"account_id": w.account(), "until": LATE}),
    "ModLog.delete": command("delete", lambda w: {"account_id": w.account()}),
    "ModLog.restore": command("restore", lambda w: {"account_id": w.deleted()}),
    "ModLog.protect": command("protect", lambda w: {"account_id": w.account()}),
    "ModLog.unprotect": command("unprotect", lambda w: {"account_id": w.account()}),
    "ModLog.note": command("note", lambda w: {"account_id": w.account(), "text": "called"}),
    "ModLog.adopt": on_log(
        "adopt", lambda w: {"rows": [{"account_id": w.new(), "at": LATE, "status": "active"}]}
    ),
    "ModLog.adopt: what a row says": Call(
        adopting, lambda w: {"account_id": w.new(), "at": LATE, "status": "suspended"}
    ),
    "ModLog.create_many": on_log(
        "create_many", lambda w: {"rows": [{"account_id": w.new()}]}, (*CARRIED, "misspelt")
    ),
    "ModLog.reconcile": Call(
        comparing, lambda w: {"rows": [{"account_id": w.account(), "status": "active"}]}
    ),
    "ModLog.settle": on_log("settle", lambda w: {"key": "k"}),
    "ModLog.transaction": on_log("transaction"),
    "ModLog.within": on_log("within", lambda w: {"connection": object()}),
    "ModLog.close": Call(lambda w: modlog.open("sqlite://").close),
    "ModLog.account": on_log("account", lambda w: {"account_id": w.account()}),
    "ModLog.accounts": on_log("accounts"),
    "ModLog.count": on_log("count"),
    "ModLog.wait_for": on_log("wait_for", lambda w: {"position": 1, "timeout": 0}),
    "ModLog.history": on_log("history", lambda w: {"account_id": "b"}),
    "ModLog.events": on_log("events", lambda w: {"selection": Selection(account_id="b")}),
    "ModLog.subscribe": on_log("subscribe", lambda w: {"after": 1, "follow": False, "timeout": 0}),
    "ModLog.project": Call(
        projected,
        lambda w: {"handle": lambda *_: None, "name": "n", "follow": False, "timeout": 0},
        left_out=("table",),  # tests/test_projections.py
    ),
    "ModLog.export": on_log(
        "export",
        lambda w: {"target": BytesIO(), "format": "jsonl"},
        left_out=("target",),  # tests/test_exports.py
    ),
    "ModLog.to_arrow": on_log("to_arrow"),
    "ModLog.archive": Call(archived, left_out=("target",)),  # tests/test_archive.py
    "ModLog.seal": on_log("seal", lambda w: {"key": KEY}, left_out=("to",)),  # tests/test_seals.py
    "ModLog.prove": Call(lambda w: sealed(w).prove, lambda w: {"position": 1}),
    "ModLog.prove_consistency": Call(
        lambda w: sealed(w).prove_consistency, lambda w: {"since": w.log.seal(KEY)}
    ),
    "ModLog.bundle": Call(bundled, left_out=("folder",)),  # tests/test_proofs.py
    "verify_proof": Call(
        lambda w: modlog.verify_proof,
        lambda w: {"proof": sealed(w).prove(1).text, "key": KEY.verifier},
    ),
    "verify_bundle": Call(
        lambda w: modlog.verify_bundle, lambda w: {"folder": bundle_of(w), "key": KEY.verifier}
    ),
    "witness": Call(
        lambda w: modlog.witness,
        lambda w: {
            "proof": w.log.seal(KEY),
            "key": WITNESS,
            "ledger": KEY.verifier,
            "state": mkdtemp(prefix="modlog-"),
        },
        left_out=("state",),
    ),
    "open_archive": Call(with_archive(modlog.open_archive), left_out=("target",)),
    "Archive.verify": Call(
        with_archive(lambda folder, **given: modlog.open_archive(folder).verify(**given))
    ),
    "Archive.restore": Call(
        with_archive(
            lambda folder, **given: modlog.open_archive(folder).restore(f"{folder}/x.db", **given)
        ),
        left_out=("url", "schema"),  # read as those of open
    ),
    "ModLog.as_of": on_log("as_of", lambda w: {"moment": 1}),
    "ModLog.without": on_log("without", lambda w: {"selection": Selection(account_id="a")}),
    "ModLog.with_": on_log("with_", lambda w: {"records": []}),
    "ModLog.with_: fields of a record": Call(
        supposed,
        RECORD(),
        more=(
            "do",
            "account_id",
            "at",
            "actor",
            "key",
            "reason",
            "policy",
            "batch_id",
            "confidence",
            "correlation_id",
            "metadata",
            "text",
            "misspelt",
        ),
    ),
    "ModLog.now": on_log("now"),
    "ModLog.acts": on_log("acts"),
    "ModLog.diff": on_log("diff", lambda w: {"before": w.view, "after": w.log}),
    "ModLog.blame": on_log("blame", lambda w: {"account_id": "b"}),
    "ModLog.statement": on_log("statement", lambda w: {"account_id": "b"}),
    "Statement.text": Call(lambda w: w.log.statement("b", names=True).text),
    "ModLog.bisect": on_log("bisect", lambda w: {"account_id": "b", "predicate": lambda one: one}),
    "ModLog.stats": on_log("stats"),
    "ModLog.impact": on_log("impact", lambda w: {"selection": Selection(account_id="b")}),
    "ModLog.dsa": on_log("dsa", lambda w: {"policies": {}}),
    "ModLog.dsa: parts of the mapping": Call(
        lambda w: lambda **parts: list(w.log.dsa(policies=parts)),
        more=("defaults", "policies", "puid_prefix", "facts_from_reason", "misspelt"),
    ),
    "ModLog.dsa: what metadata say": Call(told_to_the_eu, more=("dsa",)),
    "ModLog.report": on_log("report", lambda w: {"selection": Selection(account_id="b")}),
    "Impact.lines": Call(lambda w: w.log.impact().lines),
    "Selection.like": Call(
        lambda w: Selection.like, lambda w: {"event": w.log.history("b")[0]}, ("within", "by")
    ),
    "ModLog.plan_revert": on_log(
        "plan_revert", lambda w: {"selection": Selection(account_id="b", type="account.flagged")}
    ),
    "ModLog.revert": on_log(
        "revert",
        lambda w: {"selection": w.flag()},
        REVERT,
    ),
    "ModLog.plan_sweep": on_log(
        "plan_sweep", lambda w: {"ids": [w.account()], "action": "delete"}, SWEEP
    ),
    "ModLog.plan_sweep: flags": on_log(
        "plan_sweep", lambda w: {"ids": [w.account()], "action": "flag", "label": "x"}, SWEEP
    ),
    "ModLog.plan_sweep: suspensions": on_log(
        "plan_sweep", lambda w: {"ids": [w.account()], "action": "suspend", "until": LATE}, SWEEP
    ),
    "ModLog.sweep": on_log("sweep", lambda w: {"batch_id": w.plan().batch_id}),
    "ModLog.sweeps": Call(lambda w: lambda: list(islice(w.log.sweeps(), 10))),
    "ModLog.resume": on_log("resume", lambda w: {"batch_id": w.plan().batch_id}),
    "ModLog.accept_clock": Call(accepting),
    "ModLog.verify": on_log("verify"),
    "ModLog.rebuild": on_log("rebuild"),
    "View.as_of": Call(lambda w: w.view.as_of, lambda w: {"moment": 1}),
    "View.history": Call(lambda w: w.view.history, lambda w: {"account_id": "b"}),
    "View.statement": Call(lambda w: w.view.statement, lambda w: {"account_id": "b"}),
    "View.without": Call(
        lambda w: w.view.without, lambda w: {"selection": Selection(account_id="a")}
    ),
    "View.with_": Call(lambda w: w.view.with_, lambda w: {"records": []}),
    "View.account": Call(lambda w: w.view.account, lambda w: {"account_id": "b"}),
    "View.accounts": Call(lambda w: w.view.accounts),
    "View.count": Call(lambda w: w.view.count),
    "RevertPlan.lines": Call(lambda w: w.revert_plan().lines),
    "RevertPlan.apply": Call(lambda w: w.revert_plan().apply, more=REVERT),
    "SweepPlan.approve": Call(
        lambda w: w.plan().approve, lambda w: {"actor": Actor.human("mei")}, SWEEP
    ),
    "SweepPlan.reject": Call(lambda w: w.plan().reject, lambda w: {}, SWEEP),
    "SweepPlan.execute": Call(lambda w: w.plan().execute),
    "SweepPlan.outliers": Call(lambda w: w.plan().outliers),
    "SweepPlan.sample": Call(lambda w: w.plan().sample),
    "SweepPlan.targets": Call(lambda w: w.plan().targets),
    "SweepPlan.outcomes": Call(lambda w: w.plan().outcomes),
    "SweepPlan.reverted": Call(lambda w: w.plan().reverted),
    "SweepOutcome.accounts": Call(lambda w: w.plan().execute().accounts),
}
# What nobody calls with values of his own, and what has a test of its own.
NOT_HERE = {
    "ModLog.names_from": "shells ask it",
    "ModLog": "modlog.open makes it",
    **dict.fromkeys(("Circumstances", "Given", "RevertGiven", "SweepGiven"), "types of keywords"),
    "Archive": "open_archive makes it",
    "View": "as_of, without, with_ and now make it",
    "Impact": "impact makes it",
    "Reconciliation": "reconcile makes it",
    "Statement": "statement makes it",
    "RevertPlan": "plan_revert makes it",
    "SweepPlan": "plan_sweep makes it",
    "ModLog.ingest": "tests/test_ingest.py",
    "ModLog.ingest_numbered": "tests/test_ingest.py",
    "Guardrails.recorded": "the ledger calls it, with what it recorded",
    "Guardrails.data": "the ledger calls it",
    "Guardrails.needs_approval": "the ledger calls it",
    "Guardrails.own_refusal": "the ledger calls it",
    "Selection.given": "the ledger calls it",
    "View.states_of": "the ledger calls it",
    "View.states": "the ledger calls it",
    "View.states_of_page": "the ledger calls it",
    "View.streams_that_may_differ": "the ledger calls it",
    "View.reading": "the ledger calls it",
    "View.moment": "the ledger calls it",
    **dict.fromkeys(
        ("SigningKey", *(f"SigningKey.{n}" for n in ("generate", "parse", "sign", "cosign"))),
        "tests/test_notes.py",
    ),
    "VerifierKey": "SigningKey.verifier is one",
}
# Made by the ledger, as answers; they have no methods.
ANSWERS = {
    "Act",
    "AcceptedClock",
    "Account",
    "AccountChange",
    "AdoptOutcome",
    "ArchiveOutcome",
    "ArchiveProgress",
    "ArchiveReport",
    "BackupOutcome",
    "BackupProgress",
    "Blame",
    "CreateOutcome",
    "Deed",
    "Difference",
    "SealOutcome",
    "SealProgress",
    "VerifyProgress",
    *("BundleOutcome", "BundleProgress", "ProofOutcome", "ProvenEvent", "ProvenGrowth"),
    "WitnessOutcome",
    "DsaRecord",
    "ExportOutcome",
    "ExportProgress",
    "Figures",
    "Finding",
    "Hit",
    "ImpactLine",
    "IngestOutcome",
    "Measure",
    "MeasureEnd",
    "Migration",
    "Outcome",
    "Outlier",
    "RecordedEvent",
    "Rejection",
    "Remark",
    "Repair",
    "Report",
    "ReportLine",
    "ReportProgress",
    "RestoreOutcome",
    "RestoreProgress",
    "RevertLine",
    "RevertOutcome",
    "RevertProgress",
    "Sanction",
    "Status",
    "SweepLine",
    "SweepOutcome",
    "SweepProgress",
    "SweepState",
    "Tick",
    "UpgradeOutcome",
    "VerificationReport",
}


def public_callables() -> Iterator[tuple[str, Callable]]:
    for name in modlog.__all__:
        thing = getattr(modlog, name)
        if isinstance(thing, type) and issubclass(thing, Exception):
            continue
        yield name, thing
        if isinstance(thing, type):
            for attribute, member in inspect.getmembers(thing, callable):
                own = (getattr(member, "__module__", "") or "").startswith("modlog")
                if own and not attribute.startswith("_") and attribute != "as_dict":
                    yield f"{name}.{attribute}", member


PUBLIC = dict(public_callables())


def test_no_public_call_is_forgotten():
    known = {name.partition(":")[0].partition(",")[0] for name in CALLS}

    assert PUBLIC.keys() == known | NOT_HERE.keys() | ANSWERS


def parameters(name: str) -> list[str]:
    """The parameters of a call: those of its signature, and what its `**` takes."""
    call = CALLS[name]
    if name.partition(":")[2]:
        target = call.target(World(None, None, None)) if "says" in name else None  # type: ignore[arg-type]
        named = list(inspect.signature(target).parameters) if target else []
        if not target and name.startswith("ModLog.plan_sweep"):
            named = list(inspect.signature(modlog.ModLog.plan_sweep).parameters)
    else:
        named = list(inspect.signature(PUBLIC[name.partition(",")[0]]).parameters)
    taken = {"self", "given", "circumstances", "misspelt", *call.left_out}
    return [one for one in dict.fromkeys((*named, *call.more)) if one not in taken - {*call.more}]


def test_every_parameter_is_replaced():
    for name, thing in PUBLIC.items():
        if name in CALLS:
            for parameter in inspect.signature(thing).parameters.values():
                if parameter.kind is parameter.VAR_KEYWORD:
                    assert CALLS[name].more, f"{name} takes **{parameter.name}"


@pytest.fixture
def world(fresh_place):
    """A small one for each call, as some look, with each value, at all that there is."""
    clock, guardrails = MovableClock(), Guardrails(sweep_share=1)  # one account is a large share
    with (
        fresh_place() as place,
        place.open(clock=clock, guardrails=guardrails) as log,
        modlog.acting(Actor.human("wan"), reason="clean-up"),
    ):
        with log.transaction():
            for account_id in ("a", "b", *(f"other-{i}" for i in range(50))):
                log.create(account_id, {"nickname": account_id})
            log.flag("b", "spam", 0.5)
            log.suspend("b", until=LATE)
        yield World(log, clock, place.kind)


# They open a ledger of their own, or need none.
NOT_ON_A_SERVER = re.compile(
    r"open|upgrade|acting|Actor|Guardrails|ModLog\.(close|accept_clock)$|Selection\.like$"
)
# What calls have in common goes one way into a database: there one of each kind shows it.
SHOWING = {"ModLog.delete", "ModLog.revert", "ModLog.plan_sweep"}


@pytest.mark.parametrize(
    ("fresh_place", "name"),
    [("sqlite-memory", name) for name in CALLS]
    + [("postgres", name) for name in CALLS if not NOT_ON_A_SERVER.match(name)],
    indirect=["fresh_place"],
)
def test_it_works_or_says_why_not(world, name):
    call, alien, works = CALLS[name], [], 0
    shown_elsewhere = call.more if world.kind == "postgres" and name not in SHOWING else ()
    with modlog.acting(Actor.human("wan"), reason="clean-up"):
        if name != "ModLog.within":  # tests/test_transactions.py calls it well
            consumed(call.target(world)(**call.good(world)))
        for parameter in parameters(name):
            if parameter in shown_elsewhere:
                continue
            for what, value in NASTY.items():
                target, good = call.target(world), call.good(world)
                try:
                    consumed(target(**{**good, parameter: value()}))
                except (ModlogError, OwnError):
                    works += 1
                except Exception as error:
                    alien.append(f"{parameter}={what}: {type(error).__name__}: {error!s:.150}")
    assert not alien, f"{len(alien)} of {name}:\n" + "\n".join(alien)
    assert world.log.verify().ok


def consumed(result: object) -> None:
    if isinstance(result, AbstractContextManager) and not isinstance(result, modlog.ModLog):
        with result:
            pass
    elif isinstance(result, Iterator):
        for _ in islice(result, 50):
            pass
