"""Whatever a plugin raises in a replay, `SystemExit` too, is its own fault there; Ctrl-C of the operator ends the replay."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.kit import Panic
from tests.policy.recording import ROOT, quiet
from tests.policy.replaying import Case

from yumen import Finding, Manifest, NoConfig, Plugin, Secret, Settings
from yumen.errors import CannotStart
from yumen.ledger import open_ledger
from yumen.policy.bundle import Bundle
from yumen.policy.load import load_bundle
from yumen.policy.replay import Options, replay
from yumen.policy.replay.report import Report
from yumen.registry import given

__all__ = ["quiet"]


class Panics(Plugin[NoConfig]):
    """Does what the test says in one of its methods, and nothing in the others."""

    manifest: ClassVar[Manifest] = Manifest(name="panics", version="1", sees="raw")
    at: ClassVar[str] = ""
    does: ClassVar[Callable[[], None]] = staticmethod(lambda: None)

    def _maybe(self, at: str) -> None:
        if self.at == at:
            type(self).does()

    def __init__(self, config: NoConfig) -> None:
        super().__init__(config)
        self._maybe("made")

    async def start(self, host: Any) -> None:
        self._maybe("start")

    async def on_request(self, exchange: Any) -> None:
        self._maybe("request")
        if exchange.texts[-1].value.endswith("13812345678"):
            exchange.find("panics.word", category="word", text=exchange.texts[-1], start=5, end=16)

    async def on_response(self, exchange: Any) -> None:
        self._maybe("response")

    async def on_complete(self, exchange: Any) -> None:
        self._maybe("complete")

    def judge(self, exchange: Any, finding: Finding) -> None:
        self._maybe("judge")

    async def stop(self) -> None:
        self._maybe("stop")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Bundle]]:
    """A ledger with four exchanges, and the bundle that they ran under."""
    case = Case(tmp_path_factory.mktemp("case"))
    with given(Panics):
        folder = case.bundle("old", "audit, panics, anonymize", panics="version: 1\nplugin: panics\n")
        asked = ("你好", "call 13812345678", "hello")
        assert case.record(folder, *asked, {"stream": True}) == ["ok"] * 4
        yield case.data, load_bundle(str(folder))


@pytest.fixture
def panics(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], None]], None]:
    """Say where it does something, and what."""

    def say(at: str, does: Callable[[], None]) -> None:
        monkeypatch.setattr(Panics, "at", at)
        monkeypatch.setattr(Panics, "does", staticmethod(does))

    return say


def raises(error: BaseException) -> Callable[[], None]:
    def does() -> None:
        raise error

    return does


def run(recorded: tuple[Path, Bundle]) -> Report:
    """The replay as the command runs it, with its handling of Ctrl-C."""
    data, bundle = recorded
    reader = open_ledger(data / "ledger", Settings(data_dir=data))
    return asyncio.run(replay(reader, bundle, Secret(ROOT), Options(), lambda _: None))


def failed(report: Report) -> int:
    """How many of four exchanges a plugin failed on."""
    assert report.exchanges == 4
    return sum(one.exchanges for one in report.unknown if one.name == "failed")


WAYS = [
    pytest.param(one, id=type(one).__name__)
    for one in (SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError(), Panic("秘密 SECRET"))
]


@pytest.mark.parametrize("error", WAYS)
def test_a_fault_is_the_plugins(recorded: Any, panics: Callable[..., None], error: BaseException) -> None:
    """Whatever raises it has failed on these exchanges and no others, and every exchange is told."""
    where = {"request": 4, "response": 4, "complete": 4, "judge": 1, "stop": 0}
    for at, times in where.items():
        panics(at, raises(error))
        assert failed(run(recorded)) == times, at


@pytest.mark.parametrize("error", WAYS)
@pytest.mark.parametrize("at", ["made", "start"])
def test_what_does_not_start(recorded: Any, panics: Callable[..., None], at: str, error: BaseException) -> None:
    """One that raises it when it is made or starts does not start, which is said in a sentence."""
    panics(at, raises(error))
    with pytest.raises(CannotStart, match=r"plugin panics does not start for a replay: \w+$"):
        run(recorded)


@pytest.fixture
def _terminal() -> Iterator[None]:
    """Ctrl-C means what it means to a command in a terminal, whatever ran before in this process."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    # None where what was there is not Python's own.
    signal.signal(signal.SIGINT, signal.default_int_handler if before is None else before)


@pytest.mark.usefixtures("_terminal")
def test_the_operator_ends_it(recorded: Any, panics: Callable[..., None]) -> None:
    """Ctrl-C ends a replay though no hook waits for anything, or one swallows it; so does the second one in a hook."""
    calls: list[int] = []

    def interrupt() -> None:
        calls.append(1)
        signal.raise_signal(signal.SIGINT)

    def insist() -> None:
        interrupt()
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second one comes at once")

    for does in (interrupt, insist):
        calls.clear()
        panics("request", does)
        with pytest.raises(KeyboardInterrupt):
            run(recorded)
        assert calls == [1]
