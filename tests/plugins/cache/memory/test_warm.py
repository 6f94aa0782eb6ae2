"""What one process saves is what another one begins with, or nothing."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.plugins.cache.memory.made import NOW, entry, key, memory

from yumen_plugins.cache.entry import FORMAT, Entry, packed
from yumen_plugins.cache.memory import warm
from yumen_plugins.cache.sealing import Seal

SEAL = Seal(b"k" * 32)
PLACE = b"warm"
BYTES_MAX = 1 << 30
Pairs = list[tuple[bytes, Entry]]


def pairs(count: int, size: int = 100) -> Pairs:
    """Keys and entries."""
    return [(key(number), entry("玉门", size + number, events=(b"data: 1\n\n",))) for number in range(count)]


def save(folder: Path, made: Iterable[tuple[bytes, Entry]], bytes_max: int = BYTES_MAX) -> int:
    """Save them, the first ones as the most useful."""
    return warm.save(folder, SEAL, PLACE, [(name, packed(one)) for name, one in made], bytes_max)


def load(folder: Path, seal: Seal = SEAL, place: bytes = PLACE) -> tuple[Pairs, list[str]]:
    """What comes back, the most useful ones first again, and what was reported."""
    told: list[str] = []
    return [*warm.load(folder, seal, place, told.append)][::-1], told


def files(folder: Path) -> list[Path]:
    """All there are."""
    return sorted(folder.iterdir())


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that short files have several."""
    monkeypatch.setattr(warm, "CHUNK_BYTES", 500)


@pytest.mark.parametrize(("count", "size"), [(1, 0), (3, 100), (40, 60_000)])
def test_what_was_saved_comes_back_once(tmp_path: Path, count: int, size: int) -> None:
    """All of it, in its order, to the first process that loads; the file is gone then, and nothing is reported."""
    made = pairs(count, size)
    assert save(tmp_path / "warm", made) == count
    assert load(tmp_path / "warm") == (made, [])
    assert files(tmp_path / "warm") == []
    assert load(tmp_path / "warm") == ([], [])


def test_a_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Nobody else may read the file or its folder, and what stands in it is encrypted."""
    folder = tmp_path / "warm"
    save(folder, [(key(1), entry("tenant-name", subject="somebody"))])
    (file,) = files(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_mode & 0o777 == 0o600
    assert not [word for word in (b"tenant-name", b"somebody", b"xxxx", key(1)) if word in file.read_bytes()]


def test_nothing_makes_no_file(tmp_path: Path) -> None:
    """A process that has nothing leaves nothing, and where there is no folder nothing is loaded."""
    assert save(tmp_path / "warm", []) == 0
    assert save(tmp_path / "warm", pairs(3), bytes_max=10) == 0
    assert not (tmp_path / "warm").exists()
    assert load(tmp_path / "warm") == ([], [])


def test_no_more_is_saved_than_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ones that fit are saved, and none that is too long for a chunk."""
    monkeypatch.setattr(warm, "ENTRY_BYTES_MAX", 5_000)
    long = (key("long"), entry(size=6_000))
    made = pairs(20, 1_000)
    count = save(tmp_path, [long, *made], bytes_max=10_000)
    assert 5 <= count < 10
    assert load(tmp_path)[0] == made[:count]


def test_each_process_takes_another_file(tmp_path: Path) -> None:
    """Of several files, each is taken once, the newest first; those beyond 16 went when the last was saved."""
    for number in range(20):
        save(tmp_path, pairs(number + 1))
    assert len(files(tmp_path)) == 16
    assert [len(load(tmp_path)[0]) for _ in range(18)] == [*range(20, 4, -1), 0, 0]


def test_processes_that_start_at_once_share_the_files(tmp_path: Path) -> None:
    """However many try at the same time, no file is used twice and none is passed over."""
    for number in range(8):
        save(tmp_path, pairs(number + 1))
    found: list[int] = []
    start = threading.Barrier(12)

    def take() -> None:
        start.wait(30)
        found.append(len(load(tmp_path)[0]))

    threads = [threading.Thread(target=take) for _ in range(12)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert sorted(found) == [0, 0, 0, 0, *range(1, 9)]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_that_was_changed_is_dropped(tmp_path: Path, small_chunks: None, data: st.DataObject) -> None:
    """One flipped bit, a cut, something added, or chunks that are missing, twice or moved: nothing is used, and it goes."""
    folder = tmp_path / secrets.token_hex(8)
    save(folder, pairs(12))
    (file,) = files(folder)
    whole = file.read_bytes()
    chunks = split(whole)
    assert len(chunks) > 3
    how = data.draw(st.sampled_from(["flip", "cut", "add", "chunks"]))
    if how == "flip":
        at = data.draw(st.integers(0, len(whole) * 8 - 1))
        changed = bytearray(whole)
        changed[at // 8] ^= 1 << at % 8
        wrong = bytes(changed)
    elif how == "cut":
        wrong = whole[: data.draw(st.integers(0, len(whole) - 1))]
    elif how == "add":
        wrong = whole + data.draw(st.binary(min_size=1, max_size=9))
    else:
        others = st.lists(st.sampled_from(chunks), max_size=len(chunks) + 1).filter(lambda some: some != chunks)
        wrong = b"".join(data.draw(others))
    file.write_bytes(wrong)
    found, told = load(folder)
    assert found == []
    assert len(told) == 1
    assert files(folder) == []


def split(whole: bytes) -> list[bytes]:
    """The chunks of a file."""
    chunks = []
    while whole:
        end = warm.LENGTH_BYTES + int.from_bytes(whole[: warm.LENGTH_BYTES], "big")
        chunks.append(whole[:end])
        whole = whole[end:]
    return chunks


def test_a_file_of_elsewhere_is_dropped(tmp_path: Path) -> None:
    """Another gateway's file, one for something else, and one under another name are not used, though they are whole."""
    for seal, place in ((Seal(b"o" * 32), PLACE), (SEAL, b"other")):
        save(tmp_path, pairs(3))
        found, told = load(tmp_path, seal, place)
        assert (found, len(told), files(tmp_path)) == ([], 1, [])
    save(tmp_path, pairs(3))
    (file,) = files(tmp_path)
    file.rename(file.with_name(f"{1:020d}-{'0' * 16}.warm"))
    assert load(tmp_path)[0] == []


def test_a_file_of_another_form_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries that another version wrote are not read as this version's."""
    monkeypatch.setattr(warm, "FORMAT", FORMAT + 1)
    save(tmp_path, pairs(3))
    monkeypatch.undo()
    found, told = load(tmp_path)
    assert (found, len(told), files(tmp_path)) == ([], 1, [])


def test_what_is_no_entry_spoils_the_file(tmp_path: Path) -> None:
    """A sealed file in which something else than an entry stands is dropped as a whole."""
    warm.save(tmp_path, SEAL, PLACE, [(key(1), packed(entry())), (key(2), b"no entry")], BYTES_MAX)
    found, told = load(tmp_path)
    assert (found, len(told), files(tmp_path)) == ([], 1, [])


def test_the_next_file_serves_where_one_is_bad(tmp_path: Path) -> None:
    """A bad file costs a process nothing but itself: the next one is taken."""
    save(tmp_path, pairs(5))
    (good,) = files(tmp_path)
    bad = good.with_name(f"9{good.name[1:]}")
    bad.write_bytes(good.read_bytes())
    found, told = load(tmp_path)
    assert found == pairs(5)
    assert len(told) == 1
    assert files(tmp_path) == []


def test_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    """Links, pipes and folders under the name of a file neither lead elsewhere nor hold a process; others stay."""
    save(tmp_path / "other", pairs(2))
    (target,) = files(tmp_path / "other")
    folder = tmp_path / "warm"
    save(folder, pairs(3))
    names = [f"{'9' * 20}-{digit * 16}.warm" for digit in "abcd"]
    (folder / names[0]).symlink_to(target)
    os.mkfifo(folder / names[1])
    (folder / names[2]).mkdir()
    (folder / names[3]).write_bytes(b"")
    (folder / "README").write_text("mine")
    found, told = load(folder)
    assert found == pairs(3)
    assert len(told) == 4
    assert target.exists()
    assert (folder / "README").exists()


def test_a_claim_of_a_huge_chunk_is_not_believed(tmp_path: Path) -> None:
    """A length beyond what any chunk has is refused before memory is taken for it."""
    file = tmp_path / f"{'1' * 20}-{'a' * 16}.warm"
    with file.open("wb") as sparse:
        sparse.write(b"\xff\xff\xff\xff")
        sparse.truncate(1 << 33)
    found, told = load(tmp_path)
    assert (found, len(told), files(tmp_path)) == ([], 1, [])


def test_what_others_left_half_written_goes(tmp_path: Path) -> None:
    """A part that nobody has written to for an hour is deleted with the next save; a newer one may still be written."""
    old, new = tmp_path / f"1{warm.PART}", tmp_path / f"2{warm.PART}"
    for part in (old, new):
        part.write_bytes(b"half")
    os.utime(old, (NOW, NOW))
    save(tmp_path, pairs(1))
    assert new.exists()
    assert not old.exists()


def test_a_save_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is full, the caller is told, and no part of a file stays."""

    def full(descriptor: int, data: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path, pairs(3))
    monkeypatch.undo()
    assert files(tmp_path) == []


def test_the_most_useful_entries_survive_in_a_smaller_memory(tmp_path: Path) -> None:
    """What a process with less memory begins with is what the one before it used most."""
    before = memory(1 << 20, 1.0)
    for number in range(300):
        before.put(key(number), entry(size=1_000))
    wanted = [key(number) for number in range(0, 300, 30)]
    for name in wanted:
        before.get(name)
    warm.save(tmp_path, SEAL, PLACE, before.hottest(1 << 20), 1 << 20)
    after = memory(100_000, 1.0)
    for name, one in load(tmp_path)[0][::-1]:
        after.put(name, one)
    assert all(after.get(name) is not None for name in wanted)
    assert len(after) < 100
