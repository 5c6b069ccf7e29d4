"""The leaf of an event: one form, for ever."""

import json
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from modlog import EvidenceError
from modlog._domain.evidence.leaves import Salts, commitment, leaf, parsed_leaf, stream_bytes

GOLDEN = Path(__file__).parents[1] / "golden" / "evidence"
SECRET = bytes(range(32))
hexes = st.binary(min_size=32, max_size=32).map(bytes.hex)
micros = st.integers(0, 2**53 - 1)
positions = st.integers(1, 2**53 - 1)
said = st.fixed_dictionaries(
    {
        "position": positions,
        "version": positions,
        "type_name": st.sampled_from(["account.deleted", "sweep.planned"]) | st.text(min_size=1),
        "recorded_at": micros,
        "occurred_at": micros,
        "stream": hexes,
        "act": hexes,
        "data": st.none() | hexes,
        "personal": st.none() | hexes,
    }
)


@given(said)
def test_is_canonical_json(given):
    told = {name: value for name, value in given.items() if value is not None} | {"v": 1}
    told["type"] = told.pop("type_name")

    assert leaf(**given) == rfc8785.dumps(told)
    assert parsed_leaf(leaf(**given)) == told


def test_is_what_it_was():
    golden = json.loads((GOLDEN / "leaves.json").read_text())
    salts = Salts(bytes.fromhex(golden["secret"]))
    for one in golden["leaves"]:
        of, position = one["of"], one["of"]["position"]
        stream, act = stream_bytes(*of["stream"]), of["act"].encode()
        parts: dict[str, Any] = {
            "stream": commitment(salts.stream(stream), stream),
            "act": commitment(salts.act(act), act),
            "data": of["data"] and commitment(salts.event(position)[0], of["data"].encode()),
            "personal": of["personal"]
            and commitment(salts.event(position)[1], of["personal"].encode()),
        }
        plain: dict[str, Any] = {name: value for name, value in of.items() if name not in parts}

        assert leaf(**plain, **parts).decode() == one["leaf"]


def test_salts_are_those_that_the_reference_tells():
    def derived(purpose, what, size):
        return blake2b(what, digest_size=size, key=SECRET, person=purpose).digest()

    salts = Salts(SECRET)
    of_event = derived(b"event", (7).to_bytes(8, "big"), 64)

    assert salts.stream(b"account\x001") == derived(b"stream", b"account\x001", 32)
    assert salts.act(b"{}") == derived(b"act", b"{}", 32)
    assert salts.event(7) == (of_event[:32], of_event[32:])
    assert commitment(b"salt", b"bytes") == sha256(b"saltbytes").hexdigest()
    assert stream_bytes("account", "ü") == b"account\0\xc3\xbc"


def test_do_not_tell_the_secret():
    assert SECRET.hex() not in repr(Salts(SECRET))
    assert repr(SECRET) not in repr(Salts(SECRET))


GOOD: dict[str, Any] = {
    "position": 3,
    "version": 2,
    "type_name": "account.deleted",
    "recorded_at": 5,
    "occurred_at": 4,
    "stream": "ab" * 32,
    "act": "cd" * 32,
    "data": None,
    "personal": "ef" * 32,
}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"{", b"{ "),
        (b'"v":1', b'"v":2'),
        (b'"v":1', b'"v":1.0'),
        (b'"v":1', b'"v":true'),
        (b'"position":3', b'"position":"3"'),
        (b'"position":3', b'"position":3e0'),
        (b'"position":3', b'"position":3,"position":3'),
        (b'"act"', b'"acts"'),
        (b"cd", b"CD"),
        (b"cdcd", b"cd"),
        (b"account", b"\\u0061ccount"),
        (b'"account.deleted"', b"null"),
        (b"}", b',"x":1}'),
        (b"}", b""),
        (b"account", b"\xff"),
    ],
)
def test_has_no_other_form(one, other):
    entry = leaf(**GOOD)
    assert one in entry

    with pytest.raises(EvidenceError, match="this is no leaf"):
        parsed_leaf(entry.replace(one, other, 1))


@pytest.mark.parametrize("entry", [b"", b"1", b"[]", b"null", b"[" * 100_000, b'{"v":1}'])
def test_is_nothing_else(entry):
    with pytest.raises(EvidenceError, match="this is no leaf"):
        parsed_leaf(entry)
