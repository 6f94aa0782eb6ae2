"""`yumen policy`: what a policy author asks of a bundle."""

from __future__ import annotations

import click
import msgspec
from rich.table import Table

from yumen.errors import Diagnostic, PolicyError
from yumen.policy.bundle import Bundle
from yumen.policy.load import check_bundle
from yumen.screen import display
from yumen.settings import Settings


@click.group()
def policy() -> None:
    """Check policy bundles."""


@policy.command()
@click.argument("bundle", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def check(settings: Settings, bundle: str | None, as_json: bool) -> None:
    """Say everything that is wrong with BUNDLE, a folder or an installed bundle's name.

    Exit status: 0 fine, 1 there is no such bundle, 2 something is wrong with it.
    """
    name = bundle or settings.policies
    try:
        compiled, diagnostics = check_bundle(name)
    except PolicyError as error:
        click.echo(str(error), err=True)
        raise SystemExit(1) from None
    if as_json:
        click.echo(msgspec.json.encode(_report(compiled, diagnostics)).decode())
    else:
        for diagnostic in diagnostics:
            click.echo(str(diagnostic))
        if compiled is not None:
            display(_table(compiled))
            click.echo(f"policy hash {compiled.hash}")
    if compiled is None:
        raise SystemExit(2)


def _report(bundle: Bundle | None, diagnostics: list[Diagnostic]) -> dict[str, object]:
    routes = [
        {
            "id": route.id,
            "paths": route.paths,
            "models": route.models,
            "chain": [f"{instance.name}" for instance in route.chain],
            "engine": route.engine,
            "egress": bundle.engines[route.engine].egress,
            "accept_raw": route.accept_raw,
        }
        for route in (bundle.routes if bundle else ())
        if bundle is not None
    ]
    return {
        "ok": bundle is not None,
        "hash": bundle.hash if bundle else "",
        "routes": routes,
        "diagnostics": diagnostics,
    }


def _table(bundle: Bundle) -> Table:
    table = Table("route", "paths", "models", "chain", "engine", "raw text accepted because")
    for route in bundle.routes:
        chain = " → ".join(
            instance.name + ("" if instance.mode == "enforce" else f" ({instance.mode})") for instance in route.chain
        )
        engine = f"{route.engine} ({bundle.engines[route.engine].egress})"
        table.add_row(route.id, "\n".join(route.paths), "\n".join(route.models), chain, engine, route.accept_raw)
    return table
