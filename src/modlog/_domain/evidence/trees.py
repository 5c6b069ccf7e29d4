"""The Merkle tree of RFC 6962 (and 9162): its hashes, roots and proofs.

A tree is known by the hashes of its complete subtrees: `Subtrees` gives the one of a height and an
index, which is that of the 2^height leaves from index × 2^height on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Final

from modlog._errors import EvidenceError, ProofError

# Bytes of a hash.
SIZE: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()

Subtrees = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry of the log."""
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees beside each other."""
    return sha256(b"\1" + left + right).digest()


def complete_root(hashes: Sequence[bytes]) -> bytes:
    """The hash above hashes of equal height, whose number is a power of two."""
    while len(hashes) > 1:
        hashes = [
            node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)
        ]
    return hashes[0]


def peaks(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The complete subtrees that leaves from `begin` up to `end` are made of: heights, indices.

    `begin` is where a subtree that is at least as large as all of them together would begin.
    """
    while begin < end:
        height = (end - begin).bit_length() - 1
        yield height, begin >> height
        begin += 1 << height


def joined(hashes: Sequence[bytes]) -> bytes:
    """The root above complete subtrees beside each other, the largest first."""
    if not hashes:
        return EMPTY_ROOT
    *others, root = hashes
    for left in reversed(others):
        root = node_hash(left, root)
    return root


def _hash_of(begin: int, end: int, subtrees: Subtrees) -> bytes:
    return joined([subtrees(*peak) for peak in peaks(begin, end)])


def root_of(size: int, subtrees: Subtrees) -> bytes:
    """The root of a tree of so many leaves."""
    return _hash_of(0, size, subtrees)


def _split(begin: int, end: int) -> int:
    """Where the larger, complete half of more than one leaf ends."""
    return begin + (1 << (end - begin - 1).bit_length() - 1)


def inclusion_proof(index: int, size: int, subtrees: Subtrees) -> list[bytes]:
    """What proves that a leaf is in a tree, from its sibling up.

    Raises:
        EvidenceError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise EvidenceError(f"a tree of {size} leaves has no leaf {index}: they count from 0")
    begin, end, proof = 0, size, []
    while end - begin > 1:
        middle = _split(begin, end)
        if index < middle:
            proof.append(_hash_of(middle, end, subtrees))
            end = middle
        else:
            proof.append(_hash_of(begin, middle, subtrees))
            begin = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, subtrees: Subtrees) -> list[bytes]:
    """What proves that a tree begins with another one.

    Raises:
        EvidenceError: the other one is larger.
    """
    if not 0 <= old <= new:
        raise EvidenceError(f"a tree of {new} leaves does not begin with one of {old}")
    if old in (0, new):
        return []
    begin, end, proof = 0, new, []
    while old != end:
        middle = _split(begin, end)
        if old <= middle:
            proof.append(_hash_of(middle, end, subtrees))
            end = middle
        else:
            proof.append(_hash_of(begin, middle, subtrees))
            begin = middle
    if begin:
        proof.append(_hash_of(begin, end, subtrees))
    return proof[::-1]


def check_inclusion(
    index: int, size: int, leaf: bytes, root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that a leaf's hash stands at an index of a tree (RFC 9162, 2.1.3.2).

    Raises:
        ProofError: it does not, or this does not prove it.
    """
    _check_sizes(leaf, root, *proof)
    if not 0 <= index < size:
        raise ProofError(f"the proof is of leaf {index}, and the tree has {size}")
    at, last, found = index, size - 1, leaf
    for hash_ in proof:
        if not last:
            raise ProofError("the proof of inclusion has more hashes than it takes")
        if at & 1 or at == last:
            found = node_hash(hash_, found)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, hash_)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofError("the proof of inclusion has fewer hashes than it takes")
    if found != root:
        raise ProofError(f"the proof does not lead from leaf {index} to the root of the checkpoint")


def check_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that a tree begins with another one (RFC 9162, 2.1.4.2).

    Raises:
        ProofError: it does not, or this does not prove it.
    """
    _check_sizes(old_root, new_root, *proof)
    if not 0 <= old <= new:
        raise ProofError(f"the log shrank from {old} to {new} leaves")
    if old in (0, new):
        if proof:
            raise ProofError("the proof of consistency has more hashes than it takes")
        if old_root != (new_root if old else EMPTY_ROOT):
            raise ProofError(f"two trees of {old} leaves have different roots: the log was forked")
        return
    first, second = _both_roots(old, new, old_root, proof)
    if (first, second) != (old_root, new_root):
        raise ProofError(
            f"the log of {new} leaves does not begin with the one of {old} that was signed before"
        )


def _both_roots(old: int, new: int, old_root: bytes, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots of both trees that a proof leads to."""
    hashes = list(proof)
    if old & (old - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        raise ProofError("the proof of consistency has fewer hashes than it takes")
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = hashes[0]
    for hash_ in hashes[1:]:
        if not last:
            raise ProofError("the proof of consistency has more hashes than it takes")
        if at & 1 or at == last:
            first, second = node_hash(hash_, first), node_hash(hash_, second)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, hash_)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofError("the proof of consistency has fewer hashes than it takes")
    return first, second


def _check_sizes(*hashes: bytes) -> None:
    for hash_ in hashes:
        if len(hash_) != SIZE:
            raise ProofError(f"a hash has {SIZE} bytes, and one of these has {len(hash_)}")
