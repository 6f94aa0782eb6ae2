"""Upstreams that do what they must not: each ends in an engine error, leaks nothing, and spoils no request after it."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

import pytest
from tests.engines.kserve.asking import BOTH, KEY, asked, loaded, tensor
from tests.engines.kserve.hostile import Hostile, Script, Wire, answer, binary, dump, output, reply

from yumen import EngineError, Native, RequestRefused
from yumen_engines.kserve import KServe

DEEP = b'{"outputs":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
GOOD = dump(answer(2))
FLOATS = b"\x00\x00\xc0\x3f" * 4


def sends(*parts: bytes, then: str = "close") -> Script:
    """A script that sends these bytes, and then closes, resets, hangs, or stays for the next request."""

    async def script(wire: Wire) -> None:
        await wire.send(*parts)
        if then == "hang":
            await wire.hang()
        elif then == "reset":
            # What has been written is to arrive first.
            await asyncio.sleep(0.02)
            wire.reset()
        elif then == "close":
            wire.close()

    return script


def trickles(head: bytes, body: bytes) -> Script:
    async def script(wire: Wire) -> None:
        await wire.send(head)
        await wire.trickle(body)

    return script


async def failed(engine: KServe, *inputs: dict[str, Any], **more: Any) -> EngineError:
    """The error that asking ends with."""
    with pytest.raises(EngineError) as caught:
        await engine.generate(asked(*inputs, **more))
    return caught.value


async def recovers(server: Hostile, engine: KServe) -> None:
    """Once the server behaves again, the next request is answered."""
    server.scripts.clear()
    assert (await engine.generate(asked())).body == GOOD


SILENT: dict[str, tuple[Script, str]] = {
    "before the head": (sends(then="hang"), "did not begin"),
    "in the head": (sends(b"HTTP/1.1 200 OK\r\ncontent-", then="hang"), "did not begin"),
    "before the body": (sends(HEAD + b"content-length: 50\r\n\r\n", then="hang"), "did not finish"),
    "in the body": (sends(HEAD + b"content-length: 50\r\n\r\n", b'{"outputs"', then="hang"), "did not finish"),
    "in a chunk": (sends(CHUNKED, b"32\r\n", b'{"outputs"', then="hang"), "did not finish"),
    "before the last chunk": (sends(CHUNKED, b"2\r\n{}\r\n", then="hang"), "did not finish"),
    "trickling its head": (trickles(b"", HEAD + b"x" * 5_000), "did not begin"),
    "trickling its body": (trickles(HEAD + b"content-length: 5000\r\n\r\n", b" " * 5_000), "did not finish"),
    "hints without end": (trickles(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 500), "did not begin"),
    "trickling chunks": (trickles(CHUNKED, b"1\r\n \r\n" * 2_000), "did not finish"),
}


@pytest.mark.parametrize(("script", "said"), SILENT.values(), ids=SILENT)
async def test_who_never_finishes_is_left(server: Hostile, script: Script, said: str) -> None:
    """However a server draws out its reply, the deadline of the request ends it, and the connection is closed."""
    server.scripts["/infer"] = script
    async with loaded(server.url, total_timeout_ms=300, retries=3) as engine:
        error = await failed(engine)
        assert error.timeout
        assert len(server.asked("/infer")) == 1
        assert await server.quiet()
        await recovers(server, engine)


async def test_the_chain_s_deadline_holds_as_well(server: Hostile) -> None:
    """A request that has less time than the engine would give it is given no more."""
    server.scripts["/infer"] = trickles(HEAD + b"content-length: 5000\r\n\r\n", b" " * 5_000)
    async with loaded(server.url) as engine:
        loop = asyncio.get_running_loop()
        error = await failed(engine, deadline=loop.time() + 0.3)
        assert error.timeout
        assert (await failed(engine, deadline=loop.time() - 1)).timeout
        await recovers(server, engine)


async def test_a_pause_between_pieces_has_an_end_of_its_own(server: Hostile) -> None:
    """`first_byte_timeout_ms` bounds every wait, long before the whole reply's time is up."""
    server.scripts["/infer"] = sends(HEAD + b"content-length: 50\r\n\r\n", b"{", then="hang")
    async with loaded(server.url, first_byte_timeout_ms=100, total_timeout_ms=3_600_000) as engine:
        assert (await failed(engine)).timeout
        await recovers(server, engine)


BROKEN: dict[str, Script] = {
    "reset in the body": sends(HEAD + b"content-length: 50\r\n\r\n", b'{"outputs"', then="reset"),
    "closed in the body": sends(HEAD + b"content-length: 5000\r\n\r\n", GOOD),
    "content-length too short": sends(HEAD + b"content-length: 20\r\n\r\n" + GOOD),
    "content-length twice": sends(HEAD + b"content-length: 4\r\ncontent-length: 20\r\n\r\n" + GOOD),
    "content-length negative": sends(HEAD + b"content-length: -1\r\n\r\n" + GOOD),
    "content-length no number": sends(HEAD + b"content-length: many\r\n\r\n" + GOOD),
    "content-length without end": sends(HEAD + b"content-length: " + b"9" * 40 + b"\r\n\r\n" + GOOD),
    "chunk of no number": sends(CHUNKED + b"zz\r\n" + GOOD + b"\r\n0\r\n\r\n"),
    "chunk longer than it says": sends(CHUNKED + b"5\r\n" + GOOD + b"\r\n0\r\n\r\n"),
    "chunk without its end": sends(CHUNKED + b"2\r\n{}"),
    "chunk of no size": sends(CHUNKED + b"\r\n\r\n"),
    "chunk without bounds": sends(CHUNKED + b"fffffffffffffffff\r\n{}"),
    "chunk extension without end": sends(CHUNKED + b"2;" + b"x" * 100_000 + b"\r\n{}\r\n0\r\n\r\n"),
    "no last chunk": sends(CHUNKED + f"{len(GOOD):x}\r\n".encode() + GOOD + b"\r\n"),
    "no HTTP": sends(b"\x00\x01\x02 220 smtp.example ESMTP\r\n\r\n"),
    "half a status line": sends(b"HTTP/1.1 20"),
    "a head without end": sends(HEAD + b"x: " + b"y" * 2_000_000),
    "hints instead of a reply": sends(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 1_000),
    "a thousand headers": sends(HEAD + b"x: y\r\n" * 1_000 + b"\r\n"),
    "nothing at all": sends(HEAD + b"content-length: 0\r\n\r\n"),
    "no content": sends(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "accepted": sends(reply(GOOD, status=202)),
    "switching protocols": sends(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
    "compressed": sends(reply(gzip.compress(GOOD), "content-encoding: gzip")),
}


@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN)
async def test_what_is_no_http_is_no_answer(server: Hostile, script: Script) -> None:
    """A reply that breaks off, or whose lengths lie, never passes for a whole one; it is not asked for twice."""
    server.scripts["/infer"] = script
    async with loaded(server.url, retries=0) as engine:
        error = await failed(engine)
        assert not error.timeout
        assert KEY not in str(error)
        await recovers(server, engine)


async def test_a_reset_before_the_reply_may_be_tried_elsewhere(server: Hostile) -> None:
    """It is tried again here, so often as policy says; and the error says that another may be asked."""
    server.scripts["/infer"] = sends(then="reset")
    async with loaded(server.url, retries=2) as engine:
        assert (await failed(engine)).again
        assert len(server.asked("/infer")) == 3
        await recovers(server, engine)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(server: Hostile, status: int) -> None:
    """A loop of them is one request; no other place is asked."""
    server.scripts["/infer"] = sends(reply(b"", "location: /v2/models/m/infer", status=status))
    async with loaded(server.url) as engine:
        await failed(engine)
        assert len(server.asked("/infer")) == 1
        await recovers(server, engine)


def with_output(**other: Any) -> bytes:
    return dump(answer(2, outputs=[output(2, **other)]))


def without(name: str) -> bytes:
    return dump(answer(2, outputs=[{key: value for key, value in output(2).items() if key != name}]))


UNSOUND: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"<html>13812345678</html>", "no inference reply"),
    "not UTF-8": (b'{"outputs":"\xff"}', "no inference reply"),
    "deep": (DEEP, "no inference reply"),
    "an array": (b"[]", "no inference reply"),
    "empty": (b"{}", "no inference reply"),
    "cut off": (GOOD[:-5], "no inference reply"),
    "an answer and more": (GOOD + b"{}", "no inference reply"),
    "no outputs": (dump(answer(2, outputs=[])), "no inference reply"),
    "an error with status 200": (dump({"error": "no"}), "no inference reply"),
    "an answer and an error": (dump(answer(2, error="no")), "and an error"),
    "NaN": (GOOD.replace(b"0.5", b"NaN", 1), "binary_data"),
    "a word": (GOOD.replace(b"0.5", b"NaNs", 1), "no inference reply"),
    "infinity": (GOOD.replace(b"0.5", b"Infinity", 1), "binary_data"),
    "null": (GOOD.replace(b"0.5", b"null", 1), "no FP32"),
    "too large for its type": (GOOD.replace(b"0.5", b"1e39", 1), "no FP32"),
    "a text among numbers": (GOOD.replace(b"0.5", b'"13812345678"', 1), "no FP32"),
    "two outputs of one name": (dump(answer(2, outputs=[output(2), output(2)])), "twice"),
    "an unknown type": (with_output(datatype="FP128"), "no type"),
    "too few elements": (with_output(data=[0.5] * 3), "has not the elements"),
    "too many elements": (with_output(data=[0.5] * 5), "has not the elements"),
    "nested otherwise": (with_output(data=[[0.5] * 4]), "has not the elements"),
    "ragged": (with_output(data=[[0.5], [0.5] * 3]), "has not the elements"),
    "nested too deeply": (with_output(data=[[[0.5, 0.5], [0.5, 0.5]]]), "no FP32"),
    "a negative dimension": (with_output(shape=[-2, -2]), "no inference reply"),
    "a huge shape": (with_output(shape=[1 << 40, 1 << 40]), "has not the elements"),
    "an overflowing dimension": (with_output(shape=[1 << 80]), "no inference reply"),
    "a hundred dimensions": (with_output(shape=[1] * 100), "no inference reply"),
    "neither data nor size": (without("data"), "has not one of"),
    "both data and size": (with_output(parameters={"binary_data_size": 16}), "has not one of"),
    "a size and no data": (dump(answer(2, outputs=[{**output(2), "data": None, "parameters": {"binary_data_size": 1}}])),
                           "more than there is"),
    "no name": (without("name"), "no inference reply"),
    "one row too few": (dump(answer(1)), "another number of rows"),
    "one row too many": (dump(answer(3)), "another number of rows"),
    "rows in another place": (with_output(shape=[4]), "another number of rows"),
    "no dimension": (with_output(shape=[], data=[1.0]), "another number of rows"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "said"), UNSOUND.values(), ids=UNSOUND)
async def test_what_is_no_answer_to_the_request_is_none(server: Hostile, body: bytes, said: str) -> None:
    """Garbage, lies and replies to something else are engine errors, with no word of what stood in them."""
    server.scripts["/infer"] = sends(reply(body))
    async with loaded(server.url, retries=2) as engine:
        error = await failed(engine)
        assert said in str(error)
        assert "13812345678" not in str(error)
        assert len(server.asked("/infer")) == 1
        await recovers(server, engine)


TEXTS = b"".join(len(one).to_bytes(4, "little") + one for one in (BOTH.encode(), b""))
RAW: dict[str, tuple[tuple[bytes, int], str]] = {
    "short": (binary(("FP32", [2, 2], FLOATS[:-1])), "not as long"),
    "long": (binary(("FP32", [2, 2], FLOATS + b"\0")), "not as long"),
    "more claimed than sent": (binary(("FP32", [2, 2], FLOATS), claim=17), "more than there is"),
    "less claimed than sent": (binary(("FP32", [2, 2], FLOATS), claim=12), "not as long"),
    "a huge claim": (binary(("FP32", [2, 2], FLOATS), claim=1 << 62), "more than there is"),
    "a claim beyond numbers": (binary(("FP32", [2, 2], FLOATS), claim=1 << 90), "more than there is"),
    "a negative claim": (binary(("FP32", [2, 2], FLOATS), claim=-1), "no inference reply"),
    "a huge shape": (binary(("FP32", [1 << 40, 1 << 40], FLOATS)), "not as long"),
    "a second one too many": (binary(("FP32", [2, 2], FLOATS), ("FP32", [2, 2], b"")), "not as long"),
    "no truth": (binary(("BOOL", [2, 1], b"\1\2")), "no BOOL"),
    "a text too few": (binary(("BYTES", [3], TEXTS)), "have not the elements"),
    "a text too many": (binary(("BYTES", [1], TEXTS)), "have not the elements"),
    "a text cut off": (binary(("BYTES", [2], TEXTS[:-1])), "shorter than its elements"),
    "more texts than are taken": (binary(("BYTES", [2, 100_001], bytes(800_008))), "more than 200000 texts"),
    "a text longer than all": (binary(("BYTES", [1], b"\xff\xff\xff\xff" + b"x")), "shorter than its elements"),
}


@pytest.mark.parametrize(("sent", "said"), RAW.values(), ids=RAW)
async def test_binary_data_are_what_shape_and_type_say(server: Hostile, sent: tuple[bytes, int], said: str) -> None:
    """No byte too many or too few reaches a client, who would read past its tensor or into another."""
    body, json_bytes = sent
    server.scripts["/infer"] = sends(reply(body, json_bytes=json_bytes))
    async with loaded(server.url) as engine:
        error = await failed(engine)
        assert said in str(error)
        await recovers(server, engine)


@pytest.mark.parametrize("written", ["0", "-1", "x", "1e3", "9" * 30, "99999", "1", " ", "五"])
async def test_a_wrong_length_of_the_json_is_an_error(server: Hostile, written: str) -> None:
    """`Inference-Header-Content-Length` must be the length of JSON, within the body."""
    server.scripts["/infer"] = sends(reply(GOOD, f"Inference-Header-Content-Length: {written}"))
    async with loaded(server.url) as engine:
        assert "repl" in str(await failed(engine))
        await recovers(server, engine)


async def test_two_lengths_of_the_json_are_none(server: Hostile) -> None:
    """Whoever reads the other one reads another reply."""
    lines = (f"Inference-Header-Content-Length: {length}" for length in (len(GOOD), len(GOOD) - 1))
    server.scripts["/infer"] = sends(reply(GOOD, *lines))
    async with loaded(server.url) as engine:
        assert "Content-Length" in str(await failed(engine))


@pytest.mark.parametrize("announced", [True, False])
async def test_a_reply_has_a_longest_length(server: Hostile, announced: bool) -> None:
    """A server cannot fill the memory, whether it says beforehand how much it sends or not."""
    whole = reply(b" " * 200_000)
    chunks = CHUNKED + (b"1000\r\n" + b" " * 4_096 + b"\r\n") * 50
    server.scripts["/infer"] = sends(whole, then="stay") if announced else sends(chunks, then="hang")
    async with loaded(server.url, reply_bytes_max=66_000) as engine:
        assert "reply_bytes_max" in str(await failed(engine))
        await recovers(server, engine)


async def test_a_reply_to_another_request_is_none(server: Hostile) -> None:
    """Where both have an id, it must be the same; and what was asked for must be there."""
    async with loaded(server.url) as engine:
        server.scripts["/infer"] = sends(reply(answer(2, id="订单-2")))
        assert "another request" in str(await failed(engine, id="订单-1"))
        assert isinstance(await engine.generate(asked(id="订单-2")), Native)
        assert "lacks an output" in str(await failed(engine, outputs=[{"name": "y"}, {"name": "z"}]))


@pytest.mark.parametrize("told", [
    b"garbage", DEEP, b"[]", b'{"inputs":{}}', b'{"inputs":[{"name":"x","datatype":"FP32","shape":["-1"]}]}',
    b'{"inputs":[{"name":"x","datatype":"Q8","shape":[-1]}]}', b'{"x":"' + b"x" * (5 << 20) + b'"}',
], ids=["garbage", "deep", "array", "no tensors", "no shape", "no type", "too long"])  # fmt: skip
async def test_metadata_that_are_garbage_answer_nothing(server: Hostile, told: bytes) -> None:
    """Where it cannot be known how many rows a reply must have, the payload is not even sent."""
    server.scripts["/models/m"] = sends(reply(told))
    async with loaded(server.url) as engine:
        await failed(engine)
        assert not server.asked("/infer")
        await recovers(server, engine)


async def test_metadata_that_never_come_have_a_time_of_their_own(server: Hostile) -> None:
    """Many requests wait for one question about their model, each no longer than it may take."""
    server.scripts["/models/m"] = trickles(HEAD + b"content-length: 5000\r\n\r\n", b" " * 5_000)
    async with loaded(server.url, catalogue_timeout_ms=200) as engine:
        errors = await asyncio.gather(*(failed(engine) for _ in range(20)))
        assert all(error.timeout for error in errors)
        assert len(server.asked("/models/m")) == 1
        assert not server.asked("/infer")
        await recovers(server, engine)


async def test_who_stops_waiting_leaves_nothing_behind(server: Hostile) -> None:
    """A cancelled request, before or after its head, lets go of task and connection; others go on."""
    stages: list[tuple[str, Script]] = [
        ("/models/m", sends(then="hang")),
        ("/infer", sends(then="hang")),
        ("/infer", sends(HEAD + b"content-length: 50\r\n\r\n", b"{", then="hang")),
    ]
    async with loaded(server.url, total_timeout_ms=500, catalogue_timeout_ms=400) as engine:
        for end, script in stages:
            server.requests.clear()
            server.scripts = {end: script}
            waiting = asyncio.create_task(engine.generate(asked()))
            async with asyncio.timeout(10):
                while not server.asked(end):
                    await asyncio.sleep(0.002)
            waiting.cancel()
            with pytest.raises((asyncio.CancelledError, EngineError)):
                await waiting
            assert await server.quiet()
        await recovers(server, engine)


async def test_closing_ends_what_is_under_way(server: Hostile) -> None:
    """Who waits when the engine is closed gets an engine error, and no task or connection stays."""
    server.scripts["/models/m"] = sends(then="hang")
    before = asyncio.all_tasks()
    async with loaded(server.url, live=True, catalogue_timeout_ms=400) as engine:
        waiting = asyncio.create_task(engine.generate(asked()))
        async with asyncio.timeout(10):
            while not server.asked("/models/m"):
                await asyncio.sleep(0.002)
    with pytest.raises(EngineError):
        await waiting
    assert await server.quiet()
    assert {task for task in asyncio.all_tasks() - before if "connected" not in repr(task.get_coro())} == set()


@pytest.mark.parametrize("making", [
    lambda: sends(reply(b"<html>13812345678</html>", status=400), then="stay"),
    lambda: sends(reply({"error": {"message": "13812345678"}}, status=400), then="stay"),
    lambda: sends(reply(DEEP, status=422), then="stay"),
    lambda: sends(reply(b"", status=404), then="stay"),
    lambda: sends(reply({"error": "13812345678"}, status=500), then="stay"),
    lambda: sends(reply({"error": f"wrong key {KEY}"}, status=401), then="stay"),
])  # fmt: skip
async def test_no_error_says_a_word_of_the_server_s(server: Hostile, making: Callable[[], Script]) -> None:
    """What is no error reply of the protocol, or none of the client's making, stays here."""
    server.scripts["/infer"] = making()
    async with loaded(server.url, retries=0) as engine:
        error = await failed(engine, tensor(2))
        assert not any(word in str(error) for word in ("13812345678", KEY, "wrong"))
        await recovers(server, engine)


async def test_what_the_caller_s_numbers_come_to_is_no_fault_of_the_server(server: Hostile) -> None:
    """Whoever sends what overflows is told so, and no pool counts it against the server."""
    async with loaded(server.url) as engine:
        server.scripts["/infer"] = sends(reply(GOOD.replace(b"0.5", b"Infinity", 1)))
        assert isinstance(await failed(engine), RequestRefused)
        await recovers(server, engine)
