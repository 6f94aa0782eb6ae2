"""`yumen engines build`: what an engine would build when it starts, built before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from yumen.cli.engines.loading import apart, parts, specs
from yumen.cli.engines.optional import Builds
from yumen.cli.plain import plain
from yumen.errors import CannotStart
from yumen.parts import InstanceHost, Parts, made
from yumen.policy.bundle import EngineSpec
from yumen.settings import Settings


@click.command()
@click.argument("name")
@click.option("--policies", metavar="BUNDLE", help="A folder, or an installed bundle's name (YUMEN_POLICIES).")
@click.pass_obj
def build(settings: Settings, name: str, policies: str | None) -> None:
    """Build what the engine NAME of a bundle needs before it can serve, such as plans of TensorRT.

    Exit status: 0 built or there already, 1 could not run, 2 the engine has nothing to build.
    """
    [spec] = specs(settings, policies, [name])
    if not issubclass(spec.engine_class, Builds):
        click.echo(f"{name}: the adapter `{spec.adapter}` builds nothing; it serves as it is", err=True)
        raise SystemExit(2)
    for built in asyncio.run(_built(parts(settings), spec)):
        state = "built" if built.built else "there already"
        click.echo(plain(f"{name}: {built.model} {built.version}: {state}, for up to {built.rows_max} rows"))
    click.echo(f"{name}: what was built lies in {settings.data_dir}, signed")


async def _built(parts: Parts, spec: EngineSpec) -> Sequence[Any]:
    """Build for every replica: their devices may differ. Error: `CannotStart`."""
    done: list[Any] = []
    for name, one in apart(spec):
        engine = made(one)
        assert isinstance(engine, Builds)
        host = InstanceHost(parts, spec.name, frozenset())
        try:
            done += await engine.prepare(host, partial(_say, name))
        except CannotStart as error:
            raise CannotStart(f"{name}: {error}") from None
        finally:
            await engine.close()
    return done


def _say(name: str, said: str) -> None:
    click.echo(plain(f"{name}: {said}"), err=True)
