"""Keys: what is kept of them, who is let in, and what other processes change."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen import CannotStart, Principal, Secret
from yumen.errors import Problem
from yumen.identity import Keys
from yumen.keyfile import Entry, KeyFile


class Clock:
    def __init__(self) -> None:
        self.time = 50.0

    def __call__(self) -> float:
        return self.time


def bearer(key: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"x"), (b"authorization", b"Bearer " + key.encode())]


def test_a_key_opens_what_it_was_made_for(keys: Keys) -> None:
    """A key leads to the tenant, app and role that it was created with."""
    entry, key = keys.create(tenant="clinic-7", app="chat", role="app", trusted=True)
    assert re.fullmatch(r"ym-[A-Za-z0-9_-]{43}", key)
    assert keys.find(key) == entry == keys.authenticate(bearer(key))
    assert entry.principal == Principal("clinic-7", "chat", entry.id, trusted=True)


def test_nothing_kept_is_a_key(keys: Keys, tmp_path: Path) -> None:
    """The data directory holds no key in clear, and its file is its owner's alone."""
    _, key = keys.create(tenant="t", app="a")
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert key.encode() not in written
    assert key[3:].encode() not in written
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob(".keys.json.*"))


def test_the_file_is_of_no_use_with_another_secret(keys: Keys, tmp_path: Path) -> None:
    """A key is known only under the secret that it was made with."""
    _, key = keys.create(tenant="t", app="a")
    assert Keys.open(tmp_path, Secret(b"\x08" * 32)).find(key) is None


def test_a_revoked_key_is_unknown_at_once_and_for_good(keys: Keys, tmp_path: Path, secret: Secret) -> None:
    """Revoking takes effect in this process immediately and survives a restart; the time of it stays."""
    entry, key = keys.create(tenant="t", app="a")
    revoked = keys.revoke(entry.id)
    assert revoked is not None
    assert revoked.revoked
    assert keys.find(key) is None
    assert Keys.open(tmp_path, secret).find(key) is None
    assert keys.revoke(entry.id) == revoked
    assert keys.revoke("no-such-key") is None


def test_another_process_s_changes_are_noticed(tmp_path: Path, secret: Secret) -> None:
    """A running gateway learns of new and revoked keys within a second, and looks no oftener than that."""
    clock = Clock()
    running = Keys(KeyFile(tmp_path), secret, clock)
    other = Keys.open(tmp_path, secret)
    entry, key = other.create(tenant="t", app="a")
    assert running.find(key) is None
    clock.time += 1.0
    assert running.find(key) == entry
    other.revoke(entry.id)
    clock.time += 0.5
    assert running.find(key) == entry
    clock.time += 0.5
    assert running.find(key) is None


def test_two_changes_in_one_instant_are_both_noticed(tmp_path: Path, secret: Secret) -> None:
    """A change that leaves size and time of the file as they were is a change all the same."""
    clock = Clock()
    running = Keys(KeyFile(tmp_path), secret, clock)
    other = Keys.open(tmp_path, secret)
    first, key = other.create(tenant="t", app="a")
    running.refresh()
    stamp = (tmp_path / "keys.json").stat()
    text = (tmp_path / "keys.json").read_text()
    replaced = tmp_path / "new"
    replaced.write_text(text.replace(first.hash, "0" * 64))
    os.utime(replaced, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    replaced.replace(tmp_path / "keys.json")
    clock.time += 2
    assert running.find(key) is None


def _create_many(folder: Path, tenant: str, count: int) -> None:
    keys = Keys.open(folder, Secret(b"\x07" * 32))
    for _ in range(count):
        keys.create(tenant=tenant, app="a")


def test_processes_that_create_at_once_lose_nothing(tmp_path: Path) -> None:
    """The lock makes concurrent changes one after the other."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_create_many, args=(tmp_path, f"t{n}", 10)) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    entries = KeyFile(tmp_path).read()
    assert sorted(entry.tenant for entry in entries) == ["t0"] * 10 + ["t1"] * 10


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"version": 2, "keys": []}',
        '{"version": 1, "keys": [{"id": "k1"}]}',
        '{"version": 1, "keys": [], "more": 1}',
        json.dumps({"version": 1, "keys": [{"id": "k1", "hash": "0" * 64, "tenant": "租户", "app": "a"}]}),
        json.dumps(
            {"version": 1, "keys": [{"id": f"k{n}", "hash": "0" * 64, "tenant": "t", "app": "a"} for n in "12"]}
        ),
    ],
)
def test_a_corrupt_file_is_refused_and_left_as_it_is(tmp_path: Path, secret: Secret, content: str) -> None:
    """A file that cannot be read is never taken for an empty one, and never written over."""
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(CannotStart, match=r"keys\.json"):
        Keys.open(tmp_path, secret)
    assert path.read_text() == content


def test_a_file_that_breaks_under_way_lets_nobody_in(tmp_path: Path, secret: Secret) -> None:
    """What cannot be read may hold a revocation; once it can be read again, keys work again."""
    clock = Clock()
    keys = Keys(KeyFile(tmp_path), secret, clock)
    entry, key = keys.create(tenant="t", app="a")
    content = (tmp_path / "keys.json").read_text()
    (tmp_path / "keys.json").write_text("broken")
    clock.time += 2
    assert keys.find(key) is None
    with pytest.raises(CannotStart):
        keys.create(tenant="t", app="b")
    (tmp_path / "keys.json").write_text(content)
    clock.time += 2
    assert keys.find(key) == entry
    (tmp_path / "keys.json").unlink()
    clock.time += 2
    assert keys.find(key) is None


@pytest.mark.parametrize("name", ["", "a b", "a/b", "租户", "x" * 65, "a\n"])
def test_names_that_could_break_something_are_refused(keys: Keys, name: str) -> None:
    """Tenant and app stand in file names, metrics and store keys."""
    with pytest.raises(ValueError, match="name of a tenant or app"):
        keys.create(tenant=name, app="a")
    with pytest.raises(ValueError, match="name of a tenant or app"):
        keys.create(tenant="t", app=name)


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER  "])
def test_the_scheme_may_be_written_in_any_case(keys: Keys, scheme: bytes) -> None:
    """RFC 9110 makes the scheme case-insensitive."""
    entry, key = keys.create(tenant="t", app="a")
    assert keys.authenticate([(b"authorization", scheme + key.encode())]) == entry


def test_headers_that_are_not_one_key_are_refused(keys: Keys) -> None:
    """No header, two of them, another scheme, an empty, overlong or foreign key: all are unauthorized."""
    _, key = keys.create(tenant="t", app="a")
    good = key.encode()
    refused = [
        [],
        [(b"authorization", b"Bearer " + good), (b"authorization", b"Bearer " + good)],
        [(b"authorization", b"Basic " + good)],
        [(b"authorization", good)],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer  ")],
        [(b"authorization", b"Bearer " + good + b" x")],
        [(b"authorization", b"Bearer " + good * 10)],
        [(b"authorization", "Bearer 钥匙".encode())],
        [(b"authorization", b"Bearer " + good[:-1])],
        [(b"x-api-key", good)],
    ]
    for headers in refused:
        with pytest.raises(Problem) as caught:
            keys.authenticate(headers)
        assert (caught.value.code, caught.value.status) == ("unauthorized", 401)
        assert key not in str(caught.value)


@given(value=st.binary(max_size=300))
def test_any_header_ends_in_an_entry_or_a_problem(value: bytes) -> None:
    """Whatever a client sends as a key, it never raises anything else."""
    keys = Keys(KeyFile(Path("/nonexistent")), Secret(b"\x07" * 32))
    with pytest.raises(Problem):
        keys.authenticate([(b"authorization", b"Bearer " + value)])


def test_an_entry_survives_its_file(tmp_path: Path) -> None:
    """What is written is what is read, also for a revoked admin key."""
    entry = Entry(
        id="k1", hash="ab" * 32, tenant="t", app="a", role="admin", trusted=True, created="2026-01-02T03:04:05Z",
        revoked="2026-01-03T03:04:05Z",
    )  # fmt: skip
    file = KeyFile(tmp_path)
    with file.locked():
        file.write([entry])
    assert file.read() == [entry]
