"""Runs a page of the documentation as a Django project: `python -m tests.djangosite.page FILE`.

The first block is the settings; all others are the project's own code, in one module.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.test.utils import setup_test_environment

from tests.test_docs import blocks


def main() -> None:
    configuration, *code = (block for *_, block in blocks(Path(sys.argv[1])))
    named: dict[str, Any] = {}
    exec(configuration, named)  # noqa: S102
    project = sys.modules["project"] = ModuleType("project")
    told = {name: value for name, value in named.items() if name.isupper()}
    settings.configure(
        **told, ROOT_URLCONF="project", SECRET_KEY="only for tests", USE_TZ=True  # noqa: S106
    )  # fmt: skip
    django.setup()
    setup_test_environment()
    call_command("migrate", verbosity=0)
    for number, block in enumerate(code, 2):
        exec(compile(block, f"block {number}", "exec"), project.__dict__)  # noqa: S102


if __name__ == "__main__":
    main()
