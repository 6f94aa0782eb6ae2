"""What nobody waits for in the process of a plugin is in the gateway's log, as where the plugin runs in the gateway."""

from __future__ import annotations

import asyncio
import threading
import warnings
from pathlib import Path
from typing import Any, ClassVar

from structlog.testing import capture_logs
from tests.core.isolation.flats import apart
from tests.kit import exchange, request, saying

from yumen import Decision, Exchange, Manifest, NoConfig, Plugin
from yumen.testing import completion

SECRET = "13812345678"


class Careless(Plugin[NoConfig]):
    """Begins what it does not wait for, all of which fails with a text in its words."""

    manifest: ClassVar[Manifest] = Manifest(name="careless", version="1")

    async def on_request(self, exchange: Exchange) -> Decision | None:
        self.task = asyncio.ensure_future(self._later())
        asyncio.get_running_loop().call_soon(self._fails)
        thread = threading.Thread(target=self._fails)
        thread.start()
        thread.join()
        warnings.warn(SECRET, stacklevel=1)
        await asyncio.sleep(0.05)
        del self.task
        return None

    async def _later(self) -> None:
        self._fails()

    def _fails(self) -> None:
        raise LookupError(SECRET)

    async def stop(self) -> None:
        self._fails()


async def test_what_nobody_waits_for_is_told(tmp_path: Path) -> None:
    """By type and place, with the instance that it belongs to and without a word of the plugin's."""
    with capture_logs() as logs:
        async with apart(tmp_path, Careless) as step:
            outcome = await exchange([step], saying(completion("fine")), request(SECRET))
        assert outcome.content == "fine"
    told: list[Any] = [one for one in logs if one["event"] in ("unhandled", "python_warning", "stop_failed")]
    assert sorted((one["event"], one.get("where", "")) for one in told) == [
        ("python_warning", ""),
        ("stop_failed", ""),
        ("unhandled", "callback"),
        ("unhandled", "task"),
        ("unhandled", "thread"),
    ]
    assert all(one["instance"] == "guest" and "test_strays.py:" in one["at"] for one in told)
    assert SECRET not in repr(logs)
