"""Engines of tensors: requests of the protocol, the door for plugins, and what the gateway asks them."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.core.tensors.adders import Adders, answer, asked, put, serving, until
from tests.core.tensors.shapes import Shapes

from yumen import EngineError, RequestRefused
from yumen.batching import BatchConfig, Share
from yumen.engine import Native
from yumen.tensors import serving as codec
from yumen.tensors.engine import TensorEngine
from yumen.tensors.repository import RepositoryConfig, Single
from yumen.testing import RunningClock, UnitHost


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with one adder, of 1."""
    put(tmp_path, "adder", 1, 1)
    return tmp_path


async def test_rows_of_many_callers_run_together(root: Path) -> None:
    """While the model runs, what comes gathers, and each caller gets the rows of its own request."""
    async with serving(root) as engine:
        engine.hold = asyncio.Event()
        asking = [asyncio.ensure_future(answer(engine, asked([n, n], [n, -n]))) for n in range(9)]
        await asyncio.sleep(0.01)
        engine.hold.set()
        for n, said in enumerate(await asyncio.gather(*asking)):
            assert said["sum"] == [n + 1, n + 1, n + 1, 1 - n]
        models = engine.models()
        assert models is not None
        (stats,) = await models.statistics()
        assert stats["inference_count"] == 18
        assert stats["execution_count"] < 9


async def test_binary_tensors_in_and_out(root: Path) -> None:
    """Tensors come and go as binary data where the caller says so."""
    array = np.arange(6, dtype=np.int64).reshape(3, 2)
    tensor = {"name": "x", "datatype": "INT64", "shape": [3, 2], "parameters": {"binary_data_size": array.nbytes}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    request = msgspec.structs.replace(asked(), body=head + array.tobytes(), json_bytes=len(head))
    async with serving(root) as engine:
        native = await engine.generate(request)
    assert isinstance(native, Native)
    said = json.loads(native.body[: native.json_bytes])
    assert [one["name"] for one in said["outputs"]] == ["sum", "version"]
    assert (np.frombuffer(native.body[native.json_bytes :], np.int64)[:6] == array.ravel() + 1).all()


async def test_large_requests_are_read_beside_the_loop(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that takes long to read or write is so in a thread, where it holds up nobody; a small one is not."""
    where: list[tuple[str, str]] = []

    def noting(name: str) -> None:
        real = getattr(codec, name)

        def noted(*args: Any, **more: Any) -> Any:
            where.append((name, threading.current_thread().name.partition("-")[0]))
            return real(*args, **more)

        monkeypatch.setattr(codec, name, noted)

    noting("read")
    noting("write")
    rows = [[number, number + 1] for number in range(20_000)]
    async with serving(
        root, batch=BatchConfig(rows_max=1024, tenant_rows_max=100_000, queue_rows_max=100_000)
    ) as engine:
        assert (await answer(engine, asked(*rows)))["sum"] == [one + 1 for row in rows for one in row]
        assert where == [("read", "tensors"), ("write", "tensors")]
        where.clear()
        classes = [{"name": "sum", "parameters": {"classification": 1}}]
        classified = asked(*rows, outputs=classes, parameters={"binary_data_output": True})
        assert (await answer(engine, classified))["sum"][-1] == "20001:1"
        assert where == [("read", "tensors"), ("write", "tensors")]
        where.clear()
        assert (await answer(engine, asked([1, 1])))["sum"] == [2, 2]
        assert where == [("read", "MainThread"), ("write", "MainThread")]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (asked(model="none"), "not_found"),
        (asked(version="9"), "not_found"),
        (asked([1, 2, 3]), "bad_request"),
        (asked(parameters={"sequence_id": 7}), "unsupported_payload"),
        (asked(outputs=[{"name": "q"}]), "bad_request"),
        (msgspec.structs.replace(asked(), dialect="openai"), "unsupported_payload"),
        (msgspec.structs.replace(asked(), path="generate"), "not_found"),
        (msgspec.structs.replace(asked(), body=b'{"inputs": ['), "bad_request"),
    ],
)
async def test_what_the_model_does_not_take_is_refused(root: Path, request_: Any, code: str) -> None:
    """A request for what is not there, or of another form, is the caller's error, and costs no run."""
    async with serving(root) as engine:
        runs = engine.models()
        assert runs is not None
        with pytest.raises(RequestRefused) as refused:
            await engine.generate(request_)
        assert refused.value.code == code
        assert (await runs.statistics())[0]["execution_count"] == 0


async def test_the_callers_timeout_shortens_the_deadline(root: Path) -> None:
    """`timeout`, in microseconds, ends a request earlier than the route would, and never later."""
    async with serving(root) as engine:
        engine.hold = asyncio.Event()
        for request in (
            asked(parameters={"timeout": 20_000}),
            asked(deadline_s=0.02, parameters={"timeout": 60_000_000}),
        ):
            with pytest.raises(EngineError) as late:
                await engine.generate(request)
            assert late.value.timeout
        engine.hold.set()


async def test_callers_may_ask_for_less_than_their_priority(root: Path) -> None:
    """1 goes first, as does 0, which is no wish; higher numbers wait for lower ones."""
    order: list[int] = []

    async def ask(priority: int) -> None:
        await answer(engine, asked([priority, 0], parameters={"priority": priority}))
        order.append(priority)

    batch = BatchConfig(rows_max=1, age_ms=600_000, tenants={"*": Share(weight=1.0)})
    async with serving(root, batch=batch) as engine:
        engine.hold = asyncio.Event()
        first = asyncio.ensure_future(answer(engine, asked()))
        await asyncio.sleep(0.01)
        asking = [asyncio.ensure_future(ask(priority)) for priority in (2_000_000, 5, 0, 1, 9)]
        await asyncio.sleep(0.01)
        engine.hold.set()
        await asyncio.gather(first, *asking)
    assert order == [0, 1, 5, 9, 2_000_000]


async def test_a_caller_that_leaves_disturbs_nobody(root: Path) -> None:
    """Cancelled requests give back what they used; a version can be closed afterwards."""
    async with serving(root) as engine:
        engine.hold = asyncio.Event()
        asking = [asyncio.ensure_future(answer(engine, asked([n, n]))) for n in range(8)]
        await asyncio.sleep(0.01)
        for leaving in asking[::2]:
            leaving.cancel()
        engine.hold.set()
        said = await asyncio.gather(*asking, return_exceptions=True)
        assert [isinstance(one, asyncio.CancelledError) for one in said] == [True, False] * 4
        models = engine.models()
        assert models is not None
        await models.unload("adder")
        assert engine.open_now == 0


async def test_the_door_for_plugins(root: Path) -> None:
    """Plugins give and get arrays by name; what does not fit is refused as it is for callers."""
    x = np.array([[1, 2], [3, 4]])
    async with serving(root) as engine:
        outputs = await engine.infer({"inputs": {"x": x}})
        assert outputs["sum"].tolist() == [[2, 3], [4, 5]]
        assert set(await engine.infer({"inputs": {"x": x}, "outputs": ["version"], "model": "adder"})) == {"version"}
        refused: tuple[dict[str, Any], ...] = (
            {"inputs": {"y": x}}, {"inputs": {}}, {"inputs": {"x": x.astype(np.int32)}}, {"inputs": {"x": [[1, 2]]}},
            {"inputs": {"x": x[0]}}, {"inputs": {"x": x[:0]}}, {"inputs": {"x": x}, "outputs": ["q"]},
            {"inputs": {"x": x}, "model": "none"}, {"inputs": {"x": x}, "version": "7"},
        )  # fmt: skip
        for wrong in refused:
            with pytest.raises(RequestRefused):
                await engine.infer(wrong)
        engine.hold = asyncio.Event()
        with pytest.raises(EngineError) as late:
            await engine.infer({"inputs": {"x": x}, "deadline": time.monotonic() + 0.02})
        assert late.value.timeout
        engine.hold.set()
        put(root, "other", 1, 7)
        models = engine.models()
        assert models is not None
        await models.load("other")
        with pytest.raises(RequestRefused, match="name the one"):
            await engine.infer({"inputs": {"x": x}})
        assert (await engine.infer({"inputs": {"x": x}, "model": "other"}))["sum"].tolist() == [[8, 9], [10, 11]]


@pytest.mark.parametrize("plugin", [False, True], ids=["caller", "plugin"])
@pytest.mark.parametrize(("isolated", "runs"), [(False, 2), (True, 3)])
async def test_rows_are_their_tenants(root: Path, isolated: bool, runs: int, plugin: bool) -> None:
    """Callers, and plugins that say whose rows they are, get what policy promises that tenant."""
    async with serving(root, batch=BatchConfig(tenant_isolation=isolated)) as engine:
        engine.hold = asyncio.Event()
        asking: list[asyncio.Future[Any]] = []
        for tenant in ("first", "a", "b", "a"):
            if plugin:
                asking.append(
                    asyncio.ensure_future(engine.infer({"inputs": {"x": np.array([[1, 2]])}, "tenant": tenant}))
                )
            else:
                asking.append(asyncio.ensure_future(answer(engine, msgspec.structs.replace(asked(), tenant=tenant))))
            await asyncio.sleep(0.01)
        engine.hold.set()
        assert [np.ravel(one["sum"]).tolist() for one in await asyncio.gather(*asking)] == [[2, 3]] * 4
        (served,) = engine.served()
        assert served.batcher.statistics.runs == runs


async def test_the_revision_says_what_answers(root: Path) -> None:
    """It changes with every version that begins or ends to serve, is the same for the same versions, and empty for none."""
    async with serving(root) as engine:
        models = engine.models()
        assert models is not None
        first = engine.revision()
        assert first
        put(root, "adder", 2, 2)
        await models.load("adder")
        second = engine.revision()
        await models.unload("adder")
        assert engine.revision() == ""
        await models.load("adder")
        assert engine.revision() == second != first
        assert [(one.model, one.version, one.runtime) for one in engine.placements()] == [("adder", "2", "numpy")]
    async with serving(root) as again:
        assert again.revision() == second


async def test_statistics_have_the_protocols_form(root: Path) -> None:
    """They are those of the statistics extension: counts and nanoseconds, by version and by batch size."""
    async with serving(root) as engine:
        models = engine.models()
        assert models is not None
        await engine.generate(asked([1, 1], [2, 2]))
        await engine.generate(asked([1, 1]))
        engine.hold = asyncio.Event()
        with pytest.raises(EngineError):
            await engine.generate(asked(deadline_s=0.02))
        engine.hold.set()
        put(root, "adder", 2, 2)
        (stats,) = await models.statistics("adder", "1")
        assert (stats["name"], stats["version"]) == ("adder", "1")
        assert abs(stats["last_inference"] / 1000 - time.time()) < 3600
        assert stats["inference_stats"]["success"]["count"] == 2
        assert stats["inference_stats"]["fail"]["count"] == 1
        for name in ("success", "fail", "compute_infer", "queue"):
            assert isinstance(stats["inference_stats"][name]["ns"], int)
            assert stats["inference_stats"][name]["ns"] >= 0
        by_size = {one["batch_size"]: one["compute_infer"]["count"] for one in stats["batch_stats"]}
        assert by_size[1] >= 1
        assert by_size[2] == 1
        for name, version in (("none", ""), ("adder", "2"), ("none", "1")):
            with pytest.raises(LookupError):
                await models.statistics(name, version)


async def test_labels_and_classes(tmp_path: Path) -> None:
    """The highest of an output come with the labels that the model's folder has for them, in any language."""
    put(tmp_path, "adder", 1, 1)
    (tmp_path / "adder" / "classes.txt").write_text("kitten\n小狗\n", encoding="utf-8")
    (tmp_path / "adder" / "config.yaml").write_text("labels: {sum: classes.txt}")
    async with serving(tmp_path) as engine:
        wanted = [{"name": "sum", "parameters": {"classification": 1}}]
        said = await answer(engine, asked([1, 9], [8, 3], outputs=wanted))
        assert said["sum"] == ["10:1:小狗", "9:0:kitten"]


async def test_before_load_and_after_close_nothing_answers(root: Path) -> None:
    """An engine that is not loaded, or closed, says so in every door."""
    engine = Adders(RepositoryConfig(path=str(root), poll_s=0))
    assert await engine.health()
    assert engine.models() is None
    assert not engine.placements()
    assert engine.revision() == ""
    for _ in range(2):
        with pytest.raises(EngineError) as failed:
            await engine.generate(asked())
        assert failed.value.again or isinstance(failed.value, RequestRefused)
        with pytest.raises(EngineError):
            await engine.infer({"inputs": {}})
        await engine.close()
    with pytest.raises(NotImplementedError):
        TensorEngine.source(engine)


async def test_a_single_model_needs_no_repository(root: Path) -> None:
    """A model that policy names by its path is version 1, and one that cannot be opened is told by `health`."""
    engine = Adders(RepositoryConfig(path=str(root), poll_s=0))
    for path, ready in ((root / "adder" / "1" / "model.json", True), (root / "none.json", False)):
        engine.source = lambda path=path: Single("mine", path)  # type: ignore[misc, method-assign]
        try:
            await engine.load(UnitHost(clock=RunningClock()))
            assert await engine.health() == ("" if ready else "not ready: mine")
            if ready:
                assert (await answer(engine, asked([1, 1], model="mine")))["model_version"] == "1"
            else:
                with pytest.raises(EngineError):
                    await engine.generate(asked(model="mine"))
        finally:
            await engine.close()


async def test_outputs_that_are_not_what_was_said(tmp_path: Path) -> None:
    """A model that answers with another type, no array, too few rows or what JSON cannot hold fails the request alone."""
    async with Shapes.serving(tmp_path) as engine:
        for what in ("type", "rows", "missing", "list", "nan"):
            engine.gives = what
            with pytest.raises(EngineError) as failed:
                await engine.generate(asked([1, 1], model="odd"))
            # What JSON cannot hold is mostly what the caller's own numbers come to.
            assert isinstance(failed.value, RequestRefused) == (what == "nan")
        engine.gives = "right"
        assert (await answer(engine, asked([1, 1], model="odd")))["y"] == [0.5]


async def test_a_start_that_is_cut_off_leaves_nothing_open(root: Path) -> None:
    """When loading is cancelled, what has been opened by then is closed, once."""
    put(root, "slow", 1, 1)
    engine = Adders(RepositoryConfig(path=str(root), poll_s=0))
    gate = asyncio.Event()
    opened = engine.open_version

    async def slowly(files: Any) -> Any:
        if files.model == "slow":
            await gate.wait()
        return await opened(files)

    engine.open_version = slowly  # type: ignore[method-assign]
    loading = asyncio.ensure_future(engine.load(UnitHost(clock=RunningClock())))
    await until(lambda: engine.revision())
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    await engine.close()
    assert [model.closed for model in engine.made] == [1]
    assert not asyncio.all_tasks() - {asyncio.current_task()}
