"""`yumen policy explain`: what a bundle does with one request, and why."""

from __future__ import annotations

import asyncio
from typing import Any, BinaryIO

import click
import msgspec

from yumen.errors import CannotStart
from yumen.exchange import Principal
from yumen.policy.bundle import Bundle
from yumen.policy.cases import Reply
from yumen.policy.explain import explain as explained
from yumen.policy.explain import facts
from yumen.policy.explanation import Explanation
from yumen.policy.load import load_bundle
from yumen.policy.testing import Harness
from yumen.screen import display
from yumen.settings import Settings

REQUEST_BYTES_MAX = 16 << 20
SCRIPTED = "the engine was a stand-in that repeats, or says what --reply says; nothing was sent anywhere or recorded"


@click.command()
@click.argument("bundle", required=False)
@click.option(
    "--request", "file", type=click.File("rb"), required=True, help="The body, as JSON; `-` for standard input."
)
@click.option("--path", default="/v1/chat/completions", show_default=True, help="The path that it is sent to.")
@click.option("--reply", help="What the engine answers; by default it repeats the last message as it was given it.")
@click.option("--tenant", default="default", show_default=True, help="Tenant of the caller.")
@click.option("--app", default="default", show_default=True, help="App of the caller.")
@click.option("--trusted", is_flag=True, help="Send it with a trusted key.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def explain(
    settings: Settings, bundle: str | None, file: BinaryIO, path: str, reply: str | None, tenant: str, app: str,
    trusted: bool, as_json: bool,
) -> None:  # fmt: skip
    """Run one request through BUNDLE, in this process and with an engine that only repeats, and show what came of it.

    Shown are routes, rules, places and lengths, never the values. Exit status: 0 shown, 1 it could not be run, 2 the
    bundle is wrong.
    """
    body = file.read(REQUEST_BYTES_MAX + 1)
    if len(body) > REQUEST_BYTES_MAX:
        raise CannotStart(f"the request is larger than {REQUEST_BYTES_MAX} bytes")
    loaded = load_bundle(bundle or settings.policies)
    caller = Principal(tenant, app, "explain", trusted)
    explanation = asyncio.run(_run(loaded, settings, path, body, caller, Reply(text=reply)))
    if as_json:
        click.echo(msgspec.json.encode(explanation).decode())
    else:
        display(explanation.tree())


async def _run(
    bundle: Bundle, settings: Settings, path: str, body: bytes, caller: Principal, reply: Reply
) -> Explanation:
    async with Harness(bundle, settings) as harness:
        harness.script.reply = reply
        outcome = await harness.send(path, body, caller)
    if outcome.exchange is not None:
        return explained(facts(outcome.exchange), bundle, SCRIPTED)
    record: dict[str, Any] = {
        "id": outcome.headers.get("x-request-id", ""),
        "tenant": caller.tenant,
        "app": caller.app,
        "policy": bundle.hash,
        "path": path,
        "model": _model(body),
        "outcome": outcome.code,
        "status": outcome.status,
    }
    return explained(record, bundle)


def _model(body: bytes) -> str:
    """The model that a body asks for, if it can be read."""
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""
    model = decoded.get("model") if isinstance(decoded, dict) else None
    return model[:200] if isinstance(model, str) else ""
