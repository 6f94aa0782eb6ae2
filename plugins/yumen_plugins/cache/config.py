"""What a policy says of the cache."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# Members of a request that say who asks, and not what.
WHO = ("user", "safety_identifier", "prompt_cache_key", "metadata")


class Memory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part that each process keeps for itself."""

    bytes_max: Annotated[
        int, Meta(ge=0, le=1 << 40, description="Bytes of memory, with all that an entry costs; 0 keeps nothing here.")
    ] = 64 << 20
    tenant_share: Annotated[
        float, Meta(gt=0, le=1, description="How much of it one tenant may fill, as a share of 1.")
    ] = 0.5
    warm: Annotated[
        bool, Meta(description="Save the most useful entries, encrypted, when a process ends, and begin with them.")
    ] = False
    warm_bytes_max: Annotated[int, Meta(ge=0, le=1 << 34, description="Bytes of what is saved.")] = 16 << 20


class Unsafe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests whose replies are neither kept nor given again."""

    temperature_above: Annotated[
        float, Meta(ge=0, le=10, description="A request with a higher `temperature` wants to be surprised.")
    ] = 1.0
    without_temperature: Annotated[
        bool, Meta(description="Whether a request that names no `temperature` counts as unsafe.")
    ] = False
    tools: Annotated[
        bool, Meta(description="Whether a request that offers tools does: their use changes the world.")
    ] = True
    seed: Annotated[bool, Meta(description="Whether a request with a `seed` does.")] = False
    choices_above: Annotated[int, Meta(ge=1, le=128, description="A request for more answers at once (`n`) does.")] = 1


class Callers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What callers may ask for with `Cache-Control`; what they may not is passed over."""

    no_store: Annotated[bool, Meta(description="`no-store`: neither look nor keep.")] = True
    no_cache: Annotated[bool, Meta(description="`no-cache`: ask the engine, and keep its reply.")] = True
    max_age: Annotated[bool, Meta(description="`max-age=SECONDS`: give nothing that is older.")] = True


class Coalesce(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Equal requests at the same time wait for one call of the engine."""

    followers_max: Annotated[
        int,
        Meta(ge=0, le=1_000_000, description="How many exchanges may wait for one call; further ones ask themselves."),
    ] = 10_000
    wait_s: Annotated[
        float, Meta(gt=0, le=3600, description="How long one waits without a sign of life before it asks itself.")
    ] = 30.0


class Semantic(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Questions in other words of the same meaning. Everything but the last question must be equal all the same."""

    engine: Annotated[
        str, Meta(min_length=1, max_length=64, description="An engine of gateway.yaml that makes embeddings.")
    ]
    threshold: Annotated[
        float, Meta(ge=0.5, le=1, description="How alike two questions must be: the cosine of their embeddings.")
    ] = 0.86
    entries_max: Annotated[int, Meta(ge=1, le=100_000, description="Questions that are remembered of one tenant.")] = (
        10_000
    )
    question_chars_max: Annotated[int, Meta(ge=1, le=100_000, description="Longer questions are not compared.")] = 1_000
    timeout_ms: Annotated[
        int, Meta(ge=1, le=60_000, description="How long the embedding may take; a miss where it takes longer.")
    ] = 50


class CacheConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See docs/plugins/cache.md."""

    ttl_s: Annotated[float, Meta(gt=0, le=31_536_000, description="How long a reply is given again, in seconds.")] = (
        3600.0
    )
    reply_bytes_max: Annotated[int, Meta(ge=1, le=64 << 20, description="Longer replies are not kept.")] = 1 << 20
    dialects: Annotated[
        tuple[Literal["openai", "kserve", "json"], ...],
        Meta(
            description="In which dialects replies are kept. What an application does at `/apps` may change the world."
        ),
    ] = ("openai", "kserve")
    leave_out: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...],
        Meta(
            max_length=100,
            description="Members of an `openai` request that do not count: they say who asks, and not what.",
        ),
    ] = WHO
    share: Annotated[
        dict[Annotated[str, Meta(min_length=1, max_length=64)], tuple[str, ...]],
        Meta(
            description="Groups of tenants that share entries, by a name of your choice. Who is in none shares with nobody.",
            examples=[{"subsidiaries": ["north", "south"]}],
        ),
    ] = {}
    memory: Annotated[Memory, Meta(description="The part that each process keeps for itself.")] = Memory()
    shared: Annotated[
        bool, Meta(description="Keep entries in the bundle's `store` too, where that is one that processes share.")
    ] = True
    shared_timeout_ms: Annotated[
        int, Meta(ge=1, le=10_000, description="How long the shared store may take; a miss where it takes longer.")
    ] = 20
    shared_compress_above: Annotated[
        int, Meta(ge=0, le=64 << 20, description="Entries of more bytes are compressed in the shared store.")
    ] = 2048
    unsafe: Annotated[Unsafe, Meta(description="Requests whose replies are neither kept nor given again.")] = Unsafe()
    callers: Annotated[Callers, Meta(description="What callers may ask for with `Cache-Control`.")] = Callers()
    coalesce: Annotated[
        Coalesce | None,
        Meta(description="How equal requests at the same time share one call of the engine; null: not."),
    ] = Coalesce()
    semantic: Annotated[
        Semantic | None, Meta(description="Give a reply to a question in other words, too; null: only to the same.")
    ] = None
