"""What is asked below /v2 beside exchanges: who may know of which models, and who may change what is loaded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from structlog.testing import capture_logs
from tests.e2e.openinference.calculator import Calculator

from yumen import (
    Engine,
    EngineError,
    EngineManifest,
    Manifest,
    NoConfig,
    Operation,
    Plugin,
    RequestRefused,
    Secret,
    readiness,
)
from yumen.dataplane import DataPlane
from yumen.errors import Problem
from yumen.keyfile import Entry, Role
from yumen.openinference import catalogue, surface
from yumen.parts import Parts
from yumen.policy.load import load_bundle
from yumen.policy.testing.harness import Caller
from yumen.runtime import Runtime
from yumen.settings import Settings

POLICY = """version: 1
engines:
  tensors: {adapter: http, egress: local, base_url: "http://127.0.0.1:9"}
  chat: {adapter: http, egress: local, base_url: "http://127.0.0.1:9"}
routes:
  - id: tensors
    match: {paths: ["/v2/*"], models: [adder, "late-*"]}
    engine: tensors
    chain: []
  - id: chat
    match: {paths: ["/v2/*", "/v1/*"], models: [chat]}
    engine: chat
    chain: []
"""


class Chat(Engine[NoConfig]):
    """Has no models that the protocol knows of."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="chat", version="1", dialects=("kserve",))


class Notes(Plugin[NoConfig]):
    """Writes operations down, and can fail to."""

    manifest: ClassVar[Manifest] = Manifest(name="notes", version="1")

    def __init__(self) -> None:
        super().__init__(NoConfig())
        self.fails = False
        self.taken: list[Operation] = []

    async def on_operation(self, operation: Operation) -> None:
        if self.fails:
            raise RuntimeError
        self.taken.append(operation)


class Door:
    """Knows one key, of the role that a test says."""

    role: Role = "app"

    def authenticate(self, headers: Iterable[tuple[bytes, bytes]]) -> Entry:
        if (b"authorization", b"Bearer k") not in headers:
            raise Problem("unauthorized")
        return Entry(id="k1", hash="", tenant="t", app="a", role=self.role)


class NotingRuntime(Runtime):
    """A runtime with one more plugin, which hears of operations."""

    notes = Notes()

    async def note(self, operation: Operation, *, besides: Runtime | None = None) -> bool:
        try:
            await self.notes.on_operation(operation)
        except RuntimeError:
            return False
        return True


class Plane:
    """The data plane with the calculator behind it."""

    def __init__(self, folder: Path, workers: int = 1) -> None:
        (folder / "gateway.yaml").write_text(POLICY)
        bundle = load_bundle(str(folder))
        self.engine = Calculator()
        secret = Secret(bytes(32))
        settings = Settings(data_dir=folder, workers=workers)
        parts = Parts(settings, secret, engines={"tensors": self.engine, "chat": Chat(NoConfig())}, live=False)
        self.runtime = NotingRuntime(bundle, parts)
        self.runtime.notes = self.notes = Notes()
        self.door = Door()
        self.plane = DataPlane(self.runtime, self.door, secret)

    async def ask(self, method: str, path: str, body: bytes = b"", *, role: Role | None = "app") -> tuple[int, Any]:
        """Status and body; without a role there is no key."""
        headers = [(b"content-length", str(len(body)).encode())]
        if role is not None:
            self.door.role = role
            headers.append((b"authorization", b"Bearer k"))
        caller = Caller(body)
        scope = {"type": "http", "method": method, "raw_path": path.encode(), "headers": headers}
        await self.plane(scope, caller.receive, caller.send)
        return caller.status, json.loads(b"".join(caller.parts))


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    made = Plane(tmp_path)
    await made.runtime.start()
    yield made
    await made.runtime.stop()


async def test_health_needs_no_key_and_everything_else_does(plane: Plane) -> None:
    """Orchestrators ask for health without a key; nobody without one learns anything else."""
    assert await plane.ask("GET", "/v2/health/live", role=None) == (200, {"live": True})
    assert await plane.ask("GET", "/v2/health/ready", role=None) == (200, {"live": True, "ready": True})
    for method, path in [
        ("GET", "/v2"), ("GET", "/v2/models/adder"), ("GET", "/v2/models/adder/ready"), ("GET", "/v2/models/stats"),
        ("POST", "/v2/repository/index"), ("POST", "/v2/repository/models/adder/load"),
    ]:  # fmt: skip
        status, body = await plane.ask(method, path, role=None)
        assert (status, body["code"]) == (401, "unauthorized")
        assert isinstance(body["error"], str)


async def test_an_engine_that_is_not_well_is_not_ready(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is nobody's business here; an answer that does not come in time is none."""

    async def ill() -> str:
        return "secret reason"

    async def silent() -> str:
        await asyncio.sleep(60)
        return ""

    monkeypatch.setattr(readiness, "READY_S", 0.05)
    for health in (ill, silent):
        monkeypatch.setattr(plane.engine, "health", health)
        assert await plane.ask("GET", "/v2/health/ready", role=None) == (503, {"live": True, "ready": False})


UNKNOWN = [
    "/v2/models/echo", "/v2/models/halves/ready", "/v2/models/echo/stats", "/v2/models/echo/config", "/v2/models/nobody",
    "/v2/models/chat", "/v2/models/chat/ready", "/v2/models/adder/versions/2", "/v2/models/adder/versions/2/ready",
    "/v2/models/late-riser", "/v2/models/late-riser/stats", "/v2/models/%61dder", "/v2/models/*", "/v2/models/..",
    "/v2/models", "/v2/health", "/v2/models/adder/versions/x", "/v2/models/adder/other", "/v2/logging", "/v2x",
    "/v2/systemsharedmemory/status", "/v2/models/adder/versions/1/versions/1", "/v2/health/infer",
]  # fmt: skip


@pytest.mark.parametrize("path", UNKNOWN)
async def test_models_that_no_route_serves_are_not_there(plane: Plane, path: str) -> None:
    """Whether an engine has a model that policy serves to nobody, no caller can tell."""
    status, body = await plane.ask("GET", path)
    assert status == 404
    if path.startswith("/v2/"):
        assert body["code"] == "not_found"


async def test_a_model_that_a_route_serves_is_described(plane: Plane) -> None:
    """Its metadata, readiness and statistics are its engine's, and lists hold no other model."""
    status, metadata = await plane.ask("GET", "/v2/models/adder/versions/1")
    assert (status, metadata["name"], metadata["inputs"][0]) == (
        200, "adder", {"name": "x", "datatype": "FP32", "shape": [-1, 3]},
    )  # fmt: skip
    assert await plane.ask("GET", "/v2/models/adder/ready") == (200, {"name": "adder", "ready": True})
    status, statistics = await plane.ask("GET", "/v2/models/stats")
    assert [one["name"] for one in statistics["model_stats"]] == ["adder"]
    assert (await plane.ask("GET", "/v2/models/adder/stats"))[1] == statistics
    status, index = await plane.ask("POST", "/v2/repository/index")
    assert index == [{"name": "adder", "version": "1", "state": "READY", "reason": ""}]
    status, server = await plane.ask("GET", "/v2")
    assert (status, server["name"]) == (200, "yumen")
    assert await plane.ask("GET", "/v2/") == (200, server)


async def test_only_operators_are_told_why_a_model_is_not_ready(plane: Plane) -> None:
    """A reason may name files; and who asks for ready ones only gets no other."""
    plane.engine.shelf.ready_ones.discard("adder")
    assert await plane.ask("GET", "/v2/models/adder/ready") == (503, {"name": "adder", "ready": False})
    assert (await plane.ask("POST", "/v2/repository/index"))[1][0]["reason"] == ""
    assert (await plane.ask("POST", "/v2/repository/index", role="admin"))[1][0]["reason"] == "/srv/models"
    assert await plane.ask("POST", "/v2/repository/index", b'{"ready": true}') == (200, [])
    assert (await plane.ask("POST", "/v2/repository/index", b'{"ready": 1}'))[0] == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v2"), ("GET", "/v2/repository/index"), ("DELETE", "/v2/models/adder"), ("POST", "/v2/health/live"),
     ("GET", "/v2/repository/models/adder/load"), ("HEAD", "/v2/models/adder/ready"), ("PUT", "/v2/models/stats")],
)  # fmt: skip
async def test_other_methods_are_refused(plane: Plane, method: str, path: str) -> None:
    """Every path takes one method."""
    assert (await plane.ask(method, path))[0] == 405


async def test_an_admin_key_is_for_the_repository_only(plane: Plane) -> None:
    """Whoever runs the gateway is not thereby a caller of its models, and callers do not run it."""
    assert (await plane.ask("GET", "/v2/models/adder", role="admin"))[0] == 401
    for change in ("load", "unload"):
        assert (await plane.ask("POST", f"/v2/repository/models/adder/{change}"))[0] == 401
    assert plane.engine.shelf.asked == []


async def change(plane: Plane, model: str = "adder", what: str = "unload", body: bytes = b"") -> tuple[int, Any]:
    return await plane.ask("POST", f"/v2/repository/models/{model}/{what}", body, role="admin")


async def test_a_change_is_recorded_before_it_is_done(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the engine is told, the record is there: who, what, and of which engine."""
    seen: list[str] = []

    async def unload(name: str) -> None:
        seen.extend(one.kind for one in plane.notes.taken)

    monkeypatch.setattr(plane.engine.shelf, "unload", unload)
    assert await change(plane, body=b'{"parameters": {"unload_dependents": false}}') == (200, {})
    assert seen == ["model_unloaded"]
    (note,) = plane.notes.taken
    assert (note.actor, note.details) == ("admin:k1", {"model": "adder", "engine": "tensors"})
    assert (await change(plane, what="load"))[0] == 200
    assert [one.kind for one in plane.notes.taken] == ["model_unloaded", "model_loaded"]


async def test_what_cannot_be_recorded_is_not_done(plane: Plane) -> None:
    """Nothing happens that the ledger does not know of."""
    plane.notes.fails = True
    status, body = await change(plane)
    assert (status, body["code"]) == (503, "ledger_unavailable")
    assert plane.engine.shelf.asked == []


async def test_what_failed_is_recorded_too(plane: Plane) -> None:
    """A change that the record announced and that came to nothing has a second record that says so."""
    assert (await change(plane, "late-riser", "load"))[0] == 404
    assert [(one.kind, one.details.get("reason")) for one in plane.notes.taken] == [
        ("model_loaded", None), ("model_load_failed", "not_found"),
    ]  # fmt: skip
    await change(plane)
    assert await change(plane) == (400, {"error": "The model is not loaded.", "code": "bad_request"})


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b'{"parameters":{"config":"{}"}}', b'{"parameters":{"file:1/m":"x"}}', b'{"a":1}']
)
async def test_nobody_brings_a_model_of_his_own(plane: Plane, body: bytes) -> None:
    """What is loaded is what lies in the repository: a request can bring neither files nor a configuration."""
    assert (await change(plane, what="load", body=body))[0] == 400
    assert not plane.engine.shelf.asked
    assert not plane.notes.taken


@pytest.mark.parametrize("model", ["echo", "chat", "nobody", "..", "%2e%2e"])
async def test_only_models_of_routes_are_changed(plane: Plane, model: str) -> None:
    """What no route serves is not there for operators either, and leaves no record."""
    assert (await change(plane, model))[0] == 404
    assert not plane.engine.shelf.asked
    assert not plane.notes.taken


async def test_changes_come_one_at_a_time(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a model is being loaded another change is put off; one that takes too long is given up, and then others may."""
    begun = asyncio.Event()

    async def load(name: str) -> None:
        begun.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(plane.engine.shelf, "load", load)
    monkeypatch.setattr(surface, "CHANGE_S", 0.5)
    first = asyncio.create_task(change(plane, what="load"))
    await begun.wait()
    status, body = await change(plane)
    assert (status, body["code"]) == (503, "engine_unavailable")
    assert (await first)[0] == 504
    assert [one.kind for one in plane.notes.taken] == ["model_loaded", "model_load_failed"]
    assert (await change(plane))[0] == 200


async def test_with_several_workers_nothing_is_changed_in_one(tmp_path: Path) -> None:
    """A change that would reach one of them would look as if it had reached all."""
    plane = Plane(tmp_path, workers=2)
    await plane.runtime.start()
    try:
        status, body = await change(plane)
        assert (status, "workers" in body["error"]) == (400, True)
        assert not plane.engine.shelf.asked
        assert not plane.notes.taken
    finally:
        await plane.runtime.stop()


FAULTS = [
    (EngineError("SECRET"), 502), (EngineError("SECRET", timeout=True), 504), (EngineError("SECRET", retry_after_s=2), 503),
    (RuntimeError("SECRET"), 502), (LookupError("SECRET"), 404), (ValueError("SECRET"), 400),
    (RequestRefused("said", code="unsupported_payload"), 422),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "status"), FAULTS)
async def test_faults_of_an_engine_have_a_code_and_no_detail(
    plane: Plane, monkeypatch: pytest.MonkeyPatch, fault: Exception, status: int
) -> None:
    """Whatever a catalogue raises, callers get a status and a sentence of ours."""

    async def broken(*_: Any) -> Any:
        raise fault

    for name in ("metadata", "ready", "statistics", "index"):
        monkeypatch.setattr(plane.engine.shelf, name, broken)
    for method, path in [
        ("GET", "/v2/models/adder"), ("GET", "/v2/models/adder/config"), ("GET", "/v2/models/adder/ready"),
        ("GET", "/v2/models/adder/stats"), ("GET", "/v2/models/stats"), ("POST", "/v2/repository/index"),
    ]:  # fmt: skip
        got, body = await plane.ask(method, path)
        assert got == status
        assert "SECRET" not in body["error"]


@pytest.mark.parametrize("first", [True, False])
async def test_an_engine_that_is_down_hides_no_others_models(
    plane: Plane, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    """Those who answer are listed; what has happened to the other is in the log."""

    class Down:
        async def index(self) -> Any:
            raise EngineError("refused")

        async def statistics(self) -> Any:
            raise EngineError("refused")

    before = await plane.ask("POST", "/v2/repository/index"), await plane.ask("GET", "/v2/models/stats")
    down, known = catalogue.Found("down", Down()), [*catalogue.catalogues(plane.runtime)]  # type: ignore[arg-type]
    monkeypatch.setattr(surface, "catalogues", lambda _: [down, *known] if first else [*known, down])
    with capture_logs() as logs:
        after = await plane.ask("POST", "/v2/repository/index"), await plane.ask("GET", "/v2/models/stats")
    assert before == after
    assert before[0][1]
    assert [one["engine"] for one in logs if one["event"] == "engine_failed"] == ["down", "down"]


async def test_a_catalogue_that_hangs_is_not_waited_for(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has its time, and then the caller is told."""

    async def hangs(*_: Any) -> Any:
        await asyncio.sleep(60)

    monkeypatch.setattr(plane.engine.shelf, "metadata", hangs)
    monkeypatch.setattr(catalogue, "ANSWER_S", 0.05)
    assert (await plane.ask("GET", "/v2/models/adder"))[0] == 504
