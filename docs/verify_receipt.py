"""python verify_receipt.py PROOF.json VERIFIER_KEY [RECEIPT]: verifies what `yumen audit prove` made; exit status 0 or 2.

Needs `pip install cryptography` and nothing of Yumen's. docs/ledger-verify.md says what is verified here, and why.
"""

import sys
from base64 import b64decode as b64
from hashlib import sha256
from json import dumps, load, loads

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def check(holds, what):
    if not holds:
        raise ValueError(what)


def node(left, right):
    return sha256(b"\1" + left + right).digest()


def tree(index, size, proof, leaf):  # RFC 6962, 2.1.1: the root; the last hash of a proof is the topmost one
    if size == 1:
        return leaf
    half, side = 1 << (size - 1).bit_length() - 1, b64(proof.pop())
    here = tree(index % half, half if index < half else size - half, proof, leaf)
    return node(here, side) if index < half else node(side, here)


def trees(old, new, proof, known):  # RFC 6962, 2.1.2: the roots of both trees
    if old == new:
        return [known or b64(proof.pop())] * 2
    half, side = 1 << (new - 1).bit_length() - 1, b64(proof.pop())
    if old > half:
        return [node(side, one) for one in trees(old - half, new - half, proof, None)]
    here = trees(old, half, proof, known)
    return [here[0], node(here[1], side)]


def signed(note, name, key):  # C2SP signed-note
    text, _, lines = note.rpartition("\n\n")
    for value in [b64(line.split(" ")[2]) for line in lines.splitlines() if line.split(" ")[1] == name]:
        if value[:4] == sha256(name.encode() + b"\n\1" + key).digest()[:4]:
            return Ed25519PublicKey.from_public_bytes(key).verify(value[4:], f"{text}\n".encode()) is None
    return False


def chain(data, name, pinned):  # each key is stated by itself and the one before it, with what the log was by then
    keys, heads = [], []
    for number, note in enumerate(data["keys"], 1):
        title, gateway, place, public, before, _, *logs = note.rpartition("\n\n")[0].split("\n")
        check(b64(before) == keys[-1] if keys else before == "-", f"key {number} does not follow the one before")
        keys.append(b64(public))
        ours = [title, name, place] == ["yumen ledger key 1", f"yumen-ledger/{gateway}", str(number)]
        check(ours and all(signed(note, name, key) for key in keys[-2:]), f"key {number} is not stated by the gateway")
        heads += [[line.split(" ")[1:] for line in logs if line.split(" ")[0] == data["log"]] or [["0", ""]]]
    check(name == "yumen-ledger/" + sha256(keys[0]).hexdigest()[:16] and pinned in keys, "it is another gateway's")
    return keys, [(int(size), b64(root)) for ((size, root),) in heads]


def contained(data, size, root, receipt):  # the record, behind its parts; what it says of itself
    for one in [*data["parts"], data]:
        leaf = sha256(b"\0" + b64(one["entry"])).digest()
        check(0 <= one["index"] < size, "there is no such record")
        check(tree(one["index"], size, one["proof"], leaf) == root and not one["proof"], "the record is another one")
    index, record = data["index"], loads(b64(data["entry"]))
    places = [one["index"] for one in data["parts"]]
    check(record["seq"] == index and places == list(range(index - record.get("parts", 0), index)), "parts are left out")
    check(record.get("receipt", "") == data["receipt"] and receipt in (None, data["receipt"]), "it has another receipt")
    return [record["time"], record["kind"], record.get("outcome", "")]


def verify(data, verifier, receipt=None):
    name, _, pinned = verifier.strip().split("+", 2)
    keys, heads = chain(data, name, b64(pinned)[1:])
    origin, (title, size, root, *_) = f"{name}/{data['log']}", data["checkpoint"].split("\n")
    size, root = int(size), b64(root)
    signers = [number for number, key in enumerate(keys, 1) if signed(data["checkpoint"], origin, key)]
    check(title == origin and signers, "the checkpoint is not signed by the gateway, or is another log's")
    check(all(had < size for had, _ in heads[: signers[-1]]), "the checkpoint is older than the key that signed it")
    check(all(size <= had for had, _ in heads[signers[-1] :]), "the key that signed the checkpoint had been replaced")
    proofs = {one["number"]: one["proof"] for one in data["heads"]}
    past = [(*head, proofs[number]) for number, head in enumerate(heads, 1) if head[0]]
    if data["format"] == "yumen-consistency-1":
        title, old, old_root = data["old"].split("\n")[:3]
        check(title == origin and any(signed(data["old"], origin, key) for key in keys), "the old one is not signed")
        past.append((int(old), b64(old_root), data["proof"]))
    for had, was, proof in past:  # the log has only grown since: so a stolen key cannot sign another past
        check(0 < had <= size and trees(had, size, proof, was) == [was, root] and not proof, "it had another past")
    check(data["format"] in ("yumen-consistency-1", "yumen-proof-1"), "it is of another format")
    return [size] if data["format"] == "yumen-consistency-1" else contained(data, size, root, receipt)


if __name__ == "__main__":
    try:
        with open(sys.argv[1], encoding="utf-8") as file:
            print("holds:", dumps(verify(load(file), *sys.argv[2:])))
    except Exception as error:  # whatever is wrong with a bundle, it proves nothing
        sys.exit(print(f"does not hold: {type(error).__name__} {error}") or 2)
