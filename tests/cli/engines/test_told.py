"""What commands hear of a loaded engine, whatever it does instead of saying how it is."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest

from yumen import Answer, Engine, EngineManifest, NoConfig
from yumen.cli.engines import loading
from yumen.cli.engines.loading import Told, told
from yumen.tensors.models import Placement

PLACE = Placement(model="模型")


class Vague(Engine[NoConfig]):
    """Does what the test says where it says."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="vague", version="1")

    def __init__(self, at: str, error: BaseException | None) -> None:
        super().__init__(NoConfig())
        self.at = at
        self.error = error

    async def generate(self, request: Any) -> Answer:
        return Answer(["fine"])

    async def health(self) -> str:
        if self.at == "health":
            if self.error is None:
                await asyncio.Event().wait()
            else:
                raise self.error
        return "ill"

    def placements(self) -> tuple[Placement, ...]:
        if self.at == "placements" and self.error is not None:
            raise self.error
        return (PLACE,)


@pytest.mark.parametrize("at", ["health", "placements"])
@pytest.mark.parametrize("error", [ValueError("秘密 SECRET"), SystemExit(0), KeyboardInterrupt()])
async def test_an_engine_that_raises_has_not_said(at: str, error: BaseException) -> None:
    """A command is not ended by it, and hears no words of it."""
    state = await told(Vague(at, error))
    assert state.failed == ("ValueError" if isinstance(error, ValueError) else "RuntimeError")
    assert "SECRET" not in str(state)


async def test_an_engine_that_hangs_has_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever."""
    monkeypatch.setattr(loading, "HEALTH_S", 0.01)
    assert await told(Vague("health", None)) == Told(failed="TimeoutError")


async def test_what_it_says() -> None:
    """How it is, and where it runs."""
    assert await told(Vague("", None)) == Told("ill", (), (PLACE,))
