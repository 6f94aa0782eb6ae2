"""Speaks to the control plane of a gateway that runs.

Over `http.client` and not `urllib`: the key goes to the address that was given, and neither to a proxy that the environment
names nor to where a reply redirects.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from yumen import CannotStart, Settings

KEY = re.compile(r"[\x21-\x7e]{8,256}")
KEY_FILE_BYTES_MAX = 4096
REPLY_BYTES_MAX = 16 << 20
MESSAGE_CHARS_MAX = 500
# A gateway takes at most ten seconds to answer.
ANSWER_S = 30.0
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # asked, not bound


class Client:
    """One gateway. `url` is its address, with a path where something in front of it has one, `key` an admin key."""

    def __init__(self, url: str, key: str) -> None:
        """Error: `CannotStart` for what is no address."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise CannotStart("the address of the gateway cannot be read; write http://HOST:PORT") from None
        if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or parts.query or parts.fragment:
            raise CannotStart("the address of the gateway has the form http://HOST:PORT or https://HOST:PORT")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.where = f"{parts.scheme}://{parts.netloc}"
        self.in_clear = parts.scheme == "http" and not _is_loopback(host)
        self._path = parts.path.rstrip("/")
        self._key = key
        self._connection = kind(host, port, timeout=ANSWER_S)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def get(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """What a page shows. Error: `CannotStart`, in a sentence, for whatever is no such answer."""
        pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        return self._ask("GET", f"{path}?{pairs}" if pairs else path, None)

    def post(self, path: str, arguments: Mapping[str, str]) -> dict[str, Any]:
        """What came of an action. Error: as of `get`."""
        return self._ask("POST", path, msgspec.json.encode(arguments))

    def _ask(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self._key}", "accept": "application/json"}
        if body is not None:
            headers["content-type"] = "application/json"
        try:
            self._connection.request(method, self._path + path, body, headers)
            reply = self._connection.getresponse()
            content = reply.read(REPLY_BYTES_MAX + 1)
        except TimeoutError:
            raise CannotStart(f"{self.where} has not answered for {ANSWER_S:.0f} s") from None
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise CannotStart(
                f"cannot reach a gateway at {self.where}: {why}; start it, or name it with --url"
            ) from None
        except (http.client.HTTPException, ValueError):
            raise CannotStart(f"what answers at {self.where} does not speak HTTP as a gateway does") from None
        answer = _object(content)
        if reply.status != 200:
            raise CannotStart(f"{self.where} said {reply.status}: {_reason(reply.status, answer)}")
        if answer is None:
            raise CannotStart(f"what answers at {self.where} is no gateway")
        return answer


def address(settings: Settings) -> str:
    """Where this machine's gateway listens, as its environment says."""
    host = EVERYWHERE.get(settings.host.strip("[]"), settings.host.strip("[]"))
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def key_of(settings: Settings, file: Path | None) -> str:
    """The admin key: of a file, or the environment's. Error: `CannotStart`."""
    key = settings.admin_key
    if file is not None:
        try:
            with file.open("rb") as opened:
                key = opened.read(KEY_FILE_BYTES_MAX).decode("ascii", "replace").strip()
        except OSError as error:
            raise CannotStart(f"cannot read the key in {file}: {error.strerror}") from None
    if not key:
        raise CannotStart("no admin key: set YUMEN_ADMIN_KEY, or name a file that holds it with --key-file")
    if not KEY.fullmatch(key):
        raise CannotStart("that is no key: it has 8 to 256 printable ASCII characters and stands alone")
    return key


def _object(content: bytes) -> dict[str, Any] | None:
    """The JSON object of a reply, if it is one."""
    try:
        answer = msgspec.json.decode(content)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) and len(content) <= REPLY_BYTES_MAX else None


def _reason(status: int, answer: dict[str, Any] | None) -> str:
    """Why a gateway refused, in its own words where they are there."""
    if status == 404:
        return "no plugin of its policy is the cache that is asked for"
    error = (answer or {}).get("error")
    message = error.get("message") if isinstance(error, dict) else None
    if not isinstance(message, str):
        return http.client.responses.get(status, "no reason")
    return "".join(char if char.isprintable() else "?" for char in message[:MESSAGE_CHARS_MAX])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
