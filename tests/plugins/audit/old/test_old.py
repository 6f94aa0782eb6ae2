"""A ledger that the last writer of version 1 left is shown, exported, searched and verified, and is continued beside it."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.plugins.audit.ledgers import LedgerHost, files, kinds, only_writer, record, records, yumen_audit
from tests.plugins.audit.old.written import OLD, body, copied, lines_of, mac_of, old_problems, sealed

from yumen import Hmac, Secret
from yumen_plugins.audit.folder import old_folders, writer_folders
from yumen_plugins.audit.old.chain import START, head_start, opened
from yumen_plugins.audit.old.verify import verify_writer
from yumen_plugins.audit.reading import LedgerFolder

REPO = Path(__file__).parents[4]
PAGE = (REPO / "docs" / "ledger-v1.md").read_text()
(VERIFIER,) = [code for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "import hashlib" in code]
Lines = list[bytes]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return copied(tmp_path / "data")


@pytest.fixture
def writer(data_dir: Path) -> Path:
    (found,) = old_folders(data_dir / "ledger")
    return found


def change(writer: Path) -> None:
    """Write another outcome into the last segment."""
    path = sorted(writer.glob("*.log"))[-1]
    path.write_bytes(path.read_bytes().replace(b'"ok"', b'"OK"', 1))


def documented(data_dir: Path, writer: Path) -> bool:
    """What the page's own program says."""
    arguments = [sys.executable, "-c", VERIFIER, str(data_dir / "secret"), str(writer)]
    return subprocess.run(arguments, capture_output=True).returncode == 0


def test_it_is_shown_with_its_texts(data_dir: Path, writer: Path) -> None:
    """The newest exchanges, one by its receipt, and what was done to the gateway."""
    lines = [json.loads(line) for line in lines_of(writer)]
    exchanges = [one for one in lines if one["kind"] == "exchange"]
    shown = yumen_audit(data_dir, "show", "--json")
    assert shown.exit_code == 0, shown.output
    assert [json.loads(line) for line in shown.stdout.splitlines()] == exchanges
    one = yumen_audit(data_dir, "show", exchanges[0]["receipt"], "--json")
    assert json.loads(one.stdout) == exchanges[0]
    assert "── mac:" not in yumen_audit(data_dir, "show", exchanges[0]["receipt"]).stdout
    operations = yumen_audit(data_dir, "show", "--operations", "--json").stdout.splitlines()
    assert len(operations) == sum(one["kind"] == "operation" for one in lines)


def test_it_is_exported_and_searched(data_dir: Path, writer: Path) -> None:
    """Every record once, in each form; filters find what they find in newer records."""
    exported = yumen_audit(data_dir, "export", "--format", "jsonl", "--kind", "exchange")
    assert exported.exit_code == 0, exported.output
    ids = [json.loads(line)["id"] for line in exported.stdout.splitlines()]
    assert sorted(ids) == sorted(one["id"] for one in map(json.loads, lines_of(writer)) if one["kind"] == "exchange")
    assert yumen_audit(data_dir, "export", "--format", "ocsf", "--kind", "exchange").stdout.count("\n") == len(ids)
    assert yumen_audit(data_dir, "show", "--rule", "cn.mobile").exit_code == 0
    assert yumen_audit(data_dir, "show", "--tenant", "nobody").exit_code == 1


def test_it_is_verified(data_dir: Path, writer: Path) -> None:
    """By the secret, as ever; by the page's own program; and not by another secret."""
    result = yumen_audit(data_dir, "verify", "--json")
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout)["old"]
    assert (found["writer"], found["records"]) == (writer.name, len(lines_of(writer)))
    assert documented(data_dir, writer)
    assert verify_writer(writer, Hmac(b"other")).records == 0
    (data_dir / "other").write_bytes(b"w" * 32)
    assert yumen_audit(data_dir, "verify", "--secret", str(data_dir / "other")).exit_code == 2


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_flipped_bit_goes_unnoticed(data_dir: Path, writer: Path, data: st.DataObject) -> None:
    """Whichever bit of a segment or of the head is another one, verify says so."""
    path = data.draw(st.sampled_from(sorted([*writer.glob("*.log"), writer / "head"])))
    content = path.read_bytes()
    at, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
    path.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
    assert old_problems(data_dir), (path.name, at)
    path.write_bytes(content)
    assert old_problems(data_dir) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], "changed"),
        (lambda lines: [*lines[:2], *lines[3:]], "changed"),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], "changed"),
        (lambda lines: lines[:-1], "tail-missing"),
        (lambda lines: [*lines[:-1], lines[-1][:20]], "torn-tail"),
        (lambda lines: lines[1:], "changed"),
        (lambda lines: [], "tail-missing"),
        (lambda lines: [*lines, b'{"mac":"' + b"0" * 64 + b'","seq":9}\n'], "changed"),
        (lambda lines: [b"\x00\xff junk\n", *lines], "changed"),
        (lambda lines: [*lines, b"x" * 100_000], "torn-tail"),
    ],
)
def test_moved_dropped_and_added_lines_are_noticed(
    data_dir: Path, writer: Path, change: Callable[[Lines], Lines], code: str
) -> None:
    """Records cannot be swapped, dropped, doubled, cut off or put in."""
    path = sorted(writer.glob("*.log"))[-1]
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    assert code in {wrong.code for wrong in old_problems(data_dir)}
    result = yumen_audit(data_dir, "verify")
    assert result.exit_code == 2
    assert "junk" not in result.stdout
    assert not documented(data_dir, writer) or code == "torn-tail"


def test_segments_cannot_go_missing_or_change_places(data_dir: Path, writer: Path) -> None:
    """Neither one that is gone nor one in another's place passes, nor a ledger without its head."""
    first, last = sorted(writer.glob("*.log"))
    for path in (first, last, writer / "head"):
        content = path.read_bytes()
        path.unlink()
        assert old_problems(data_dir), path.name
        path.write_bytes(content)
    one, other = first.read_bytes(), last.read_bytes()
    first.write_bytes(other)
    last.write_bytes(one)
    assert old_problems(data_dir)


async def test_a_gateway_goes_on_beside_it(data_dir: Path, writer: Path) -> None:
    """The new folder's first record says how far the old one had come; both are read, and the old one is not touched."""
    before = files(writer)
    await record(LedgerHost(data_dir, root=(data_dir / "secret").read_bytes()), ["new", "新"])
    assert files(writer) == before
    assert [folder.name for folder in writer_folders(data_dir / "ledger")] == [only_writer(data_dir).name]
    head = json.loads((writer / "head").read_bytes())
    first = records(data_dir)[0]
    assert first["version_1"] == {writer.name: {"records": head["seq"], "code": head["code"]}}
    assert kinds(data_dir) == ["start", "exchange", "exchange", "stop"]
    assert LedgerFolder(data_dir / "ledger").logs()[writer.name] == len(lines_of(writer))
    assert len(yumen_audit(data_dir, "show", "--json").stdout.splitlines()) == 2 + 6
    assert yumen_audit(data_dir, "verify").exit_code == 0
    change(writer)
    assert yumen_audit(data_dir, "verify").exit_code == 2


def test_the_documented_verifier_finds_changes(data_dir: Path, writer: Path) -> None:
    """A byte that was changed, and a line that was cut off, do not pass it."""
    path = sorted(writer.glob("*.log"))[-1]
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"ok"', b'"OK"', 1))
    assert not documented(data_dir, writer)
    path.write_bytes(b"".join(content.splitlines(keepends=True)[:-1]))
    assert not documented(data_dir, writer)


def test_the_documented_lines_hold() -> None:
    """Key, lines, head and receipt on the page belong together, so that whoever writes a verifier can try it with them."""
    key = re.search(r"^key +([0-9a-f]{64})$", PAGE, re.MULTILINE)
    assert key is not None
    assert Secret(bytes(range(32))).derive("ledger").hex() == key[1]
    mac = Hmac(bytes.fromhex(key[1]))
    lines = re.findall(r'^(\{"mac":"[0-9a-f]{64}".*?\})$', PAGE, re.MULTILINE | re.DOTALL)
    # One record is folded on the page: a line break and spaces after a comma are not in the file.
    unfolded = [re.sub(r",\n +", ",", line).encode() for line in lines]
    code, found = START, []
    for seq, line in enumerate(sorted(unfolded, key=lambda line: int(json.loads(line)["seq"]))):
        following = opened(mac, code, line)
        assert following is not None, line
        code = following
        found.append(json.loads(line))
        assert found[-1]["seq"] == seq
    assert [one["kind"] for one in found] == ["header", "start", "operation", "exchange"]
    head = re.search(r"^head +(\{.*\})$", PAGE, re.MULTILINE)
    assert head is not None
    assert opened(mac, head_start(mac, found[0]["writer"]), head[1].encode()) is not None
    exchange = found[-1]
    made = hmac.digest(bytes.fromhex(key[1]), exchange["id"].encode(), hashlib.sha256)[:16].hex()
    assert exchange["receipt"] == f"{found[0]['writer']}.{made}"


def test_what_is_sealed_here_is_sealed_as_it_was(tmp_path: Path, data_dir: Path, writer: Path) -> None:
    """The tests' own writer makes the very lines that the old one made, so what they say of it counts."""
    lines = lines_of(writer)
    bodies = [re.sub(rb'^\{"mac":"[0-9a-f]{64}","seq":\d+,', b"", line.rstrip(b"\n")) for line in lines[1:4]]
    folder = sealed(tmp_path / "made", bodies)
    assert old_problems(tmp_path / "made") == []
    assert [json.loads(one)["kind"] for one in lines_of(folder)[1:]] == [json.loads(one)["kind"] for one in lines[1:4]]
    code, mac = START, mac_of(data_dir)
    for line in lines_of(writer):
        code = opened(mac, code, line.rstrip(b"\n")) or b""
        assert code
    assert body({"kind": "x"}) == b'"kind":"x"}'
    assert OLD["kind"] == "exchange"
