"""A policy in a folder, and a gateway's inner parts that serve it, all in this process but for the proofs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.reload.odd import Policy, install_here

from yumen import registry
from yumen.dataplane import DataPlane
from yumen.identity import Keys
from yumen.parts import Parts
from yumen.policy.trusted import load_trusted
from yumen.proof import Prover
from yumen.reload import Reloader
from yumen.runtime import Runtime
from yumen.settings import Secret, Settings

ADMIN = "admin:k0"


@pytest.fixture(scope="module", autouse=True)
def _odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The plugins of `odd.py`, here and in every process that is started."""
    with pytest.MonkeyPatch.context() as patch:
        install_here(patch, tmp_path_factory.mktemp("site"))
        yield
    registry.load_plugin.cache_clear()
    registry.load_engine.cache_clear()


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    """A bundle."""
    return Policy(tmp_path / "政策")


@pytest.fixture
async def prover() -> AsyncIterator[Prover]:
    """A prover with the process that it has started."""
    made = Prover(limit_s=30)
    yield made
    await made.close()


async def until(true: Callable[[], object]) -> None:
    """Wait until something is true; the test's own limit ends it."""
    while not true():  # what is waited for belongs to no event
        await asyncio.sleep(0.005)


class Served:
    """A policy that is served, but for the network."""

    def __init__(self, settings: Settings, prover: Prover) -> None:
        self.settings = settings
        loaded = load_trusted(settings.policies, settings.require_signed)
        secret = Secret.open(settings.data_dir)
        self.first = Runtime(loaded.bundle, Parts(settings, secret))
        self.plane = DataPlane(self.first, Keys.open(settings.data_dir, secret), secret)
        self.reloader = Reloader(settings, self.plane, loaded, prover)

    @property
    def hash(self) -> str:
        return self.plane.runtime.bundle.hash

    @property
    def word(self) -> str:
        """What the configuration of `odd` says."""
        word: str = self.plane.runtime.bundle.instances["odd"].config.word  # type: ignore[attr-defined]  # of `odd.py`
        return word

    def notes(self, file: str = "notes") -> list[dict[str, object]]:
        """What `notes` has written down."""
        path = self.settings.data_dir / f"{file}.jsonl"
        return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]

    def kinds(self, file: str = "notes") -> list[object]:
        return [note["kind"] for note in self.notes(file)]


@pytest.fixture
def settings(tmp_path: Path, policy: Policy) -> Settings:
    """One worker that does not watch."""
    return Settings(policies=str(policy.folder), data_dir=tmp_path / "data", watch=False)


@pytest.fixture
async def served(settings: Settings, prover: Prover) -> AsyncIterator[Served]:
    """The policy as it is, served."""
    made = Served(settings, prover)
    await made.first.start()
    await made.reloader.begin()
    yield made
    await made.reloader.close()
    await made.plane.runtime.stop()
