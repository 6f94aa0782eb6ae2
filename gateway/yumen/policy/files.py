"""The form of policy files: what `gateway.yaml` and a plugin's file may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from yumen.batching.config import BatchConfig
from yumen.exchange import Mode
from yumen.policy.bundle import ANY, Glob, Limits, Match, StoreSpec, SubjectSource
from yumen.policy.cases import MOMENT, MOMENTS, Case
from yumen.pool.config import PoolConfig

Version = Annotated[Literal[1], Meta(description="The version of this form; 1.")]
NAME = r"^[a-z][a-z0-9_-]{0,63}$"
Name = Annotated[str, Meta(pattern=NAME)]
Modes = Annotated[Mode, Meta(description="enforce, shadow (decide and record, apply nothing) or off.")]
Cites = Annotated[tuple[str, ...], Meta(description="The articles of law or contract that this serves.")]
Sample = Annotated[
    float,
    Meta(gt=0, le=1, description="In shadow: the share of exchanges that are looked at, the same ones every time."),
]
Until = Annotated[
    str,
    Meta(
        pattern=MOMENT,
        examples=MOMENTS,
        description="In shadow: the moment from which on it enforces; a date is the beginning of that day in UTC.",
    ),
]


class Pin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which release of a plugin or engine this policy was made for. Error: ValueError where it says neither."""

    version: Annotated[str, Meta(max_length=100, description="The version of its distribution.")] = ""
    sha256: Annotated[
        str,
        Meta(
            pattern=r"^([0-9a-f]{64})?$",
            description="The hash of what is installed, as `list --json` of `yumen plugins` or `yumen engines` prints it.",
        ),
    ] = ""

    def __post_init__(self) -> None:
        if not self.version and not self.sha256:
            raise ValueError("a pin says a `version`, a `sha256`, or both")


class EngineFile(msgspec.Struct, frozen=True, kw_only=True):
    """An engine; every other key belongs to the adapter's own configuration."""

    adapter: Annotated[str, Meta(description="Name of an installed engine.")]
    egress: Annotated[Literal["local", "remote"], Meta(description="Whether its text leaves this machine.")]
    pin: Annotated[Pin, Meta(description="Refuse any other release of the adapter, unimported.")] | None = None
    when_env: Annotated[str, Meta(description="Available only where this variable is set.")] = ""
    batch: Annotated[
        BatchConfig | None, Meta(description="How rows of many callers run together, where its models take tensors.")
    ] = None
    pool: Annotated[
        PoolConfig | None, Meta(description="How exchanges find a replica, and what becomes of one that fails.")
    ] = None
    replicas: Annotated[
        tuple[dict[str, Any], ...],
        Meta(
            max_length=64,
            description="Replicas: of each what is otherwise than above, with `name` and `weight` where wanted.",
        ),
    ] = ()


class RouteMatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which requests a route takes."""

    paths: Annotated[tuple[Glob, ...], Meta(min_length=1, max_length=64, description="Globs of paths.")]
    models: Annotated[tuple[Glob, ...], Meta(min_length=1, max_length=256, description="Globs of model names.")] = ANY


class RouteFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A route."""

    id: Annotated[str, Meta(pattern=NAME, description="Its name, in metrics and audit records too.")]
    match: RouteMatch
    when_env: Annotated[str, Meta(description="There only where this variable is set.")] = ""
    engine: Annotated[str | tuple[str, ...], Meta(description="An engine, or several: the first available one.")]
    fallback: Annotated[
        str, Meta(description="An engine that is asked where the route's own fails before it has begun to answer.")
    ] = ""
    chain: Annotated[tuple[str, ...], Meta(description="Plugin instances, in order.")] = ()
    accept_raw: Annotated[str, Meta(description="Why raw text may leave or be stored on this route.")] = ""
    timeout_ms: Annotated[int, Meta(ge=1, le=3_600_000, description="Time for the engine to answer.")] = 120_000
    subject: Annotated[SubjectSource, Meta(description="Where requests say whom they are about.")] | None = None


class GatewayFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`gateway.yaml`."""

    version: Version
    engines: Annotated[dict[str, dict[str, Any]], Meta(description="Engines by name.")]
    routes: Annotated[
        tuple[RouteFile, ...], Meta(min_length=1, max_length=1000, description="Routes; the first that fits is taken.")
    ]
    limits: Annotated[Limits, Meta(description="How much of anything one exchange may be.")] = Limits()
    store: (
        Annotated[
            StoreSpec,
            Meta(description="Where plugins keep what outlives an exchange; by default in the memory of each process."),
        ]
        | None
    ) = None
    extends: Annotated[
        str,
        Meta(description="The bundle that this one begins from: a folder beside it, or an installed bundle's name."),
    ] = ""
    disable: Annotated[
        tuple[Glob, ...],
        Meta(
            max_length=1000,
            description="Rules that are switched off: ids or globs of them, `instance:rule` for those of one instance.",
        ),
    ] = ()


class RuleFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What policy says about one rule of a plugin; what is left out is as for the whole instance."""

    mode: Modes | None = None
    description: Annotated[str, Meta(description="What it is for, in a sentence.")] = ""
    cites: Cites = ()
    sample: Sample | None = None
    until: Until | None = None
    accept_raw: Annotated[
        str, Meta(description="In shadow: why what it finds may reach a remote engine unmasked meanwhile.")
    ] = ""


class PluginFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every other file: one plugin under its policy."""

    version: Version
    plugin: Annotated[str, Meta(description="Name of an installed plugin.")]
    pin: Annotated[Pin, Meta(description="Refuse any other release of the plugin, unimported.")] | None = None
    name: Annotated[str, Meta(pattern=NAME, description="Name of the instance; the file's name by default.")] | None = (
        None
    )
    mode: Modes = "enforce"
    sample: Sample = 1.0
    until: Until | None = None
    on_error: Annotated[Literal["closed", "open"], Meta(description="What a fault or timeout does.")] = "closed"
    on_unsupported: Annotated[
        Literal["reject", "warn", "skip"], Meta(description="What a payload that it cannot read does.")
    ] = "reject"
    timeout_ms: Annotated[int, Meta(ge=1, le=600_000, description="Time for one hook.")] = 1000
    isolation: Annotated[
        Literal["none", "process"],
        Meta(description="Whether the plugin runs in a process of its own, which can fail without the gateway."),
    ] = "none"
    memory_mib: Annotated[
        int,
        Meta(ge=128, le=1 << 20, description="With `isolation: process`: memory that its process may have, in MiB."),
    ] = 1024
    match: Match = Match()
    cites: Cites = ()
    rules: Annotated[
        dict[Glob, RuleFile],
        Meta(
            max_length=2000,
            description="Single rules by id or glob; an exact id beats a glob, the first glob that fits the others.",
        ),
    ] = {}
    config: Annotated[dict[str, Any] | None, Meta(description="The plugin's own configuration.")] = None
    tests: Annotated[list[Case], Meta(description="Cases that hold for this policy.")] = []
