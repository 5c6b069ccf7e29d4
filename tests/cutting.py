"""A server that hangs up amid an answer: a proxy before the real one says so in its name."""

import socket
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import quote, urlsplit

from psycopg.conninfo import conninfo_to_dict

_FIELDS = ("SFATAL", "VFATAL", "C57P01", "Mterminating connection due to administrator command")
# What PostgreSQL sends when `pg_terminate_backend` has met it, as protocol 3.0 has it.
_BODY = b"".join(field.encode() + b"\0" for field in _FIELDS) + b"\0"
_FATAL = b"E" + struct.pack("!I", len(_BODY) + 4) + _BODY

# A statement is prepared, carried out, ready for a COPY, or over; before that the driver has no
# answer yet, and the FATAL is all that it sees.
_ENDING = frozenset((b"1", b"C", b"G", b"Z"))


class Cutter:
    """A proxy that passes everything on, until it is told where to stop.

    Attributes:
        url: by which the server is reached through it.
        has_cut: whether it has stopped since it was told to.
    """

    def __init__(self, url: str, folder: str) -> None:
        self._server = _address(url)
        self._lock = Lock()
        self._left = 0
        self.has_cut = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(Path(folder) / ".s.PGSQL.5432"))
        self._listener.listen()
        name = quote(str(conninfo_to_dict(url).get("dbname") or "postgres"))
        user = quote(str(conninfo_to_dict(url).get("user") or "postgres"))
        self.url = f"postgresql://{user}@/{name}?host={quote(folder)}&port=5432"
        Thread(target=self._accept, daemon=True).start()

    def cut_after(self, messages: int) -> None:
        """Say FATAL, and hang up, straight after so many of the messages that end something."""
        with self._lock:
            self._left, self.has_cut = messages, False

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it is closed in the end
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(self._server[0])
                server.connect(self._server[1])
                Thread(target=self._ask, args=(client, server), daemon=True).start()
                Thread(target=self._answer, args=(client, server), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with client, suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)

    def _answer(self, client: socket.socket, server: socket.socket) -> None:
        with server, server.makefile("rb") as answers, suppress(OSError):
            while header := answers.read(5):
                message = header + answers.read(struct.unpack("!I", header[1:])[0] - 4)
                if self._is_last(header[:1]):
                    client.sendall(message + _FATAL)
                    break
                client.sendall(message)
            client.shutdown(socket.SHUT_WR)

    def _is_last(self, kind: bytes) -> bool:
        if kind not in _ENDING:
            return False
        with self._lock:
            self._left -= 1
            self.has_cut = self.has_cut or self._left == 0
            return self._left == 0


def _address(url: str) -> tuple[socket.AddressFamily, Any]:
    info = conninfo_to_dict(url)
    host, port = str(info.get("host") or "localhost"), int(info.get("port") or 5432)
    if host.startswith("/"):
        return socket.AF_UNIX, f"{host}/.s.PGSQL.{port}"
    return socket.AF_INET, (host, port)


@contextmanager
def cutter(url: str) -> Iterator[Cutter]:
    """A proxy before the server of a URL."""
    assert not urlsplit(url).password, "the proxy's URL has none"
    with tempfile.TemporaryDirectory(prefix="modlog-cut-") as folder:
        proxy = Cutter(url, folder)
        try:
            yield proxy
        finally:
            proxy.close()
