"""A subject has one key, which is on disk before anything is sealed with it; whatever is not in order stops everything."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.plugins.audit.subjects.rings import ANNA, LI_NA, ROOT, WANG_WEI, ring, sql, subject

from yumen import CannotStart
from yumen_plugins.audit.subjects import Keyring, KeyringUnavailable, SubjectsFull, cache, keyring, sealing


def test_a_subject_has_one_key_and_it_is_kept(tmp_path: Path) -> None:
    """The same subject gets the same key, now, from memory, and after a new start; other subjects and tenants get others."""
    first = ring(tmp_path)
    key = first.get_or_create("default", LI_NA)
    assert first.get_or_create("default", LI_NA) is first.cached("default", LI_NA) is key
    again = ring(tmp_path).find("default", LI_NA)
    assert again is not None
    assert again.open(key.seal("你好".encode(), b"1"), b"1").decode() == "你好"
    assert again.digest("13812345678") == key.digest("13812345678")
    others = [
        first.get_or_create(*who).id for who in [("default", ANNA), ("default", ""), ("shop", LI_NA), ("shop", "")]
    ]
    assert len({key.id, again.id, *others}) == 5


def test_find_makes_nothing(tmp_path: Path) -> None:
    """Who only reads or erases leaves no key behind, and a key in a record that is not here is told as such."""
    one = ring(tmp_path)
    assert one.find("default", LI_NA) is None
    assert one.cached("default", LI_NA) is None
    assert one.by_id("0" * 16) is None
    assert one.erasure_of("0" * 16) is None
    assert sql(tmp_path, "SELECT count(*) FROM keys") == [(0,)]


def test_a_key_is_found_by_its_id(tmp_path: Path) -> None:
    """A record names its key, and its reader gets that key whoever wrote the record."""
    key = ring(tmp_path).get_or_create("default", WANG_WEI)
    found = ring(tmp_path).by_id(key.id)
    assert found is not None
    assert (found.id, found.tenant, found.subject) == (key.id, "default", WANG_WEI)
    assert found.open(key.seal(b"a", b"b"), b"b") == b"a"


def test_the_files_are_private_and_durable(tmp_path: Path) -> None:
    """Nobody else reads them, a commit is on disk when it returns, and what is deleted is overwritten."""
    one = ring(tmp_path)
    one.get_or_create("default", LI_NA)
    files = list(tmp_path.glob("subjects.sqlite*"))
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    settings = [one._database.rows(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous", "secure_delete")]
    assert settings == ["wal", 2, 1]


def test_another_secret_is_refused(tmp_path: Path) -> None:
    """A file whose keys this secret cannot open is not written on, as its records would be lost one by one."""
    ring(tmp_path).close()
    with pytest.raises(CannotStart, match="restore DATA/secret"):
        Keyring.open(tmp_path, b"s" * 32)


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    """An older program does not touch what it does not know."""
    ring(tmp_path).close()
    sql(tmp_path, "PRAGMA user_version=2")
    with pytest.raises(CannotStart, match="later version"):
        ring(tmp_path)


@pytest.mark.parametrize("content", [b"13812345678 " * 1000, "身份证".encode() * 1000])
def test_what_is_no_keyring_is_refused(tmp_path: Path, content: bytes) -> None:
    """A damaged file is an error that says what to do and quotes nothing; it is not made anew."""
    (tmp_path / "subjects.sqlite").write_bytes(content)
    with pytest.raises(CannotStart, match="SQLITE_NOTADB; restore it from a backup") as caught:
        ring(tmp_path)
    assert "1381" not in str(caught.value)
    assert (tmp_path / "subjects.sqlite").read_bytes() == content


def test_keys_in_the_file_cannot_be_exchanged(tmp_path: Path) -> None:
    """Who writes the file cannot make the gateway seal the texts of one subject under the key of another."""
    one = ring(tmp_path)
    key = one.get_or_create("default", LI_NA)
    one.get_or_create("default", ANNA)
    one.close()
    sql(tmp_path, "UPDATE keys SET wrapped = (SELECT wrapped FROM keys WHERE id = ?) WHERE subject = ?", key.id, ANNA)
    with pytest.raises(KeyringUnavailable, match="was changed"):
        ring(tmp_path).get_or_create("default", ANNA)


@pytest.mark.parametrize(
    "change", ["id = X'FF'", "id = '13812345678'", "wrapped = 9e999", "wrapped = ''", "wrapped = '身份证'"]
)
def test_columns_may_hold_anything(tmp_path: Path, change: str) -> None:
    """SQLite keeps what it is given, of whatever kind: what is no key is said to be changed, and not quoted."""
    one = ring(tmp_path)
    one.get_or_create("default", LI_NA)
    one.close()
    sql(tmp_path, f"UPDATE keys SET {change}")
    with pytest.raises(KeyringUnavailable, match="was changed") as caught:
        ring(tmp_path).find("default", LI_NA)
    assert "1381" not in str(caught.value)


def test_a_file_that_is_replaced_stops_a_running_process(tmp_path: Path) -> None:
    """Keys that would go into a file nobody can find again are not made, nor used from memory for longer than a second."""
    one = ring(tmp_path)
    one.get_or_create("default", LI_NA)
    for file in tmp_path.glob("subjects.sqlite*"):
        file.rename(file.with_name("old-" + file.name))
    ring(tmp_path).close()
    for ask in (one.get_or_create, one.find):
        with pytest.raises(KeyringUnavailable, match="was replaced"):
            ask("default", LI_NA)


def test_a_full_disk_makes_no_key(tmp_path: Path) -> None:
    """Where a key cannot be stored there is an error instead of a key, and nothing is left half done."""
    one = ring(tmp_path)
    pages = one._database.rows("PRAGMA page_count")[0][0]
    one._database.rows(f"PRAGMA max_page_count={pages}")
    made = 0

    def make_keys() -> None:
        nonlocal made
        for number in range(1000):
            one.get_or_create("default", subject(str(number)))
            made += 1

    with pytest.raises(KeyringUnavailable, match="SQLITE_FULL; see that its disk has room"):
        make_keys()
    assert sql(tmp_path, "SELECT count(*) FROM keys") == [(made,)]
    assert sql(tmp_path, "SELECT subjects FROM tenants") in ([(made,)], [])
    assert one.cached("default", subject(str(made))) is None


def test_a_tenant_has_so_many_subjects_and_no_more(tmp_path: Path) -> None:
    """Somebody who invents subjects is stopped, and other tenants and subjects that are known do not feel it."""
    one = ring(tmp_path, subjects_max=2)
    key = one.get_or_create("default", LI_NA)
    one.get_or_create("default", "")
    with pytest.raises(SubjectsFull, match="the tenant has 2 subjects"):
        one.get_or_create("default", ANNA)
    assert one.get_or_create("default", LI_NA) is key
    one.get_or_create("shop", ANNA)
    one.erase("default", LI_NA, "cli")
    one.get_or_create("default", ANNA)
    with pytest.raises(SubjectsFull):
        one.get_or_create("default", LI_NA)


@pytest.mark.parametrize("who", ["13812345678", "李娜", "0" * 31, "A" * 32, "0" * 32 + "\n"])
def test_a_subject_is_never_a_name(tmp_path: Path, who: str) -> None:
    """What somebody typed instead of a digest is not stored, and not quoted either."""
    one = ring(tmp_path)
    asks: list[Callable[[], object]] = [
        lambda: one.get_or_create("default", who),
        lambda: one.find("default", who),
        lambda: one.erase("default", who, "cli"),
        lambda: one.hold("default", who, "r", "cli"),
    ]
    for ask in asks:
        with pytest.raises(ValueError, match="32 hexadecimal digits") as caught:
            ask()
        assert who not in str(caught.value)


@pytest.mark.parametrize("tenant", ["", "租\n户", "a\0b", "长" * 201, "\x7f", "\ud800"])
def test_a_tenant_is_called_as_in_its_keys(tmp_path: Path, tenant: str) -> None:
    """A tenant that cannot exist has no key, cannot be erased and cannot be held, so a slip of the hand is noticed."""
    one = ring(tmp_path)
    asks: list[Callable[[], object]] = [
        lambda: one.get_or_create(tenant, LI_NA),
        lambda: one.held(tenant, LI_NA),
        lambda: one.erase(tenant, "", "cli", whole_tenant=True),
        lambda: one.hold(tenant, "", "r", "cli"),
    ]
    for ask in asks:
        with pytest.raises(ValueError, match="a tenant has 1 to 200 characters"):
            ask()


def test_memory_is_trusted_for_a_second_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that does not look for erasures finds no key in memory, and has to go and look."""
    monkeypatch.setattr(keyring, "FRESH_S", 0.05)
    one = ring(tmp_path)
    key = one.get_or_create("default", LI_NA)
    assert one.cached("default", LI_NA) is key
    time.sleep(0.06)
    assert one.cached("default", LI_NA) is None
    one.poll()
    assert one.cached("default", LI_NA) is key
    time.sleep(0.06)
    assert one.get_or_create("default", LI_NA) is one.cached("default", LI_NA) is key


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many subjects there are, the keys of those that came last are in memory, and the others are still on disk."""
    monkeypatch.setattr(keyring, "CACHED_MAX", 10)
    one = ring(tmp_path)
    ids = [one.get_or_create("default", subject(str(number))).id for number in range(30)]
    assert len(one._cache) == 10
    assert one.cached("default", subject("0")) is None
    assert one.cached("default", subject("29")) is not None
    assert one.get_or_create("default", subject("0")).id == ids[0]
    assert len(one._cache) == 10


def test_a_key_is_followed_by_the_next_before_it_sealed_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uses of all processes are counted together; then all go over to one next key, and the old one still opens."""
    monkeypatch.setattr(sealing, "COUNT_EVERY", 4)
    monkeypatch.setattr(keyring, "ROTATE_AT", 8)
    one, two = ring(tmp_path), ring(tmp_path)
    old = one.get_or_create("default", LI_NA)
    sealed = [old.seal(b"a", b"b") for _ in range(4)][-1]
    assert one.cached("default", LI_NA) is None
    assert one.get_or_create("default", LI_NA) is one.cached("default", LI_NA) is old
    theirs = two.get_or_create("default", LI_NA)
    assert theirs.id == old.id
    for _ in range(4):
        theirs.seal(b"a", b"b")
    following = two.get_or_create("default", LI_NA)
    assert following.id != old.id
    for _ in range(4):
        old.seal(b"a", b"b")
    assert one.get_or_create("default", LI_NA).id == following.id
    found = ring(tmp_path).by_id(old.id)
    assert found is not None
    assert found.open(sealed, b"b") == b"a"
    assert sql(tmp_path, "SELECT subjects FROM tenants") == [(1,)]


def test_limits_of_a_key_are_those_of_its_mode() -> None:
    """Counted and uncounted uses together stay far below 2^32 even if a hot key lives through many ends of processes."""
    assert sealing.ROTATE_AT + 60_000 * sealing.COUNT_EVERY < 1 << 32
    assert sealing.COUNT_EVERY < sealing.ROTATE_AT


def test_the_cache_gives_one_object_for_a_key() -> None:
    """Whoever holds a key holds the object that an erasure makes unusable."""
    keys = cache.Cache(10)
    key, twin = (sealing.SubjectKey("0" * 16, "default", LI_NA, ROOT * 2) for _ in range(2))
    assert keys.put(key, current=True) is keys.put(twin, current=False) is keys.by_id("0" * 16) is key
