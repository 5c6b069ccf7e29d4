"""The tables of the benchmarks say what the results say; what is measured is checked by the run."""

from __future__ import annotations

from typing import Any

from benchmarks.tables import Results, investigated, markdown, summary


def result(system: str, seconds: float, round_: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "operation": "undo",
        "system": system,
        "store": "postgres",
        "round": round_,
        "log": 100,
        "count": 100,
        "seconds": seconds,
        "parts": {},
        "size": None,
        "growth_mb": 0,
        "durability": "fsync=on",
        "by_hand": False,
    } | more


def table(*results: dict[str, Any]) -> str:
    return markdown(Results(results), {})


def test_a_peer_stands_with_its_rate_and_how_many_times_as_fast_modlog_was():
    text = table(result("modlog", 0.01), result("reversion", 0.04))
    assert "| undo of the sweep | postgres | 10,000 | – | – | – | 2,500 (4 ×) |" in text


def test_code_by_hand_is_marked():
    text = table(result("modlog", 0.01), result("pghistory", 0.01, by_hand=True))
    assert "| 10,000† (1 ×) |" in text


def test_a_peer_that_is_ahead_is_said_to_be():
    rounds = [result("modlog", 0.02, n) for n in range(3)]
    slower = [result("Continuum", 0.03, n) for n in range(3)]
    faster = [result("pghistory", 0.01, n) for n in range(3)]
    text = table(*rounds, *slower, *faster)
    assert "| undo of the sweep | postgres | Continuum | 1.50 | 1.50 – 1.50 | 1 | yes |" in text
    assert "| undo of the sweep | postgres | pghistory | 0.50 | 0.50 – 0.50 | 1 | no |" in text


def test_the_summary_has_the_fastest_peer():
    found = [result("modlog", 0.01), result("Continuum", 0.03), result("pghistory", 0.02)]
    assert "| undo of the sweep | postgres | 10,000 accounts | – | 2 × | – |" in summary(
        Results(found)
    )


def test_without_peers_there_is_no_table_of_them():
    text = table(result("modlog", 0.01), result("floor", 0.01))
    assert "pghistory" not in text.split("Bytes of an event")[0]


def test_a_real_log_stands_with_the_speed_that_it_keeps():
    parts = {
        "first_fifth": {"count": 20, "seconds": 0.01},
        "last_fifth": {"count": 20, "seconds": 0.02},
    }
    answer = {"events": 50, "rejected": 3}
    loaded = result("modlog", 0.1, operation="real", parts=parts, size=15_000, answer=answer)
    row = "| postgres | 100 | 1,000 | 2,000 | 1,000 | 0.50 | 300 | 12 MB |"
    assert row in table(loaded | {"growth_mb": 12.3})


def test_a_request_of_django_stands_with_what_the_ledger_costs_in_it():
    def turn(bare: float, within: float, round_: int) -> dict[str, Any]:
        parts = {
            name: {"count": 100, "seconds": seconds}
            for name, seconds in (("bare", bare), ("within", within), ("recorded", 0.5))
        }
        return result("modlog", within, round_, operation="request", parts=parts)

    text = table(turn(0.2, 0.208, 0), turn(0.4, 0.416, 1), turn(0.2, 0.3, 2))
    assert "| postgres | 2.00 ms | 3.00 ms | 4.0% | yes | 5.00 ms |" in text
    assert "| postgres | 2.00 ms | 2.12 ms | 6.0% | no | 5.00 ms |" in table(turn(0.2, 0.212, 0))


def test_stock_that_saves_many_at_once_stands_beside_stock():
    text = table(result("modlog", 0.01), result("eventsourcing-500", 0.02))
    row = "| undo of the sweep | postgres | eventsourcing-500 | 2.00 | 2.00 – 2.00 | 10 | no |"
    assert row in text


def asked(name: str, system: str, seconds: float, round_: int = 0, **more: Any) -> dict[str, Any]:
    return result(system, seconds, round_, operation=f"{name} investigated", **more)


def test_a_question_stands_with_its_quickest_round_beside_the_floor():
    rounds = [asked("batch", "modlog", seconds, n) for n, seconds in enumerate((0.004, 0.002))]
    text = investigated(Results([*rounds, asked("batch", "floor", 0.001)]), {})
    row = "100 events | 0.00 s | 50,000 | 100,000 a second | no | 100,000 | 0 MB |"
    assert f"| events of a batch | postgres | {row}" in text


def test_a_question_about_the_whole_log_has_a_time_to_keep():
    text = investigated(Results([asked("stats", "modlog", 4.9, growth_mb=12)]), {})
    assert "| 100 events | 4.90 s | 20 | 5 s | yes | – | 12 MB |" in text
    text = investigated(Results([asked("stats", "modlog", 5.1)]), {})
    assert "| 5 s | no |" in text


def test_without_questions_there_is_no_table_of_them():
    assert investigated(Results([result("modlog", 0.01)]), {}) == ""
