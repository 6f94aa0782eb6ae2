"""The engine `kserve`: what reaches a server, and what comes of its answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.engines.kserve.asking import BOTH, KEY, asked, loaded, tensor
from tests.engines.kserve.hostile import METADATA, Hostile, Wire, answer, binary, dump, output, reply

from yumen import CannotStart, EngineError, Native, RequestRefused
from yumen_engines.kserve import KServe, KServeConfig

FIXED = {**METADATA, "inputs": [{"name": "x", "datatype": "FP32", "shape": [4, 2]}]}


def says(server: Hostile, data: bytes, end: str = "/infer") -> None:
    """Let the server answer so, as often as it is asked."""

    async def script(wire: Wire) -> None:
        await wire.send(data)

    server.scripts[end] = script


async def test_json_goes_through_byte_for_byte(server: Hostile) -> None:
    """Body and reply are as they were given, numbers and blanks included; exactly these headers are sent."""
    given = asked(tensor(parameters={"note": BOTH}), id="订单-1")
    body = dump(answer(2, parameters={"note": BOTH}, id="订单-1")).replace(b"0.5", b" 0.50 ")
    says(server, reply(body))
    async with loaded(server.url) as engine:
        assert await engine.generate(given) == Native(200, body)
    (request,) = server.asked("/infer")
    assert (request.method, request.path, request.body) == ("POST", "/v2/models/m/infer", given.body)
    assert request.headers.pop("user-agent").startswith("yumen/")
    assert request.headers == {
        "host": server.url.removeprefix("http://"),
        "content-length": str(len(given.body)),
        "content-type": "application/json",
        "accept": "application/json",
        "authorization": f"Bearer {KEY}",
    }


async def test_binary_data_go_through_byte_for_byte(server: Hostile) -> None:
    """A tail of any type passes both ways, NaN and infinity among its numbers; both lengths are said and read."""
    tail = bytes(range(256)) * 2
    texts = b"".join(len(one).to_bytes(4, "little") + one for one in (BOTH.encode(), b""))
    nan = b"\x00\x00\xc0\x7f\x00\x00\x80\x7f"
    body, json_bytes = binary(
        ("FP32", [2, 1], nan), ("BF16", [2, 3], tail[:12]), ("FP16", [2, 2], tail[-8:]), ("BOOL", [2], b"\0\1"),
        ("INT64", [2, 2], tail[:32]), ("UINT8", [2, 0], b""), ("BYTES", [2], texts), ("FP64", [2, 1, 1], tail[:16]),
    )  # fmt: skip
    says(server, reply(body, json_bytes=json_bytes))
    given = asked(tensor(data=[0.0] * 4, parameters={"binary_data_size": 512}), tail=tail)
    async with loaded(server.url) as engine:
        assert await engine.generate(given) == Native(200, body, json_bytes=json_bytes)
    (request,) = server.asked("/infer")
    assert request.body == given.body
    assert request.headers["content-type"] == "application/octet-stream"
    assert request.headers["inference-header-content-length"] == str(given.json_bytes)


async def test_a_length_of_all_is_json_only(server: Hostile) -> None:
    """A server may say the length of the JSON where there is nothing behind it."""
    body = dump(answer(2))
    says(server, reply(body, json_bytes=len(body)))
    async with loaded(server.url) as engine:
        assert await engine.generate(asked()) == Native(200, body)


@pytest.mark.parametrize("suffix", ["", "/", "/v2", "/v2/"])
@pytest.mark.parametrize(
    ("config", "model", "path", "arrives"),
    [
        ({}, "m", "infer", "m"),
        ({}, "m.v2:a+b@c-d", "versions/3/infer", "m.v2:a+b@c-d/versions/3"),
        ({"model": "real"}, "alias", "infer", "real"),
        ({"model": "real", "version": "7"}, "alias", "infer", "real/versions/7"),
        ({"version": "7"}, "m", "versions/7/infer", "m/versions/7"),
    ],
)
async def test_where_a_request_goes(
    server: Hostile, suffix: str, config: dict[str, Any], model: str, path: str, arrives: str
) -> None:
    """Model and version stand in the path, as the caller or else the policy says, below any way to write the URL."""
    async with loaded(server.url + suffix, **config) as engine:
        await engine.generate(asked(model=model, path=path))
    assert server.asked("/infer")[0].path == f"/v2/models/{arrives}/infer"


@pytest.mark.parametrize(
    ("model", "path", "version"),
    [
        ("../admin", "infer", ""),
        ("a/b", "infer", ""),
        ("<CN_MOBILE_0123456789>", "infer", ""),
        ("m%2e", "infer", ""),
        ("模型", "infer", ""),
        ("", "infer", ""),
        ("m", "versions/<CN_MOBILE_0123456789>/infer", ""),
        ("m", "ready", ""),
        ("m", "versions/2/infer", "1"),
    ],
)
async def test_what_is_no_model_of_the_server_s_is_not_asked_for(
    server: Hostile, model: str, path: str, version: str
) -> None:
    """No name leads out of the protocol's paths, whoever wrote it; and a version that policy fixes is the only one."""
    async with loaded(server.url, version=version) as engine:
        with pytest.raises(RequestRefused) as caught:
            await engine.generate(asked(model=model, path=path))
    assert caught.value.code == "not_found"
    assert not server.requests


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422, 429])
async def test_errors_of_the_client_s_making_reach_it(server: Hostile, status: int) -> None:
    """An error of the protocol is the client's to read, as it stands, with its delay; it is not tried again."""
    body = dump({"error": f"unexpected shape for input 'x': {BOTH}"})
    says(server, reply(body, "retry-after: 7", "x-internal: yes", status=status))
    async with loaded(server.url, retries=3) as engine:
        assert await engine.generate(asked()) == Native(status, body, {"retry-after": "7"})
    assert len(server.asked("/infer")) == 1


async def test_a_429_in_a_web_page_is_still_a_429(server: Hostile) -> None:
    """The status and its delay survive a proxy that wraps them in HTML."""
    says(server, reply(b"<html>", "retry-after: 3", status=429))
    async with loaded(server.url) as engine:
        refused = await engine.generate(asked())
    assert (refused.status, refused.headers["retry-after"]) == (429, "3")
    assert b"rate limited" in refused.body


@pytest.mark.parametrize(
    ("status", "again", "late", "attempts"),
    [(401, False, False, 1), (403, False, False, 1), (408, False, True, 1), (500, False, False, 1),
     (502, True, False, 2), (503, True, False, 2), (504, True, True, 2)],
)  # fmt: skip
async def test_errors_of_the_server_s_making_do_not(
    server: Hostile, status: int, again: bool, late: bool, attempts: int
) -> None:
    """They are engine errors, which say whether it was too late and whether another server may be asked."""
    says(server, reply({"error": "no"}, status=status))
    async with loaded(server.url, retries=1) as engine:
        with pytest.raises(EngineError) as caught:
            await engine.generate(asked())
    assert (caught.value.again, caught.value.timeout) == (again, late)
    assert len(server.asked("/infer")) == attempts


async def test_a_server_that_has_too_much_to_do_says_when_to_come_back(server: Hostile) -> None:
    """The delay of a 503 goes with the error, which says that another server may be asked at once."""
    says(server, reply({"error": "queue full"}, "retry-after: 4", status=503))
    async with loaded(server.url, retries=0) as engine:
        with pytest.raises(EngineError) as caught:
            await engine.generate(asked())
    assert (caught.value.again, caught.value.retry_after_s) == (True, 4.0)


async def test_nobody_there(unused_tcp_port: int) -> None:
    """The engine starts all the same; failures to connect say so, and make it unhealthy after three."""
    async with loaded(f"http://127.0.0.1:{unused_tcp_port}", live=True, retries=0) as engine:
        for _ in range(3):
            with pytest.raises(EngineError, match="cannot connect") as caught:
                await engine.generate(asked())
            assert caught.value.again
        assert "cannot connect" in await engine.health()
        assert engine.placements()[0].runtime == ""


async def test_where_it_runs(server: Hostile) -> None:
    """Its placement is the server's origin, and what the server calls itself; no path, no credential."""
    async with loaded(f"{server.url}/v2", live=True, model="m") as engine:
        (placement,) = engine.placements()
    assert (placement.model, placement.device, placement.runtime) == ("m", server.url, "hostile 1.0")


async def test_nothing_is_asked_where_exchanges_are_not_real(server: Hostile) -> None:
    """A test of a policy asks no server how it is called."""
    async with loaded(server.url) as engine:
        assert engine.placements()[0].runtime == ""
    assert not server.requests


@pytest.mark.parametrize(
    ("metadata", "config"),
    [
        (FIXED, {}),
        ({**METADATA, "outputs": []}, {}),
        (METADATA, {"unbatched": ("m",)}),
        (METADATA, {"unbatched": ("real",), "model": "real"}),
    ],
)
async def test_rows_count_only_where_there_are_any(
    server: Hostile, metadata: dict[str, Any], config: dict[str, Any]
) -> None:
    """A model whose first dimension is no batch may answer with as many as it likes."""
    server.metadata = metadata
    says(server, reply(answer(5)))
    async with loaded(server.url, **config) as engine:
        assert (await engine.generate(asked())).status == 200


@pytest.mark.parametrize("status", [400, 404, 405, 501])
async def test_a_server_without_metadata_still_serves(server: Hostile, status: int) -> None:
    """Where it does not tell of its models, rows cannot be counted; everything else is checked."""
    says(server, reply({"error": "no"}, status=status), "/models/m")
    says(server, reply(answer(5)))
    async with loaded(server.url) as engine:
        assert (await engine.generate(asked())).status == 200
        says(server, reply(answer(2, outputs=[output(2), output(2)])))
        with pytest.raises(EngineError, match="twice"):
            await engine.generate(asked())


async def test_inputs_of_a_batch_have_as_many_rows(server: Hostile) -> None:
    """A request whose inputs differ is refused before it is sent, as the gateway's own models do."""
    async with loaded(server.url) as engine:
        for inputs in ([tensor(2), tensor(3, name="z")], [tensor(1, shape=[])]):
            with pytest.raises(RequestRefused, match="same number of rows"):
                await engine.generate(asked(*inputs))
    assert not server.asked("/infer")


@pytest.mark.parametrize("inputs", [[{"name": "x"}], [{"shape": [1]}], [{"name": "x", "shape": [-1]}],
                                    [{"name": "x", "shape": ["13812345678"]}]])  # fmt: skip
async def test_what_is_no_request_is_not_sent(server: Hostile, inputs: list[dict[str, Any]]) -> None:
    """The refusal is the caller's, and holds nothing of what was sent."""
    async with loaded(server.url) as engine:
        with pytest.raises(RequestRefused) as caught:
            await engine.generate(asked(*inputs))
    assert "13812345678" not in str(caught.value)
    assert not server.requests


async def test_metadata_are_asked_for_once_and_kept_for_a_while(server: Hostile) -> None:
    """Many requests at a time share one question; after its time, or a reply that is not as it says, it is asked anew."""
    async with loaded(server.url) as engine:
        await asyncio.gather(*(engine.generate(asked()) for _ in range(10)))
        await engine.generate(asked())
        assert len(server.asked("/models/m")) == 1
        says(server, reply(answer(3)))
        with pytest.raises(EngineError):
            await engine.generate(asked())
        server.scripts.clear()
        await engine.generate(asked())
        assert len(server.asked("/models/m")) == 2
    async with loaded(server.url, metadata_ttl_ms=1) as engine:
        for asked_before in (2, 3):
            assert len(server.asked("/models/m")) == asked_before
            await engine.generate(asked())
            await asyncio.sleep(0.01)


async def test_what_is_kept_of_models_has_a_limit(server: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers who make up names of models cannot fill the memory."""
    monkeypatch.setattr("yumen_engines.kserve.catalogue.METADATA_MAX", 5)
    async with loaded(server.url) as engine:
        for number in range(12):
            await engine.generate(asked(model=f"m{number}"))
        assert list(engine._catalogue._told) == [f"v2/models/m{number}" for number in range(7, 12)]
        assert not engine._catalogue._asking


@pytest.mark.parametrize("url", ["", "triton", "ftp://triton", "http://user:pw@triton/", "http://triton/?a=b"])
async def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    """The engine does not start with it, and does not show what stands in it."""
    with pytest.raises(CannotStart) as caught:
        async with loaded(url):
            pass
    assert "pw" not in str(caught.value)


async def test_after_closing_nothing_is_sent(server: Hostile) -> None:
    """A closed engine answers with an engine error, and closing it twice is no error."""
    async with loaded(server.url) as engine:
        await engine.generate(asked())
        await engine.close()
    with pytest.raises(EngineError, match="closing"):
        await engine.generate(asked())


def test_a_repr_shows_no_credential() -> None:
    """Key and proxy stand in no log."""
    config = KServeConfig(base_url="http://u:pw@triton/x", api_key=KEY, proxy="http://u:pw@proxy")
    assert repr(config) == "KServeConfig(base_url='http://triton', model='')"


def test_its_manifest() -> None:
    """It takes the bytes of the Open Inference Protocol and no other."""
    assert (KServe.manifest.name, KServe.manifest.dialects) == ("kserve", ("kserve",))
    assert KServe.config_type is KServeConfig
