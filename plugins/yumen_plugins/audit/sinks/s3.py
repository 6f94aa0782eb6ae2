"""Stores in an S3 bucket, with an object lock where that is wanted; boto3 does the talking."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from yumen import CannotStart
from yumen_plugins.audit.sinks.config import S3Sink, check_url
from yumen_plugins.audit.sinks.target import Batch, Refused, Unreached

SUFFIXES = {"jsonl": "jsonl", "ocsf": "ocsf.jsonl", "cef": "cef"}
CONTENT_TYPES = {"jsonl": "application/x-ndjson", "ocsf": "application/x-ndjson", "cef": "text/plain; charset=utf-8"}
# Error codes (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html) after which somebody has to do something.
FIXES = {
    "AccessDenied": "let the credential put, list and get objects of the bucket, with their retention",
    "AllAccessDisabled": "check the account and the bucket",
    "InvalidAccessKeyId": "check the credential",
    "SignatureDoesNotMatch": "check the credential",
    "InvalidBucketName": "check `bucket`",
    "NoSuchBucket": "make the bucket, or check `bucket`, `region` and `endpoint_url`",
    "InvalidRequest": "check that the bucket was made with object lock, or set `object_lock_days` to 0",
    "PermanentRedirect": "check `region`",
    "AuthorizationHeaderMalformed": "check `region`",
}
Result = TypeVar("Result")


class Place(Protocol):
    """The part of a configuration that says where objects go, which a sink and a witness share."""

    @property
    def bucket(self) -> str: ...
    @property
    def prefix(self) -> str: ...
    @property
    def endpoint_url(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def object_lock_days(self) -> int: ...
    @property
    def object_lock_mode(self) -> str: ...
    @property
    def timeout_s(self) -> float: ...


class Bucket:
    """The objects below a prefix of a bucket; keys are given without it. Blocks.

    Error: `CannotStart`. Errors of the methods: `Unreached`, `Refused`.
    """

    def __init__(self, place: Place, who: str) -> None:
        if place.endpoint_url:
            check_url(place.endpoint_url, who)
        self._place = place
        self._client = _client(place, who)

    def put(self, key: str, body: bytes, content_type: str, *, new: bool = False) -> bool:
        """Store an object; the same again does no harm. With `new`, returns False where there is one already."""
        more: dict[str, Any] = {"IfNoneMatch": "*"} if new else {}
        if self._place.object_lock_days:
            until = datetime.now(UTC) + timedelta(days=self._place.object_lock_days)
            more["ObjectLockMode"] = self._place.object_lock_mode.upper()
            more["ObjectLockRetainUntilDate"] = until
        # With an object lock AWS demands a checksum, older stores know only the first of these, and it guards nothing.
        md5, sha256 = hashlib.md5(body, usedforsecurity=False).digest(), hashlib.sha256(body).digest()

        def store() -> bool:
            self._client.put_object(
                Bucket=self._place.bucket,
                Key=self._place.prefix + key,
                Body=body,
                ContentType=content_type,
                ContentMD5=base64.b64encode(md5).decode(),
                ChecksumSHA256=base64.b64encode(sha256).decode(),
                **more,
            )
            return True

        return self._call(store, exists=False)

    def get(self, key: str) -> bytes:
        """The content of an object."""

        def read() -> bytes:
            reply = self._client.get_object(Bucket=self._place.bucket, Key=self._place.prefix + key)
            return bytes(reply["Body"].read())

        return self._call(read)

    def after(self, folder: str, key: str, most: int) -> list[str]:
        """The names of at most so many objects whose keys begin with `folder`, and come after `key` in byte order."""
        start = self._place.prefix

        def ask() -> list[str]:
            reply = self._client.list_objects_v2(
                Bucket=self._place.bucket, Prefix=start + folder, StartAfter=start + key, MaxKeys=most
            )
            return [str(entry["Key"])[len(start) :] for entry in reply.get("Contents", ())]

        return self._call(ask)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _call(self, do: Callable[[], Result], exists: Result | None = None) -> Result:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            return do()
        except NoCredentialsError:
            raise Refused("no credentials", "give them in one of the ways that boto3 knows") from None
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if exists is not None and code in ("PreconditionFailed", "412", "ConditionalRequestConflict"):
                return exists
            raise _verdict(code, int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))) from None
        except BotoCoreError as error:
            raise Unreached(type(error).__name__) from None
        except OSError:
            raise Unreached("connection") from None


class S3Target:
    """One object for each batch, `<prefix><log>/<first>-<last>.<form>`: a batch that is sent again has the same key.

    After a crash a batch may be cut in another way, so objects may overlap; `log` and `seq` in the records tell.
    boto3 cannot be interrupted: a sink that is told to stop while the store hangs leaves its thread behind for a while.
    """

    def __init__(self, config: S3Sink) -> None:
        self._bucket = Bucket(config, f"the sink {config.name}")
        self._format = config.format

    async def deliver(self, batch: Batch) -> None:
        key = f"{batch.log}/{batch.first:012d}-{batch.last:012d}.{SUFFIXES[self._format]}"
        self._bucket.put(key, batch.body, CONTENT_TYPES[self._format])

    async def close(self) -> None:
        self._bucket.close()


def _verdict(code: str, status: int) -> Unreached | Refused:
    # The code comes from the server: only one that is known is repeated.
    if code in FIXES:
        return Refused(code, FIXES[code])
    if (
        status >= 500
        or status in (408, 429)
        or code in ("SlowDown", "RequestTimeout", "ExpiredToken", "RequestTimeTooSkewed")
    ):
        return Unreached(f"status {status}")
    return Refused(f"status {status}", "see what the log of the store says about it")


def _client(place: Place, who: str) -> Any:
    try:
        from boto3.session import Session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise CannotStart(f"{who} needs boto3; install it with: pip install 'yumen[s3]'") from None
    options = Config(
        connect_timeout=place.timeout_s,
        read_timeout=place.timeout_s,
        # Trying again is the sink's matter.
        retries={"total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path" if place.endpoint_url else "auto"},
        user_agent_extra="yumen",
    )
    try:
        # A session of its own: the default one is not made for threads.
        return Session().client(
            "s3", region_name=place.region or None, endpoint_url=place.endpoint_url or None, config=options
        )
    except (BotoCoreError, ValueError):
        raise CannotStart(f"the S3 client of {who} cannot be set up; check `region` and the settings of AWS") from None
