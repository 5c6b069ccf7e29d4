"""The command line: what people see, what programs read, and how it ends."""

import gzip
import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

import modlog
from modlog import Actor, Selection, Status
from modlog._cli.main import commands
from tests import places

WAN = {"kind": "human", "id": "wan"}
ESCAPE = "\x1b]0;owned\x07\x1b[2J"
RIGHT_TO_LEFT = "\u202egpj.exe"


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def run(url, monkeypatch):
    monkeypatch.setenv("MODLOG_URL", url)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        return CliRunner().invoke(commands, [str(one) for one in arguments])

    return run


@pytest.fixture
def ledger(url):
    with modlog.open(url) as log:
        yield log


def record(account_id, do="delete", **fields):
    return {"do": do, "account_id": account_id, "at": "2026-03-09T22:10:00Z", "actor": WAN} | fields


def json_lines(*records):
    return "".join(json.dumps(one) + "\n" for one in records).encode()


@pytest.fixture
def file(tmp_path):
    def file(content, name="records.jsonl"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return file


def process(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "modlog", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=options.pop("stderr", subprocess.PIPE),
        **options,
    )


# Import

THREE = json_lines(record("1", key="a"), record("2", key="b"), record("1", "restore", key="c"))


def test_import_records_each_line(run, file, ledger):
    result = run("import", file(THREE), "--batch", "march")
    assert (result.exit_code, result.stderr) == (0, "")
    assert " ".join(result.stdout.split()) == (
        "recorded 3 late 0 of these, older than their account's newest event "
        "noted 0 of these, refused by their account's state, kept as notes "
        "created 2 accounts that were seen for the first time "
        "skipped 0 known already, or records of a sweep in an export rejected 0 batch march"
    )
    assert ledger.account("1").status is Status.ACTIVE
    assert ledger.account("2").status is Status.DELETED
    assert {event.batch_id for event in ledger.events()} == {"march"}


def test_import_again_skips_what_has_a_key(run, file):
    path = file(THREE)
    assert json.loads(run("import", path, "--json").stdout)["recorded"] == 3
    again = json.loads(run("import", path, "--json").stdout)
    assert again.pop("batch_id").startswith("import-")
    nothing = {"recorded": 0, "created": 0, "late": 0, "noted": 0, "rejected": 0}
    assert again == nothing | {"skipped": 3}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("records.jsonl.gz", gzip.compress(THREE, mtime=0)),
        ("no-suffix", gzip.compress(THREE, mtime=0)),
        ("byte-order-mark.jsonl", b"\xef\xbb\xbf" + THREE),
        ("windows.jsonl", THREE.replace(b"\n", b"\r\n")),
        ("blank-lines.jsonl", b"\n" + THREE.replace(b"\n", b"\n \n\n")),
        ("no-last-line-end.jsonl", THREE.rstrip()),
    ],
)
def test_import_takes_files_as_they_come(run, file, name, content):
    result = run("import", file(content, name), "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout)["recorded"] == 3


@pytest.mark.parametrize("content", [THREE, gzip.compress(THREE, mtime=0)])
def test_import_reads_standard_input(url, content):
    with process("import", "-", "--db", url, "--json") as child:
        out, err = child.communicate(content)
    assert (child.returncode, err) == (0, b"")
    assert json.loads(out)["recorded"] == 3


def test_an_empty_file_holds_no_records(run, file):
    result = run("import", file(b""), "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["recorded"] == 0


BAD_LINES = {
    "no JSON": b"do: delete",
    "half a line": THREE[:40],
    "two values": b"{} {}",
    "not a number": b'{"do": "flag", "score": NaN}',
    "key twice": b'{"do": "note", "do": "delete"}',
    "key twice, spaced": b'{"do": "note", "do" : "delete"}',
    "key twice, escaped": b'{"do": "note", "\\u0064o": "delete"}',
    "key twice, deep": json.dumps(record("1", "create")).encode()[:-1]
    + b', "profile": {"a": [{"b": 1, "b": 2}]}}',
    "large integer": json.dumps(record("1", "create", profile={"n": 10**20})).encode(),
    "lone surrogate": b'{"do": "\\ud800"}',
    "not UTF-8": b'{"do": "\xff"}',
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "deep but JSON": b'{"do": "create", "profile": ' + b'{"a":' * 1_000 + b"1" + b"}" * 1_001,
    "a list": b"[1, 2]",
    "a number": b"7",
    "no command": b"{}",
    "no such field": json.dumps(record("1", untill=None)).encode(),
    "nothing to lift": json.dumps(record("new", "restore")).encode(),
    "NUL": b"\0",
    "17 MiB": b'"' + b"x" * (17 * 2**20) + b'"',
}


@pytest.mark.parametrize("bad", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_bad_line_is_rejected_and_the_rest_goes_on(run, file, tmp_path, ledger, bad):
    good = json_lines(record("7"))
    rejects = tmp_path / "rejects.jsonl"
    result = run("import", file(b"\n".join([good, bad, good])), "--json", "--rejected", rejects)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["recorded"] == 2
    (rejected,) = map(json.loads, rejects.read_text().splitlines())
    assert rejected.keys() == {"line", "record", "reason"}
    assert rejected["line"] == 3  # the blank second line counts
    assert rejected["reason"]
    assert len(list(ledger.accounts())) == 1


def test_text_that_looks_like_keys_and_long_digits_are_taken(run, file, ledger):
    profile = {'": "': '{"a":1,"a":2}', "id": "12345678901234567890", "n": 2**53 - 1, "x": 0.1}
    result = run("import", file(json_lines(record("1", "create", profile=profile))))
    assert result.exit_code == 0
    assert ledger.account("1").profile == profile


def test_rejected_lines_are_told_when_no_file_takes_them(run, file):
    result = run("import", file(b"nonsense\n" * 12), "--json")
    assert result.exit_code == 1
    told = result.stderr.splitlines()
    assert len(told) == 11
    assert told[0].startswith("modlog: line 1 rejected: not JSON: ")
    assert told[0].endswith(" at character 1")
    assert told[-1] == "modlog: 2 more rejected; --rejected FILE writes down all"


def test_messages_name_commands_and_not_calls_of_python(run, file, tmp_path):
    result = run("import", file(json_lines(record("1") | {"actor": None})))
    assert "rejected: a record needs an actor: give one\n" in result.stderr
    result = run("count", "--db", tmp_path / "nosuch.db")
    assert result.stderr.rstrip().endswith("check the path; a new ledger begins with modlog import")


def test_what_was_rejected_before_is_told_so(run, file, tmp_path):
    path = file(json_lines(record("1", "restore", key="a"), record("1", key="b")))
    rejects = tmp_path / "rejects.jsonl"
    assert "line 1 rejected: " in run("import", path).stderr
    again = run("import", path)
    assert again.exit_code == 1
    assert "line 1 rejected before: account '1' has no sanction in force" in again.stderr
    run("import", path, "--rejected", rejects)
    assert json.loads(rejects.read_text())["known"] is True


def test_what_is_refused_can_be_kept_as_a_note(run, file, ledger):
    path = file(json_lines(record("1", "restore", key="a"), record("2", key="b")))
    result = run("import", path, "--on-refused", "note", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["recorded"], told["noted"], told["rejected"]) == (0, 2, 1, 0)
    assert [event.type for event in ledger.history("1")] == ["account.created", "account.noted"]
    assert "noted 1 of these" not in " ".join(run("import", path).stdout.split())
    more = file(json_lines(record("1", "restore", key="c")))
    assert "noted 1 of these" in " ".join(
        run("import", more, "--on-refused", "note").stdout.split()
    )
    assert run("import", path, "--on-refused", "keep").exit_code == 2


def test_what_was_rejected_can_be_mended_and_loaded(run, file, tmp_path, ledger):
    rejects = tmp_path / "rejects.jsonl"
    run("import", file(json_lines(record("1", "flag", label=""))), "--rejected", rejects)
    mended = json.loads(rejects.read_text())["record"] | {"label": "spam"}
    assert run("import", file(json_lines(mended))).exit_code == 0
    assert list(ledger.account("1").flags.values()) == ["spam"]


def test_the_file_that_is_read_is_not_overwritten(run, file):
    path = file(THREE)
    result = run("import", path, "--rejected", path)
    assert result.exit_code == 2
    assert path.read_bytes() == THREE


def test_strict_stops_and_writes_nothing_of_the_chunk(run, file, ledger):
    content = json_lines(record("1"), record("2"), record("3"), record("x", "restore"))
    result = run("import", file(content), "--strict", "--chunk", 2)
    assert result.exit_code == 1
    assert "record 4 cannot be taken" in result.stderr
    assert "2 records before it were" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert [account.id for account in ledger.accounts()] == ["1", "2"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.jsonl.gz", b"", "is empty"),
        ("not.jsonl.gz", THREE, "no sound gzip from line 1 on"),
        ("damaged.jsonl.gz", gzip.compress(THREE, mtime=0)[:20] + b"\0" * 50, "no sound gzip"),
    ],
)
def test_a_file_that_is_no_gzip_is_bad_input(run, file, name, content, said):
    result = run("import", file(content, name))
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_a_truncated_gzip_tells_how_far_it_was_recorded(run, file, ledger):
    lines = json_lines(
        *(record(os.urandom(8).hex(), reason=os.urandom(99).hex()) for _ in "x" * 99)
    )
    path = file(gzip.compress(lines)[:-4_000], "cut.jsonl.gz")
    result = run("import", path, "--chunk", 5)
    assert result.exit_code == 2
    recorded = sum(1 for _ in ledger.events(Selection(type="account.deleted")))
    assert 0 < recorded < 99
    assert f"{recorded} records before that are recorded" in result.stderr
    assert "no sound gzip from line" in result.stderr


def test_files_that_are_not_there_are_bad_input(run, tmp_path):
    for path in (tmp_path / "none.jsonl", tmp_path / "none.jsonl.gz", tmp_path):
        result = run("import", path)
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1
        assert str(path) in result.stderr


def test_a_bar_on_a_terminal_shows_how_far_it_is(url, file):
    ours, theirs = pty.openpty()
    with process("import", file(THREE), "--db", url, "--chunk", 1, stderr=theirs) as child:
        os.close(theirs)
        out, _ = child.communicate()
    assert child.returncode == 0
    assert b"recorded" in out
    assert b"3 records" in os.read(ours, 100_000)
    os.close(ours)


# Questions


@pytest.fixture
def incident(ledger):
    with modlog.acting(Actor.human("wan"), reason="clean-up", policy="illegal-content"):
        ledger.create("110018", profile={"nickname": "雷军", "followers": 3, "tags": ["a", "b"]})
        ledger.flag("110018", label="spam", score=0.9)
        ledger.suspend("110018", until=datetime(2999, 1, 1, tzinfo=UTC))
        ledger.delete("110018", batch_id="clean-up-0309")
        ledger.protect("110018")
        ledger.create("2")
    return ledger


def test_show_tells_what_stands_and_why(run, incident):
    result = run("show", "110018")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    for part in (
        "status deleted",
        "version 5",
        "protected yes",
        "nickname: 雷军",
        'tags: ["a", "b"]',
        "2: spam",
        "suspension version 3, since ",
        "until 2999-01-01 00:00:00",
        "deletion version 4, since ",
        "by human wan clean-up policy illegal-content batch clean-up-0309",
    ):
        assert part in text


def test_show_answers_programs(run, incident):
    shown = json.loads(run("show", "110018", "--json").stdout)
    assert shown["status"] == "deleted"
    assert shown["profile"] == incident.account("110018").profile
    assert shown["flags"] == {"2": "spam"}
    assert shown["sanctions"]["3"]["until"] == "2999-01-01T00:00:00.000000Z"
    assert shown["sanctions"]["4"]["in_force"] is True


def test_history_tells_every_event(run, incident):
    text = run("history", "110018").stdout
    rows = [line.split()[0] for line in text.splitlines() if line[:3].strip().isdigit()]
    assert rows == ["1", "2", "3", "4", "5"]
    for event in incident.history("110018"):
        assert event.type in text
        assert f"{event.occurred_at:%Y-%m-%d %H:%M:%S}" in text
    assert "batch clean-up-0309" in text
    assert "score: 0.9" in text


def test_history_answers_programs_an_event_a_line(run, incident):
    events = [json.loads(line) for line in run("history", "110018", "--json").stdout.splitlines()]
    recorded = incident.history("110018")
    assert [(e["position"], e["type"], e["data"]) for e in events] == [
        (e.position, e.type, e.data) for e in recorded
    ]
    assert {e["actor"]["id"] for e in events} == {"wan"}
    assert [datetime.fromisoformat(e["recorded_at"]) for e in events] == [
        e.recorded_at for e in recorded
    ]


def test_history_tells_metadata(run, ledger):
    ledger.create("1", actor=Actor.human("wan"), metadata={"ip": "::1", "tags": ["a", 1]})

    text = run("history", "1").stdout
    assert "ip: ::1" in text
    assert 'tags: ["a", 1]' in text
    (event,) = [json.loads(line) for line in run("history", "1", "--json").stdout.splitlines()]
    assert event["metadata"] == {"ip": "::1", "tags": ["a", 1]}


def test_an_imported_event_shows_both_its_times(run, file):
    run("import", file(json_lines(record("1", at="2005-12-12T14:46:23Z"))))
    text = run("history", "1").stdout
    assert "2005-12-12 14:46:23" in text
    assert f"noted {datetime.now(UTC):%Y}" in text


def test_accounts_are_listed_and_chosen(run, incident):
    assert run("accounts").stdout == "deleted    110018\nactive     2\n"
    assert run("accounts", "--status", "active", "--status", "erased").stdout == "active     2\n"
    chosen = run("accounts", "--flagged", "spam", "--json").stdout
    assert json.loads(chosen)["id"] == "110018"


def test_count_has_every_status(run, incident):
    counts = json.loads(run("count", "--json").stdout)
    assert counts == {"erased": 0, "absent": 0, "deleted": 1, "suspended": 0, "active": 1}
    assert [line.split() for line in run("count").stdout.splitlines()] == [
        [name, str(number)] for name, number in counts.items()
    ]


def test_verify_of_a_sound_ledger(run, incident):
    assert run("verify").stdout == "consistent: 6 events up to position 6, 2 accounts\n"
    report = json.loads(run("verify", "--json").stdout)
    assert (report["ok"], report["findings"], report["head"]) == (True, [], 6)


def test_verify_that_finds_something_ends_with_1(run, incident, tmp_path):
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute(
            "UPDATE modlog_accounts SET version = 99 WHERE stream ="
            " (SELECT number FROM modlog_streams WHERE id = '110018')"
        )
    connection.close()
    result = run("verify")
    assert result.exit_code == 1
    assert "NOT CONSISTENT, 1 findings" in result.stdout
    assert "version" in result.stdout
    (finding,) = json.loads(run("verify", "--json").stdout)["findings"]
    assert (finding["check"], finding["account_id"]) == ("projection", "110018")


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_every_command_on_every_store(file, kind):
    with places.fresh(kind) as place:
        schema = ["--schema", place.schema] if place.schema else []

        def answer(*arguments):
            result = CliRunner().invoke(
                commands, [*map(str, arguments), "--db", place.url, *schema, "--json"]
            )
            assert (result.exit_code, result.stderr) == (0, "")
            return [json.loads(line) for line in result.stdout.splitlines()]

        create = ["--create"] if place.schema else []
        assert answer("import", file(THREE), *create)[0]["recorded"] == 3
        assert answer("show", "2")[0]["status"] == "deleted"
        assert len(answer("history", "1")) == 3
        assert [account["id"] for account in answer("accounts")] == ["1", "2"]
        assert answer("count")[0]["deleted"] == 1
        assert answer("verify")[0]["events"] == {"account": 5, "sweep": 0, "foreign": 0}


# Hostile text

HOSTILE = f"{ESCAPE}{RIGHT_TO_LEFT}\u2028\x9b31m[bold red]:smile:[/] \\ \u200b\r\n\t\x7f\U000e0041"


@pytest.fixture
def hostile(ledger):
    with modlog.acting(Actor.bot(HOSTILE, version=HOSTILE), reason=HOSTILE, policy=HOSTILE):
        ledger.create(HOSTILE, profile={HOSTILE: HOSTILE, "list": [HOSTILE]})
        ledger.flag(HOSTILE, label=HOSTILE)
        ledger.delete(HOSTILE, batch_id=HOSTILE, correlation_id=HOSTILE)
        ledger.flag(HOSTILE, label="x", metadata={HOSTILE: [HOSTILE]})
        ledger.note(HOSTILE, HOSTILE)
    return ledger


@pytest.mark.parametrize(
    "arguments", [("show", HOSTILE), ("history", HOSTILE), ("accounts",)], ids=lambda a: a[0]
)
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_hostile_text_is_shown_and_does_nothing(run, hostile, arguments, as_json):
    result = run(*arguments, *(["--json"] if as_json else []))
    assert result.exit_code == 0
    printed = result.stdout.replace("\n", "")
    assert [character for character in printed if not character.isprintable()] == []
    if as_json:
        first = json.loads(result.stdout.splitlines()[0])
        assert first.get("id", first.get("account_id")) == HOSTILE
    else:
        packed = "".join(printed.split())
        assert r"\x1b]0;owned\x07\x1b[2J\u202egpj.exe\u2028\x9b31m[boldred]:smile:[/]" in packed


def test_json_gives_hostile_text_back_unchanged(run, hostile):
    assert json.loads(run("show", HOSTILE, "--json").stdout)["profile"] == {
        HOSTILE: HOSTILE,
        "list": [HOSTILE],
    }


def test_errors_show_hostile_text_escaped(run, ledger, file):
    for arguments in (("show", HOSTILE), ("import", f"{HOSTILE}.gz")):
        printed = run(*arguments).stderr.removesuffix("\n")
        assert printed.isprintable()
        assert r"\x1b" in printed
    told = run("import", file(f'{{"do": "{RIGHT_TO_LEFT}"}}\nx{ESCAPE}\n'.encode())).stderr
    assert told.replace("\n", "").isprintable()


def test_tables_fit_80_columns(run, ledger):
    wide = "x" * 255
    with modlog.acting(Actor.model(wide, version=wide), reason="雷军" * 99, policy=wide):
        ledger.create(wide, profile={wide: wide, "name": "雷军" * 99})
        ledger.suspend(wide, batch_id=wide, correlation_id=wide)
        ledger.flag(wide, label=wide, metadata={wide: "雷军" * 99})
    for command in ("show", "history"):
        lines = run(command, wide).stdout.splitlines()
        assert max(map(cell_len, lines)) <= 80
        assert "".join("".join(lines).split()).count("军") >= 99


# Endings


def test_answers_that_are_no_end_with_1(run, incident):
    for command in ("show", "history"):
        result = run(command, "nobody")
        assert result.exit_code == 1
        assert result.stdout == ""
        assert result.stderr.startswith("modlog: account 'nobody' is not in this ledger")
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("show",),
        ("nonsense",),
        ("show", "1", "--nonsense"),
        ("show", ""),
        ("show", "1", "--db", "ann@host/moderation.db"),
        ("show", "1", "--db", "mysql://there"),
        ("accounts", "--status", "gone"),
        ("import", os.devnull, "--chunk", "0"),
        ("import", os.devnull, "--batch", ""),
        ("import", os.devnull, "--rejected", "/no/such/folder/file"),
    ],
    ids=" ".join,
)
def test_wrong_calls_end_with_2(run, ledger, arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr


def test_without_a_ledger_the_call_is_wrong(monkeypatch):
    monkeypatch.delenv("MODLOG_URL", raising=False)
    result = CliRunner().invoke(commands, ["count"])
    assert result.exit_code == 2
    assert "MODLOG_URL" in result.stderr


@pytest.mark.parametrize("command", [("count",), ("verify",), ("show", "1"), ("accounts",)])
def test_trouble_with_the_store_ends_with_3(run, tmp_path, command):
    missing, junk = tmp_path / "missing.db", tmp_path / "junk.db"
    junk.write_bytes(b"no database" * 500)
    away = "postgresql://127.0.0.1:1/nowhere"
    for url in (f"sqlite:///{missing}", f"sqlite:///{junk}", away):
        result = run(*command, "--db", url)
        assert (result.exit_code, result.stdout) == (3, "")
        assert len(result.stderr.splitlines()) == 1
    assert not missing.exists()  # a question makes no ledger


def test_a_reader_that_leaves_ends_it_silently(url, ledger):
    with ledger.transaction(), modlog.acting(Actor.system("sign-up")):
        for number in range(2_000):  # more than a pipe takes at once
            ledger.create(f"{number:0200}")
    with process("accounts", "--db", url) as child:
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait() == 141


def test_an_interrupt_ends_it_after_the_last_whole_chunk(url, ledger):
    def heed_interrupts():  # which a shell lets its background jobs ignore
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    options = {"preexec_fn": heed_interrupts}
    with process("import", "-", "--db", url, "--chunk", 1, **options) as child:
        child.stdin.write(THREE)
        child.stdin.flush()
        while ledger.head < 5 and child.poll() is None:
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate()
    assert child.returncode == 130, err
    assert b" records before that are recorded" in err
    assert b"Traceback" not in err
    assert ledger.verify().ok


def test_help_and_version():
    for name in (None, *commands.commands):
        result = CliRunner().invoke(commands, [name, "--help"] if name else ["--help"])
        assert result.exit_code == 0
        assert max(map(len, result.stdout.splitlines())) <= 80
    assert CliRunner().invoke(commands, ["--version"]).stdout.startswith("modlog")


def test_the_library_does_not_load_what_only_the_terminal_needs():
    code = (
        "import sys, modlog; print({'click', 'rich', 'hypothesis', 'psycopg'} & set(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert loaded.stdout == b"set()\n"


def test_an_import_makes_a_schema_only_when_asked(file, postgres_url, schema):
    arguments = ["import", str(file(THREE)), "--db", postgres_url, "--schema", schema]

    refused = CliRunner().invoke(commands, arguments)

    assert refused.exit_code == 3
    assert "modlog import --create" in refused.stderr
    assert CliRunner().invoke(commands, [*arguments, "--create"]).exit_code == 0
    assert CliRunner().invoke(commands, arguments).exit_code == 0
