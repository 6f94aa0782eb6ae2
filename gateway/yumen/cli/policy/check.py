"""`yumen policy check`: everything that is wrong with a bundle, at once."""

from __future__ import annotations

import click
import msgspec
from rich.table import Table

from yumen.errors import Diagnostic, PolicyError
from yumen.policy.bundle import Bundle
from yumen.policy.load import check_bundle
from yumen.policy.sight import draw, sight
from yumen.screen import display
from yumen.settings import Settings


@click.command()
@click.argument("bundle", required=False)
@click.option("--explain-flow", is_flag=True, help="Draw what every plugin, store and engine of a route is shown.")
@click.option("--github", is_flag=True, help="Print annotations for GitHub's workflows.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def check(settings: Settings, bundle: str | None, explain_flow: bool, github: bool, as_json: bool) -> None:
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
            click.echo(annotation(diagnostic) if github else str(diagnostic))
        if compiled is not None and not github:
            for shown in draw(sight(compiled)) if explain_flow else [_table(compiled)]:
                display(shown)
            click.echo(f"policy hash {compiled.hash}")
    if compiled is None:
        raise SystemExit(2)


def annotation(diagnostic: Diagnostic) -> str:
    """A line that GitHub shows beside the place it is about. Format: GitHub Actions, "Workflow commands"."""
    kind = "warning" if diagnostic.code.startswith("warning.") else "error"
    place = {"file": diagnostic.file, "line": diagnostic.line, "col": diagnostic.column, "title": diagnostic.code}
    escaped = (f"{name}={_escaped(str(value), ':,')}" for name, value in place.items())
    return f"::{kind} {','.join(escaped)}::{_escaped(f'{diagnostic.what}; {diagnostic.fix}')}"


def _escaped(text: str, more: str = "") -> str:
    return "".join(f"%{ord(char):02X}" if char in f"%\r\n{more}" else char for char in text)


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
            "detours": {name: bundle.engines[name].egress for name in route.detours},
        }
        for route in (bundle.routes if bundle else ())
        if bundle is not None
    ]
    return {
        "ok": bundle is not None,
        "hash": bundle.hash if bundle else "",
        "routes": routes,
        "flow": sight(bundle) if bundle else [],
        "diagnostics": diagnostics,
    }


def _table(bundle: Bundle) -> Table:
    table = Table("route", "paths", "models", "chain", "engine", "raw text accepted because")
    for route in bundle.routes:
        chain = " → ".join(
            instance.name + ("" if instance.mode == "enforce" else f" ({instance.mode})") for instance in route.chain
        )
        engine = "\n".join(f"{name} ({bundle.engines[name].egress})" for name in (route.engine, *route.detours))
        table.add_row(route.id, "\n".join(route.paths), "\n".join(route.models), chain, engine, route.accept_raw)
    return table
