"""What a policy may say about the replicas of an engine: `pool:` and `replicas:`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta


class PoolConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an exchange finds a replica, and what becomes of one that fails."""

    balance: Annotated[
        Literal["least_loaded", "sticky"],
        Meta(
            description="least_loaded: of two at random the one with less to do and quicker answers; sticky: by a hash of "
            "the session, or else of the tenant and app, so that a caller stays where it was."
        ),
    ] = "least_loaded"
    attempts: Annotated[
        int, Meta(ge=1, le=8, description="Replicas that one exchange may try, one after the other.")
    ] = 2
    retry_budget: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Further attempts, as a share of the exchanges of the last ten seconds, and one a second beside; "
            "0 for none at all.",
        ),
    ] = 0.2
    hedge_ms: Annotated[
        int,
        Meta(ge=0, le=600_000, description="Ask a second replica when the first is silent for so long; 0 for never. "
             "Plain replies only; it costs the engine twice."),
    ] = 0  # fmt: skip
    check_ms: Annotated[
        int, Meta(ge=0, le=600_000, description="How often each replica is asked whether it is well; 0 for never.")
    ] = 5_000
    failures_max: Annotated[
        int, Meta(ge=1, le=1000, description="Failures one after the other that open a replica's circuit.")
    ] = 5
    open_ms: Annotated[
        int,
        Meta(
            ge=10,
            le=3_600_000,
            description="How long an open circuit stays so before one exchange tries; doubles, up to 16x.",
        ),
    ] = 5_000
    eject_share_max: Annotated[
        float,
        Meta(
            ge=0, le=1, description="The share of the replicas that may be out at a time for being worse than others."
        ),
    ] = 0.5
    outlier_factor: Annotated[
        float,
        Meta(
            ge=1.1, le=100, description="A replica this many times slower than the middle one is taken out for a while."
        ),
    ] = 4.0
    slow_start_ms: Annotated[
        int, Meta(ge=0, le=3_600_000, description="How long a replica that comes back gets less than its share.")
    ] = 10_000
    in_flight_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Exchanges that one replica has at a time; more are refused.")
    ] = 1_024


class ReplicaFile(msgspec.Struct, frozen=True, kw_only=True):
    """One replica; every other key takes the place of the engine's own."""

    name: (
        Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="Its name; its number by default.")]
        | None
    ) = None
    weight: Annotated[float, Meta(gt=0, le=1000, description="Its share, beside the others'.")] = 1.0


class Replicated(msgspec.Struct, frozen=True, kw_only=True):
    """How a pool is configured: its own knobs, and each replica's name, weight and configuration."""

    pool: PoolConfig
    replicas: tuple[tuple[str, float, Any], ...]
