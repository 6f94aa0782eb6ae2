"""Engines of a bundle, loaded in this process for as long as a command needs them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from yumen.engine import Engine
from yumen.errors import CannotStart, PolicyError
from yumen.parts import Parts
from yumen.policy.bundle import Bundle, EngineSpec
from yumen.policy.load import load_bundle
from yumen.settings import Secret, Settings
from yumen.telemetry import configure_logging


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
