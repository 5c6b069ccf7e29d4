"""Keys, signed notes and checkpoints: C2SP's forms, by its own examples and Go's own code."""

import re
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import modlog
from modlog import EvidenceError, ProofError
from modlog._domain.evidence.checkpoints import Checkpoint, parsed_checkpoint
from modlog._domain.evidence.notes import (
    MAX_BYTES,
    MAX_SIGNATURES,
    Note,
    Signature,
    VerifierKey,
    parsed_key,
    parsed_note,
)
from modlog._domain.evidence.trees import EMPTY_ROOT
from modlog._services.evidence.keys import (
    SigningKey,
    check_quorum,
    key_file,
    signers,
    signing_key,
    verifier_key,
)

# The example of the specification c2sp.org/signed-note.
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE = """This is an example message.

\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""  # noqa: E501
NAME = "example.com/ledger"
KEY = SigningKey(NAME, 1, bytes(range(32)))
WITNESS = SigningKey("witness.example/w1", 4, bytes(range(1, 33)))
OTHER = SigningKey("witness.example/w2", 4, bytes(range(2, 34)))
TEXT = Checkpoint(NAME, 3, b"r" * 32).text
names = st.text(st.characters(exclude_characters="+", exclude_categories=("Z", "C")), min_size=1)


def is_signed(written: bytes) -> bool:
    try:
        return bool(signers(parsed_note(written), [KEY.verifier]))
    except EvidenceError:
        return False


def note(*signatures: Signature, text: str = TEXT) -> Note:
    return Note(text, signatures)


class TestAKey:
    def test_is_the_one_of_the_specification(self):
        key = parsed_key(EXAMPLE_KEY)

        assert (key.name, key.kind, key.key_id.hex()) == ("example.com/foo", 1, "530d903a")
        assert key.text == EXAMPLE_KEY
        assert signers(parsed_note(EXAMPLE.encode()), [key]) == (key,)

    @given(names, st.booleans())
    def test_comes_back_from_its_line(self, name, witness):
        key = SigningKey.generate(name, witness=witness)

        assert SigningKey.parse(key.text + "\n") == key
        assert parsed_key(key.verifier.text) == key.verifier
        assert key.kind == (4 if witness else 1)

    def test_is_another_each_time(self):
        assert SigningKey.generate(NAME).text != SigningKey.generate(NAME).text

    def test_does_not_show_itself(self):
        secret = KEY.text.rpartition("+")[2]
        assert secret not in repr(KEY)
        assert bytes(range(32)).hex() not in repr(KEY)
        for changed in (KEY.text[:-5], KEY.text.replace("+", "-"), KEY.text + "x"):
            with pytest.raises(EvidenceError) as caught:
                SigningKey.parse(changed)
            assert secret[:20] not in str(caught.value)

    @pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b", "a\u202eb", None, 7])
    def test_has_a_name_that_is_one(self, name):
        with pytest.raises(EvidenceError, match="a key is named like an address"):
            SigningKey.generate(name)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("example.com", "example.org"),
            ("530d903a", "530d903b"),
            ("530d903a", "530D903A"),
            ("Aeky", "Aekz"),
            ("Aeky", "Deky"),
            ("Aeky", ""),
            ("U2k", "U2l"),
            ("+530d", " 530d"),
            ("example.com/foo", ""),
        ],
    )
    def test_that_was_changed_is_none(self, one, other):
        with pytest.raises(EvidenceError):
            parsed_key(EXAMPLE_KEY.replace(one, other))

    def test_of_another_kind_is_told(self):
        ml_dsa = VerifierKey(NAME, 6, b"k" * 32)
        with pytest.raises(EvidenceError, match="is of type 6; modlog knows"):
            parsed_key(ml_dsa.text)

    def test_signs_what_it_is_for(self):
        with pytest.raises(EvidenceError, match="of a witness signs no checkpoint"):
            WITNESS.sign(TEXT)
        with pytest.raises(EvidenceError, match="is a ledger's"):
            KEY.cosign(TEXT, 0)

    def test_in_a_file(self, tmp_path):
        (tmp_path / "key").write_text(KEY.text + "\n")
        (tmp_path / "key.pub").write_text(KEY.verifier.text + "\n")

        assert signing_key(tmp_path / "key") == signing_key(KEY) == KEY
        assert verifier_key(str(tmp_path / "key.pub")) == verifier_key(KEY.verifier)
        with pytest.raises(EvidenceError, match="a signing key is the line"):
            signing_key(tmp_path / "key.pub")
        with pytest.raises(EvidenceError, match="a verifier key is a line"):
            verifier_key(tmp_path / "key")
        with pytest.raises(EvidenceError, match="cannot be read: No such file"):
            signing_key(tmp_path / "nowhere")
        wrong: Any
        for wrong in (7, None, b"key"):
            with pytest.raises(modlog.InvalidInputError, match="key is a SigningKey, or the path"):
                signing_key(wrong)
            with pytest.raises(modlog.InvalidInputError, match="key is a VerifierKey, or the path"):
                verifier_key(wrong)

    @pytest.mark.parametrize("content", [b"", b"\xff", b"a\nb\n", b"x" * 10_001])
    def test_in_a_file_that_is_none(self, tmp_path, content):
        (tmp_path / "key").write_bytes(content)
        with pytest.raises(EvidenceError, match="is no file of a key"):
            key_file(tmp_path / "key")

    def test_needs_cryptography(self, monkeypatch):
        monkeypatch.setitem(
            __import__("sys").modules, "cryptography.hazmat.primitives.asymmetric", None
        )
        with pytest.raises(modlog.InvalidInputError, match=r"pip install 'modlog\[evidence\]'"):
            SigningKey.generate(NAME)


class TestANote:
    @given(st.lists(st.sampled_from([KEY.sign(TEXT), WITNESS.cosign(TEXT, 7)]), min_size=1))
    def test_comes_back_from_its_bytes(self, signatures):
        written = note(*signatures).written().encode()

        assert parsed_note(written) == note(*signatures)

    def test_is_right_by_gos_code(self, go):
        written = note(KEY.sign(TEXT)).written()

        assert go.says("note", Note=written, Keys=[KEY.verifier.text]) == "yes"
        assert go.says("note", Note=written.replace("3", "4", 1), Keys=[KEY.verifier.text]) != "yes"
        assert go.says("note", Note=EXAMPLE, Keys=[EXAMPLE_KEY]) == "yes"

    def test_with_one_bit_flipped_anywhere_is_right_for_nobody(self, go):
        written = note(KEY.sign(TEXT)).written().encode()
        for at in range(0, len(written) * 8, 3):
            changed = bytearray(written)
            changed[at // 8] ^= 1 << at % 8
            assert not is_signed(bytes(changed)), f"bit {at} could be another"
            if at % 33 == 0:
                text = bytes(changed).decode(errors="replace")
                assert go.says("note", Note=text, Keys=[KEY.verifier.text]) != "yes"

    def test_signatures_of_others_are_passed_over(self):
        unknown = Signature(NAME, b"1234", b"x" * 64)
        found = signers(note(unknown, OTHER.cosign(TEXT, 1), KEY.sign(TEXT)), [KEY.verifier])

        assert found == (KEY.verifier,)
        assert signers(note(unknown), [KEY.verifier]) == ()

    def test_a_signature_twice_is_one(self):
        assert signers(note(KEY.sign(TEXT), KEY.sign(TEXT)), [KEY.verifier]) == (KEY.verifier,)

    @pytest.mark.parametrize("content", [b"x" * 64, b"x", b"x" * 72, b"x" * 5_000])
    def test_a_wrong_signature_of_a_known_key_is_told(self, content):
        for key in (KEY, WITNESS):
            wrong = Signature(key.name, key.verifier.key_id, content)
            with pytest.raises(ProofError, match="is not over this text"):
                signers(note(wrong), [key.verifier])

    def test_a_signature_over_another_text_is_wrong(self):
        for made in (KEY.sign("other\n"), WITNESS.cosign("other\n", 7)):
            with pytest.raises(ProofError):
                signers(note(made), [KEY.verifier, WITNESS.verifier])

    def test_the_time_of_a_cosignature_is_signed(self):
        made = WITNESS.cosign(TEXT, 7)
        later = Signature(made.name, made.key_id, (8).to_bytes(8) + made.content[8:])

        assert signers(note(made), [WITNESS.verifier]) == (WITNESS.verifier,)
        with pytest.raises(ProofError):
            signers(note(later), [WITNESS.verifier])

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"text\n",
            b"text\n\n",
            b"text\n\n\xe2\x80\x94 a AAAAAAE=",
            b"text\n\n- a AAAAAAE=\n",
            b"text\n\n\xe2\x80\x94 a\n",
            b"text\n\n\xe2\x80\x94 a AAAAAA==\n",
            b"text\n\n\xe2\x80\x94 a AAAAAAF=\n",
            b"text\n\n\xe2\x80\x94 a+b AAAAAAE=\n",
            b"text\n\n\xe2\x80\x94  AAAAAAE=\n",
            b"text\n\n\xe2\x80\x94 a AAAAAAE=\n\n",
            b"te\txt\n\n\xe2\x80\x94 a AAAAAAE=\n",
            b"te\xffxt\n\n\xe2\x80\x94 a AAAAAAE=\n",
            b"text\n\n" + b"\xe2\x80\x94 a AAAAAAE=\n" * (MAX_SIGNATURES + 1),
            b"x" * MAX_BYTES + b"\n\n\xe2\x80\x94 a AAAAAAE=\n",
        ],
    )
    def test_is_nothing_else(self, content):
        with pytest.raises(EvidenceError):
            parsed_note(content)

    def test_a_quorum_has_cosigned(self):
        witnesses = [WITNESS.verifier, OTHER.verifier]
        both = note(KEY.sign(TEXT), WITNESS.cosign(TEXT, 1), OTHER.cosign(TEXT, 2))

        check_quorum(both, witnesses, 2)
        check_quorum(note(KEY.sign(TEXT)), witnesses, 0)
        with pytest.raises(EvidenceError, match=r"2 witnesses have to.*did: 'witness.example/w1'"):
            check_quorum(note(WITNESS.cosign(TEXT, 1), WITNESS.cosign(TEXT, 2)), witnesses, 2)
        again = VerifierKey("another.example/name", 4, WITNESS.verifier.public)
        twice = SigningKey("another.example/name", 4, bytes(range(1, 33))).cosign(TEXT, 3)
        with pytest.raises(EvidenceError, match="2 witnesses have to"):
            check_quorum(note(WITNESS.cosign(TEXT, 1), twice), [*witnesses, again], 2)


class TestACheckpoint:
    @given(st.integers(1, 10**18), st.binary(min_size=32, max_size=32), names)
    def test_comes_back_from_its_text(self, size, root, origin):
        found = Checkpoint(origin, size, root)

        assert parsed_checkpoint(found.text) == found
        assert found.text == f"{origin}\n{size}\n{b64encode(root).decode()}\n"

    def test_of_the_specification(self):
        root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
        text = f"example.com/behind-the-sofa\n20852163\n{root}\nmore\n"

        found = parsed_checkpoint(text)

        assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20852163)
        assert (found.root, found.more, found.text) == (b64decode(root), ("more",), text)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "a\n3\n",
            "\n3\n{root}\n",
            "a\n03\n{root}\n",
            "a\n-3\n{root}\n",
            "a\n3.0\n{root}\n",
            "a\n\u0663\n{root}\n",
            "a\n3\n{short}\n",
            "a\n3\n{root}=\n",
            "a\n3\n{root}\n\nmore\n",
            "a\n0\n{root}\n",
            "a\n99999999999999999999\n{root}\n",
        ],
    )
    def test_is_nothing_else(self, text):
        root, short = b64encode(b"r" * 32).decode(), b64encode(b"r" * 31).decode()
        with pytest.raises(EvidenceError):
            parsed_checkpoint(text.format(root=root, short=short))

    def test_of_an_empty_log(self):
        assert parsed_checkpoint(Checkpoint("a", 0, EMPTY_ROOT).text).size == 0


def test_base64_is_not_guessed_at():
    assert re.fullmatch(r"[\w+/]+=*", b64encode(b"\xff" * 5).decode())
    with pytest.raises(EvidenceError, match="not how base64 writes it"):
        parsed_note(EXAMPLE.replace("aQM=", "aQN=").encode())
