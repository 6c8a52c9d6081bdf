// Checks an unpacked evidence bundle with the Go project's own golang.org/x/mod/sumdb: its checkpoint, the
// inclusion of every entry by the tiles and by each single proof, and what the log binds. It shares nothing
// with the product.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run verify.go DIRECTORY [VKEY]
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func refuse(format string, values ...interface{}) {
	fmt.Fprintf(os.Stderr, "refused: "+format+"\n", values...)
	os.Exit(1)
}

func read(path string) []byte {
	data, err := os.ReadFile(filepath.Join(os.Args[1], path))
	if err != nil {
		refuse("%v", err)
	}
	return data
}

// c2sp.org/tlog-tiles has the paths of sumdb without the height.
type tiles struct{}

func (tiles) Height() int { return 8 }
func (tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		path := "log/tile/" + strings.TrimPrefix(tile.Path(), "tile/8/")
		data, err := os.ReadFile(filepath.Join(os.Args[1], path))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func main() {
	vkey := strings.TrimSuffix(string(read("log/vkey")), "\n")
	if len(os.Args) > 2 && os.Args[2] != vkey {
		refuse("the key is not the one that was published")
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		refuse("log/vkey: %v", err)
	}
	checkpoint := read("log/checkpoint")
	opened, err := note.Open(checkpoint, note.VerifierList(verifier))
	if err != nil {
		refuse("log/checkpoint: %v", err)
	}
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || lines[0] != verifier.Name() {
		refuse("log/checkpoint is of another log")
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		refuse("log/checkpoint: %v", err)
	}

	leaves := map[int64][]byte{}
	reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, tiles{})
	scanner := bufio.NewScanner(bytes.NewReader(read("log/entries.ndjson")))
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var entry struct {
			Index int64
			Leaf  string
		}
		if err := json.Unmarshal(scanner.Bytes(), &entry); err != nil {
			refuse("log/entries.ndjson: %v", err)
		}
		leaves[entry.Index] = []byte(entry.Leaf)
		hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, entry.Index)})
		if err != nil {
			refuse("entry %d: %v", entry.Index, err)
		}
		if hashes[0] != tlog.RecordHash([]byte(entry.Leaf)) {
			refuse("entry %d is not what the log holds there", entry.Index)
		}
	}
	fmt.Printf("%d entries are in the tree of %d\n", len(leaves), size)

	proofs, _ := filepath.Glob(filepath.Join(os.Args[1], "log/*.tlog-proof"))
	exported := int64(-1)
	for _, path := range proofs {
		text, err := os.ReadFile(path)
		if err != nil {
			refuse("%v", err)
		}
		parts := strings.SplitN(string(text), "\n\n", 2)
		head := strings.Split(parts[0], "\n")
		if len(parts) != 2 || len(head) < 2 || head[0] != "c2sp.org/tlog-proof@v1" || parts[1] != string(checkpoint) {
			refuse("%s is no proof under this checkpoint", path)
		}
		index, err := strconv.ParseInt(strings.TrimPrefix(head[1], "index "), 10, 64)
		if err != nil {
			refuse("%s: %v", path, err)
		}
		var proof tlog.RecordProof
		for _, line := range head[2:] {
			var one tlog.Hash
			raw, err := base64.StdEncoding.DecodeString(line)
			if err != nil || copy(one[:], raw) != tlog.HashSize {
				refuse("%s holds what is no hash", path)
			}
			proof = append(proof, one)
		}
		if err := tlog.CheckRecord(proof, size, root, index, tlog.RecordHash(leaves[index])); err != nil {
			refuse("%s: %v", path, err)
		}
		fmt.Printf("%s proves entry %d\n", filepath.Base(path), index)
		if filepath.Base(path) == "exported.tlog-proof" {
			exported = index
		}
	}

	var event struct{ Kind, Manifest string }
	manifest := read("manifest.json")
	if json.Unmarshal(leaves[exported], &event) != nil || event.Kind != "evidence.exported" || event.Manifest != digest(manifest) {
		refuse("the log does not bind this manifest")
	}
	var listed struct{ Files []struct{ Path, Sha256 string } }
	if err := json.Unmarshal(manifest, &listed); err != nil {
		refuse("manifest.json: %v", err)
	}
	for _, file := range listed.Files {
		if digest(read(file.Path)) != file.Sha256 {
			refuse("%s is not the one in the manifest", file.Path)
		}
	}
	fmt.Printf("%d files are those of the manifest\nkey: sha256:%s\n", len(listed.Files), digest([]byte(vkey)))
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
