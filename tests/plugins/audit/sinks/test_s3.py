"""An S3 bucket, as moto's server keeps it: one object for each batch, locked where that is wanted."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.audit.sinks.carrying import FOREVER, FORMATS, HALF_A_YEAR, Lines, carried, cursor, only, wait_for

from yumen import CannotStart
from yumen_plugins.audit.sinks import S3Sink, Sinks, target

Start = Callable[..., Sinks]


@pytest.fixture
def start(s3: Any, ledger: Lines, data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a sink to the bucket `audit`; it is stopped after the test."""
    monkeypatch.setattr(target, "BACKOFF_S", 0.01)
    started: list[Sinks] = []

    def begin(**more: Any) -> Sinks:
        said = {"name": "siem", "bucket": "audit", "prefix": "gw-1/", "region": "us-east-1", "flush_s": 0.02}
        sinks = Sinks([S3Sink(**{**said, "endpoint_url": s3.meta.endpoint_url, **more})], ledger, FORMATS, data)
        sinks.start()
        started.append(sinks)
        return sinks

    yield begin
    for sinks in started:
        sinks.stop()


def objects(s3: Any, bucket: str = "audit") -> dict[str, bytes]:
    """The objects of a bucket, by key."""
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", ())
    return {one["Key"]: s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in listed}


def test_a_batch_is_an_object(start: Start, s3: Any, ledger: Lines, data: Path) -> None:
    """Its key says what it holds, so that keys in their order are records in theirs."""
    s3.create_bucket(Bucket="audit")
    ledger.fill(FOREVER, 0, 25)
    ledger.fill(HALF_A_YEAR, 0, 3)
    start(batch_records=10)
    wait_for(lambda: cursor(data) == {FOREVER: 25, HALF_A_YEAR: 3})
    found = objects(s3)
    names = ["000000000000-000000000009", "000000000010-000000000019", "000000000020-000000000024"]
    assert list(found) == [f"gw-1/{FOREVER}/{name}.jsonl" for name in names] + [
        f"gw-1/{HALF_A_YEAR}/000000000000-000000000002.jsonl"
    ]
    lines = (line for body in found.values() for line in body.split(b"\n")[:-1])
    assert carried(lines) == {FOREVER: list(range(25)), HALF_A_YEAR: [0, 1, 2]}


def test_what_is_sent_again_has_the_same_key(start: Start, s3: Any, ledger: Lines, data: Path) -> None:
    """Where the cursor was lost, the same batch replaces itself."""
    s3.create_bucket(Bucket="audit")
    ledger.fill(FOREVER, 0, 5)
    sinks = start()
    wait_for(lambda: cursor(data) == {FOREVER: 5})
    before = objects(s3)
    assert sinks.stop()
    (data / "sinks" / "siem.json").unlink()
    start()
    wait_for(lambda: cursor(data) == {FOREVER: 5})
    assert objects(s3) == before


@pytest.mark.parametrize("mode", ["compliance", "governance"])
def test_objects_are_locked(start: Start, s3: Any, ledger: Lines, data: Path, mode: str) -> None:
    """For as many days as were asked for, and deleting what is locked fails."""
    s3.create_bucket(Bucket="audit", ObjectLockEnabledForBucket=True)
    ledger.fill(FOREVER, 0, 1)
    start(object_lock_days=183, object_lock_mode=mode)
    wait_for(lambda: cursor(data) == {FOREVER: 1})
    (key,) = objects(s3)
    head = s3.head_object(Bucket="audit", Key=key)
    assert head["ObjectLockMode"] == mode.upper()
    left = head["ObjectLockRetainUntilDate"] - datetime.now(UTC)
    assert timedelta(days=182, hours=23) < left <= timedelta(days=183)
    with pytest.raises(Exception, match="AccessDenied"):
        s3.delete_object(Bucket="audit", Key=key, VersionId=head["VersionId"])


def test_a_bucket_that_is_not_there_stops_the_sink(start: Start, ledger: Lines, data: Path) -> None:
    """The status says what to do; nothing counts as carried."""
    ledger.fill(FOREVER, 0, 1)
    sinks = start()
    wait_for(lambda: only(sinks).state == "stopped")
    assert (only(sinks).last_error, cursor(data)) == ("NoSuchBucket", {})
    assert "check `bucket`" in only(sinks).fix


def test_a_store_that_cannot_be_reached_is_tried_again(start: Start, s3: Any, ledger: Lines, data: Path) -> None:
    """Nobody listens, then nobody answers, and stopping does not wait for either."""
    ledger.fill(FOREVER, 0, 1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        sinks = start(endpoint_url=endpoint)
        wait_for(lambda: only(sinks).last_error == "EndpointConnectionError")
        silent.listen()
        wait_for(lambda: only(sinks).state == "failing")
        began = time.monotonic()
        sinks.stop()
        assert time.monotonic() - began < 5
        sinks = start(endpoint_url=endpoint, name="other", timeout_s=0.2)
        wait_for(lambda: only(sinks).last_error == "ReadTimeoutError")
    assert cursor(data) == {}


def test_a_missing_credential_stops_the_sink(start: Start, ledger: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has to give one, and the status says so."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    ledger.fill(FOREVER, 0, 1)
    sinks = start()
    wait_for(lambda: only(sinks).state == "stopped")
    assert only(sinks).last_error == "no credentials"


@pytest.mark.parametrize(
    "more", [{"endpoint_url": "https://key:s3cret@a"}, {"endpoint_url": "a"}, {"endpoint_url": "https://甲"}]
)
def test_an_endpoint_that_is_none_is_refused(start: Start, more: dict[str, Any]) -> None:
    """Nothing starts, and the message does not repeat it."""
    with pytest.raises(CannotStart, match="the URL of the sink siem") as refused:
        start(**more)
    assert "s3cret" not in str(refused.value)


def test_a_missing_package_is_named(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the line that installs it."""
    monkeypatch.setitem(sys.modules, "boto3.session", None)
    with pytest.raises(CannotStart, match=r"pip install 'yumen\[s3\]'"):
        start()
