"""While a legal hold is in force nothing that it covers can be erased; afterwards it can."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.plugins.audit.subjects.rings import ANNA, LI_NA, ROOT, WANG_WEI, left, ring, sql, wrapped

from yumen_plugins.audit.subjects import Held, Keyring, erasing, holds, keyring


class Clock:
    """Says what time it is."""

    time = 1_795_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.mark.parametrize("reason", ["诉讼 2026-117　证据保全", "litigation 2026-117, keep the evidence"])
def test_a_hold_forbids_to_erase_until_it_is_released(tmp_path: Path, reason: str) -> None:
    """In every process, also after a new start; the refusal names the hold, and nothing of the key is touched."""
    one = ring(tmp_path)
    key = one.get_or_create("default", LI_NA)
    hold_id = one.hold("default", LI_NA, reason, "admin:k1")
    other = ring(tmp_path)
    with pytest.raises(Held, match=f"hold {hold_id} forbids to erase this; release it first") as caught:
        other.erase("default", LI_NA, "cli")
    assert caught.value.hold_id == hold_id
    assert reason not in str(caught.value)
    assert key.open(key.seal(b"a", b"b"), b"b") == b"a"
    assert other.erasures() == []
    (hold,) = other.holds()
    assert other.held("default", LI_NA) == hold
    assert (hold.id, hold.tenant, hold.subject, hold.until) == (hold_id, "default", LI_NA, None)
    assert (hold.reason, hold.actor) == (reason, "admin:k1")
    assert other.release(hold_id, "admin:k2") == hold
    assert (one.holds(), one.held("default", LI_NA)) == ([], None)
    assert one.erase("default", LI_NA, "cli").erased == 1


def test_whom_a_hold_covers(tmp_path: Path) -> None:
    """A hold on a tenant covers everybody of it; one on a subject also forbids to erase its whole tenant."""
    one = ring(tmp_path)
    on_tenant = one.hold("shop", "", "审计", "cli")
    on_subject = one.hold("default", LI_NA, "audit", "cli")
    for tenant, who, whole, hold_id in [
        ("shop", "", True, on_tenant),
        ("shop", "", False, on_tenant),
        ("shop", ANNA, False, on_tenant),
        ("default", LI_NA, False, on_subject),
        ("default", "", True, on_subject),
    ]:
        with pytest.raises(Held, match=hold_id):
            one.erase(tenant, who, "cli", whole_tenant=whole)
    for tenant, who, whole in [("default", ANNA, False), ("default", "", False), ("defaul", "", True)]:
        one.erase(tenant, who, "cli", whole_tenant=whole)
    assert one.held("shop", ANNA) is not None
    assert one.held("default", LI_NA) is not None
    assert one.held("default", ANNA) is one.held("default", "") is None


def test_of_several_holds_all_must_go(tmp_path: Path) -> None:
    """Releasing one does not open what another one covers, and the oldest is named first."""
    clock = Clock()
    one = Keyring.open(tmp_path, ROOT, now=clock)
    ids = []
    for who in (LI_NA, "", LI_NA):
        ids.append(one.hold("default", who, "r", "cli"))
        clock.time += 1
    assert [hold.id for hold in one.holds()] == ids
    for hold_id in ids:
        with pytest.raises(Held, match=hold_id):
            one.erase("default", LI_NA, "cli")
        one.release(hold_id, "cli")
    one.erase("default", LI_NA, "cli")


def test_a_hold_ends_at_its_time(tmp_path: Path) -> None:
    """Until then it is in force to the second; then it is as if it were released, and cannot be released again."""
    clock = Clock()
    one = Keyring.open(tmp_path, ROOT, now=clock)
    hold_id = one.hold("default", LI_NA, "r", "cli", until=clock.time + 60)
    clock.time += 59.9
    with pytest.raises(Held):
        one.erase("default", LI_NA, "cli")
    clock.time += 0.1
    assert (one.holds(), one.held("default", LI_NA)) == ([], None)
    with pytest.raises(LookupError):
        one.release(hold_id, "cli")
    one.erase("default", LI_NA, "cli")


def test_a_hold_that_comes_during_an_erasure_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole tenant is erased in parts, and a hold saves what is not erased yet; what is gone is on file."""
    monkeypatch.setattr(erasing, "BATCH", 1)
    one, other = ring(tmp_path), ring(tmp_path)
    for who in (LI_NA, ANNA, WANG_WEI):
        one.get_or_create("default", who)
    stored = {who: wrapped(tmp_path, who) for who in (LI_NA, ANNA, WANG_WEI)}
    first, *kept = sorted(stored)

    def hold_meanwhile(_: float) -> None:
        other.hold("default", "", "urgent", "cli")

    monkeypatch.setattr(keyring, "time", SimpleNamespace(monotonic=time.monotonic, sleep=hold_meanwhile))
    with pytest.raises(Held):
        one.erase("default", "", "cli", whole_tenant=True)
    assert [one.find("default", who) is None for who in (first, *kept)] == [True, False, False]
    assert [(erasure.erased, erasure.subjects) for erasure in one.erasures()] == [(1, 1)]
    assert left(tmp_path, stored[first]) == 0
    assert left(tmp_path, [secret for who in kept for secret in stored[who]]) > 0


@pytest.mark.parametrize("words", ["", "  ", "a\nb", "\x1b]0;x", "长" * 201, "\u202eabc", "\ud800"])
def test_a_reason_is_something_to_show(tmp_path: Path, words: str) -> None:
    """A reason and an actor are a line of text for people, and nothing that a terminal acts on."""
    one = ring(tmp_path)
    with pytest.raises(ValueError, match="a reason has 1 to 200 characters"):
        one.hold("default", LI_NA, words, "cli")
    with pytest.raises(ValueError, match="an actor has 1 to 200 characters"):
        one.hold("default", LI_NA, "r", words)
    hold_id = one.hold("default", LI_NA, "长" * 200, "cli")
    with pytest.raises(ValueError, match="an actor"):
        one.release(hold_id, words)
    assert len(one.holds()) == 1


@pytest.mark.parametrize("until", [0.0, -1.0, 1_795_000_000.0, float("nan"), float("-inf")])
def test_a_hold_cannot_be_over_when_it_begins(tmp_path: Path, until: float) -> None:
    """A moment in the past, or none at all, would be a hold that protects nothing."""
    one = Keyring.open(tmp_path, ROOT, now=Clock())
    with pytest.raises(ValueError, match="in the future"):
        one.hold("default", LI_NA, "r", "cli", until=until)


def test_holds_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond so many holds there is an error, while those that ran out make room."""
    monkeypatch.setattr(holds, "HOLDS_MAX", 2)
    clock = Clock()
    one = Keyring.open(tmp_path, ROOT, now=clock)
    one.hold("default", LI_NA, "r", "cli", until=clock.time + 1)
    one.hold("default", ANNA, "r", "cli")
    with pytest.raises(ValueError, match="there are 2 holds"):
        one.hold("default", WANG_WEI, "r", "cli")
    clock.time += 1
    one.hold("default", WANG_WEI, "r", "cli")
    assert sql(tmp_path, "SELECT count(*) FROM holds") == [(2,)]


@pytest.mark.parametrize("hold_id", ["", "0" * 12, "'; DELETE FROM holds; --"])
def test_an_unknown_hold_cannot_be_released(tmp_path: Path, hold_id: str) -> None:
    """A wrong id is an error and changes nothing."""
    one = ring(tmp_path)
    one.hold("default", LI_NA, "r", "cli")
    with pytest.raises(LookupError, match="no hold in force has this id"):
        one.release(hold_id, "cli")
    assert len(one.holds()) == 1
