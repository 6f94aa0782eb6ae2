"""A small real upstream that speaks the OpenAI API, records what it is sent and misbehaves on demand.

What it does is said by the model's name, so that it can be steered through the gateway too: words joined by `+`, a word
may carry a number (`echo`, `split-1`, `status-503+retry-7`, `echo+crlf+delay-20`). Unknown words mean nothing.

How a reply is written:

    split-N     bytes per HTTP chunk                    midchar     one cut inside every multi-byte character
    crlf, cr    line endings                            bom         a byte order mark first
    comments    comments and other fields in between    piece-N     code points per event (4)
    delay-N     milliseconds before each event          slow-N      milliseconds before the head of the reply

What is in it (the last user message, unless one of these says otherwise):

    tool        a tool call whose argument is it        reason      the same text as reasoning, then as content
    big-N       N times 1,024 bytes                     nodone      no `[DONE]` at the end

What goes wrong:

    status-N    that status with a JSON error           html        ... with a web page instead
    retry-N     ... with Retry-After: N seconds         flaky-N     only the first N requests of this model name
    date-N      ... as a date in N seconds              bad-N       ... as the Nth of `BAD_DELAYS`
    reset       the connection is reset at once         reset-N     ... after N events
    hang        no reply until the client leaves        stall-N     nothing after N events
    error-N     an error event after N events           garbage-N   no JSON after N events, or as plain reply
    end-N       the body ends after N events            redirect    to another path
    json        a stream is answered with plain JSON    text        ... with content type text/plain

Run by itself (`python tests/upstream.py --port 9000`) it shows what it recorded at GET /_records; DELETE forgets it.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import re
import threading
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from aiohttp import web

WORD = re.compile(r"([a-z]+)(?:-(\d+))?")
HANG_S_MAX = 60.0
BODY_BYTES_MAX = 64 * 1024 * 1024
GARBAGE = b'{"choices": [oops'
BAD_DELAYS = (
    "", "-5", "1e9", "nan", "0x10", "99999", "9" * 400, "7, 7", "７", "²", "Sat, 01 Jan 9999 00:00:00 GMT",
    "Sat, 99 Foo 2026 00:00:00 GMT", "Sat, 01 Jan 2000 99:99:99 GMT", "x" * 4000,
)  # fmt: skip
CREATED = 1_700_000_000


@dataclass
class Record:
    """One request as it arrived, its header names in lower case, and how it ended."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    disconnected: bool = False
    finished: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Script:
    """What a model's name asks for."""

    name: str
    words: dict[str, int | None] = field(default_factory=dict)

    @classmethod
    def of(cls, model: object) -> Script:
        name = model if isinstance(model, str) else ""
        matches = (WORD.fullmatch(word) for word in name.split("+"))
        return cls(name, {m[1]: None if m[2] is None else int(m[2]) for m in matches if m})

    def __contains__(self, word: str) -> bool:
        return word in self.words

    def number(self, word: str, default: int) -> int:
        value = self.words.get(word)
        return default if value is None else value

    def at(self, word: str) -> int | None:
        """The number of the event that something happens at, 1 where the word has none; None where it is not said."""
        return self.number(word, 1) if word in self.words else None


class Recorder:
    """Keeps the records and answers the requests."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._counts: dict[str, int] = {}

    def clear(self) -> None:
        self.records = []
        self._counts = {}

    def app(self) -> web.Application:
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_get("/_records", self._show)
        app.router.add_delete("/_records", self._forget)
        app.router.add_route("*", "/{path:.*}", self._serve)
        return app

    async def _show(self, request: web.Request) -> web.Response:
        shown = [{**vars(record), "body": record.body.decode("utf-8", "replace")} for record in self.records]
        return web.json_response(shown)

    async def _forget(self, request: web.Request) -> web.Response:
        self.clear()
        return web.Response(status=204)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        record = Record(request.method, request.path, headers, body, id(request.transport))
        self.records.append(record)
        try:
            response = await self._answer(request, body)
        except (asyncio.CancelledError, ConnectionError):
            record.disconnected = True
            raise
        record.finished = True
        return response

    async def _answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if request.method == "GET" and request.path.endswith("/models"):
            return web.json_response({"object": "list", "data": [{"id": "echo", "object": "model"}]})
        try:
            payload = json.loads(body)
        except ValueError:
            payload = None
        if not isinstance(payload, dict):
            return _error(400, "The body is not a JSON object.", Script(""))
        script = Script.of(payload.get("model"))
        count = self._counts[script.name] = self._counts.get(script.name, 0) + 1
        wrong = "flaky" not in script or count <= script.number("flaky", 1)
        if "slow" in script:
            await asyncio.sleep(script.number("slow", 100) / 1000)
        if wrong:
            refused = await self._refuse(request, script)
            if refused is not None:
                return refused
        if request.path.endswith("/embeddings"):
            return web.json_response(_embeddings(payload))
        if payload.get("stream") is True and "json" not in script:
            return await _stream(request, payload, script)
        if "garbage" in script:
            return web.Response(body=GARBAGE, content_type="application/json")
        return web.json_response(_completion(payload, script, request.path))

    async def _refuse(self, request: web.Request, script: Script) -> web.Response | None:
        if "hang" in script:
            await asyncio.sleep(HANG_S_MAX)
        if "reset" in script and script.words["reset"] is None:
            _reset(request)
        if "redirect" in script:
            return web.Response(status=307, headers={"location": "/v1/elsewhere"})
        if "status" in script:
            return _error(script.number("status", 500), "The upstream was told to fail.", script)
        if "flaky" in script:
            return _error(503, "The upstream was told to fail at first.", script)
        return None


def _reset(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()
    raise ConnectionResetError


def _error(status: int, message: str, script: Script) -> web.Response:
    headers = {"retry-after": str(script.number("retry", 1))} if "retry" in script else {}
    if "date" in script:
        headers["retry-after"] = formatdate(time.time() + script.number("date", 1), usegmt=True)
    if "bad" in script:
        headers["retry-after"] = BAD_DELAYS[script.number("bad", 0)]
    if "html" in script:
        return web.Response(status=status, text="<html>no</html>", content_type="text/html", headers=headers)
    error = {"message": message, "type": "server_error", "code": None, "param": None}
    return web.json_response({"error": error}, status=status, headers=headers)


def said(payload: dict[str, Any]) -> str:
    """The text of the last user message, or of the prompt."""
    if isinstance(payload.get("prompt"), str):
        return str(payload["prompt"])
    for message in reversed(payload.get("messages") or []):
        if message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, list):
                return "".join(part.get("text", "") for part in content if part.get("type") == "text")
            return str(content)
    return ""


def _usage(payload: dict[str, Any], text: str) -> dict[str, int]:
    asked, answered = len(said(payload)), len(text)
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def _text(payload: dict[str, Any], script: Script) -> str:
    return "x" * (1024 * script.number("big", 1)) if "big" in script else said(payload)


def _arguments(text: str) -> str:
    return json.dumps({"text": text}, ensure_ascii=False)


def _embeddings(payload: dict[str, Any]) -> dict[str, Any]:
    given = payload.get("input")
    inputs = given if isinstance(given, list) else [given]
    data = [{"object": "embedding", "index": i, "embedding": [0.25, -0.5, 1.0]} for i in range(len(inputs))]
    usage = {"prompt_tokens": len(inputs), "total_tokens": len(inputs)}
    return {"object": "list", "data": data, "model": payload.get("model"), "usage": usage}


def _completion(payload: dict[str, Any], script: Script, path: str) -> dict[str, Any]:
    text = _text(payload, script)
    chat = path.endswith("/chat/completions")
    choices = []
    for index in range(payload.get("n") or 1):
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if "reason" in script:
            message["reasoning_content"] = text
        if "tool" in script:
            function = {"name": "look_up", "arguments": _arguments(text)}
            message |= {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}
        body = {"message": message} if chat else {"text": text}
        reason = "tool_calls" if "tool" in script else "stop"
        choices.append({"index": index, **body, "logprobs": None, "finish_reason": reason})
    kind = "chat.completion" if chat else "text_completion"
    return {**_envelope(payload, kind), "choices": choices, "usage": _usage(payload, text)}


def _envelope(payload: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-upstream", "object": kind, "created": CREATED, "model": payload.get("model")}


def events(payload: dict[str, Any], script: Script, path: str) -> list[str]:
    """The data of every event of a streamed reply, `[DONE]` included."""
    text = _text(payload, script)
    chat = path.endswith("/chat/completions")
    size = script.number("piece", 4)
    envelope = _envelope(payload, "chat.completion.chunk" if chat else "text_completion")
    out: list[dict[str, Any]] = []
    count = payload.get("n") or 1

    def add(delta: dict[str, Any], reason: str | None = None) -> None:
        for index in range(count):
            body = {"delta": delta} if chat else {"text": delta.get("content", "")}
            out.append({**envelope, "choices": [{"index": index, **body, "finish_reason": reason}]})

    if chat:
        add({"role": "assistant", "content": ""})
    if "reason" in script:
        for piece in _pieces(text, size):
            add({"reasoning_content": piece})
    if "tool" in script:
        function = {"name": "look_up", "arguments": ""}
        add({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]})
        for piece in _pieces(_arguments(text), size):
            add({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        add({}, "tool_calls")
    else:
        for piece in _pieces(text, size):
            add({"content": piece})
        add({}, "stop")
    if (payload.get("stream_options") or {}).get("include_usage"):
        out.append({**envelope, "choices": [], "usage": _usage(payload, text)})
    return [*(json.dumps(event, ensure_ascii=False) for event in out), *([] if "nodone" in script else ["[DONE]"])]


def _pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


async def _stream(request: web.Request, payload: dict[str, Any], script: Script) -> web.StreamResponse:
    kind = "text/plain" if "text" in script else "text/event-stream; charset=utf-8"
    response = web.StreamResponse(headers={"content-type": kind, "cache-control": "no-cache"})
    await response.prepare(request)
    newline = "\r\n" if "crlf" in script else "\r" if "cr" in script else "\n"
    if "bom" in script:
        await _write(response, b"\xef\xbb\xbf", script)
    for number, data in enumerate(events(payload, script, request.path)):
        if "delay" in script:
            await asyncio.sleep(script.number("delay", 10) / 1000)
        if number == script.words.get("reset"):
            _reset(request)
        if number == script.at("stall"):
            await asyncio.sleep(HANG_S_MAX)
        if number == script.at("end"):
            break
        if number == script.at("error"):
            data = json.dumps({"error": {"message": "The upstream was told to fail.", "type": "server_error"}})
        if number == script.at("garbage"):
            data = GARBAGE.decode()
        lines = [f"data: {data}", "", ""]
        if "comments" in script:
            lines = [": keep-alive", "event: message", f"id: {number}", *lines]
        await _write(response, newline.join(lines).encode(), script)
    await response.write_eof()
    return response


async def _write(response: web.StreamResponse, block: bytes, script: Script) -> None:
    if "midchar" in script:
        cuts = [0, *(at for at in range(1, len(block)) if block[at] & 0xC0 == 0x80), len(block)]
    else:
        size = script.number("split", len(block)) or 1
        cuts = [*range(0, len(block), size), len(block)]
    for start, end in itertools.pairwise(cuts):
        await response.write(block[start:end])


class Upstream:
    """The server in a thread of its own; `url` ends in `/v1`. Port 0 takes a free one."""

    def __init__(self, port: int = 0) -> None:
        self._recorder = Recorder()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)
        self.port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def requests(self) -> list[Record]:
        """Every request since the last `clear`."""
        return list(self._recorder.records)

    @property
    def last(self) -> Record:
        return self._recorder.records[-1]

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def clear(self) -> None:
        self._recorder.clear()

    def wait_disconnect(self, timeout_s: float = 5.0) -> bool:
        """Whether the client of the last request leaves within the time; blocks the calling thread."""
        until = time.monotonic() + timeout_s
        while not self.last.disconnected and time.monotonic() < until:
            time.sleep(0.005)
        return self.last.disconnected

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner, self.port = self._loop.run_until_complete(serve(self._recorder, self.port))
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


async def serve(recorder: Recorder, port: int) -> tuple[web.AppRunner, int]:
    """Serve on 127.0.0.1; port 0 takes a free one. Returns what to clean up, and the port."""
    runner = web.AppRunner(recorder.app(), handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    return runner, int(runner.addresses[0][1])


async def main(port: int) -> None:
    _, port = await serve(Recorder(), port)
    print(f"http://127.0.0.1:{port}/v1", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A recording upstream for tests.")
    parser.add_argument("--port", type=int, default=9000)
    asyncio.run(main(parser.parse_args().port))
