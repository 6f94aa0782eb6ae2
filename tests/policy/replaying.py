"""A ledger that was written under one bundle, and is replayed under others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.policy.outsiders import install
from tests.policy.recording import Gateway, report, write_bundle

from yumen import registry
from yumen.testing import ScriptedEngine

LIMITS = "version: 1\nplugin: limits\nconfig: {requests_per_minute: %d}\n"
ANONYMIZE = "version: 1\nplugin: anonymize\n"
PHONE, EMAIL, CARD = "13812345678", "li.na@example.com", "4111 1111 1111 1111"


@pytest.fixture(autouse=True, scope="module")
def outsiders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The plugins of `outsiders.py`, found by their entry points."""
    site = tmp_path_factory.mktemp("site")
    install(site)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        yield
    registry.load_plugin.cache_clear()


# Exchanges, and those of them that are not for sure, by kind and rule.
Counts = dict[tuple[str, str], tuple[int, int]]


class Case:
    """A ledger that was written under one bundle, and is replayed under others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"

    def bundle(self, name: str, chain: str = "audit, anonymize", **files: str) -> Path:
        return write_bundle(self.folder / name, chain, **{"anonymize": ANONYMIZE, **files})

    def record(self, bundle: Path, *asked: Any, engine: ScriptedEngine | None = None) -> list[str]:
        """Ask one after the other, a second apart: texts, or arguments of `Gateway.ask`."""

        async def ask() -> list[str]:
            async with Gateway(bundle, self.data, engine=engine) as gateway:
                every = ({"text": one} if isinstance(one, str) else one for one in asked)
                return [await gateway.ask(**{"wait": 1.0, **one}) for one in every]

        return asyncio.run(ask())

    def replay(self, bundle: Path, *arguments: str) -> dict[str, Any]:
        return report(self.data, "policy", "replay", "--policy", bundle, *arguments)

    def differences(self, bundle: Path, *arguments: str, section: str = "decisions") -> Counts:
        """Exchanges, and those of them that are not for sure, by kind and rule."""
        found = self.replay(bundle, *arguments)["differences"]
        return {
            (one["kind"], one["subject"]): (one["exchanges"], one["unsure"])
            for one in found
            if one["section"] == section
        }

    def unknown(self, bundle: Path) -> dict[str, int]:
        return {one["name"]: one["exchanges"] for one in self.replay(bundle)["unknown"]}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)
