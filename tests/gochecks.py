"""Go's own code for notes, proofs and tiles: what it says of ours."""

import json
import os
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

from attrs import define

SOURCE = Path(__file__).parent / "go" / "check.go"
# Debian's packages golang-go and golang-golang-x-mod-dev.
LIBRARIES = Path("/usr/share/gocode")


def is_there() -> bool:
    return bool(shutil.which("go")) and (LIBRARIES / "src/golang.org/x/mod/sumdb/tlog").is_dir()


@define
class Go:
    """A running program of Go's."""

    process: Any

    @classmethod
    def built(cls, folder: Path) -> "Go":
        program = folder / "check"
        env = os.environ | {
            "GO111MODULE": "off",
            "GOPATH": str(LIBRARIES),
            "GOCACHE": str(folder / "cache"),
            "GOFLAGS": "",
        }
        subprocess.run(["go", "build", "-o", program, SOURCE], env=env, check=True, timeout=300)
        return cls(
            subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )

    def says(self, what: str, **asked: Any) -> str:
        """Its answer: yes, or no and why."""
        asked = {"What": what} | {name: _plain(value) for name, value in asked.items()}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return [_plain(one) for one in value] if isinstance(value, list) else value
