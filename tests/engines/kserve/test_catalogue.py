"""The server's models, as `/v2` of the gateway shows them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.engines.kserve.asking import asked, loaded
from tests.engines.kserve.hostile import HANG_S, Hostile, Wire, reply

from yumen import EngineError, ModelState, TensorSpec

INDEX = [
    {"name": "m", "version": "1", "state": "READY", "reason": ""},
    {"name": "m", "version": "2", "state": "UNAVAILABLE", "reason": "没有内存"},
    {"name": "other"},
    {"name": "new", "version": None, "state": "EXPLODED"},
    {"name": "../admin", "version": "1", "state": "READY"},
]
STATISTICS = {"model_stats": [{"name": "m", "version": "1", "inference_count": 3}]}


def says(server: Hostile, end: str, body: Any, status: int = 200) -> None:
    async def script(wire: Wire) -> None:
        await wire.send(reply(body, status=status))

    server.scripts[end] = script


async def test_the_index_is_the_server_s(server: Hostile) -> None:
    """Every version of every model is listed; an unknown state is none that serves, and no name is a path."""
    says(server, "/repository/index", INDEX)
    async with loaded(server.url) as engine:
        listed = await engine.models().index()
    assert listed == [
        ModelState("m", "1", "READY"),
        ModelState("m", "2", "UNAVAILABLE", "没有内存"),
        ModelState("other", "", "UNAVAILABLE"),
        ModelState("new", "", "UNAVAILABLE"),
    ]
    assert [(one.method, one.body) for one in server.requests] == [("POST", b"{}")]


async def test_the_index_of_one_configured_model(server: Hostile) -> None:
    """Where policy names the model, no other is shown; and where the server has no index, it says whether that is ready."""
    says(server, "/repository/index", INDEX)
    async with loaded(server.url, model="other") as engine:
        models = engine.models()
        assert await models.index() == [ModelState("other", "", "UNAVAILABLE")]
        says(server, "/repository/index", {"error": "no"}, 404)
        assert await models.index() == [ModelState("other", "", "READY")]
    async with loaded(server.url) as engine:
        assert await engine.models().index() == []


async def test_metadata_stand_under_the_name_that_was_asked_for(server: Hostile) -> None:
    """A caller who knows the model by another name does not learn what it is called behind the gateway."""
    async with loaded(server.url, model="secret-project") as engine:
        told = await engine.models().metadata("alias", "1")
    assert (told.name, told.versions, told.platform) == ("alias", ("1",), "onnxruntime_onnx")
    assert told.inputs == (TensorSpec("x", "FP32", (-1, 2)),)
    assert server.requests[-1].path == "/v2/models/secret-project/versions/1"


@pytest.mark.parametrize(
    ("status", "body", "ready"),
    [(200, {"name": "m", "ready": True}, True), (200, b"", True), (200, {"ready": False}, False), (503, {}, False),
     (400, {"error": "no"}, False)],
)  # fmt: skip
async def test_readiness_is_what_the_server_says(server: Hostile, status: int, body: Any, ready: bool) -> None:
    """By its status, or by its words."""
    says(server, "/ready", body, status)
    async with loaded(server.url, retries=0) as engine:
        assert await engine.models().ready("m") is ready


async def test_statistics_are_the_server_s(server: Hostile) -> None:
    """Of one model, of all, or none where the server does not count; under the name that was asked for."""
    says(server, "/stats", STATISTICS)
    async with loaded(server.url) as engine:
        models = engine.models()
        assert await models.statistics("m", "1") == STATISTICS["model_stats"]
        await models.statistics()
        assert [one.path for one in server.requests] == ["/v2/models/m/versions/1/stats", "/v2/models/stats"]
        says(server, "/stats", {"error": "no"}, 404)
        assert await models.statistics() == []
        with pytest.raises(LookupError):
            await models.statistics("m")
    says(server, "/stats", STATISTICS)
    async with loaded(server.url, model="m") as engine:
        assert (await engine.models().statistics("alias"))[0]["name"] == "alias"


@pytest.mark.parametrize("what", ["load", "unload"])
async def test_models_are_loaded_only_where_policy_allows_it(server: Hostile, what: str) -> None:
    """Without `control` nothing is sent; with it the server is told, and what was known of its models is forgotten."""
    async with loaded(server.url) as engine:
        with pytest.raises(ValueError, match="control"):
            await getattr(engine.models(), what)("m")
        assert not server.requests
    async with loaded(server.url, control=True) as engine:
        await engine.generate(asked())
        await getattr(engine.models(), what)("m")
        assert (server.requests[-1].method, server.requests[-1].path) == ("POST", f"/v2/repository/models/m/{what}")
        assert not engine._catalogue._told
        says(server, f"/{what}", {"error": "failed to load /secret/path"}, 400)
        with pytest.raises(ValueError, match="refused") as caught:
            await getattr(engine.models(), what)("m")
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("ask", [
    lambda models: models.metadata("m"), lambda models: models.statistics("m"), lambda models: models.load("m"),
    lambda models: models.unload("m"), lambda models: models.ready("m"),
])  # fmt: skip
async def test_a_model_that_is_not_there_is_a_lookup_error(server: Hostile, ask: Any) -> None:
    """As the contract of catalogues says, so that the caller gets a 404."""
    says(server, "", {"error": "unknown model"}, 404)
    async with loaded(server.url, control=True) as engine:
        with pytest.raises(LookupError):
            await ask(engine.models())


@pytest.mark.parametrize("name", ["../../admin", "a/b", "m%2fx", "m?x", "", "模型"])
async def test_no_name_leads_elsewhere(server: Hostile, name: str) -> None:
    """Nothing is asked about a name that is none."""
    async with loaded(server.url, control=True) as engine:
        models = engine.models()
        for asking in (models.metadata(name), models.ready(name), models.load(name), models.unload(name)):
            with pytest.raises(LookupError):
                await asking
    assert not server.requests


ASKING: list[Any] = [
    lambda models: models.index(), lambda models: models.metadata("m"), lambda models: models.statistics(),
    lambda models: models.ready("m"),
]  # fmt: skip


@pytest.mark.parametrize("ask", ASKING)
@pytest.mark.parametrize("body", [b"garbage", b'"text"', b"[" * 50_000, b'{"x":"' + b"x" * (5 << 20) + b'"}'],
                         ids=["garbage", "text", "deep", "long"])  # fmt: skip
async def test_garbage_is_an_engine_error(server: Hostile, ask: Any, body: bytes) -> None:
    """Whatever the server tells, it is of the protocol and of a bounded length, or nothing."""
    says(server, "", body)
    async with loaded(server.url) as engine:
        with pytest.raises(EngineError):
            await ask(engine.models())


@pytest.mark.parametrize("ask", ASKING)
async def test_no_question_waits_for_ever(server: Hostile, ask: Any) -> None:
    """A server that does not answer is given up after `catalogue_timeout_ms`, however many ask."""

    async def script(wire: Wire) -> None:
        await wire.hang()

    server.scripts[""] = script
    async with loaded(server.url, catalogue_timeout_ms=150, retries=2) as engine:
        asking = (ask(engine.models()) for _ in range(20))
        async with asyncio.timeout(HANG_S / 2):
            results = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(one, EngineError) for one in results)
    # Eight at a time; of the others hardly one is begun when the first are given up.
    assert len(server.requests) < 20


async def test_statuses_of_the_server_s_making_are_engine_errors(server: Hostile) -> None:
    """A refused credential, a redirect or a fault is nothing that a caller is told as his own."""
    async with loaded(server.url, retries=0) as engine:
        for status in (302, 401, 403, 500, 502, 504):
            says(server, "", {"error": "no"}, status)
            for ask in ASKING:
                with pytest.raises(EngineError):
                    await ask(engine.models())


@pytest.mark.parametrize(("status", "ill"), [(200, False), (404, False), (501, False), (503, True), (500, True)])
async def test_the_server_says_whether_it_is_well(server: Hostile, status: int, ill: bool) -> None:
    """A server that says it is not ready is ill; one that does not tell of it is not; and it is not asked again at once."""
    says(server, "/v2/health/ready", {}, status)
    async with loaded(server.url, live=True, retries=0) as engine:
        for _ in range(3):
            assert bool(await engine.health()) is ill
    assert len(server.asked("/v2/health/ready")) == 1


async def test_a_server_that_hangs_is_ill(server: Hostile) -> None:
    """The question has an end, also where whoever asked it leaves."""

    async def hang(wire: Wire) -> None:
        await wire.hang()

    server.scripts["/v2/health/ready"] = hang
    async with loaded(server.url, live=True, catalogue_timeout_ms=200) as engine:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await engine.health()
        assert "health check failed" in await engine.health()


async def test_in_a_policy_s_tests_no_server_is_asked(server: Hostile) -> None:
    """What is not live asks nobody."""
    async with loaded(server.url) as engine:
        assert await engine.health() == ""
    assert not server.requests
