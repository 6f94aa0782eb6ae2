"""The form of policy files: what `gateway.yaml` and a plugin's file may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from yumen.policy.bundle import ANY, Limits, Match, Mode

Version = Annotated[Literal[1], msgspec.Meta(description="The version of this form; 1.")]
NAME = r"^[a-z][a-z0-9_-]{0,63}$"
Name = Annotated[str, msgspec.Meta(pattern=NAME)]


class EngineFile(msgspec.Struct, frozen=True, kw_only=True):
    """An engine; every other key belongs to the adapter's own configuration."""

    adapter: Annotated[str, msgspec.Meta(description="Name of an installed engine.")]
    egress: Annotated[Literal["local", "remote"], msgspec.Meta(description="Whether its text leaves this machine.")]
    when_env: Annotated[str, msgspec.Meta(description="Available only where this variable is set.")] = ""


class RouteMatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which requests a route takes."""

    paths: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, description="Globs of paths.")]
    models: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, description="Globs of model names.")] = ANY


class RouteFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A route."""

    id: Annotated[str, msgspec.Meta(pattern=NAME, description="Its name, in metrics and audit records too.")]
    match: RouteMatch
    engine: Annotated[
        str | tuple[str, ...], msgspec.Meta(description="An engine, or several: the first available one.")
    ]
    chain: Annotated[tuple[str, ...], msgspec.Meta(description="Plugin instances, in order.")] = ()
    accept_raw: Annotated[str, msgspec.Meta(description="Why raw text may leave or be stored on this route.")] = ""
    timeout_ms: Annotated[int, msgspec.Meta(ge=1, le=3_600_000, description="Time for the engine to answer.")] = 120_000


class GatewayFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`gateway.yaml`."""

    version: Version
    engines: Annotated[dict[str, dict[str, Any]], msgspec.Meta(description="Engines by name.")]
    routes: Annotated[
        tuple[RouteFile, ...], msgspec.Meta(min_length=1, description="Routes; the first that fits is taken.")
    ]
    limits: Annotated[Limits, msgspec.Meta(description="How much of anything one exchange may be.")] = Limits()


class PluginFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every other file: one plugin under its policy."""

    version: Version
    plugin: Annotated[str, msgspec.Meta(description="Name of an installed plugin.")]
    name: (
        Annotated[str, msgspec.Meta(pattern=NAME, description="Name of the instance; the file's name by default.")]
        | None
    ) = None
    mode: Annotated[Mode, msgspec.Meta(description="enforce, shadow (decide and record, apply nothing) or off.")] = (
        "enforce"
    )
    on_error: Annotated[Literal["closed", "open"], msgspec.Meta(description="What a fault or timeout does.")] = "closed"
    on_unsupported: Annotated[
        Literal["reject", "warn", "skip"], msgspec.Meta(description="What a payload that it cannot read does.")
    ] = "reject"
    timeout_ms: Annotated[int, msgspec.Meta(ge=1, le=600_000, description="Time for one hook.")] = 1000
    match: Match = Match()
    config: Annotated[dict[str, Any] | None, msgspec.Meta(description="The plugin's own configuration.")] = None
    tests: Annotated[list[dict[str, Any]], msgspec.Meta(description="Cases that hold for this policy.")] = []
