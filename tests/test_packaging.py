"""What is published: one version, and nothing in the archives that users have no use for."""

import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import modlog

ROOT = Path(__file__).parents[1]
# Files that the package reads, or that tell of it; whatever else lies about is not published.
PACKED = {".py", ".sql", ".json", ".j2", ".css", ".js", ".typed"}
READ = {".css", ".md", ".py", ".svg", ".sql"}
BESIDE = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"}
MADE = {".gitignore", "PKG-INFO", "pyproject.toml"}
OF_A_WHEEL = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the archive of sources, made from the sources."""
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def files(folder, suffixes):
    """The files below a folder, by their path from the root of the sources."""
    found = (path for path in (ROOT / folder).rglob("*") if path.suffix in suffixes)
    return {
        str(path.relative_to(ROOT))
        for path in found
        if not {"__pycache__", "_build"} & set(path.parts)
    }


def metadata(wheel):
    """What the wheel says of the package, its README among it."""
    name = f"modlog-{modlog.__version__}.dist-info/METADATA"
    return Parser().parsestr(wheel.read(name).decode())


def test_a_wheel_is_the_package_and_nothing_else(wheel):
    package = {name.removeprefix("src/") for name in files("src/modlog", PACKED)}
    about = {f"modlog-{modlog.__version__}.dist-info/{name}" for name in OF_A_WHEEL}

    assert {"modlog/py.typed", "modlog/_storage/sqlite/schema/cache.sql"} <= package
    assert set(wheel.namelist()) == package | about


def test_the_archive_of_sources_has_the_documentation_too(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {one.name.partition("/")[2] for one in archive.getmembers() if one.isfile()}

    assert names == files("src/modlog", PACKED) | files("docs", READ) | BESIDE | MADE


def test_an_index_would_take_both(built):
    command = [sys.executable, "-m", "twine", "check", "--strict", *built.iterdir()]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert (checked.returncode, checked.stdout.count("PASSED")) == (0, 2), checked.stdout


def test_the_version_is_the_same_everywhere(wheel):
    told = metadata(wheel)
    told_of = re.findall(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.M)

    assert told["Version"] == version("modlog") == modlog.__version__
    assert told_of[0] == modlog.__version__.partition(".dev")[0]


def test_links_of_the_readme_lead_somewhere_on_an_index_too(wheel):
    targets = re.findall(r"\]\(([^)]+)\)", metadata(wheel).get_payload())

    assert len(targets) > 5
    assert [one for one in targets if not one.startswith("https://")] == []


def test_the_supported_pythons_are_named_once_each(wheel):
    told = metadata(wheel)
    named = re.findall(r"Python :: (3\.\d+)", " ".join(told.get_all("Classifier", [])))
    (tried,) = re.findall(r"^PYTHONS := (.*)$", (ROOT / "Makefile").read_text(), re.M)

    assert told["Requires-Python"] == f">={named[0]}"
    assert tried.split() == named


def test_a_public_ci_runs_what_there_is():
    """The same script, and targets that the Makefile has, on every supported Python."""
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    jobs = yaml.safe_load(text)["jobs"]
    runs = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    made = {word for run in runs if run.startswith("make ") for word in run.split()[1:]}
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
    (pythons,) = re.findall(r"^PYTHONS := (.*)$", (ROOT / "Makefile").read_text(), re.M)

    assert "bash .ci/run" in runs
    assert {word for word in made if re.fullmatch("[a-z]+", word)} <= set(targets)
    assert made >= {"pythons", "lowest", "dist"}
    assert ["3.11", *jobs["pythons"]["strategy"]["matrix"]["python"]] == pythons.split()
