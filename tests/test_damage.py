"""A file with bytes changed at random: whatever is asked of it, the answer or a `ModlogError`."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

import modlog
from modlog import Actor, ModlogError


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "ledger.db"
    with modlog.open(f"sqlite:///{path}") as log, modlog.acting(Actor.human("ann"), reason="r"):
        for number in range(40):
            log.create(
                str(number), {"nickname": "雷军", "number": number}, idempotency_key=str(number)
            )
            log.flag(str(number), "spam", 0.5)
            log.suspend(str(number))
        log.revert(modlog.Selection(account_id=["3", "5"], type="account.suspended"))
    return path


QUESTIONS = (
    lambda log: log.verify(),
    lambda log: log.account("3"),
    lambda log: list(log.accounts()),
    lambda log: log.count(),
    lambda log: log.history("3"),
    lambda log: list(log.events()),
    lambda log: log.as_of(20).account("3"),
    lambda log: log.delete("3"),
    lambda log: log.rebuild(),
)


def alien(path: Path) -> Iterator[str]:
    for number, ask in enumerate(QUESTIONS):
        try:
            with (
                modlog.open(f"sqlite:///{path}") as log,
                modlog.acting(Actor.human("ann"), reason="r"),
            ):
                ask(log)
        except ModlogError:
            pass
        except Exception as error:
            yield f"question {number}: {type(error).__name__}: {error}"


# Seeds, and one that led to an instant beyond all dates.
FEW, MANY = (*range(20), 805), range(1_000)


@pytest.mark.parametrize(
    "seeds", [FEW, pytest.param(MANY, marks=pytest.mark.soak)], ids=["few", "many"]
)
def test_changed_bytes_end_in_answers_or_in_own_errors(sound, tmp_path, seeds):
    found = []
    for seed in seeds:
        random, content = Random(seed), bytearray(sound.read_bytes())
        for _ in range(random.choice((1, 8, 64))):
            content[random.randrange(100, len(content))] = random.randrange(256)
        path = tmp_path / f"{seed}.db"
        path.write_bytes(content)
        found += [f"seed {seed}, {what}" for what in alien(path)]
    assert not found, "\n".join(found)
