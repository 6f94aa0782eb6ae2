"""The API version that plugins are written for, and names on their way out of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

import yumen
from yumen import telemetry, versions
from yumen.versions import API_VERSION, DEPRECATED, Verdict, deprecated, oldest, verdict


@pytest.fixture(autouse=True)
def _unmarked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No name that a test marks stays marked; logs are on, as in a gateway."""
    monkeypatch.setattr(telemetry, "configured", True)
    before, told = dict(DEPRECATED), set(versions._told)
    yield
    DEPRECATED.clear()
    DEPRECATED.update(before)
    versions._told.clear()
    versions._told.update(told)


@pytest.mark.parametrize(("newest", "first"), [(1, 1), (2, 1), (3, 2), (10, 9)])
def test_the_version_before_is_taken_with_a_warning_and_no_other(newest: int, first: int) -> None:
    """A gateway of version N takes N, warns for N - 1, and refuses what is older or newer with what to do."""
    assert oldest(newest) == first
    assert verdict(newest, newest) == Verdict(True)
    if first < newest:
        taken, what, fix = verdict(first, newest)
        assert taken
        assert what == f"is written for API version {first}, which the next API version of Yumen will refuse"
        assert fix == f"install a release of it for version {newest}"
    newer, older = verdict(newest + 1, newest), verdict(first - 1, newest)
    assert not newer.taken
    assert "install a newer Yumen, or an older release of it" in newer.fix
    assert not older.taken
    if first > 1:
        assert "install a newer release of it, or an older Yumen" in older.fix


@pytest.mark.parametrize("api", [0, -1, True, "1", 1.0, None])
def test_what_is_no_version(api: object) -> None:
    """Only a whole number from 1 on is a version."""
    assert not verdict(api).taken


def test_who_says_nothing_is_written_for_the_first() -> None:
    """The default never moves with the gateway, or every old plugin would call itself new."""
    assert yumen.Manifest(name="x", version="1").api == 1
    assert yumen.EngineManifest(name="x", version="1").api == 1


def test_a_deprecated_name_still_works_and_tells_each_caller_once() -> None:
    """Whoever calls it gets what it always gave; Python's warning names the line, and the log the module, once."""

    @deprecated("Text.old", since=2, removal=4, instead="Text.new")
    def old(number: int, *, more: int = 0) -> int:
        return number + more

    with capture_logs() as logged, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert [old(1), old(2, more=3)] == [1, 5]
    about = {"name": "Text.old", "since": 2, "removal": 4, "instead": "Text.new", "caller": __name__}
    assert logged == [{"event": "deprecated_name", "log_level": "warning", **about}]
    assert [str(one.message) for one in warned] == ["`Text.old` goes with API version 4; use Text.new"] * 2
    assert {one.filename for one in warned} == {__file__}
    with pytest.warns(DeprecationWarning, match=r"Text\.old"):
        old(0)


def test_a_name_warns_before_it_goes() -> None:
    """A name cannot be gone in the version that begins to warn."""
    with pytest.raises(ValueError, match="has to warn for one API version at least"):
        deprecated("Text.old", since=2, removal=2, instead="Text.new")


def test_on_the_command_line_it_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nobody has set up logs nothing is printed among the answers of a command."""
    monkeypatch.setattr(telemetry, "configured", False)
    versions._tell(versions.Deprecation("Text.old", 2, 4, "Text.new"), "acme")
    printed = capsys.readouterr()
    sentence = "yumen: acme uses `Text.old`, which goes with API version 4; use Text.new\n"
    assert (printed.out, printed.err) == ("", sentence)


def test_callers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many modules use an old name, no more are remembered than the limit says."""
    monkeypatch.setattr(versions, "CALLERS_MAX", 3)
    versions._told.clear()
    one = versions.Deprecation("a", 1, 2, "b")
    with capture_logs() as logged:
        for number in range(10):
            versions._tell(one, f"module{number}")
    assert len(logged) == len(versions._told) == 3


def test_no_name_outstays_its_time() -> None:
    """What was to go with this API version, or an earlier one, has gone; what goes has begun to warn, and is public."""
    for name, one in DEPRECATED.items():
        assert one.since <= API_VERSION < one.removal, name
        assert name.split(".")[0] in yumen.__all__, name
