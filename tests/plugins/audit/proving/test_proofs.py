"""What we prove is verified by a program that has nothing of ours, and nothing else is."""

from __future__ import annotations

import base64
import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.audit.proving.attacks import edited_all, entries_of, remake, stolen
from tests.plugins.audit.proving.histories import FOREVER, KEEP, History, exchange

from yumen_plugins.audit.log.files import Missing
from yumen_plugins.audit.log.note import verifier_key
from yumen_plugins.audit.proving.prove import consistency, prove

PROGRAM = Path(__file__).parents[4] / "docs" / "verify_receipt.py"
Proof = dict[str, Any]


def said(path: Path, proof: Proof | str, *arguments: str) -> tuple[int, str]:
    """The exit status and the output of the program. It knows no folder of ours."""
    path.write_text(proof if isinstance(proof, str) else json.dumps(proof))
    command = [sys.executable, "-I", str(PROGRAM), str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=path.parent, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.fixture
def history(tmp_path: Path) -> History:
    """Three keys, and a record that stands in parts."""
    made = History(tmp_path)
    made.start(KEEP)
    made.exchanges(KEEP, 600, batch=100)
    for _ in range(2):
        made.rotate()
        made.take_up()
        made.exchanges(KEEP, 100, batch=50)
    made.receipts["large"] = (KEEP, made.logs[KEEP].size + 2)
    made.write(KEEP, {"kind": "part"}, {"kind": "part"}, {**exchange(KEEP), "receipt": "8d0eb8ae.large", "parts": 2})
    made.stop(KEEP)
    return made


def test_a_receipt_is_proven_to_whoever_has_a_key(history: History, tmp_path: Path) -> None:
    """Under each key that the gateway ever had, for records of each of them; it says when and what came of it."""
    receipts = list(history.receipts)
    for receipt, verifier in zip((receipts[0], receipts[650], receipts[-2]), history.chain.verifiers, strict=True):
        proof = prove(history.ledger, *history.receipts[receipt], history.chain)
        assert proof["receipt"] == receipt
        status, output = said(tmp_path / "proof.json", proof, verifier, receipt)
        record = json.loads(base64.b64decode(proof["entry"]))
        assert (status, output) == (0, f'holds: ["{record["time"]}", "exchange", "ok"]\n')


def test_a_large_record_is_proven_with_its_parts(history: History, tmp_path: Path) -> None:
    """Each has a proof of its own, and none may be left out."""
    proof = prove(history.ledger, *history.receipts["large"], history.chain)
    assert [one["index"] for one in proof["parts"]] == [proof["index"] - 2, proof["index"] - 1]
    verifier = history.chain.verifiers[0]
    assert said(tmp_path / "proof.json", proof, verifier, "8d0eb8ae.large")[0] == 0
    proof["parts"].pop(0)
    assert said(tmp_path / "proof.json", proof, verifier)[0] == 2


def test_a_log_that_has_only_grown_is_proven_to(tmp_path: Path) -> None:
    """From any checkpoint that somebody kept to what the log is now, through keys that were replaced."""
    history = History(tmp_path)
    history.start(FOREVER)
    kept = []
    for _ in range(3):
        history.exchanges(FOREVER, 210, batch=100)
        kept.append(history.notes[FOREVER])
        history.rotate()
        history.take_up()
    history.stop(FOREVER)
    verifier = history.chain.verifiers[0]
    for note in [*kept, history.notes[FOREVER]]:
        proof = consistency(history.ledger, FOREVER, note, history.chain)
        assert said(tmp_path / "proof.json", proof, verifier) == (
            0,
            f"holds: [{len(entries_of(history.ledger / FOREVER))}]\n",
        )
        proof["old"] = kept[0].decode() if note != kept[0] else kept[1].decode()
        assert said(tmp_path / "proof.json", proof, verifier)[0] == 2
    with pytest.raises(ValueError, match="signed checkpoint of this log"):
        consistency(history.ledger, FOREVER, b"\n".join(kept[0].split(b"\n")[:2]), history.chain)


def flipped(text: str) -> str:
    """Base64 of other bytes."""
    value = bytearray(base64.b64decode(text))
    value[-1] ^= 1
    return base64.b64encode(value).decode()


def _entry(proof: Proof) -> None:
    entry = base64.b64decode(proof["entry"]).replace(b'"ok"', b'"OK"')
    proof["entry"] = base64.b64encode(entry).decode()


def _checkpoint(line: int, value: str) -> Callable[[Proof], None]:
    def change(proof: Proof) -> None:
        lines = proof["checkpoint"].split("\n")
        lines[line] = value
        proof["checkpoint"] = "\n".join(lines)

    return change


CHANGES: dict[str, Callable[[Proof], Any]] = {
    "another entry": _entry,
    "another index": lambda proof: proof.update(index=proof["index"] + 1),
    "an index behind the end": lambda proof: proof.update(index=10**6),
    "an index before the beginning": lambda proof: proof.update(index=-1),
    "another hash": lambda proof: proof["proof"].__setitem__(0, flipped(proof["proof"][0])),
    "a hash too few": lambda proof: proof["proof"].pop(),
    "a hash too many": lambda proof: proof["proof"].insert(0, proof["proof"][0]),
    "no hashes": lambda proof: proof.update(proof=[]),
    "another receipt": lambda proof: proof.update(receipt="8d0eb8ae." + "0" * 32),
    "another log": lambda proof: proof.update(log=FOREVER),
    "another size": _checkpoint(1, "500"),
    "another root": _checkpoint(2, base64.b64encode(bytes(32)).decode()),
    "no signature": lambda proof: proof.update(checkpoint=proof["checkpoint"].partition("\n\n")[0] + "\n\n"),
    "no keys": lambda proof: proof.update(keys=[]),
    "the last key alone": lambda proof: proof.update(keys=proof["keys"][-1:]),
    "no last key": lambda proof: proof["keys"].pop(),
    "keys in another order": lambda proof: proof["keys"].reverse(),
    "a key's statement that was changed": lambda proof: proof["keys"].__setitem__(
        1, proof["keys"][1].replace("Z", "X")
    ),
    "no proof of the past": lambda proof: proof.update(heads=[]),
    "another past": lambda proof: proof["heads"][0]["proof"].__setitem__(0, flipped(proof["heads"][0]["proof"][0])),
    "another format": lambda proof: proof.update(format="yumen-proof-2"),
    "a consistency that is none": lambda proof: proof.update(format="yumen-consistency-1"),
    "parts of another record": lambda proof: proof.update(parts=[copy.deepcopy(proof)]),
    "a member less": lambda proof: proof.pop("checkpoint"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_proof_that_was_changed_proves_nothing(history: History, tmp_path: Path, change: str) -> None:
    """Whatever in it is another thing, the program says so and ends with 2."""
    receipt = list(history.receipts)[300]
    proof = prove(history.ledger, *history.receipts[receipt], history.chain)
    verifier = history.chain.verifiers[-1]
    assert said(tmp_path / "proof.json", proof, verifier, receipt)[0] == 0
    CHANGES[change](proof)
    status, output = said(tmp_path / "proof.json", proof, verifier, receipt)
    assert status == 2
    assert output.startswith("does not hold: ")


def test_other_keys_and_receipts_prove_nothing(history: History, tmp_path: Path) -> None:
    """A key of another gateway, under its own name or under this one's; another receipt; what is no proof at all."""
    receipt = next(iter(history.receipts))
    proof = prove(history.ledger, *history.receipts[receipt], history.chain)
    stranger = stolen(tmp_path).key.public_key().public_bytes_raw()[::-1]
    ours = f"yumen-ledger/{history.chain.gateway}"
    for name, public in ((ours, stranger), ("yumen-ledger/0123456789abcdef", history.chain.eras[0].public)):
        assert said(tmp_path / "proof.json", proof, verifier_key(name, public))[0] == 2
    verifier = history.chain.verifiers[0]
    for wanted in ("8d0eb8ae." + "0" * 32, ""):
        assert said(tmp_path / "proof.json", proof, verifier, wanted)[0] == 2
    for content in ("", "[]", "{}", "null", "[" * 100_000):
        assert said(tmp_path / "proof.json", content, verifier)[0] == 2


def test_a_stolen_key_proves_no_other_past(tmp_path: Path) -> None:
    """Whoever has the key in force can sign what he likes from now on, and nothing that lies before it."""
    history = History(tmp_path)
    history.start(FOREVER)
    history.exchanges(FOREVER, 300, batch=100)
    history.rotate()
    history.take_up()
    history.stop(FOREVER)
    receipt, proof = list(history.receipts)[100], {}
    log, origin, verifier = history.ledger / FOREVER, history.chain.origin(FOREVER), history.chain.verifiers[1]
    honest = prove(history.ledger, *history.receipts[receipt], history.chain)
    remake(log, origin, edited_all(entries_of(log)), stolen(tmp_path))
    with pytest.raises(Missing, match="was another one than it is now"):
        prove(history.ledger, *history.receipts[receipt], history.chain)
    # So he makes it by hand: all is signed, and only the past does not fit.
    from yumen_plugins.audit.log.files import LogFiles

    files = LogFiles(log)
    index, heads = honest["index"], history.chain.eras[1].heads[FOREVER]
    hashes = [base64.b64encode(one).decode() for one in files.inclusion(index, files.size)]
    past = [base64.b64encode(one).decode() for one in files.consistency(heads[0], files.size)]
    entry = base64.b64encode(files.entry(index)).decode()
    proof = {**honest, "checkpoint": files.note.decode(), "entry": entry, "proof": hashes}
    proof["heads"] = [{"number": 2, "proof": past}]
    assert said(tmp_path / "honest.json", honest, verifier, receipt)[0] == 0
    assert said(tmp_path / "proof.json", proof, verifier, receipt) == (
        2,
        "does not hold: ValueError it had another past\n",
    )


def test_what_cannot_be_proven_is_not(tmp_path: Path) -> None:
    """A record that is not there or was changed, a log that is not, or that has not taken up the key in force."""
    history = History(tmp_path)
    history.start(FOREVER)
    history.exchanges(FOREVER, 300, batch=100)
    for log, seq, match in (
        (FOREVER, 10_000, "is not there"),
        (KEEP, 0, "there is no log"),
        (FOREVER, -1, "is not there"),
    ):
        with pytest.raises(Missing, match=match):
            prove(history.ledger, log, seq, history.chain)
    history.rotate()
    history.exchanges(FOREVER, 1)
    with pytest.raises(Missing, match="has not taken up key 2"):
        prove(history.ledger, FOREVER, 3, history.chain)
    history.take_up()
    history.stop(FOREVER)
    assert prove(history.ledger, FOREVER, 3, history.chain)["index"] == 3
    bundle = history.ledger / FOREVER / "tile" / "entries" / "000"
    bundle.write_bytes(bundle.read_bytes().replace(b'"ok"', b'"OK"', 5))
    with pytest.raises(Missing, match="not what was signed"):
        prove(history.ledger, FOREVER, 3, history.chain)
