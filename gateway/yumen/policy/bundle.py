"""The compiled policy bundle: immutable, made once, shared by every exchange that began with it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

import msgspec

from yumen.batching.config import BatchConfig
from yumen.engine import Engine
from yumen.exchange import Mode
from yumen.plugin import Manifest, Plugin
from yumen.policy.cases import Case
from yumen.pool.config import PoolConfig

ANY = ("*",)
# A pattern of file names, as `fnmatch` has them; a very long one takes long to compile.
Glob = Annotated[str, msgspec.Meta(max_length=200)]
# Paths and model names come from callers, so what is remembered about them is bounded.
REMEMBERED_MAX = 4096


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which exchanges an instance runs on: globs, all of which must hold."""

    routes: Annotated[tuple[Glob, ...], msgspec.Meta(max_length=1000, description="Globs of route ids.")] = ANY
    tenants: Annotated[tuple[Glob, ...], msgspec.Meta(max_length=1000, description="Globs of tenants.")] = ANY
    models: Annotated[tuple[Glob, ...], msgspec.Meta(max_length=1000, description="Globs of model names.")] = ANY
    directions: Annotated[
        tuple[Literal["request", "reply"], ...], msgspec.Meta(description="Which hooks run.", min_length=1)
    ] = ("request", "reply")


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of anything one exchange may be."""

    body_bytes: Annotated[int, msgspec.Meta(ge=1, le=1 << 30, description="Bytes of a request's body.")] = 4 << 20
    decompressed_bytes: Annotated[
        int, msgspec.Meta(ge=1, le=1 << 30, description="Bytes of a gzip body once inflated.")
    ] = 16 << 20
    json_depth: Annotated[int, msgspec.Meta(ge=1, le=256, description="Nesting of a payload.")] = 64
    texts_per_exchange: Annotated[int, msgspec.Meta(ge=1, le=1_000_000, description="Texts of a payload.")] = 20_000
    chain_length: Annotated[int, msgspec.Meta(ge=1, le=256, description="Plugins on a route.")] = 32
    hold_chars: Annotated[
        int, msgspec.Meta(ge=0, le=1 << 24, description="Characters a stream filter may hold back.")
    ] = 65_536
    headers: Annotated[int, msgspec.Meta(ge=1, le=1000, description="Headers of a request.")] = 100
    header_bytes: Annotated[int, msgspec.Meta(ge=256, le=1 << 20, description="Bytes of all headers.")] = 32 << 10
    stream_ms: Annotated[int, msgspec.Meta(ge=1, le=86_400_000, description="Longest stream.")] = 600_000
    keepalive_ms: Annotated[
        int, msgspec.Meta(ge=10, le=600_000, description="Silence of a stream before a comment is sent.")
    ] = 10_000
    request_read_ms: Annotated[int, msgspec.Meta(ge=1, le=600_000, description="Time for a body to arrive.")] = 30_000


class SubjectSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where requests say whom they are about; the header goes first. Error: ValueError where neither is named."""

    header: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^([a-z0-9-]{1,64})?$", examples=["x-end-user"], description="A header, its name in lower case."
        ),
    ] = ""
    field: Annotated[
        str,
        msgspec.Meta(
            max_length=200,
            pattern=r"^([^.]+(\.[^.]+)*)?$",
            examples=["user", "metadata.user_id"],
            description="A member of the JSON body, as names with dots between.",
        ),
    ] = ""

    def __post_init__(self) -> None:
        if not self.header and not self.field:
            raise ValueError("a subject is named by a `header`, a `field`, or both")


class StoreSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where plugins keep what outlives an exchange, if not in the memory of each process."""

    redis: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=1000,
            pattern=r"^(redis|rediss|unix)://",
            examples=["redis://127.0.0.1:6379/0", "rediss://USER:PASSWORD@HOST:6380/0"],
            description='A Redis server: `redis://HOST:6379/0`, `rediss://` with TLS, or `unix://PATH`. Write "${env:NAME}" '
            "where it holds a password.",
        ),
    ]


class RulePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of a plugin under its policy.

    `until` is in seconds since the epoch; `file` and `line` are where the rule is asked for.
    """

    id: str
    mode: Mode = "enforce"
    description: str = ""
    cites: tuple[str, ...] = ()
    sample: float = 1.0
    until: float | None = None
    accept_raw: str = ""
    file: str = ""
    line: int = 0


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin under its policy. `sample` and `until` are about shadow; `until` is in seconds since the epoch.

    `rules` holds every rule that the plugin says it has, by id; `engines` the names of the engines that it asks for,
    `detours` of those that it may have asked in the place of a route's own; `headers` those of requests that it reads.
    `memory_mib` is what its own process may have,
    where it has one.
    """

    name: str
    plugin_class: type[Plugin[Any]]
    config: msgspec.Struct
    mode: Mode = "enforce"
    sample: float = 1.0
    until: float | None = None
    on_error: Literal["closed", "open"] = "closed"
    on_unsupported: Literal["reject", "warn", "skip"] = "reject"
    timeout_ms: int = 1000
    isolation: Literal["none", "process"] = "none"
    memory_mib: int = 1024
    match: Match = Match()
    cites: tuple[str, ...] = ()
    rules: dict[str, RulePolicy] = {}
    engines: tuple[str, ...] = ()
    detours: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    file: str = ""
    line: int = 0

    @property
    def disabled(self) -> frozenset[str]:
        """The rules that policy has switched off."""
        return frozenset(rule.id for rule in self.rules.values() if rule.mode == "off")

    @property
    def quiet(self) -> tuple[RulePolicy, ...]:
        """The rules that do not simply enforce, where the instance does."""
        return tuple(rule for rule in self.rules.values() if rule.mode != "enforce")

    @property
    def manifest(self) -> Manifest:
        """The plugin's own declaration."""
        return self.plugin_class.manifest


class ReplicaSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One replica of an engine: its share beside the others', and the whole configuration of its adapter."""

    name: str
    weight: float
    config: msgspec.Struct


class EngineSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An engine under its policy; `egress` says whether its text leaves this machine.

    `pool` is None where the engine is asked as it is; otherwise there is at least one of `replicas`.
    """

    name: str
    adapter: str
    engine_class: type[Engine[Any]]
    config: msgspec.Struct
    egress: Literal["local", "remote"]
    batch: BatchConfig = BatchConfig()
    pool: PoolConfig | None = None
    replicas: tuple[ReplicaSpec, ...] = ()


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Which exchanges go through which chain to which engine; times in milliseconds."""

    id: str
    paths: tuple[str, ...]
    engine: str
    chain: tuple[Instance, ...]
    models: tuple[str, ...] = ANY
    accept_raw: str = ""
    timeout_ms: int = 120_000
    subject: SubjectSource | None = None
    fallback: str = ""
    file: str = ""
    line: int = 0

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines that it needs: its own, and those that the plugins of its chain name."""
        asked = [name for instance in self.chain if instance.mode != "off" for name in instance.engines]
        return tuple(dict.fromkeys([self.engine, *self.detours, *asked]))

    @property
    def detours(self) -> tuple[str, ...]:
        """The engines that may be asked in the place of its own: by its plugins, or because its own fails."""
        named = [name for instance in self.chain if instance.mode != "off" for name in instance.detours]
        return tuple(dict.fromkeys([*named, self.fallback] if self.fallback else named))

    def covers(self, path: str, model: str) -> bool:
        """Whether this route takes a path and model."""
        return any(fnmatchcase(path, glob) for glob in self.paths) and any(
            fnmatchcase(model, glob) for glob in self.models
        )


class PlacedCase(msgspec.Struct, frozen=True):
    """A test case and where it stands; `owner` is the instance whose file holds it, or empty."""

    case: Case
    owner: str
    file: str
    line: int


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """A whole policy. `hash` is 64 hexadecimal digits over the compiled form; see `yumen.policy.load`.

    `engines` are those of routes, and those that plugins on routes ask for.
    """

    name: str
    path: str
    hash: str
    routes: tuple[Route, ...]
    engines: dict[str, EngineSpec]
    instances: dict[str, Instance]
    limits: Limits = Limits()
    store: StoreSpec | None = None
    cases: tuple[PlacedCase, ...] = ()
    _found: dict[tuple[str, str], Route | None] = msgspec.field(default_factory=dict)
    _served: dict[str, bool] = msgspec.field(default_factory=dict)

    def route_for(self, path: str, model: str) -> Route | None:
        """The first route, in the order of the file, that takes a path and model."""
        key = (path, model)
        if key not in self._found:
            if len(self._found) >= REMEMBERED_MAX:
                self._found.clear()
            self._found[key] = next((route for route in self.routes if route.covers(path, model)), None)
        return self._found[key]

    def serves(self, path: str) -> bool:
        """Whether any route takes this path at all."""
        if path not in self._served:
            if len(self._served) >= REMEMBERED_MAX:
                self._served.clear()
            self._served[path] = any(fnmatchcase(path, glob) for route in self.routes for glob in route.paths)
        return self._served[path]
