"""A project as people begin one: its manage.py, and its own tests in a test database."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
import pytest
from attrs import frozen
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

import modlog
from modlog import Actor
from tests.djangosite import on_server
from tests.places import new_schema_name

MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
SETTINGS = """
import json
from pathlib import Path
BASE_DIR = Path(__file__).parent
SECRET_KEY = "only for tests"
INSTALLED_APPS = [
    "modlog.django", "django.contrib.auth", "django.contrib.contenttypes", "club",
]
MIDDLEWARE = ["modlog.django.middleware.ActingMiddleware"]
ROOT_URLCONF = "urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = json.loads((BASE_DIR / "databases.json").read_text())
MODLOG = json.loads((BASE_DIR / "modlog.json").read_text())
"""
MODELS = """
from django.db import models

class Member(models.Model):
    name = models.CharField(max_length=100)
"""
TESTS = """
from club.models import Member
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import TestCase
from modlog import AccountNotFoundError, Actor, acting
from modlog.django import log, within
from modlog.django.test import LedgerTestCase

class WithLedger(LedgerTestCase):
    def setUp(self):
        super().setUp()
        self.assertEqual(log.head, 0)
        with acting(Actor.human("wan"), reason="spam"):
            log.create("a")
            with within():
                Member.objects.create(name="a")
                log.suspend("a")

    def test_one(self):
        self.assertEqual(log.account("a").status, "suspended")
        self.assertIn("test", str(connection.settings_dict["NAME"]))
        self.assertTrue(Permission.objects.filter(codename="view_member").exists())

    def test_another(self):
        self.assertEqual(log.account("a").version, 2)
        self.assertEqual(Member.objects.count(), 1)

class Other(WithLedger):
    pass

class Plain(TestCase):
    def test_within(self):
        with within():
            log.create("b", actor=Actor.human("wan"))
            self.assertEqual(log.account("b").version, 1)

    def test_nothing_is_left(self):
        with self.assertRaises(AccountNotFoundError):
            log.account("b")
"""


@frozen
class Project:
    """A folder with a project in it, and the URL of its database."""

    folder: Path
    url: str

    def manage(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.python("manage.py", *arguments, **environment)

    def python(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def say(self, name: str, value: Any) -> None:
        (self.folder / f"{name}.json").write_text(json.dumps(value))


@contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """The name of an empty database on the server."""
    name = new_schema_name()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        try:
            yield name
        finally:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def url_in(server: str, name: str) -> str:
    """The URL of a database on the server."""
    given = {**conninfo_to_dict(server), "dbname": name}
    return f"postgresql://?{urlencode(given, quote_via=quote)}"


@pytest.fixture(params=["sqlite", "postgres"])
def project(request: pytest.FixtureRequest, tmp_path: Path, postgres_url: str) -> Iterator[Project]:
    files = {"manage.py": MANAGE, "settings.py": SETTINGS, "urls.py": "urlpatterns = []\n"}
    files |= {"club/__init__.py": "", "club/models.py": MODELS, "club/tests.py": TESTS}
    (tmp_path / "club").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(dedent(text))
    if request.param == "sqlite":
        test = {"NAME": str(tmp_path / "test.sqlite3")}
        name = str(tmp_path / "platform.sqlite3")
        found = Project(tmp_path, f"sqlite:///{name}")
        sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "TEST": test}
        found.say("databases", {"default": sqlite})
        found.say("modlog", {})
        yield found
        return
    with fresh_database(postgres_url) as name:
        found = Project(tmp_path, url_in(postgres_url, name))
        found.say("databases", {"default": on_server(postgres_url) | {"NAME": name}})
        found.say("modlog", {"SCHEMA": "moderation"})
        yield found


def test_a_project_is_told_to_migrate_and_then_has_a_ledger(project):
    asked = project.manage("check")
    assert "modlog.W001" in asked.stderr
    start = ("-c", "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'settings'\n"
             "from django.core.wsgi import get_wsgi_application as start; start()")  # fmt: skip
    assert "run manage.py migrate. (modlog.W001)" in project.python(*start).stderr
    assert project.manage("makemigrations", "club").returncode == 0
    migrated = project.manage("migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert project.manage("check", "--fail-level", "WARNING").returncode == 0
    assert project.python(*start).returncode == 0
    assert project.manage("makemigrations", "--check").returncode == 0
    assert project.manage("dumpdata").returncode == 0


def test_manage_py_modlog_is_the_command_line(project, tmp_path):
    assert project.manage("migrate").returncode == 0
    (tmp_path / "members.jsonl").write_text(
        '{"do": "create", "account_id": "a", "at": "2026-03-09T11:00:00Z",'
        ' "actor": {"kind": "system", "id": "sign-up"}}\n'
    )
    (tmp_path / "sweep.txt").write_text("a\n")
    other = {"MODLOG_URL": f"sqlite:///{tmp_path}/other.db", "MODLOG_ACTOR": "human:wan"}
    for line, code in (
        ("import members.jsonl", 0),
        ("sweep plan sweep.txt --action delete --reason spam --batch b --settings settings", 0),
        ("show nobody", 1),
    ):
        ended = project.manage("modlog", *line.split(), **other)
        assert ended.returncode == code, (line, ended.stdout, ended.stderr)
    assert not (tmp_path / "other.db").exists()
    shown = project.manage("modlog", "sweep", "list", "--json")
    assert json.loads(shown.stdout)["size"] == 1
    assert "Usage: manage.py modlog" in project.manage("modlog", "--help").stdout


def test_call_command_gives_the_answer_to_who_calls_it(project):
    assert project.manage("migrate").returncode == 0
    code = (
        "from io import StringIO; from django.core.management import call_command, CommandError\n"
        "out = StringIO(); call_command('modlog', 'verify', stdout=out); print(out.getvalue())\n"
        "try: call_command('modlog', 'show', 'nobody')\n"
        "except CommandError as error: print('code', error.returncode)\n"
    )
    ended = project.manage("shell", "-c", code)
    assert "code 1" in ended.stdout, ended.stderr
    assert "0 events" in ended.stdout


def test_tests_of_a_project_have_a_ledger_of_their_own(project):
    assert project.manage("makemigrations", "club").returncode == 0
    assert project.manage("migrate").returncode == 0
    plain = json.loads((project.folder / "modlog.json").read_text())
    for way in (("--parallel", "2"), ("--keepdb",), ()):  # the last drops what was kept
        if not way:  # a URL counts no more than the database that it leads to
            project.say("modlog", plain | {"URL": project.url, "DATABASE": "default"})
        ended = project.manage("test", "--noinput", *way)
        assert ended.returncode == 0, ended.stderr
        assert "Ran 6 tests" in ended.stderr
    assert "0 events" in project.manage("modlog", "verify").stdout


def test_tests_never_use_the_ledger_that_a_url_names(project, tmp_path):
    url = f"sqlite:///{tmp_path}/elsewhere.db"
    with modlog.open(url) as log:
        log.create("a", actor=Actor.human("wan"))
    project.say("modlog", {"URL": url})
    ended = project.manage("test", "--noinput")
    assert ended.returncode == 1
    assert "This is a test run" in ended.stderr
