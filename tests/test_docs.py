"""The documentation: its code runs and prints what it says, and nothing public is left out."""

import re
from pathlib import Path

import attrs
import click
import pytest
from psycopg import connect, sql

import modlog
import modlog.eventsourcing
import modlog.testing
from modlog._cli.main import commands
from modlog._domain.events import EVENT_CLASSES
from modlog._domain.wording import WORDS
from modlog._services.acting import Given
from modlog._services.forensics.dsa.policies import AUTOMATED, OWN
from modlog._storage.scripts import Scripts
from tests import places

ROOT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
}
REFERENCE = ROOT / "docs" / "reference"

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PRINTED = re.compile(r"^ *print\(.*\)  # (.+)$", re.MULTILINE)
LINK = re.compile(r"\[[^]]*\]\(([^)#:]+)\)", re.DOTALL)
POSTGRES = "postgresql://app@localhost/platform"


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
def platform(schema):
    """The URL of a PostgreSQL database with nothing in it."""
    url = places.postgres_url()
    with connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{schema}"


@pytest.mark.parametrize("page", [name for name, path in PAGES.items() if blocks(path)])
def test_the_code_of_a_page_runs_and_prints_what_it_says(
    page, tmp_path, monkeypatch, capsys, platform
):
    monkeypatch.chdir(tmp_path)
    namespace: dict = {}
    for number, block in enumerate(blocks(PAGES[page]), 1):
        code = compile(block.replace(POSTGRES, platform), f"{page}, block {number}", "exec")
        exec(code, namespace)  # noqa: S102
        printed = capsys.readouterr().out.splitlines()
        promised = PRINTED.findall(block)
        if promised:
            assert [line for line in printed if line in promised] == promised, printed


def test_code_is_found():
    assert len([page for page, path in PAGES.items() if blocks(path)]) >= 6
    assert sum(len(PRINTED.findall(block)) for p in PAGES.values() for block in blocks(p)) >= 20


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    path = PAGES[page]
    targets = LINK.findall(path.read_text())
    assert [one for one in targets if not (path.parent / one).resolve().is_file()] == []


def test_every_page_can_be_reached_from_the_readme():
    reached, left = set(), [ROOT / "README.md"]
    while left:
        path = left.pop()
        if path not in reached and path.suffix == ".md":
            reached.add(path)
            left += [(path.parent / one).resolve() for one in LINK.findall(path.read_text())]
    assert set(PAGES.values()) - reached == set()


@pytest.mark.parametrize("module", [modlog, modlog.testing, modlog.eventsourcing])
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


def test_commands_in_the_documentation_exist():
    for path in PAGES.values():
        for name in re.findall(r"^    modlog ([\w-]+)", path.read_text(), re.MULTILINE):
            assert name in commands.commands, path
