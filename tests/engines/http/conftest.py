"""Fixtures of the `http` engine's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from tests.engines.http.asking import Application

import yumen_engines.http


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long after closing the engine."""
    monkeypatch.setattr(yumen_engines.http, "CLOSE_GRACE_S", 0.002)


@pytest.fixture
async def application() -> AsyncIterator[Application]:
    """An application on a port of its own."""
    one = Application()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", one.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield one
    await runner.cleanup()
