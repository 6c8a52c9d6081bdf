#!/bin/bash
# Checks an unpacked evidence bundle with openssl and coreutils alone. Written from the specifications
# (c2sp.org/signed-note, tlog-checkpoint, tlog-proof; RFC 6962 2.1, RFC 8410), not from the product's code.
#
#   verify.sh DIRECTORY [VKEY]     VKEY: the verifier key as the operator published it
set -euo pipefail
export LC_ALL=C

cd "$1"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
refuse() {
  echo "refused: $1" >&2
  exit 1
}

hex() { od -An -v -tx1 | tr -d ' \n'; }
bytes() { printf '%b' "$(sed 's/../\\x&/g')"; }
sha256() { sha256sum | cut -d' ' -f1; }
from_base64() { printf '%s' "$1" | base64 -d | hex; }

# name+hash+base64(0x01 || public key); hash: first four bytes of SHA-256(name || 0x0A || 0x01 || public key)
vkey=$(<log/vkey)
[[ -z ${2:-} || $vkey == "$2" ]] || refuse 'the key is not the one that was published'
name=${vkey%%+*}
rest=${vkey#*+}
id=${rest%%+*}
key=$(from_base64 "${rest#*+}")
[[ ${#key} -eq 66 && ${key:0:2} == 01 ]] || refuse 'the key is no Ed25519 key'
own=$({ printf '%s\n' "$name"; printf '%s' "$key" | bytes; } | sha256)
[[ ${own:0:8} == "$id" ]] ||
  refuse 'the hash in the key is not its own'
printf '302a300506032b6570032100%s' "${key:2}" | bytes >"$scratch/key.der"

# The text up to the empty line, with its newline, is what was signed.
sed '/^$/,$d' log/checkpoint >"$scratch/text"
signed=no
while read -r dash signer signature; do
  [[ $dash == — && $signer == "$name" ]] || continue
  raw=$(from_base64 "$signature")
  [[ ${raw:0:8} == "$id" ]] || continue
  printf '%s' "${raw:8}" | bytes >"$scratch/signature"
  openssl pkeyutl -verify -pubin -keyform DER -inkey "$scratch/key.der" -rawin \
    -in "$scratch/text" -sigfile "$scratch/signature" >/dev/null || refuse 'the signature of the checkpoint'
  signed=yes
done < <(sed '1,/^$/d' log/checkpoint)
[[ $signed == yes ]] || refuse 'the key has not signed the checkpoint'
[[ $(sed -n 1p "$scratch/text") == "$name" ]] || refuse 'the checkpoint is of another log'
size=$(sed -n 2p "$scratch/text")
root=$(from_base64 "$(sed -n 3p "$scratch/text")")

node_hash() { printf '01%s%s' "$1" "$2" | bytes | sha256; }

# An inclusion proof, RFC 9162 2.1.3.2.
for proof in log/*.tlog-proof; do
  [[ $(sed -n 1p "$proof") == c2sp.org/tlog-proof@v1 ]] || refuse "$proof is no proof"
  index=$(sed -n '2s/^index //p' "$proof")
  sed '1,/^$/d' "$proof" | cmp -s - log/checkpoint || refuse "$proof has another checkpoint"
  # In JSON a leaf's quotes and backslashes are escaped, and nothing else in it needs to be.
  grep "^{\"index\":$index,\"leaf\":" log/entries.ndjson |
    sed -e 's/^{"index":[0-9]*,"leaf":"//' -e 's/"}$//' -e 's/\\\(["\\]\)/\1/g' | tr -d '\n' >"$scratch/leaf"
  hash=$({ printf '\0'; cat "$scratch/leaf"; } | sha256)
  fn=$index
  sn=$((size - 1))
  while read -r line; do
    sibling=$(from_base64 "$line")
    ((sn > 0)) || refuse "$proof is too long"
    if ((fn % 2 == 1 || fn == sn)); then
      hash=$(node_hash "$sibling" "$hash")
      while ((fn % 2 == 0 && fn != 0)); do fn=$((fn / 2)) sn=$((sn / 2)); done
    else
      hash=$(node_hash "$hash" "$sibling")
    fi
    fn=$((fn / 2)) sn=$((sn / 2))
  done < <(sed -n '3,/^$/p' "$proof" | sed '/^$/d')
  [[ $sn -eq 0 && $hash == "$root" ]] || refuse "$proof does not lead to the root"
  echo "$proof: entry $index is in the tree of $size"
done

# The entry that exported.tlog-proof proves binds the manifest, the manifest every other file.
index=$(sed -n '2s/^index //p' log/exported.tlog-proof)
manifest=$(sha256 <manifest.json)
grep "^{\"index\":$index," log/entries.ndjson | grep -q "\\\\\"kind\\\\\":\\\\\"evidence.exported\\\\\".*\\\\\"manifest\\\\\":\\\\\"$manifest\\\\\"" ||
  refuse 'the log does not bind this manifest'
grep -o '"bytes":[0-9]*,"path":"[^"]*","sha256":"[0-9a-f]*"' manifest.json |
  sed 's/.*"path":"\([^"]*\)","sha256":"\([0-9a-f]*\)"/\2  \1/' >"$scratch/sums"
sha256sum --quiet -c "$scratch/sums" >/dev/null 2>&1 || refuse 'a file is not the one in the manifest'
echo "manifest.json: $(wc -l <"$scratch/sums") files"
echo "key: sha256:$(printf '%s' "$vkey" | sha256)"
