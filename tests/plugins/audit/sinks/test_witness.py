"""The witness keeps what a log once was, and says so when the log is not that any more."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.plugins.audit.sinks.carrying import FOREVER, HALF_A_YEAR, Counter, wait_for
from tests.plugins.audit.sinks.collector import Collector

from yumen import CannotStart
from yumen_plugins.audit.sinks import FileWitness, HttpWitness, S3Witness, Witness, WitnessConfig, target, witness

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
Start = Callable[[], Witness]


def note(size: int, root: bytes = b"", *, key: Ed25519PrivateKey = KEY) -> bytes:
    """A signed checkpoint of a log of that size (https://c2sp.org/signed-note)."""
    root = base64.b64encode(hashlib.sha256(root or str(size).encode()).digest())
    text = b"yumen.example/8d0eb8ae/forever\n%d\n%s\n" % (size, root)
    return text + "\n— yumen ".encode() + base64.b64encode(b"\0\0\0\1" + key.sign(text)) + b"\n"


class Shelf:
    """A place of one of three kinds, and what it holds."""

    def __init__(self, config: WitnessConfig, kept: Callable[[], dict[str, bytes]]) -> None:
        self.config = config
        self.kept = kept


@pytest.fixture(params=["file", "s3"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    """An empty place."""
    if request.param == "file":
        folder = tmp_path / "elsewhere"

        def files() -> dict[str, bytes]:
            return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

        return Shelf(FileWitness(path=str(folder), every_s=0.05), files)
    s3: Any = request.getfixturevalue("s3")
    s3.create_bucket(Bucket="witness", ObjectLockEnabledForBucket=True)

    def objects() -> dict[str, bytes]:
        listed = s3.list_objects_v2(Bucket="witness", Prefix="w/").get("Contents", ())
        return {one["Key"][2:]: s3.get_object(Bucket="witness", Key=one["Key"])["Body"].read() for one in listed}

    config = S3Witness(
        bucket="witness",
        prefix="w/",
        region="us-east-1",
        endpoint_url=s3.meta.endpoint_url,
        object_lock_days=400,
        every_s=0.05,
    )
    return Shelf(config, objects)


@pytest.fixture
def start(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Witness]]:
    """Starts a witness; it is stopped after the test."""
    monkeypatch.setattr(target, "BACKOFF_S", 0.01)
    monkeypatch.setattr(witness, "TICK_S", 0.02)
    started: list[Witness] = []

    def begin(config: WitnessConfig, **more: Any) -> Witness:
        made = Witness(config, data, **more)
        made.start()
        started.append(made)
        return made

    yield begin
    for made in started:
        assert made.stop()


def name(log: str, size: int) -> str:
    return f"{log}/{size:020d}"


def test_the_latest_checkpoint_of_each_log_is_kept(start: Callable[..., Witness], shelf: Shelf) -> None:
    """Beside those before it, byte for byte; one that is smaller than another that was pushed is passed over."""
    counter = Counter()
    made = start(shelf.config, metrics=counter)
    made.push(FOREVER, 3, note(3))
    made.push(HALF_A_YEAR, 1, note(1))
    wait_for(lambda: made.status.witnessed == {FOREVER: 3, HALF_A_YEAR: 1})
    made.push(FOREVER, 12, note(12))
    made.push(FOREVER, 5, note(5))
    wait_for(lambda: made.status.witnessed == {FOREVER: 12, HALF_A_YEAR: 1})
    assert shelf.kept() == {name(FOREVER, 3): note(3), name(FOREVER, 12): note(12), name(HALF_A_YEAR, 1): note(1)}
    wait_for(lambda: made.status.state == "running")
    assert counter.values == {"witness_checkpoints": 3}


@pytest.mark.parametrize(
    ("later", "why"),
    [((8, note(8)), "smaller than witnessed"), ((10, note(10, b"forged")), "another than witnessed")],
)
def test_a_log_that_was_set_back_or_written_anew_is_noticed(
    start: Callable[..., Witness], shelf: Shelf, later: tuple[int, bytes], why: str
) -> None:
    """After a restart too, when this machine knows nothing of what it once pushed; what was kept stays as it was."""
    first = start(shelf.config)
    first.push(FOREVER, 9, note(9))
    wait_for(lambda: first.status.witnessed)
    first.push(FOREVER, 10, note(10))
    wait_for(lambda: first.status.witnessed == {FOREVER: 10})
    before = shelf.kept()
    second = start(shelf.config)
    second.push(FOREVER, *later)
    second.push(HALF_A_YEAR, 1, note(1))
    wait_for(lambda: second.status.state == "refused" and second.status.witnessed)
    assert (second.status.last_error, second.status.witnessed) == (why, {HALF_A_YEAR: 1})
    assert "find out why" in second.status.fix
    assert shelf.kept() == {**before, name(HALF_A_YEAR, 1): note(1)}


def test_the_same_once_more_is_no_alarm(start: Callable[..., Witness], shelf: Shelf) -> None:
    """A restart pushes what was kept before, perhaps with a new key's signature: nothing changes, and all is well."""
    first = start(shelf.config)
    first.push(FOREVER, 4, note(4))
    wait_for(lambda: first.status.witnessed)
    second = start(shelf.config)
    second.push(FOREVER, 4, note(4, key=Ed25519PrivateKey.from_private_bytes(b"2" * 32)))
    wait_for(lambda: second.status.witnessed == {FOREVER: 4})
    assert (second.status.state, shelf.kept()) == ("running", {name(FOREVER, 4): note(4)})


def test_checkpoints_come_no_faster_than_they_should(start: Callable[..., Witness], tmp_path: Path) -> None:
    """The first comes at once, and the next when it is due, whatever was pushed between."""
    made = start(FileWitness(path=str(tmp_path / "slow"), every_s=1.0))
    began = time.monotonic()
    for size in range(1, 31):
        made.push(FOREVER, size, note(size))
        time.sleep(0.02)
    assert made.status.witnessed[FOREVER] < 30
    wait_for(lambda: made.status.witnessed == {FOREVER: 30})
    assert time.monotonic() - began >= 1.0
    assert len(list((tmp_path / "slow").rglob("*0"))) <= 2


@pytest.mark.parametrize("fault", [500, "hang", "close", "lost"])
def test_a_server_is_sent_notes_until_it_takes_them(
    start: Callable[..., Witness], collector: Collector, fault: int | str
) -> None:
    """With the log and size they are of, as they are."""
    collector.plan.extend([fault, fault])
    made = start(HttpWitness(url=collector.url, every_s=0.05, timeout_s=0.3))
    made.push(FOREVER, 7, note(7))
    wait_for(lambda: made.status.witnessed == {FOREVER: 7})
    assert set(collector.taken) == {note(7)}
    assert (collector.headers[0]["x-yumen-log"], collector.headers[0]["x-yumen-size"]) == (FOREVER, "7")


def test_a_server_that_knows_better_raises_the_alarm(start: Callable[..., Witness], collector: Collector) -> None:
    """Status 409 says that the note contradicts what it has."""
    collector.always = 409
    made = start(HttpWitness(url=collector.url, every_s=0.05))
    made.push(FOREVER, 7, note(7))
    wait_for(lambda: made.status.state == "refused")
    assert (made.status.last_error, made.status.witnessed) == ("contradicts what is witnessed", {})


@pytest.mark.parametrize(
    ("log", "size", "content"),
    [
        (FOREVER, 7, note(8)),
        (FOREVER, 7, b""),
        (FOREVER, 7, b"yumen\n7\n"),
        ("../secrets", 7, note(7)),
        (FOREVER, 7, note(7) + b"x" * 70_000),
    ],
)
def test_what_is_no_checkpoint_is_not_pushed(tmp_path: Path, log: str, size: int, content: bytes) -> None:
    """A place that holds what is none could prove nothing, and a log's name never leaves its folder."""
    made = Witness(FileWitness(path="w"), tmp_path)
    with pytest.raises(ValueError, match="no checkpoint"):
        made.push(log, size, content)


def test_a_place_that_cannot_be_is_refused(data: Path) -> None:
    """Before anything starts."""
    with pytest.raises(CannotStart, match="the URL of the witness holds a user"):
        Witness(HttpWitness(url="https://user:s3cret@a"), data)
