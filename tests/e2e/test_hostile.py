"""Hostile input on the running server: every malformed request gets a 4xx with a stable code, and nothing else happens."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.lengths import times
from tests.serving import Gateway

from yumen.errors import Code

CODES = set(get_args(Code))
BATCH = 20
EXAMPLES = times(30, long=550)
MARK = "RAWMARK"
# Stands for a key that is known, and trusted: nearly every case would end at the rate limit otherwise.
GOOD_KEY = b"Bearer {key}"
PATHS = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/models",
    "/v1/nothing",
    "/apps/x",
    "/",
    "/v1",
]


class Case(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: list[tuple[str, bytes]]
    body: bytes


class Connection(http.client.HTTPConnection):
    """A connection that knows a trusted key."""

    key = b""


marked = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(lambda text: f"{MARK}{text}")
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | marked
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(marked, inner, max_size=4), max_leaves=12
)
FIELDS = ["model", "messages", "stream", "n", "stream_options", "tools", "prompt", "input", "metadata", "user", "stop"]


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """A good request in which some fields have been replaced by anything."""
    body: dict[str, Any] = {
        "model": "assistant",
        "messages": [{"role": "user", "content": f"where is my order {MARK}"}],
    }
    for field in draw(st.lists(st.sampled_from(FIELDS), max_size=3)):
        body[field] = draw(trees)
    if draw(st.booleans()) and isinstance(body["messages"], list):
        names = st.sampled_from(["role", "content", "tool_calls", "tool_call_id", "name"])
        body["messages"].append(draw(st.dictionaries(names, trees, max_size=4) | trees))
    return body


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A request as bytes, whole, cut, damaged, doubled, or not JSON at all."""
    text = json.dumps(draw(requests()), ensure_ascii=draw(st.booleans())).encode()
    how = draw(st.sampled_from(["whole", "whole", "whole", "cut", "damage", "twice", "noise", "other"]))
    place = draw(st.integers(0, max(0, len(text) - 1)))
    if how == "cut":
        return text[:place]
    if how == "damage":
        return text[:place] + bytes([draw(st.integers(0, 255))]) + text[place + 1 :]
    if how == "twice":
        return text[:-1] + b',"model":"other"}'
    if how == "noise":
        return draw(st.binary(max_size=60))
    return text if how == "whole" else json.dumps(draw(trees)).encode()


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A request with any method, path, headers and body."""
    method = draw(st.sampled_from(["POST"] * 8 + ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"]))
    path = draw(st.sampled_from([*PATHS[:1] * 6, *PATHS]))
    body = draw(bodies())
    headers: list[tuple[str, bytes]] = []
    encoding = draw(st.sampled_from(["", "", "", "", "gzip", "gzip-broken", "br", "x" * 40]))
    if encoding == "gzip":
        body = gzip.compress(body)
    if encoding:
        headers.append(("content-encoding", encoding.removesuffix("-broken").encode()))
    key = draw(
        st.sampled_from(
            [GOOD_KEY] * 8 + [b"", b"Bearer", b"Bearer  x", b"Basic eA==", b"Bearer \xff\xfe", GOOD_KEY + b"x"]
        )
    )
    if key:
        headers.append(("authorization", key))
    visible = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)
    headers += [("x-any", draw(visible).encode()) for _ in range(draw(st.integers(0, 3)))]
    headers.append(("content-type", draw(st.sampled_from([b"application/json", b"text/plain", b"x", b""]))))
    return Case(method, path, headers, body)


@pytest.fixture(scope="module")
def key(embedded: Gateway) -> bytes:
    """A trusted key of that gateway."""
    return embedded.trusted_key().encode()


@pytest.fixture(scope="module")
def connection(embedded: Gateway, key: bytes) -> Iterator[Connection]:
    """One kept-alive connection."""
    opened = Connection("127.0.0.1", embedded.port, timeout=30)
    opened.key = key
    yield opened
    opened.close()


def send(connection: Connection, case: Case) -> tuple[int, str, bytes]:
    """The reply to a request.

    A server may close a connection that was kept alive, while the next request is on its way already; clients then ask
    again on a new one (RFC 9112, section 9.3.1), where it has to be answered.
    """
    try:
        return exchanged(connection, case)
    except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
        connection.close()
        return exchanged(connection, case)


def exchanged(connection: Connection, case: Case) -> tuple[int, str, bytes]:
    connection.putrequest(case.method, case.path, skip_accept_encoding=True)
    for name, value in case.headers:
        connection.putheader(name, value.replace(b"{key}", connection.key))
    connection.putheader("content-length", str(len(case.body)))
    connection.endheaders(case.body)
    reply = connection.getresponse()
    return reply.status, reply.headers.get("content-type", ""), reply.read()


@pytest.mark.server
@pytest.mark.long
@pytest.mark.timeout(600)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.lists(cases(), min_size=BATCH, max_size=BATCH))
def test_every_request_gets_a_reply_with_a_stable_code(connection: Connection, batch: list[Case]) -> None:
    """Requests of any kind, 600 or 11,000: no 500, always JSON or events, a stable code, nothing raw in an error."""
    for case in batch:
        status, kind, body = send(connection, case)
        assert status < 500 or status == 504, (case, status, body)
        if case.method == "HEAD":
            continue
        if kind.startswith("text/event-stream"):
            assert body.endswith(b"\n\n"), (case, body)
        elif status >= 400:
            error = json.loads(body)["error"]
            assert error["code"] in CODES, (case, body)
            assert MARK.encode() not in body, (case, body)
        else:
            json.loads(body)


@pytest.mark.server
def test_nothing_raw_was_logged(embedded: Gateway, connection: Connection) -> None:
    """After requests of any kind, the log, the metrics and the health pages hold nothing of them."""
    for field in ("user", "model", "messages", MARK):
        body = {"model": "assistant", "messages": [{"role": "user", "content": MARK}], field: f"{MARK} {MARK}"}
        headers = [("authorization", GOOD_KEY)]
        send(connection, Case("POST", PATHS[0], headers, json.dumps(body).encode()))
    assert MARK not in embedded.log
    assert "internal_error" not in embedded.log
    assert "Traceback" not in embedded.log
    for path in ("/metrics", "/readyz", "/healthz"):
        assert MARK not in embedded.get(path)[1]


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: " + GOOD_KEY + b"\r\n"
GOOD = json.dumps({"model": "assistant", "messages": [{"role": "user", "content": "hi"}]}).encode()
SINGLE_BYTES = b"".join(b"1\r\n%c\r\n" % byte for byte in GOOD)


@pytest.mark.server
@pytest.mark.parametrize(
    ("raw", "statuses"),
    [
        (b"NONSENSE\r\n\r\n", {400}),
        (b"POST /v1/chat/completions HTTP/9.9\r\n\r\n", {400, 505}),
        (HEAD + b"content-length: -1\r\n\r\n", {400}),
        (HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello", {400}),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nZZ\r\nhello\r\n0\r\n\r\n", {400}),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD), {200}),
        (
            HEAD + b"transfer-encoding: chunked\r\n\r\n" + SINGLE_BYTES + b"0\r\n\r\n",
            {200},
        ),
        (HEAD + b"x-long: " + b"a" * 40_000 + b"\r\ncontent-length: 2\r\n\r\n{}", {431, 400}),
        (HEAD + b"x: y\r\n" * 200 + b"content-length: 2\r\n\r\n{}", {431, 400}),
        (HEAD + b"authorization: Bearer other\r\ncontent-length: 2\r\n\r\n{}", {400, 401}),
        (HEAD + b"content-length: 99999999999\r\n\r\n", {413}),
        (b"GET /v1/chat/completions HTTP/1.1\r\nhost: x\r\n\r\n", {405}),
        (b"GET /v1/../admin HTTP/1.1\r\nhost: x\r\n\r\n", {404}),
        (b"GET /%2e%2e/%00 HTTP/1.1\r\nhost: x\r\n\r\n", {400, 404}),
    ],
)
def test_malformed_http(embedded: Gateway, key: bytes, raw: bytes, statuses: set[int]) -> None:
    """Broken request lines, lengths, chunks and headers end with a 4xx on that connection."""
    with socket.create_connection(("127.0.0.1", embedded.port), timeout=10) as client:
        client.sendall(raw.replace(b"{key}", key))
        status_line = client.makefile("rb").readline()
    assert int(status_line.split()[1]) in statuses


@pytest.mark.server
def test_a_gzip_bomb_is_not_inflated(embedded: Gateway, connection: Connection) -> None:
    """A small body that would inflate beyond the limit is refused with 413."""
    bomb = gzip.compress(b"[" + b"0," * 40_000_000 + b"0]")
    headers = [("authorization", GOOD_KEY), ("content-encoding", b"gzip")]
    status, _, body = send(connection, Case("POST", PATHS[0], headers, bomb))
    assert (status, json.loads(body)["error"]["code"]) == (413, "payload_too_large")
    many = b"".join(gzip.compress(b"") for _ in range(50_000))
    status, _, body = send(connection, Case("POST", PATHS[0], headers, many))
    assert (status, json.loads(body)["error"]["code"]) == (400, "bad_request")
