"""Erasing destroys key and salt for good, everywhere, and only those; what was done stays on file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.lengths import times
from tests.plugins.audit.subjects.rings import ANNA, LI_NA, ROOT, WANG_WEI, left, ring, sql, subject, wrapped

from yumen_plugins.audit.subjects import DoesNotOpen, Erased, Keyring, KeyringUnavailable, database, erasing
from yumen_plugins.audit.subjects.sealing import SubjectKey, Wrapping, unseal


def material(folder: Path) -> list[bytes]:
    """The keys and salts that are stored, opened with the gateway's secret."""
    found = []
    for key_id, tenant, who, stored in sql(folder, "SELECT id, tenant, subject, wrapped FROM keys"):
        named = b"".join(len(str(part)).to_bytes(4, "big") + str(part).encode() for part in (key_id, tenant, who))
        assert isinstance(stored, bytes)
        found.append(unseal(Wrapping(ROOT)._aead(str(key_id)), stored, named))
    return found


@pytest.mark.parametrize("text", ["我的电话是13812345678", "my phone is 13812345678"])
def test_what_is_erased_stays_sealed(tmp_path: Path, text: str) -> None:
    """Nobody opens it any more, whoever held the key; what comes later has a new key, and that one opens."""
    one = ring(tmp_path)
    old = one.get_or_create("default", LI_NA)
    sealed, digest = old.seal(text.encode(), b"1"), old.digest(text)
    erasure = one.erase("default", LI_NA, "admin:k1")
    for use in (lambda: old.open(sealed, b"1"), lambda: old.seal(b"", b""), lambda: old.digest("")):
        with pytest.raises(Erased, match="destroyed"):
            use()
    assert (one.find("default", LI_NA), one.cached("default", LI_NA), one.by_id(old.id)) == (None, None, None)
    assert one.erasure_of(old.id) == erasure
    new = one.get_or_create("default", LI_NA)
    assert new.id != old.id
    assert new.digest(text) != digest
    assert new.open(new.seal(text.encode(), b"2"), b"2").decode() == text
    with pytest.raises(DoesNotOpen):
        new.open(sealed, b"1")


def test_no_copy_is_left_in_any_file(tmp_path: Path) -> None:
    """Neither key and salt nor their wrapped form stand anywhere in the files, in no page and no log, used or not."""
    one = ring(tmp_path)
    keys = [one.get_or_create("default", subject(str(number))) for number in range(times(90, 900))]
    for key in keys[::3]:
        one._database.rows("UPDATE keys SET sealed = sealed + 1000000, retired = n WHERE id = ?", (key.id,))
        one.get_or_create("default", subject("more" + key.subject))
    stored, opened = wrapped(tmp_path), material(tmp_path)
    assert left(tmp_path, stored) >= len(stored)
    assert left(tmp_path, opened) == 0
    gone = [secret for key in keys[::2] for secret in wrapped(tmp_path, key.subject)]
    for key in keys[::2]:
        one.erase("default", key.subject, "cli")
    assert left(tmp_path, gone) == 0
    assert left(tmp_path, stored) >= len(stored) - len(gone)
    one.erase("default", "", "cli", whole_tenant=True)
    assert left(tmp_path, stored + opened) == 0


def test_only_what_was_named_is_erased(tmp_path: Path) -> None:
    """A namesake in another tenant, other subjects, and the key of the tenant itself go on."""
    one = ring(tmp_path)
    others = [("shop", LI_NA), ("default", ANNA), ("default", ""), ("defaul", LI_NA), ("shop", "")]
    kept = [one.get_or_create(*who) for who in others]
    one.get_or_create("default", LI_NA)
    assert one.erase("default", LI_NA, "cli").erased == 1
    assert [one.get_or_create(*who) for who in others] == kept
    assert one.erase("default", "", "cli").erased == 1
    assert [one.find(*who) is None for who in others] == [False, False, True, False, False]


def test_an_erasure_is_on_file(tmp_path: Path) -> None:
    """Whom, when, by whom, and which keys; also where there was nothing to erase, and however often it is repeated."""
    now = 1_795_000_000.5
    one = Keyring.open(tmp_path, ROOT, now=lambda: now)
    key = one.get_or_create("default", LI_NA)
    first, second = (one.erase("default", LI_NA, "admin:李") for _ in range(2))
    assert (first.seq, first.time, first.tenant, first.subject) == (1, now, "default", LI_NA)
    assert (first.actor, first.erased, first.subjects, first.ids) == ("admin:李", 1, 1, (key.id,))
    assert (second.seq, second.erased, second.subjects, second.ids) == (2, 0, 0, ())
    assert ring(tmp_path).erasures() == [first, second]
    assert ring(tmp_path).erasures(after=1) == [second]


@pytest.mark.parametrize("actor", ["", " ", "a\nb", "\x1b[2J", "x" * 201, "\u202e"])
def test_an_actor_is_something_to_show(tmp_path: Path, actor: str) -> None:
    """Nothing is erased by nobody, and nothing is written that a terminal acts on."""
    one = ring(tmp_path)
    one.get_or_create("default", LI_NA)
    with pytest.raises(ValueError, match="an actor has 1 to 200 characters"):
        one.erase("default", LI_NA, actor)
    assert one.find("default", LI_NA) is not None


@pytest.mark.parametrize("batch", [1, 3, 11, 12])
def test_a_whole_tenant_goes_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    """Every key of everybody of the tenant, also keys that were followed by others, in as many steps as it takes."""
    monkeypatch.setattr(erasing, "BATCH", batch)
    one, other = ring(tmp_path), ring(tmp_path)
    who = ["", *(subject(str(number)) for number in range(10))]
    keys = [one.get_or_create("default", one_of) for one_of in who]
    one._database.rows("UPDATE keys SET retired = n WHERE subject = ?", (who[5],))
    keys.append(other.get_or_create("default", who[5]))
    kept = one.get_or_create("shop", LI_NA)
    with pytest.raises(ValueError, match="without naming"):
        one.erase("default", who[1], "cli", whole_tenant=True)
    erasure = one.erase("default", "", "cli", whole_tenant=True)
    assert (erasure.whole_tenant, erasure.erased, erasure.subjects) == (True, 12, 11)
    assert set(erasure.ids) == {key.id for key in keys}
    assert one.cached("shop", LI_NA) is kept
    assert sql(tmp_path, "SELECT subjects FROM tenants ORDER BY tenant") == [(0,), (1,)]
    assert other.poll() == [erasure]
    assert [one.find("default", one_of) for one_of in who] == [None] * 11


def test_others_notice_an_erasure(tmp_path: Path) -> None:
    """A process that looks finds every erasure of others once, and by then cannot use those keys, wherever it holds them."""
    one, other = ring(tmp_path), ring(tmp_path)
    assert other.poll() == []
    held = other.get_or_create("default", LI_NA)
    found = other.by_id(one.get_or_create("default", WANG_WEI).id)
    kept = other.get_or_create("default", ANNA)
    done = [one.erase("default", LI_NA, "cli"), one.erase("default", WANG_WEI, "cli")]
    own = other.erase("shop", LI_NA, "cli")
    done.append(one.erase("default", WANG_WEI, "cli"))
    assert other.poll() == done
    assert other.poll() == []
    assert one.poll() == [own]
    assert found is not None
    for key in (held, found):
        with pytest.raises(Erased):
            key.seal(b"", b"")
    assert other.cached("default", LI_NA) is None
    assert other.cached("default", ANNA) is kept


def test_what_was_erased_before_is_no_news(tmp_path: Path) -> None:
    """A process that starts has nothing in memory that it would have to forget."""
    one = ring(tmp_path)
    one.erase("default", LI_NA, "cli")
    assert ring(tmp_path).poll() == []


def test_news_do_not_touch_a_new_key(tmp_path: Path) -> None:
    """A subject that has a new key already keeps it when the erasure of the old one gets known."""
    one, other = ring(tmp_path), ring(tmp_path)
    other.get_or_create("default", LI_NA)
    one.erase("default", LI_NA, "cli")
    key = other.get_or_create("default", LI_NA)
    assert [erasure.subject for erasure in other.poll()] == [LI_NA]
    assert other.cached("default", LI_NA) is key
    other.erase("default", LI_NA, "cli")
    key = other.get_or_create("default", LI_NA)
    one.erase("default", ANNA, "cli")
    other.poll()
    assert key.open(key.seal(b"a", b"b"), b"b") == b"a"


def test_many_erasures_come_in_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is lost between two pages of news, and all keys are gone with the first."""
    monkeypatch.setattr(erasing, "PAGE", 2)
    one, other = ring(tmp_path), ring(tmp_path)
    who = [subject(str(number)) for number in range(7)]
    keys = [other.get_or_create("default", one_of) for one_of in who]
    for one_of in who:
        one.erase("default", one_of, "cli")
    pages = [other.poll()]
    for key in keys:
        with pytest.raises(Erased):
            key.digest("")
    while pages[-1]:
        pages.append(other.poll())
    assert [erasure.subject for page in pages for erasure in page] == who


def test_a_copy_that_cannot_be_cut_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another program keeps the log from being cut, the erasure does not say that it is done; repeating it helps."""
    monkeypatch.setattr(database, "BUSY_S", 0.2)
    one = ring(tmp_path)
    key = one.get_or_create("default", LI_NA)
    stored = wrapped(tmp_path)
    reader = sqlite3.connect(tmp_path / "subjects.sqlite", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM keys").fetchall()
    with pytest.raises(KeyringUnavailable, match="erase once more"):
        one.erase("default", LI_NA, "cli")
    with pytest.raises(Erased):
        key.seal(b"", b"")
    assert left(tmp_path, stored) > 0
    reader.close()
    assert one.erase("default", LI_NA, "cli").erased == 0
    assert left(tmp_path, stored) == 0


def test_a_start_cuts_what_a_crash_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An erasure that was ended after its commit is finished by the next process that opens the file."""
    one = ring(tmp_path)
    one.get_or_create("default", LI_NA)
    stored = wrapped(tmp_path)
    monkeypatch.setattr(database.Database, "scrub", lambda _: None)
    one.erase("default", LI_NA, "cli")
    assert left(tmp_path, stored) > 0
    ring(tmp_path)
    assert left(tmp_path, stored) == 0


def test_a_key_says_nothing_of_itself(tmp_path: Path) -> None:
    """A key that ends up in a log or an error shows no key, no salt and no subject."""
    key = ring(tmp_path).get_or_create("default", LI_NA)
    assert isinstance(key, SubjectKey)
    secrets = (
        [secret.hex() for secret in material(tmp_path)] + [repr(secret) for secret in material(tmp_path)] + [LI_NA]
    )
    assert not any(secret in repr(key) for secret in secrets)


def test_a_file_that_was_restored_under_a_running_process_is_not_erased_from_beside_it(tmp_path: Path) -> None:
    """An operator who puts a backup back is never told that a key is destroyed, or held, that is in the backup still."""
    one = ring(tmp_path)
    one.get_or_create("default", LI_NA)
    for file in list(tmp_path.glob("subjects.sqlite*")):
        (tmp_path / f"new-{file.name}").write_bytes(file.read_bytes())
        (tmp_path / f"new-{file.name}").replace(file)
    for attempt in (
        lambda: one.erase("default", LI_NA, "cli"),
        lambda: one.hold("default", LI_NA, "案件 2026/17", "cli"),
        lambda: one.release("0" * 12, "cli"),
        lambda: one.held("default", LI_NA),
        one.holds,
    ):
        with pytest.raises(KeyringUnavailable, match="start it again"):
            attempt()
    assert len(wrapped(tmp_path, LI_NA)) == 1
    assert ring(tmp_path).erase("default", LI_NA, "cli").erased == 1
