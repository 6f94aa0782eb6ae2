"""What was done to a ledger is found, and its place is named: by somebody without a key, or with a stolen one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.plugins.audit.proving.attacks import (
    Thief,
    cut_journal,
    entries_of,
    made,
    put_head,
    remake,
    rewrite_journal,
    rewrite_tiles,
    stolen,
    tree_of,
)
from tests.plugins.audit.proving.histories import FOREVER, KEEP, WRITER, History, codes, encoded

from yumen_plugins.audit import signing
from yumen_plugins.audit.log.appender import Appender
from yumen_plugins.audit.log.journal import journals
from yumen_plugins.audit.signing import Signing

Entries = list[bytes]


def swapped(entries: Entries, at: int) -> Entries:
    return [*entries[:at], entries[at + 1], entries[at], *entries[at + 2 :]]


def dropped(entries: Entries, at: int) -> Entries:
    return [*entries[:at], *entries[at + 1 :], entries[at]]


def doubled(entries: Entries, at: int) -> Entries:
    return [*entries[: at + 1], entries[at], *entries[at + 2 :]]


def reordered(entries: Entries, at: int) -> Entries:
    return [*entries[:at], *reversed(entries[at : at + 20]), *entries[at + 20 :]]


def edited(entries: Entries, at: int) -> Entries:
    return [*entries[:at], entries[at].replace(b'"ok"', b'"OK"'), *entries[at + 1 :]]


def renumbered(entries: Entries, at: int) -> Entries:
    """Dropped, with the numbers behind it set right."""
    bodies = [json.loads(entry) for entry in [*entries[:at], *entries[at + 1 :], entries[at]]]
    return [encoded(seq, {**body, "seq": seq}) for seq, body in enumerate(bodies)]


CHANGES = [swapped, dropped, doubled, reordered, edited, renumbered]


@pytest.mark.parametrize("change", CHANGES)
def test_bundles_and_tiles_cannot_be_rewritten(tmp_path: Path, change: Callable[[Entries, int], Entries]) -> None:
    """All of them consistently, by somebody without the key: the signatures that records hold say from where on."""
    history = made(tmp_path, FOREVER, 700)
    log = history.ledger / FOREVER
    history.start(FOREVER)
    history.exchanges(FOREVER, 400, batch=50)
    history.stop(FOREVER)
    assert history.verified().ok
    rewrite_tiles(log, change(entries_of(log), 150))
    report = history.verified()
    assert report.exit_status == 2
    assert any((one.file, one.code) == (FOREVER, "changed") and one.seq <= 150 for one in report.integrity)


@pytest.mark.parametrize("change", CHANGES)
def test_a_journal_cannot_be_rewritten(tmp_path: Path, change: Callable[[Entries, int], Entries]) -> None:
    """Its sums can be made to fit, the signatures cannot: what holds goes up to the batch before."""
    history = made(tmp_path, FOREVER, 150, journal_bytes=8 << 20)
    log = history.ledger / FOREVER
    rewrite_journal(log, change(entries_of(log), 70))
    report = history.verified()
    (found,) = [one for one in report.wrong if (one.file, one.code) == (FOREVER, "changed")]
    assert found.seq == 61


def test_one_changed_record_is_named(tmp_path: Path) -> None:
    """The tile beside a bundle says which record it was, and the signatures say which of the two is right."""
    history = made(tmp_path, KEEP, 700)
    bundle, tile = (history.ledger / KEEP / "tile" / level / "001" for level in ("entries", "0"))
    whole = bundle.read_bytes()
    bundle.write_bytes(whole.replace(b'"ok"', b'"OK"', 1))
    (found,) = history.verified().wrong
    assert (found.file, found.seq, found.code) == (KEEP, 256, "changed")
    assert "its tile holds the hash of what was signed" in found.what
    bundle.write_bytes(whole)
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    (found,) = history.verified().wrong
    assert (found.file, found.code) == (f"{KEEP}/tile/0/001", "changed")
    assert "record 256" in found.what


def test_a_tail_cannot_be_cut_off(tmp_path: Path) -> None:
    """The head says how far the log had come; so does the checkpoint where somebody put an older head back."""
    history = made(tmp_path, FOREVER, 150, journal_bytes=8 << 20)
    log = history.ledger / FOREVER
    early = history.notes[FOREVER]
    cut_journal(log, 2)
    assert "tail-missing" in codes(history.verified())
    found = next(one for one in history.verified().completeness if one.code == "tail-missing")
    assert (found.file, found.seq) == (FOREVER, 151)
    assert early == (log / "checkpoint").read_bytes()


def test_an_older_state_is_found_with_what_was_kept_elsewhere(tmp_path: Path) -> None:
    """Put back whole it verifies, as docs/ledger-verify.md says; a checkpoint of the time between shows that it is older."""
    history = made(tmp_path, FOREVER, 150)
    shutil.copytree(history.ledger, tmp_path / "old")
    history.start(FOREVER)
    history.exchanges(FOREVER, 400)
    history.stop(FOREVER)
    kept = history.notes[FOREVER]
    assert history.verified(against=[kept]).ok
    shutil.rmtree(history.ledger)
    shutil.copytree(tmp_path / "old", history.ledger)
    assert history.verified().ok
    report = history.verified(against=[kept])
    assert codes(report) == ["tail-missing"]
    assert "a checkpoint kept elsewhere" in report.wrong[0].what


def test_two_histories_of_one_log_are_a_fork(tmp_path: Path) -> None:
    """Whoever has the key can sign another history, and not get rid of a checkpoint of the first that somebody kept."""
    history = made(tmp_path, FOREVER, 150)
    log, origin = history.ledger / FOREVER, history.chain.origin(FOREVER)
    kept, entries = history.notes[FOREVER], entries_of(log)
    thief, forged = stolen(tmp_path), edited(entries, 30)
    forged[151] = encoded(151, {**json.loads(entries[151]), "note": thief.sign(tree_of(origin, forged[:151])).decode()})
    remake(log, origin, forged, thief)
    assert history.verified().ok
    report = history.verified(against=[kept])
    assert codes(report) == ["fork"]
    assert report.wrong[0].file == f"{FOREVER}/(against)"


def test_a_signed_checkpoint_that_contradicts_the_log_is_a_fork(tmp_path: Path) -> None:
    """Also one of a size that the log has left behind, in its own files."""
    history = made(tmp_path, FOREVER, 150)
    log, origin = history.ledger / FOREVER, history.chain.origin(FOREVER)
    forged = stolen(tmp_path).sign(tree_of(origin, edited(entries_of(log), 30)[:77]))
    (log / "checkpoint").write_bytes(forged)
    report = history.verified()
    assert [(one.code, one.file) for one in report.wrong] == [("fork", f"{FOREVER}/checkpoint")]


@pytest.mark.parametrize("claims", [1, 2])
def test_a_new_key_cannot_sign_an_older_past(tmp_path: Path, claims: int) -> None:
    """Whoever steals the key in force can sign nothing that lies before it: its statement says what that was."""
    history = made(tmp_path, FOREVER, 400)
    history.rotate()
    history.start(FOREVER)
    history.exchanges(FOREVER, 40)
    history.stop(FOREVER)
    log, origin = history.ledger / FOREVER, history.chain.origin(FOREVER)
    entries = edited(entries_of(log), 30)
    if claims == 2:
        first = json.loads(entries[0])
        entries[0] = encoded(0, {**first, "key": 2})
    remake(log, origin, entries, stolen(tmp_path))
    report = history.verified()
    assert ("keys/2.note" in report.wrong[0].what) or any(one.code == "statement" for one in report.wrong)
    assert "statement" in codes(report)
    if claims == 1:
        assert any(one.code == "era" and "signed by key 2, and key 1 was in force" in one.what for one in report.wrong)


@pytest.mark.parametrize("new", [False, True])
def test_a_key_that_was_replaced_signs_nothing_any_more(tmp_path: Path, new: bool) -> None:
    """Whoever stole it before can go on with no log that had ended, and begin none."""
    history = made(tmp_path, FOREVER, 100)
    thief, origin = stolen(tmp_path), history.chain.origin
    history.rotate()
    if new:
        record = {"kind": "start", "time": history.now(), "log": KEEP, "version": 2, "key": 1}
        remake(history.ledger / KEEP, origin(KEEP), [encoded(0, record)], thief)
    else:
        appender = Appender(history.ledger / FOREVER, origin(FOREVER), thief)
        for kind in ("start", "stop"):
            record = {"kind": kind, "time": history.now(), "log": FOREVER, "version": 2, "key": 1}
            appender.append([encoded(appender.size, record)])
        appender.sync()
        appender.close()
    report = history.verified()
    assert "old-key" in codes(report)
    found = next(one for one in report.wrong if one.code == "old-key")
    assert (found.file, found.seq) == ((KEEP, 0) if new else (FOREVER, 103))


def test_a_checkpoint_by_a_key_that_was_not_in_force_is_out_of_its_era(tmp_path: Path) -> None:
    """The head of a log that an old or a newer key has signed is not its head, although it is true."""
    history = made(tmp_path, FOREVER, 30)
    early = stolen(tmp_path)
    history.rotate()
    late = stolen(tmp_path)
    history.start(FOREVER)
    history.stop(FOREVER)
    log, origin = history.ledger / FOREVER, history.chain.origin(FOREVER)
    for signer, size in ((early, len(entries_of(log))), (late, 12)):
        put_head(log, signer.sign(tree_of(origin, entries_of(log)[:size])))
        report = history.verified()
        assert [(one.code, one.file) for one in report.wrong] == [("era", f"{FOREVER}/head")]


def test_a_ledger_made_anew_is_not_trusted(tmp_path: Path) -> None:
    """However well it holds together: nothing else is said of it, since nothing else means anything."""
    history = made(tmp_path, FOREVER, 30)
    other = made(tmp_path / "other", FOREVER, 30)
    shutil.rmtree(history.ledger)
    shutil.copytree(other.ledger, history.ledger)
    report = history.verified()
    assert codes(report) == ["key-not-trusted"]
    assert (report.logs, report.exit_status) == ([], 2)


def test_a_stolen_key_cannot_begin_another_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new first key may name the stolen one as its successor; the gateway's name is made of the first key, and tells."""
    history = made(tmp_path, FOREVER, 30)
    pinned, name = history.trusted, history.chain.gateway
    (tmp_path / "other").mkdir()
    forger = History(tmp_path / "other")
    monkeypatch.setattr(signing, "_generated", lambda: signing._Pair(*pair(tmp_path)))
    forger.rotate()
    forger.start(FOREVER)
    forger.stop(FOREVER)
    assert forger.verified(trusted=pinned).ok
    assert codes(forger.verified(trusted=pinned, gateway=name)) == ["key-not-trusted"]
    assert history.verified(gateway=name).ok


def pair(data: Path) -> tuple[bytes, bytes]:
    """The public and the private half of the key that signs in a data directory."""
    thief = stolen(data)
    return thief.key.public_key().public_bytes_raw(), thief.key.private_bytes_raw()


def test_no_key_is_not_passed_over(tmp_path: Path) -> None:
    """Without a key to trust, or with an empty list of them, a ledger is not called right."""
    history = made(tmp_path, FOREVER, 30)
    assert codes(history.verified(trusted=None)) == ["key-not-pinned"]
    assert codes(history.verified(trusted=[])) == ["key-not-trusted"]
    assert codes(history.verified(trusted=[bytes(32)])) == ["key-not-trusted"]


def test_a_log_that_is_gone_is_missed_where_somebody_names_it(tmp_path: Path) -> None:
    """A statement of a key does, or a checkpoint that was kept; otherwise nobody can know of it."""
    history = made(tmp_path, FOREVER, 30)
    history.start(KEEP)
    history.stop(KEEP)
    shutil.copytree(history.ledger, tmp_path / "whole")
    shutil.rmtree(history.ledger / KEEP)
    assert history.verified().ok
    report = history.verified(against=[history.notes[KEEP]])
    assert [(one.code, one.file) for one in report.wrong] == [("log-missing", KEEP)]
    shutil.rmtree(history.ledger)
    shutil.copytree(tmp_path / "whole", history.ledger)
    history.rotate()
    shutil.rmtree(history.ledger / WRITER)
    report = history.verified()
    assert [(one.code, one.file) for one in report.wrong] == [("log-missing", FOREVER), ("log-missing", KEEP)]


def test_a_log_under_another_name_does_not_hold(tmp_path: Path) -> None:
    """Nor do a copy of a whole writer, and a folder that no gateway would name so."""
    history = made(tmp_path, FOREVER, 30)
    for name in ("8d0eb8ae/keep-5d", "00000000/forever", f"{WRITER}/backup"):
        shutil.copytree(history.ledger / FOREVER, history.ledger / name)
        report = history.verified()
        assert {"signature"} <= {one.code for one in report.wrong if one.file.startswith(name)}, name
        shutil.rmtree(history.ledger / name)


def test_what_is_no_plain_file_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe in place of a file, or a link, does not make the verifier wait, nor look elsewhere."""
    history = made(tmp_path, FOREVER, 700)
    log = history.ledger / FOREVER
    for name in ("tile/entries/000", "tile/0/001", "head", "checkpoint", str(journals(log)[-1][1].relative_to(log))):
        before = (log / name).read_bytes()
        for put in (lambda path: os.mkfifo(path), lambda path: path.symlink_to("/dev/zero"), lambda path: path.mkdir()):
            (log / name).unlink()
            put(log / name)
            report = history.verified()
            assert report.exit_status == 2, name
            assert any(one.file.startswith(FOREVER) for one in report.wrong), name
            (log / name).rmdir() if (log / name).is_dir() else (log / name).unlink()
            (log / name).write_bytes(before)
    for folder in ("journal", "tile"):
        (log / folder).rename(tmp_path / folder)
        for put in (lambda path: path.write_bytes(b""), lambda path: path.symlink_to(path)):
            put(log / folder)
            assert history.verified().exit_status == 2, folder
            (log / folder).unlink()
        (tmp_path / folder).rename(log / folder)
    os.mkfifo(log.parent / "lock")
    assert history.verified().ok
    (history.ledger / "ffffffff").symlink_to(log.parent)
    assert codes(history.verified()) == ["link"]


def test_without_the_key_nothing_can_be_added(tmp_path: Path) -> None:
    """A batch of somebody else's behind the end of a log, or a log of his own."""
    history = made(tmp_path, FOREVER, 30)
    stranger = Thief()
    record = {"kind": "start", "time": history.now(), "log": KEEP, "version": 2, "key": 1}
    remake(history.ledger / KEEP, history.chain.origin(KEEP), [encoded(0, record)], stranger)
    assert {"signature"} <= {one.code for one in history.verified().wrong if one.file.startswith(KEEP)}
    shutil.rmtree(history.ledger / KEEP)
    appender = Appender(history.ledger / FOREVER, history.chain.origin(FOREVER), stranger)
    appender.append([encoded(appender.size, record)])
    appender.close()
    report = history.verified()
    assert [(one.code, one.severity) for one in report.integrity if one.code == "signature"] == [("signature", "wrong")]


def test_keys_that_were_put_back_are_missed(tmp_path: Path) -> None:
    """Where the last statement was removed, records name a key of which there is none."""
    history = made(tmp_path, FOREVER, 30)
    history.rotate()
    history.start(FOREVER)
    history.stop(FOREVER)
    (history.ledger / "keys" / "2.note").unlink()
    assert {"key", "signature"} <= set(codes(history.verified()))
    shutil.rmtree(history.ledger / "keys")
    assert codes(history.verified()) == ["keys"]


def test_a_key_of_the_future_is_not_believed(tmp_path: Path) -> None:
    """Nor a record: what is dated behind the verifier's own time is wrong; so is what comes before the first key."""
    history = made(tmp_path, FOREVER, 30)
    at = history.at
    history.at += 3600
    history.rotate()
    history.start(FOREVER)
    history.stop(FOREVER)
    history.at = at
    report = history.verified()
    assert {(one.code, one.file) for one in report.wrong} == {("future", "keys/2.note"), ("future", FOREVER)}
    history.at += 7200
    assert history.verified().ok
    history.signing = Signing.open(tmp_path, history.ledger, history.now)
    history.start(FOREVER)
    late, history.at = history.at, at - 10_000_000
    history.exchanges(FOREVER, 1)
    history.at = late
    history.stop(FOREVER)
    assert [(one.code, one.file) for one in history.verified().wrong] == [("early", FOREVER)]
