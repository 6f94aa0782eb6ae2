"""No byte of a ledger can be changed, and no file of it removed, without being missed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lengths import times
from tests.plugins.audit.proving.conftest import MEMORY
from tests.plugins.audit.proving.histories import DAY, FOREVER, KEEP, History, changed

from yumen_plugins.audit.log.journal import journals
from yumen_plugins.audit.log.tiles import WIDTH

# Without a partial tile nothing is lost: it is there for readers who know nothing of journals.
PARTIAL = ".p"


@pytest.fixture(scope="module")
def history() -> Iterator[History]:
    """One with everything in it: two logs, two keys, dropped bundles, partial tiles, a journal and a kill."""
    folder = tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None)
    made = History(Path(folder))
    made.start(KEEP)
    made.start(FOREVER)
    made.exchanges(KEEP, 700, remote=True, batch=60)
    made.exchanges(FOREVER, 300, batch=60)
    made.checkpoint(KEEP)
    made.rotate()
    made.take_up()
    made.kill(KEEP)
    made.start(KEEP)
    made.exchanges(KEEP, 200, batch=60)
    made.at += 190 * DAY
    made.checkpoint(KEEP)
    made.state(KEEP, 512)
    made.drop(KEEP, 2)
    made.stop_all()
    assert made.verified().ok
    yield made
    shutil.rmtree(folder)


def named(history: History, path: Path, found: list[str]) -> bool:
    """Whether something that was found names the file, or the log whose records stand in it."""
    place = path.relative_to(history.ledger).as_posix()
    if place.startswith("keys/"):
        # Where the last statement is gone, records name a key of which there is none.
        return any(one.startswith("keys") or ": key: " in one for one in found)
    return any(one.startswith((f"{place}:", "/".join(place.split("/")[:2]), place.split("/")[0])) for one in found)


def recent(path: Path) -> bool:
    """Whether a tile or bundle holds only what the journal holds as well."""
    log = path.parents[2]
    return path.parent.name in ("entries", "0") and int(path.name) * WIDTH >= journals(log)[0][0]


@settings(max_examples=times(200, 20_000), deadline=None)
@given(st.data())
def test_no_flipped_bit_goes_unnoticed(history: History, data: st.DataObject) -> None:
    """In whatever file it is, the ledger is wrong, and what is said of it names the place."""
    path = data.draw(st.sampled_from(history.files()), label="file")
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1), label="byte")
    content[at] ^= 1 << data.draw(st.integers(0, 7), label="bit")
    with changed(path, bytes(content)):
        report = history.verified()
    assert report.exit_status == 2
    assert named(history, path, [str(one) for one in report.wrong])


@settings(max_examples=times(80, 5_000), deadline=None)
@given(st.data())
def test_no_file_can_be_cut_short(history: History, data: st.DataObject) -> None:
    """Nor made longer: whatever is cut off its end, or put there, the ledger is wrong."""
    path = data.draw(st.sampled_from(history.files()), label="file")
    content = path.read_bytes()
    if data.draw(st.booleans(), label="cut"):
        content = content[: data.draw(st.integers(0, len(content) - 1), label="end")]
    else:
        # Nothing but zeros is what a power failure leaves behind a journal.
        content += data.draw(st.binary(min_size=64, max_size=70).filter(any), label="more")
    with changed(path, content):
        report = history.verified()
    # What is empty is not written yet.
    spare = not content and (PARTIAL in path.parent.name or recent(path))
    assert report.exit_status == (0 if spare else 2)


def test_no_file_can_be_removed(history: History) -> None:
    """But for what follows from the journal, which the next start would make anew, and what is there for others."""
    for path in history.files():
        with changed(path, None):
            report = history.verified()
        spare = PARTIAL in path.parent.name or path.name == "checkpoint" or recent(path)
        assert report.exit_status == (0 if spare else 2), path
        if not spare:
            assert named(history, path, [str(one) for one in report.wrong]), path
