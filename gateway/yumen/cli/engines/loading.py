"""Engines of a bundle, loaded in this process for as long as a command needs them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from yumen.engine import Engine
from yumen.errors import CannotStart, PolicyError
from yumen.foreign import tamed
from yumen.parts import Parts
from yumen.policy.bundle import Bundle, EngineSpec
from yumen.policy.load import load_bundle
from yumen.settings import Secret, Settings
from yumen.telemetry import configure_logging
from yumen.tensors.models import ModelState, Placement

HEALTH_S = 30.0


class Told(msgspec.Struct, frozen=True):
    """How a loaded engine is: `ill` as `Engine.health` says it, and the models that it knows of and runs.

    `failed` is the type of the error with which it failed to say so: its words may hold anything.
    """

    ill: str = ""
    index: Sequence[ModelState] = ()
    placements: Sequence[Placement] = ()
    failed: str = ""


def specs(settings: Settings, policies: str | None, names: Sequence[str] = ()) -> list[EngineSpec]:
    """The engines that a bundle uses, those of `names` or all. Error: `CannotStart`."""
    bundle = compiled(policies or settings.policies)
    unknown = [name for name in names if name not in bundle.engines]
    if unknown:
        known = ", ".join(bundle.engines) or "none"
        raise CannotStart(f"the bundle uses no engine `{unknown[0]}`; name one of: {known}")
    return [spec for name, spec in bundle.engines.items() if not names or name in names]


def compiled(name: str) -> Bundle:
    """A bundle. Error: `CannotStart`, since nothing can be said of engines without one."""
    try:
        return load_bundle(name, os.environ)
    except PolicyError as error:
        raise CannotStart(f"{name} cannot be compiled\n{error}") from None


def parts(settings: Settings) -> Parts:
    """What loads engines; no exchange of theirs is a real one."""
    # What a command prints is its answer; what adapters log beside it is for whoever asks for it.
    configure_logging(os.environ.get("YUMEN_LOG_LEVEL") or "critical")
    return Parts(settings, Secret.open(settings.data_dir), live=False)


def apart(spec: EngineSpec) -> list[tuple[str, EngineSpec]]:
    """Every replica as an engine of its own, by `engine/replica`; an engine without replicas by its name."""
    if spec.pool is None:
        return [(spec.name, spec)]
    return [
        (
            f"{spec.name}/{replica.name}",
            msgspec.structs.replace(spec, config=replica.config, pool=None, replicas=()),
        )
        for replica in spec.replicas
    ]


@asynccontextmanager
async def loaded(parts: Parts, spec: EngineSpec) -> AsyncIterator[Engine[Any]]:
    """An engine, loaded, and closed in the end. Error: `CannotStart`."""
    part = await parts.engine(spec)
    try:
        yield part.made
    finally:
        await parts.give_back(part)


async def told(engine: Engine[Any]) -> Told:
    """What an engine says of itself; an adapter may raise anything, or never come to an end."""
    try:
        return await tamed(lambda: _told(engine))
    except Exception as error:
        return Told(failed=type(error).__name__)


async def _told(engine: Engine[Any]) -> Told:
    async with asyncio.timeout(HEALTH_S):
        ill = await engine.health()
        models = engine.models()
        index = await models.index() if models is not None else ()
    return Told(ill, tuple(index), tuple(engine.placements()))
