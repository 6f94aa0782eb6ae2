"""Several processes and threads use one keyring at once, and one of them may be killed at any moment."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.lengths import times
from tests.plugins.audit.subjects.rings import left, process, ring, sql, subject, wrapped

from yumen_plugins.audit.subjects import Keyring


def test_processes_and_threads_get_the_same_keys(tmp_path: Path) -> None:
    """Whoever asks first makes the key of a subject, and everybody else gets that one, so every record can be opened."""
    who = ["", *(subject(str(number)) for number in range(20))]
    processes = [process(tmp_path, "same", *who) for _ in range(3)]
    said = [line.split(" ") for one in processes for line in one.communicate(timeout=60)[0].splitlines()]
    assert [one.returncode for one in processes] == [0, 0, 0]
    assert len(said) == 3 * 4 * len(who)
    ids = {one_of: {key_id for whose, key_id, _ in said if whose == one_of} for one_of in who}
    assert {len(of) for of in ids.values()} == {1}
    assert sql(tmp_path, "SELECT count(*), count(DISTINCT id) FROM keys") == [(len(who), len(who))]
    one = ring(tmp_path)
    for _, key_id, sealed in said:
        key = one.by_id(key_id)
        assert key is not None
        assert key.open(bytes.fromhex(sealed), b"x").decode() == "你好 hello"


def test_a_new_file_may_be_made_by_many_at_once(tmp_path: Path) -> None:
    """Workers that start together on an empty data directory all start, and none of them is told that it is locked."""
    for round_ in range(times(3, 30)):
        folder = tmp_path / str(round_)
        with ThreadPoolExecutor(8) as pool:
            rings = list(pool.map(lambda _, folder=folder: ring(folder), range(8)))
        assert len({one.get_or_create("default", "").id for one in rings}) == 1
        for one in rings:
            one.close()


def test_busy_processes_leave_room_for_others(tmp_path: Path) -> None:
    """However many subjects some of them invent, another one can open the file, make keys and erase them."""
    processes = [process(tmp_path, "churn", tag) for tag in ("甲", "b")]
    for one in processes:
        assert one.stdout is not None
        assert one.stdout.readline().startswith("made ")
    for number in range(times(5, 50)):
        keyring = ring(tmp_path)
        keyring.get_or_create("shop", subject(str(number)))
        assert keyring.erase("shop", subject(str(number)), "cli").erased == 1
        keyring.close()
    for one in processes:
        assert one.poll() is None
        one.kill()
        one.communicate()


def check(one: Keyring, said: list[str]) -> list[str]:
    """What a killed process had said: keys it got open what it sealed, unless it erased them. Returns the ids of these."""
    made = {line.split(" ")[2]: line.split(" ") for line in said if line.startswith("made ")}
    erased = [line.split(" ")[2] for line in said if line.startswith("erased ")]
    for key_id in erased:
        assert one.by_id(key_id) is None
        erasure = one.erasure_of(key_id)
        assert erasure is not None
        assert (erasure.subject, erasure.ids) == (made.pop(key_id)[1], (key_id,))
    # The last one may have been erased when there was no more time to say so.
    ended = next(reversed(made), None)
    for key_id, (_, who, _, sealed) in made.items():
        key = one.by_id(key_id)
        if key is None:
            assert key_id == ended
            assert one.erasure_of(key_id) is not None
            continue
        assert (key.subject, key.open(bytes.fromhex(sealed), b"bound").decode()) == (who, who)
        assert one.find("default", who) is key
    return erased


@pytest.mark.parametrize("run", range(times(3, 30)))
def test_what_was_said_holds_after_a_kill(tmp_path: Path, run: int) -> None:
    """Killed while two of them make and erase keys: what one got is there, what one erased is gone, with no copy left."""
    processes = [process(tmp_path, "churn", tag) for tag in ("甲", "b")]
    lines = []
    for one in processes:
        assert one.stdout is not None
        lines.append([one.stdout.readline() for _ in range(12)])
    before = wrapped(tmp_path)
    time.sleep(0.05 + 0.037 * run)
    for one in processes:
        one.send_signal(signal.SIGKILL)
    keyring = ring(tmp_path)
    for one, said in zip(processes, lines, strict=True):
        rest = one.communicate()[0]
        assert one.returncode == -signal.SIGKILL
        # A line that was cut off was not said.
        said += rest[: rest.rfind("\n") + 1].splitlines(keepends=True)
        erased = check(keyring, [line.strip() for line in said])
        assert len(erased) >= 3
    kept = set(wrapped(tmp_path))
    gone = [secret for secret in before if secret not in kept]
    assert left(tmp_path, list(kept)) > 0
    assert left(tmp_path, gone) == 0
    assert sql(tmp_path, "PRAGMA integrity_check") == [("ok",)]
    assert sql(tmp_path, "SELECT subjects FROM tenants") == sql(tmp_path, "SELECT count(*) FROM keys")
