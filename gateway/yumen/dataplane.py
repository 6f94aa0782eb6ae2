"""The data plane: an ASGI application from bytes to bytes, through identity, route, dialect and chain."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from yumen.chain import Chain, Run
from yumen.dialects import Dialect, Payload
from yumen.dialects.document import encode_json
from yumen.dialects.json import Json
from yumen.dialects.kserve import PATH as INFER
from yumen.dialects.kserve import KServe
from yumen.dialects.openai import REQUESTS, OpenAI
from yumen.digest import Hmac
from yumen.engine import Native
from yumen.errors import Problem
from yumen.exchange import Principal
from yumen.forms import ExchangeState
from yumen.keyfile import Entry
from yumen.openinference.surface import Surface
from yumen.policy.bundle import Bundle
from yumen.runtime import Runtime
from yumen.settings import Secret
from yumen.streaming import StreamRun
from yumen.subject import header_value, session_id, subject_id, subject_named
from yumen.telemetry import error_name, log, metrics, place
from yumen.tracing.timing import server_timing
from yumen.tracing.tracer import Tracer
from yumen.wire import (
    EVENT_STREAM,
    ClientGone,
    Headers,
    Incoming,
    Receive,
    Scope,
    Send,
    cache_control,
    check_headers,
    header,
    named_headers,
    read_body,
    send_reply,
)

OPENAI = OpenAI()
JSON = Json()
KSERVE = KServe()
MODELS = "/v1/models"
# A client that leaves a plain exchange is looked for only once the exchange takes this long: watching costs a task.
WATCH_AFTER_S = 0.25
DIGEST_MACS_MAX = 4096
# How much of a body with binary tensors is JSON.
JSON_LENGTH_HEADER = b"inference-header-content-length"
JSON_LENGTH = re.compile(rb"[0-9]{1,10}")
SESSION_HEADER = b"x-session-id"


class Doorkeeper(Protocol):
    """Tells whose request it is; `yumen.identity.Keys` does by the key."""

    def authenticate(self, headers: Iterable[tuple[bytes, bytes]]) -> Entry:
        """Error: `Problem` unauthorized."""
        ...


class DataPlane:
    """One per process; `runtime` is what new exchanges run on, and is swapped whole.

    `now` and `ids` are where times and ids of exchanges come from; tests and replays bring their own.
    """

    def __init__(
        self,
        runtime: Runtime,
        keys: Doorkeeper,
        secret: Secret,
        *,
        now: Callable[[], float] = time.time,
        ids: Callable[[], str] | None = None,
    ) -> None:
        self.runtime = runtime
        self._keys = keys
        self._now = now
        self._surface = Surface(keys, now)
        self._new_id = ids or new_id
        self._secret = secret
        self._digest_macs: dict[str, Hmac] = {}
        settings = runtime.parts.settings
        self._development = settings.development
        self.tracer = Tracer() if settings.trace else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever happens, the reply is in the client's dialect and has a stable code."""
        exchange_id = self._new_id()
        # The path as it was sent: no path of ours needs decoding.
        path = scope["raw_path"].decode("latin-1")
        dialect = dialect_of(path)
        runtime = self.runtime
        # From here on, before anything is waited for: a runtime that is replaced stops when nobody is in it.
        runtime.enter()
        headers = [(b"x-request-id", exchange_id.encode()), (b"x-policy-hash", runtime.bundle.hash[:12].encode())]
        incoming = Incoming(receive)
        try:
            await self._serve(scope, path, incoming, send, exchange_id, dialect, runtime, headers)
        except Problem as problem:
            metrics.refused(problem.code)
            await incoming.drain()
            await send_problem(send, dialect, problem, headers)
        except ClientGone:
            metrics.refused("client_disconnect")
            # A body whose chunks are malformed looks the same, and then there is somebody to tell.
            with contextlib.suppress(Exception):
                await send_problem(send, dialect, Problem("bad_request", "The body broke off."), headers)
        except Exception as error:  # the last resort: a reply with a code, and a log line without payload
            log.error("internal_error", exchange=exchange_id, error=error_name(error), at=place(error))
            with contextlib.suppress(Exception):
                await send_problem(send, dialect, Problem("plugin_fault"), headers)
        finally:
            runtime.leave()

    async def _serve(
        self, scope: Scope, path: str, receive: Receive, send: Send, exchange_id: str, dialect: Dialect, runtime: Runtime,
        headers: Headers,
    ) -> None:  # fmt: skip
        started, received_at = time.perf_counter(), self._now()
        bundle = runtime.bundle
        sent: Headers = scope["headers"]
        if dialect is KSERVE and not path.endswith("/infer"):
            check_headers(sent, bundle.limits)
            status, content = await self._surface.answer(runtime, scope["method"], path, sent, receive)
            await send_reply(send, status, headers, content)
            return
        check_path(path, scope["method"], bundle)
        check_headers(sent, bundle.limits)
        entry = self._keys.authenticate(sent)
        if entry.role != "app":
            raise Problem("unauthorized", "This key is for the control plane; use an app key.")
        if path == MODELS:
            await send_reply(send, 200, headers, models_reply(bundle))
            return
        session = self._session(sent, entry.principal)
        body = await read_body(sent, receive, bundle.limits)
        limits = bundle.limits
        payload = dialect.decode(
            path,
            body,
            depth_max=limits.json_depth,
            texts_max=limits.texts_per_exchange,
            json_bytes=json_bytes_of(sent) if dialect is KSERVE else 0,
        )
        chain = find_chain(runtime, path, payload)
        exchange = self.open(exchange_id, received_at, entry.principal, payload, chain, bundle)
        exchange.path = path
        exchange.session = session
        source = chain.route.subject
        if source is not None and (named := subject_named(source, sent, payload)):
            exchange.subject = subject_id(self._secret, entry.tenant, named)
        exchange.cache_control = cache_control(sent)
        if chain.headers:
            exchange.asked_with = named_headers(sent, chain.headers)
        exchange.client = (scope.get("client") or ("",))[0]
        run = Run(chain, exchange, dialect, started)
        if self.tracer is not None:
            self.tracer.begin(exchange)
        metrics.started()
        try:
            if exchange.streamed:
                await self._stream(run, receive, send, headers)
            else:
                await self._plain(run, receive, send, headers)
        except Exception:
            await run.broken()
            raise
        finally:
            metrics.ended()
            if self.tracer is not None:
                self.tracer.end(exchange)

    def _session(self, headers: Headers, principal: Principal) -> str:
        """What stands for the caller's own name of the session; see `Exchange.session`. Error: `Problem` bad_request."""
        named = header_value(headers, SESSION_HEADER.decode())
        return session_id(self._secret, principal.tenant, principal.app, named) if named else ""

    def open(
        self, exchange_id: str, received_at: float, principal: Principal, payload: Payload, chain: Chain, bundle: Bundle
    ) -> ExchangeState:
        """A new exchange on its way into a chain."""
        exchange = ExchangeState(exchange_id, received_at, principal, payload)
        exchange.route = chain.route.id
        exchange.engine = chain.route.engine
        exchange.accept_raw = chain.accept_raw
        exchange.policy_hash = bundle.hash[:12]
        mac = self._digest_macs.get(principal.tenant)
        if mac is None:
            if len(self._digest_macs) >= DIGEST_MACS_MAX:
                self._digest_macs.clear()
            mac = self._digest_macs[principal.tenant] = Hmac(self._secret.derive("digest", principal.tenant))
        exchange.digest_mac = mac
        return exchange

    async def _plain(self, run: Run, receive: Receive, send: Send, headers: Headers) -> None:
        with Leaving(receive, WATCH_AFTER_S, run) as client:
            try:
                body = await run.plain()
            except asyncio.CancelledError:
                if not client.gone:
                    raise
                await settle(run)
                return
        await send_run(send, run, body, self._timed(run, headers))

    def _timed(self, run: Run, headers: Headers) -> Headers:
        return [*headers, (b"server-timing", server_timing(run))] if self._development else headers

    async def _stream(self, run: Run, receive: Receive, send: Send, headers: Headers) -> None:
        with Leaving(receive, 0, run) as client:
            streaming: StreamRun | None = None
            try:
                result = await run.begin()
                if result is None or isinstance(result, Native):
                    body = await run.finish_plain(result)
                    await send_run(send, run, body, self._timed(run, headers))
                    return
                streaming = StreamRun(run, result, lambda data: send_part(send, data))
                more = [*reply_headers(run.exchange), *EVENT_STREAM, *self._timed(run, headers)]
                await send({"type": "http.response.start", "status": 200, "headers": more})
                await streaming.pump()
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            except asyncio.CancelledError:
                if not client.gone:
                    raise
                await (streaming.abandon() if streaming is not None else settle(run))


def new_id() -> str:
    """32 hexadecimal digits: 48 bits of milliseconds, then 80 random ones, so that ids sort by time."""
    return f"{time.time_ns() // 1_000_000:012x}{next(_random)}"


def _random_parts() -> Iterator[str]:
    # Asking the system anew for every id would cost more than the id is worth.
    while True:
        drawn = secrets.token_hex(10 * 256)
        yield from (drawn[place : place + 20] for place in range(0, len(drawn), 20))


_random = _random_parts()


def dialect_of(path: str) -> Dialect:
    """The dialect that is spoken at a path."""
    if path.startswith("/apps/"):
        return JSON
    return KSERVE if path.startswith("/v2/") or path == "/v2" else OPENAI


def json_bytes_of(headers: Headers) -> int:
    """How much of a body is JSON, 0 for all. Error: `Problem` bad_request."""
    written = header(headers, JSON_LENGTH_HEADER)
    if written and not JSON_LENGTH.fullmatch(written):
        raise Problem("bad_request", "Inference-Header-Content-Length is not a number of bytes.")
    return int(written or b"0")


def check_path(path: str, method: str, bundle: Bundle) -> None:
    """Error: `Problem` not_found or method_not_allowed."""
    if path == MODELS:
        allowed = "GET"
    elif (path in REQUESTS or path.startswith("/apps/") or INFER.fullmatch(path)) and bundle.serves(path):
        allowed = "POST"
    else:
        raise Problem("not_found", "There is nothing at this path.")
    if method != allowed:
        raise Problem("method_not_allowed", f"This path takes {allowed} only.")


def find_chain(runtime: Runtime, path: str, payload: Payload) -> Chain:
    """The chain for a path and model. Errors: `Problem` not_found or unsupported_payload."""
    route = runtime.bundle.route_for(path, payload.model)
    if route is None:
        raise Problem("not_found", "No route of this gateway serves this model.", param="model")
    chain = runtime.chains[route.id]
    if chain.dialects and payload.dialect not in chain.dialects:
        raise Problem("unsupported_payload", "The engine of this route does not speak this dialect.")
    return chain


def models_reply(bundle: Bundle) -> bytes:
    """The models that routes name; a route for any model is listed under its engine's name."""
    names: dict[str, str] = {}
    for route in bundle.routes:
        for model in route.models:
            names.setdefault(model if not set(model) & set("*?[") else route.engine, route.engine)
    data = [{"id": name, "object": "model", "created": 0, "owned_by": engine} for name, engine in names.items()]
    return encode_json({"object": "list", "data": data})


def reply_headers(exchange: ExchangeState) -> Headers:
    """The headers that plugins set, and Retry-After."""
    headers = [(name.encode(), value.encode()) for name, value in exchange.headers.items()]
    reply = exchange.reply
    if reply is not None and reply.retry_after:
        headers.append((b"retry-after", reply.retry_after.encode()))
    if reply is not None and reply.payload is not None and reply.payload.tail:
        headers.append((JSON_LENGTH_HEADER, str(len(reply.payload.document.render())).encode()))
    return headers


async def send_run(send: Send, run: Run, body: bytes, headers: Headers) -> None:
    """The whole reply of a run."""
    reply = run.exchange.reply
    assert reply is not None
    await send_reply(send, reply.status, [*reply_headers(run.exchange), *headers], body)


async def send_part(send: Send, data: bytes) -> None:
    """The next part of a streamed body."""
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def send_problem(send: Send, dialect: Dialect, problem: Problem, headers: Headers) -> None:
    """An error reply outside any chain."""
    more: Headers = []
    if problem.code == "method_not_allowed":
        more.append((b"allow", b"GET" if "GET" in problem.message else b"POST"))
    if problem.code == "unauthorized":
        more.append((b"www-authenticate", b"Bearer"))
    await send_reply(send, problem.status, [*more, *headers], dialect.error(problem))


async def settle(run: Run) -> None:
    """The client has left before there was a reply; the completion hooks still run."""
    run.exchange.outcome = "client_disconnect"
    await run.complete()


class Leaving:
    """While entered, cancels the current task when the client leaves; `gone` tells that cancellation from any other.

    Once the outcome is known it cancels nothing any more: completion hooks run once, and a record is written once.
    """

    __slots__ = ("_after_s", "_receive", "_run", "_task", "_timer", "_watcher", "gone")

    def __init__(self, receive: Receive, after_s: float, run: Run) -> None:
        self._receive = receive
        self._after_s = after_s
        self._run = run
        self._watcher: asyncio.Task[None] | None = None
        self.gone = False

    def __enter__(self) -> Leaving:
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(loop)
        self._timer = loop.call_later(self._after_s, self._begin)
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if self.gone and self._task is not None:
            self._task.uncancel()

    def _begin(self) -> None:
        self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._task is not None and not self._run.completed:
            self.gone = True
            self._task.cancel()
