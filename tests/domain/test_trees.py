"""The tree of RFC 6962, beside its definition, and tiles, beside Go's and C2SP's."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modlog import EvidenceError, ProofError
from modlog._domain.evidence.tiles import (
    FULL,
    WIDTH,
    Edge,
    Tile,
    bundles_of,
    hashes_in,
    parsed_path,
    root_above,
    subtree,
    tiles_of,
)
from modlog._domain.evidence.trees import (
    EMPTY_ROOT,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
)

LARGEST = 70_000
LEAVES = [leaf_hash(str(index).encode()) for index in range(1_100)]
sizes = st.integers(0, 40) | st.integers(0, len(LEAVES)) | st.sampled_from([255, 256, 257, 512])


def root_by_definition(leaves):
    """MTH of RFC 6962, 2.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while 2 * half < len(leaves):
        half *= 2
    left, right = root_by_definition(leaves[:half]), root_by_definition(leaves[half:])
    return sha256(b"\x01" + left + right).digest()


def path_by_definition(index, leaves):
    """PATH of RFC 6962, 2.1.1."""
    if len(leaves) <= 1:
        return []
    half = 1
    while 2 * half < len(leaves):
        half *= 2
    if index < half:
        return [*path_by_definition(index, leaves[:half]), root_by_definition(leaves[half:])]
    return [*path_by_definition(index - half, leaves[half:]), root_by_definition(leaves[:half])]


def subproof_by_definition(old, leaves, whole=True):
    """SUBPROOF of RFC 6962, 2.1.2."""
    if old == len(leaves):
        return [] if whole else [root_by_definition(leaves)]
    half = 1
    while 2 * half < len(leaves):
        half *= 2
    if old <= half:
        rest = root_by_definition(leaves[half:])
        return [*subproof_by_definition(old, leaves[:half], whole), rest]
    rest = root_by_definition(leaves[:half])
    return [*subproof_by_definition(old - half, leaves[half:], False), rest]


class Grown:
    """A tree that has grown by some leaves at a time."""

    def __init__(self, *steps):
        self.edge = Edge()
        self.full: dict[tuple[int | None, int], bytes] = {}
        for step in steps:
            leaves = LEAVES[self.edge.size : self.edge.size + step]
            for tile, content in self.edge.append(leaves):
                assert (tile.level, tile.index) not in self.full
                self.full[tile.level, tile.index] = content

    def tiles(self, level, index):
        return self.full.get((level, index)) or self.edge.tile(level)

    def subtrees(self, height, index):
        return subtree(self.tiles, height, index)


@given(st.lists(st.integers(0, 600), max_size=4))
def test_grows_to_the_tree_by_definition(steps):
    tree = Grown(*steps)
    size = tree.edge.size

    assert size == min(sum(steps), len(LEAVES))
    assert tree.edge.root == root_by_definition(LEAVES[:size])
    assert root_of(size, tree.subtrees) == tree.edge.root
    last = LEAVES[size - size % WIDTH : size]
    again = Edge.of(
        size, last, lambda level, a, b: [root_above(tree.full[level, n]) for n in range(a, b)]
    )
    assert again.root == tree.edge.root
    assert [*again.append(LEAVES[:300])] == [*tree.edge.append(LEAVES[:300])]
    assert again.root == tree.edge.root


@given(sizes, st.data())
def test_proves_what_is_in_it(size, data):
    tree, leaves = Grown(size), LEAVES[:size]
    if not size:
        with pytest.raises(EvidenceError, match="has no leaf 0"):
            inclusion_proof(0, 0, tree.subtrees)
        return
    index = data.draw(st.integers(0, size - 1))

    proof = inclusion_proof(index, size, tree.subtrees)

    assert proof == path_by_definition(index, leaves)
    check_inclusion(index, size, leaves[index], tree.edge.root, proof)


@given(sizes, st.data())
def test_proves_what_it_began_with(new, data):
    old = data.draw(st.integers(0, new))
    tree = Grown(new)

    proof = consistency_proof(old, new, tree.subtrees)

    assert proof == (subproof_by_definition(old, LEAVES[:new]) if old else [])
    check_consistency(old, new, root_by_definition(LEAVES[:old]), tree.edge.root, proof)


@given(st.integers(1, 300), st.data())
def test_no_bit_of_a_proof_can_be_another(size, data):
    tree = Grown(size)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, tree.subtrees)
    hashes = [LEAVES[index], tree.edge.root, *proof]
    at = data.draw(st.integers(0, len(hashes) - 1))
    hashes[at] = flipped(hashes[at], data.draw(st.integers(0, 255)))
    leaf, root, *proof = hashes

    with pytest.raises(ProofError):
        check_inclusion(index, size, leaf, root, proof)


@given(st.integers(1, 300), st.data())
def test_no_bit_of_a_proof_of_consistency_can_be_another(new, data):
    old = data.draw(st.integers(1, new))
    tree = Grown(new)
    proof = consistency_proof(old, new, tree.subtrees)
    hashes = [root_by_definition(LEAVES[:old]), tree.edge.root, *proof]
    at = data.draw(st.integers(0, len(hashes) - 1))
    hashes[at] = flipped(hashes[at], data.draw(st.integers(0, 255)))
    old_root, new_root, *proof = hashes

    with pytest.raises(ProofError):
        check_consistency(old, new, old_root, new_root, proof)


def flipped(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@given(st.integers(1, 300), st.data())
def test_no_hash_of_a_proof_is_too_many_or_missing(size, data):
    tree = Grown(size)
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    for proof, check in (
        (
            inclusion_proof(index, size, tree.subtrees),
            lambda proof: check_inclusion(index, size, LEAVES[index], tree.edge.root, proof),
        ),
        (
            consistency_proof(old, size, tree.subtrees),
            lambda proof: check_consistency(
                old, size, root_by_definition(LEAVES[:old]), tree.edge.root, proof
            ),
        ),
    ):
        for wrong in (
            [*proof, LEAVES[0]],
            [LEAVES[0], *proof],
            *[proof[:at] + proof[at + 1 :] for at in range(len(proof))],
        ):
            with pytest.raises(ProofError):
                check(wrong)


@pytest.mark.parametrize(
    ("index", "size", "leaf", "root"),
    [
        (0, 0, LEAVES[0], EMPTY_ROOT),
        (1, 1, LEAVES[0], LEAVES[0]),
        (-1, 1, LEAVES[0], LEAVES[0]),
        (0, 1, LEAVES[0][:31], LEAVES[0]),
        (0, 1, LEAVES[0], LEAVES[0] + b"x"),
        (0, 1, b"", b""),
    ],
)
def test_refuses_what_no_tree_has(index, size, leaf, root):
    with pytest.raises(ProofError):
        check_inclusion(index, size, leaf, root, [])


@pytest.mark.parametrize(
    ("old", "new", "old_root", "proof"),
    [
        (2, 1, LEAVES[0], []),
        (-1, 1, LEAVES[0], []),
        (0, 1, LEAVES[0], []),
        (1, 1, LEAVES[1], []),
        (1, 1, LEAVES[0], [LEAVES[0]]),
        (1, 2, LEAVES[0], [LEAVES[1][:31]]),
    ],
)
def test_refuses_another_beginning(old, new, old_root, proof):
    new_root = node_hash(LEAVES[0], LEAVES[1]) if new == 2 else LEAVES[0]
    with pytest.raises(ProofError):
        check_consistency(old, new, old_root, new_root, proof)


def test_go_takes_its_proofs(go):
    for size in (1, 2, 3, 7, 8, 255, 256, 257, 1_000):
        tree = Grown(size)
        for index in {0, size // 2, size - 1}:
            proof = inclusion_proof(index, size, tree.subtrees)
            asked = {"New": size, "Index": index, "Leaf": LEAVES[index], "Root": tree.edge.root}
            assert go.says("inclusion", **asked, Proof=proof) == "yes"
            assert go.says("inclusion", **asked, Proof=[*proof, LEAVES[0]]).startswith("no")
            old, old_root = index + 1, root_by_definition(LEAVES[: index + 1])
            proof = consistency_proof(old, size, tree.subtrees)
            asked = {"New": size, "Old": old, "OldRoot": old_root, "Root": tree.edge.root}
            assert go.says("consistency", **asked, Proof=proof) == "yes"
            assert go.says("consistency", **{**asked, "Old": old + 1}, Proof=proof) != "yes"


def test_sigstore_takes_its_proofs():
    merkle = pytest.importorskip("sigstore._internal.merkle")
    for size in (1, 2, 3, 7, 8, 255, 256, 257, 1_000):
        tree = Grown(size)
        for index in {0, size // 2, size - 1}:
            proof = inclusion_proof(index, size, tree.subtrees)
            inner, border = merkle._decomp_inclusion_proof(index, size)
            assert inner + border == len(proof)
            found = merkle._chain_inner(LEAVES[index], proof[:inner], index)
            assert merkle._chain_border_right(found, proof[inner:]) == tree.edge.root
            assert merkle._hash_leaf(str(index).encode()) == LEAVES[index]


class TestTiles:
    def test_are_those_of_the_specification(self):
        tiles = list(tiles_of(LARGEST))

        assert len([one for one in tiles if one.level == 0]) == 274
        assert [one.width for one in tiles if one.width < WIDTH] == [112, 17, 1]
        assert [(one.level, one.width) for one in tiles_of(256)] == [(0, 256), (1, 1)]
        assert list(tiles_of(0)) == []

    @given(st.integers(0, 100_000), st.integers(0, 100_000))
    def test_that_are_new_are_those_which_were_not_there(self, one, other):
        old, new = sorted((one, other))
        before, after = set(tiles_of(old)), set(tiles_of(new))

        assert set(tiles_of(new, old)) == after - before
        assert {(tile.index, tile.width) for tile in bundles_of(new, old)} == {
            (tile.index, tile.width) for tile in after - before if tile.level == 0
        }

    @given(st.none() | st.integers(0, 63), st.integers(0, 10**12), st.integers(1, WIDTH))
    def test_have_paths(self, level, index, width):
        tile = Tile(level, index, width)

        assert parsed_path(tile.path) == tile

    def test_have_the_paths_of_the_specification(self):
        assert Tile(0, 1_234_067).path == "tile/0/x001/x234/067"
        assert Tile(1, 0, 17).path == "tile/1/000.p/17"
        assert Tile(None, 5).path == "tile/entries/005"

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "tile",
            "tile/0/5",
            "tile/00/005",
            "tile/0/005.p/0",
            "tile/0/005.p/256",
            "tile/64/005",
            "tile/0/x000/005",
            "tile/0/005.p/05",
            "tile/0/../005",
            "tile/0/005\n",
            "Tile/0/005",
        ],
    )
    def test_lie_nowhere_else(self, path):
        with pytest.raises(EvidenceError, match="is no path of a tile"):
            parsed_path(path)

    @pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33, b"x" * (FULL + 32)])
    def test_have_whole_hashes(self, content):
        with pytest.raises(EvidenceError, match="a tile has up to 256 hashes"):
            hashes_in(content)

    def test_are_as_wide_as_the_tree(self):
        with pytest.raises(EvidenceError, match=r"tile/0/000 is not as wide"):
            subtree(lambda *_: LEAVES[0], 1, 0)
