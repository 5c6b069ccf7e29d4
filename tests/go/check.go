// What Go's own code says of notes, proofs and tiles: a question in JSON a line, an answer a line.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type question struct {
	What     string
	Note     string
	Keys     []string
	Old, New int64
	Index    int64
	OldRoot  []byte
	Root     []byte
	Leaf     []byte
	Proof    [][]byte
	Folder   string
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		if err := answer(asked); err != nil {
			fmt.Printf("%q\n", "no: "+err.Error())
		} else {
			fmt.Printf("%q\n", "yes")
		}
	}
}

func answer(asked question) error {
	switch asked.What {
	case "note":
		_, err := opened(asked.Note, asked.Keys)
		return err
	case "inclusion":
		proof, root, leaf, err := hashes(asked.Proof, asked.Root, asked.Leaf)
		if err != nil {
			return err
		}
		return tlog.CheckRecord(proof, asked.New, root, asked.Index, leaf)
	case "consistency":
		proof, root, old, err := hashes(asked.Proof, asked.Root, asked.OldRoot)
		if err != nil {
			return err
		}
		return tlog.CheckTree(tlog.TreeProof(proof), asked.New, root, asked.Old, old)
	case "bundle":
		return bundle(asked.Folder, asked.Keys)
	}
	return errors.New("no such question")
}

func hashes(proof [][]byte, one, other []byte) (tlog.RecordProof, tlog.Hash, tlog.Hash, error) {
	var found tlog.RecordProof
	var first, second tlog.Hash
	for _, each := range append([][]byte{one, other}, proof...) {
		if len(each) != tlog.HashSize {
			return nil, first, second, errors.New("a hash of another size")
		}
	}
	copy(first[:], one)
	copy(second[:], other)
	for _, each := range proof {
		var hash tlog.Hash
		copy(hash[:], each)
		found = append(found, hash)
	}
	return found, first, second, nil
}

func opened(text string, keys []string) (*note.Note, error) {
	var known []note.Verifier
	for _, key := range keys {
		verifier, err := note.NewVerifier(key)
		if err != nil {
			return nil, err
		}
		known = append(known, verifier)
	}
	return note.Open([]byte(text), note.VerifierList(known...))
}

func checkpoint(path string, keys []string) (tlog.Tree, error) {
	var tree tlog.Tree
	content, err := os.ReadFile(path)
	if err != nil {
		return tree, err
	}
	signed, err := opened(string(content), keys)
	if err != nil {
		return tree, err
	}
	lines := strings.Split(signed.Text, "\n")
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

// Tiles of a folder in which Go's paths have the height that C2SP's have not.
type tiles string

func (folder tiles) Height() int { return height }

func (folder tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (folder tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
		content, err := os.ReadFile(filepath.Join(string(folder), path))
		if err != nil {
			return nil, err
		}
		found = append(found, content)
	}
	return found, nil
}

func entries(folder string, size int64) ([][]byte, error) {
	var found [][]byte
	for index := int64(0); int64(len(found)) < size; index++ {
		tile := tlog.Tile{H: height, L: 0, N: index, W: 1 << height}
		if left := size - int64(len(found)); left < 1<<height {
			tile.W = int(left)
		}
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/0/", height), "tile/entries/", 1)
		content, err := os.ReadFile(filepath.Join(folder, path))
		if err != nil {
			return nil, err
		}
		for len(content) > 1 {
			length := int(binary.BigEndian.Uint16(content))
			if len(content) < 2+length {
				return nil, errors.New("an entry is cut short")
			}
			found = append(found, content[2:2+length])
			content = content[2+length:]
		}
		if len(content) > 0 {
			return nil, errors.New("a bundle is cut short")
		}
	}
	return found, nil
}

func bundle(folder string, keys []string) error {
	tree, err := checkpoint(filepath.Join(folder, "checkpoint"), keys)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, tiles(folder))
	if root, err := tlog.TreeHash(tree.N, reader); err != nil || root != tree.Hash {
		return fmt.Errorf("the tiles do not lead to the root: %v", err)
	}
	found, err := entries(folder, tree.N)
	if err != nil {
		return err
	}
	for index, entry := range found {
		leaf := tlog.RecordHash(entry)
		proof, err := tlog.ProveRecord(tree.N, int64(index), reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, int64(index), leaf); err != nil {
			return fmt.Errorf("entry %d: %v", index, err)
		}
	}
	earlier, err := filepath.Glob(filepath.Join(folder, "checkpoints", "*"))
	if err != nil {
		return err
	}
	for _, path := range earlier {
		old, err := checkpoint(path, keys)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveTree(tree.N, old.N, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
			return fmt.Errorf("%s: %v", path, err)
		}
	}
	return nil
}
