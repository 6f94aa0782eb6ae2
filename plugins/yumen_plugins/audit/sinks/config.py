"""What a policy may say about sinks, which carry records elsewhere, and about the witness, which keeps checkpoints.

No secret stands here: a credential is named by the environment variable or the file that holds it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from yumen import CannotStart

Name = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[a-z][a-z0-9_-]{0,31}$", description="Its name, in status, metrics and files; never reuse it."
    ),
]
Format = Annotated[Literal["jsonl", "ocsf", "cef"], msgspec.Meta(description="The form of a record.")]
Kind = Literal[
    "exchange", "intent", "operation", "start", "stop", "recovery", "failure", "checkpoint", "key", "retention"
]
KINDS: tuple[Kind, ...] = ("exchange", "intent", "operation")
EnvName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
HeaderName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")]
Url = Annotated[str, msgspec.Meta(description="An absolute http:// or https:// URL without user and password.")]
HeadersEnv = Annotated[
    dict[HeaderName, EnvName],
    msgspec.Meta(description="Headers to send, each with the name of the environment variable that holds its value."),
]
Bucket = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="The bucket.")]
Prefix = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([A-Za-z0-9][A-Za-z0-9._=-]{0,99}/){0,8}$",
        description="What keys begin with; empty, or ends with `/`.",
    ),
]
EndpointUrl = Annotated[str, msgspec.Meta(description="The URL of a store that is not AWS's; empty for AWS.")]
Region = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z0-9-]{0,32}$", description="The region; empty for boto3's own choice.")
]
LockDays = Annotated[
    int,
    msgspec.Meta(ge=0, le=36_500, description="Days that nobody can delete an object (object lock); 0 for no lock."),
]
LockMode = Annotated[
    Literal["compliance", "governance"],
    msgspec.Meta(description="Whether nobody at all can lift that lock, or those with a special permission can."),
]
TimeoutS = Annotated[float, msgspec.Meta(gt=0, le=60, description="Seconds that the target has to answer.")]
EveryS = Annotated[float, msgspec.Meta(ge=0.05, le=86_400, description="Seconds between two checkpoints of a log.")]


class _Sink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="to"):
    """What every sink says, wherever it leads."""

    name: Name
    format: Format = "jsonl"
    kinds: Annotated[
        tuple[Kind, ...], msgspec.Meta(min_length=1, description="The kinds of records that are carried.")
    ] = KINDS
    batch_records: Annotated[int, msgspec.Meta(ge=1, le=10_000, description="Most records of a batch.")] = 500
    batch_bytes: Annotated[
        int, msgspec.Meta(ge=1_024, le=64 << 20, description="Most bytes of a batch, unless a record alone has more.")
    ] = 1 << 20
    flush_s: Annotated[
        float, msgspec.Meta(ge=0.01, le=300, description="Seconds between two looks into a ledger that is quiet.")
    ] = 1.0


class FileSink(_Sink, frozen=True, kw_only=True, tag="file"):
    """Appends lines to a file, for a collector on this machine."""

    path: Annotated[
        str, msgspec.Meta(min_length=1, description="The file; a relative path begins in the data directory.")
    ]
    rotate_bytes: Annotated[
        int, msgspec.Meta(ge=4_096, le=1 << 40, description="The size at which the file is put aside.")
    ] = 128 << 20
    keep: Annotated[
        int, msgspec.Meta(ge=0, le=100_000, description="Files put aside that stay; 0 for all of them.")
    ] = 10


class HttpSink(_Sink, frozen=True, kw_only=True, tag="http"):
    """Posts lines to a collector over HTTP."""

    url: Url
    headers_env: HeadersEnv = {}
    timeout_s: TimeoutS = 10.0


class NatsSink(_Sink, frozen=True, kw_only=True, tag="nats"):
    """Publishes each record to a stream of NATS JetStream. Needs the extra `nats`."""

    servers: Annotated[
        tuple[str, ...],
        msgspec.Meta(min_length=1, max_length=16, description="`nats://host:port` or `tls://host:port`, without user."),
    ]
    subject: Annotated[
        str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,15}$", description="The subject to publish to.")
    ]
    stream: Annotated[
        str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,128}$", description="The stream that must take it; it must exist.")
    ]
    credentials_file: Annotated[str, msgspec.Meta(description="A credentials file of NATS; empty for none.")] = ""
    token_env: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^([A-Za-z_][A-Za-z0-9_]{0,127})?$", description="The environment variable with a token, or empty."
        ),
    ] = ""
    ca_file: Annotated[str, msgspec.Meta(description="Certificates to trust instead of the system's, in PEM.")] = ""
    timeout_s: TimeoutS = 10.0


class S3Sink(_Sink, frozen=True, kw_only=True, tag="s3"):
    """Stores each batch as an object. Needs the extra `s3`; credentials are found in boto3's own order."""

    bucket: Bucket
    prefix: Prefix = ""
    endpoint_url: EndpointUrl = ""
    region: Region = ""
    object_lock_days: LockDays = 0
    object_lock_mode: LockMode = "compliance"
    timeout_s: TimeoutS = 10.0


SinkConfig = FileSink | HttpSink | NatsSink | S3Sink


class _Witness(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="to"):
    """What every witness says."""

    every_s: EveryS = 3_600.0


class FileWitness(_Witness, frozen=True, kw_only=True, tag="file"):
    """Keeps checkpoints in a folder, which should be of another machine."""

    path: Annotated[
        str, msgspec.Meta(min_length=1, description="The folder; a relative path begins in the data directory.")
    ]


class HttpWitness(_Witness, frozen=True, kw_only=True, tag="http"):
    """Posts checkpoints to a server, which answers 409 where it knows a larger or another one."""

    url: Url
    headers_env: HeadersEnv = {}
    timeout_s: TimeoutS = 10.0


class S3Witness(_Witness, frozen=True, kw_only=True, tag="s3"):
    """Keeps checkpoints in a bucket, which should lock them. Needs the extra `s3`."""

    bucket: Bucket
    prefix: Prefix = ""
    endpoint_url: EndpointUrl = ""
    region: Region = ""
    object_lock_days: LockDays = 0
    object_lock_mode: LockMode = "compliance"
    timeout_s: TimeoutS = 10.0


WitnessConfig = FileWitness | HttpWitness | S3Witness


def check_url(url: str, who: str, schemes: tuple[str, ...] = ("http", "https")) -> None:
    """Error: `CannotStart` for a URL that is none, or that holds a user or password. The message never holds it."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        secret = "@" in parts.netloc
    except ValueError:
        usable = secret = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        wanted = " or ".join(f"{scheme}://" for scheme in schemes)
        raise CannotStart(f"the URL of {who} is not an absolute {wanted} URL; check it in the policy")
    if secret:
        raise CannotStart(
            f"the URL of {who} holds a user or password; take them out, and name the variable or file that holds them"
        )


def headers_of(headers_env: Mapping[str, str], who: str) -> dict[str, str]:
    """The headers with their values, from the environment. Error: `CannotStart` for one that is missing or unfit."""
    return {header: secret_of(env, who) for header, env in headers_env.items()}


def secret_of(env: str, who: str) -> str:
    """The value of an environment variable. Error: `CannotStart`, without the value."""
    value = os.environ.get(env, "")
    if not value:
        raise CannotStart(f"{who} needs the environment variable {env}; set it")
    if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", value):
        raise CannotStart(f"the environment variable {env} of {who} does not fit into a header; check what it holds")
    return value
