"""Every check can fail, and says of what; a plugin that does all right passes."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies
from tests.testing.conformance.bad_base import Bad
from tests.testing.conformance.bad_base import manifest as manifest_of
from tests.testing.conformance.bad_plugins import BAD, SPILLED, Heading, Lottery, Needy
from tests.testing.conformance.bad_streams import Cutting
from tests.testing.conformance.worse_plugins import RELEASE, WORSE, Parent

from yumen import Channel, Decision, EngineRef, Exchange, Rule, StreamFilter
from yumen.operators import Erasure
from yumen.plugin import Plugin
from yumen.testing.conformance import CHECKS, Example, examine, heeding, running, watch
from yumen.testing.conformance.examples import CANARIES
from yumen.testing.conformance.streams import PLACES_MAX, SHORT_CHARS, cuts
from yumen.testing.conformance.watch import reach

CASES = [(check, plugin) for of in (BAD, WORSE) for check, plugins in of.items() for plugin in plugins]
STARTS = 10


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is left behind on purpose is not waited for."""
    monkeypatch.setattr(watch, "WAIT_S", 0.05)
    monkeypatch.setattr(heeding, "ENDS_S", 0.05)
    # What a bad plugin puts in its place goes again.
    monkeypatch.setattr(json, "dump", json.dump)
    before = set(watch._descriptors())
    yield
    # What bad plugins left open.
    assert len(set(watch._descriptors()) - before) < 3
    Path(tempfile.gettempdir(), SPILLED).unlink(missing_ok=True)
    RELEASE.set()
    RELEASE.clear()
    while Parent.every:
        child = Parent.every.pop()
        child.kill()
        child.wait()


def verdict(plugin: type[Plugin[Any]], check: str, *examples: Example) -> Any:
    (found,) = examine(plugin, examples, [check], measure=False, starts=STARTS).verdicts
    return found


@pytest.mark.parametrize(("check", "plugin"), CASES, ids=lambda one: one if isinstance(one, str) else one.__name__)
def test_each_check_can_fail(check: str, plugin: type[Plugin[Any]]) -> None:
    """A plugin that breaks a rule fails its check, with a sentence and what to do, in which no text of a payload stands."""
    found = verdict(plugin, check)
    assert found.verdict == "fails", found
    assert "it raises" not in found.what
    assert found.mend == CHECKS[check].mend
    assert not any(one in found.what for one in CANARIES)


def test_every_check_has_a_plugin_that_breaks_it() -> None:
    """A check that nothing fails protects nothing."""
    assert set(BAD) | set(WORSE) == set(CHECKS)


def test_a_sound_plugin_passes_all() -> None:
    """No check cries wolf, and what does not apply says why."""
    report = examine(Bad, starts=STARTS)
    assert report.ok
    assert {one.verdict for one in report.verdicts} <= {"holds", "does not apply", "not reached"}
    assert all(one.what for one in report.verdicts if one.verdict != "holds")
    assert {one.hook for one in report.costs} == {"on_request"}


def test_what_nothing_reached_is_not_said_to_hold() -> None:
    """A filter that nothing made act has not been shown to be right; examples show it."""
    assert verdict(Cutting, "stream.splits", Example(replies=["猎鹰"])).verdict == "fails"
    assert verdict(Bad, "shadow.applies").verdict == "not reached"


def test_a_cancellation_that_a_client_loses_is_not_the_plugins() -> None:
    """As happens in some HTTP clients when an answer comes just then: the next one is heeded."""
    heeded: list[bool] = []

    class Racing(Bad):
        async def on_request(self, exchange: Exchange) -> None:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                heeded.append(len(heeded) % 3 == 2)
                if heeded[-1]:
                    raise

    assert verdict(Racing, "fault.heed").verdict == "holds"
    assert heeded.count(False) == 2 * heeded.count(True) > 0


class Brief(StreamFilter):
    """Writes a short word for a long one, and says so in the end."""

    hold_max = 10

    def __init__(self) -> None:
        self.held = ""

    def feed(self, text: str) -> str:
        text = (self.held + text).replace("long-winded", "")
        keep = max((size for size in range(11) if text.endswith("long-winded"[:size])), default=0)
        self.held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def finish(self) -> str:
        return self.held + "（删节）"


def test_what_a_filter_takes_away_is_not_held() -> None:
    """A filter that shortens, and writes something in the end, holds as little as one that does not."""

    class Shortening(Bad):
        manifest = manifest_of(mutates=True)

        def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter:
            return Brief()

    replies = ["long-winded 长 " * 8, "lo long-winded-long-windelong-winded 冗长"]
    assert verdict(Shortening, "stream.hold", Example(replies=replies)).verdict == "holds"


def test_examples_are_what_it_is_tried_with() -> None:
    """A configuration that has no default comes from an example, and one that says so is not held to repeat itself."""
    assert verdict(Needy, "schema.default", Example(config={"word": "x"})).verdict == "holds"
    assert verdict(Lottery, "hooks.repeatable", Example(repeatable=False)).verdict == "does not apply"


def test_reach_is_seen_only_while_it_is_watched(tmp_path: Path) -> None:
    """The hook cannot be taken away again, so it must be still."""
    with reach() as watched:
        (tmp_path / "one").write_text("1")
        (tmp_path / "one").read_text()
    (tmp_path / "two").write_text("2")
    assert watched.files == {str(tmp_path / "one")}
    assert watched.outside(tmp_path) == []
    assert watched.outside(tmp_path / "other") == [os.path.abspath(tmp_path / "one")]


def test_a_header_in_shadow_is_an_act() -> None:
    """A header that a plugin brings into a reply in shadow is told by its name."""
    assert "x-told" in verdict(Heading, "shadow.applies").what


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, TimeoutError, BaseException])
def test_whatever_a_plugin_raises_is_a_verdict(error: type[BaseException]) -> None:
    """Neither the run nor the other checks end with it."""

    class Raising(Bad):
        async def on_erase(self, erasure: Erasure) -> int:
            raise error

    found = verdict(Raising, "erase.counts")
    assert found.verdict == "fails"
    assert f"it raises {error.__name__} at " in found.what


def test_a_check_that_does_not_end_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that hangs hangs nobody."""

    class Hanging(Bad):
        async def on_erase(self, erasure: Erasure) -> int:
            await asyncio.Event().wait()
            return 0

    monkeypatch.setattr(running, "CHECK_S", 0.05)
    assert verdict(Hanging, "erase.counts").what.startswith("it has not ended")


def test_an_engine_that_it_asks_may_fail_it() -> None:
    """A plugin that fails closed where its own engine is away does as it should, and leaves nothing behind."""

    class Asking(Bad):
        def engines(self) -> list[EngineRef]:
            return [EngineRef("likeness")]

        async def on_request(self, exchange: Exchange) -> None:
            await self.host.engine("likeness").infer({})

    report = examine(Asking, starts=STARTS, measure=False)
    assert [(one.id, one.what) for one in report.verdicts if one.verdict == "fails"] == []


def test_what_lies_outside_may_be_away() -> None:
    """An example can say how hooks fail where a service is not there; any other fault is one."""

    class Outside(Bad):
        async def on_request(self, exchange: Exchange) -> None:
            raise ConnectionRefusedError

    assert verdict(Outside, "hooks.sound", Example(faults=["ConnectionRefusedError"])).verdict == "holds"
    assert verdict(Outside, "hooks.sound", Example(faults=["ConnectError"])).verdict == "fails"


def test_what_counts_may_decide_otherwise_later() -> None:
    """A budget that the checks have spent is no leak, and a stream that is held back no edit."""

    class Budget(Bad):
        left = 30

        def rules(self) -> list[Rule]:
            return [Rule("budget", "It is spent.")]

        async def on_request(self, exchange: Exchange) -> Decision | None:
            self.left -= 1
            return exchange.block("budget", "rate_limited") if self.left < 0 else None

        async def on_response(self, exchange: Exchange) -> None: ...

    report = examine(Budget, starts=STARTS, measure=False)
    assert [(one.id, one.what) for one in report.verdicts if one.verdict == "fails"] == []


def test_what_does_not_start_is_said_once() -> None:
    """All checks rest on one that fails then, and the others do not repeat it."""
    report = examine(Needy, starts=STARTS, measure=False)
    assert [one.id for one in report.verdicts if one.verdict == "fails"] == ["schema.default"]
    assert "not reached" in {one.verdict for one in report.verdicts}


@given(strategies.text(max_size=200))
def test_cuts_are_of_the_whole_text(text: str) -> None:
    """Pieces make up the text, none is empty, and a text that is not long is cut at every place."""
    every = list(cuts(text))
    assert all("".join(pieces) == text and all(pieces) for pieces in every)
    if len(text) <= PLACES_MAX:
        assert {len(pieces[0]) for pieces in every if len(pieces) == 2} >= set(range(1, len(text)))
    if 2 < len(text) <= SHORT_CHARS:
        pairs = {(len(one), len(two)) for one, two, *more in (pieces for pieces in every if len(pieces) == 3)}
        assert len(pairs) == (len(text) - 1) * (len(text) - 2) // 2
