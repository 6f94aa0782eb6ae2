"""Alerts that reach a webhook, and what becomes of those that do not. The webhook is the tests' upstream."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from email.utils import formatdate
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs
from tests.upstream import Upstream

from yumen import CannotStart
from yumen.testing import UnitHost
from yumen_plugins.anomaly import alerts
from yumen_plugins.anomaly.alerts import Alerts, AlertsConfig, backoff_s

Start = Callable[..., Awaitable[Alerts]]


@pytest.fixture
def host() -> UnitHost:
    return UnitHost()


@pytest.fixture
async def start(
    upstream: Upstream, host: UnitHost, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Awaitable[Alerts]]]:
    """Starts a sender to the upstream, and stops it after the test."""
    upstream.clear()
    monkeypatch.setattr(alerts, "BACKOFF_S", 0.01)
    started: list[Alerts] = []

    async def _start(**config: Any) -> Alerts:
        sender = Alerts(AlertsConfig(**{"url": f"{upstream.url}/hook?token=t0p", **config}), host)
        await sender.start()
        started.append(sender)
        return sender

    yield _start
    monkeypatch.setattr(alerts, "STOP_S", 0.0)
    for sender in started:
        await sender.stop()


def alert(model: str = "echo", **more: Any) -> dict[str, Any]:
    """An alert whose `model` tells the upstream what to do."""
    return {"rule": "burst", "severity": "high", "value": 1.5, "model": model, **more}


async def until(host: UnitHost, counted: str, times: int = 1, **labels: str) -> None:
    """Wait until something was counted so often; fails after 10 seconds."""
    async with asyncio.timeout(10):
        while host.captured.total(counted, **labels) < times:
            await asyncio.sleep(0.005)


async def arrives(upstream: Upstream) -> None:
    """Wait until the upstream has got a request."""
    async with asyncio.timeout(10):
        while not upstream.requests:
            await asyncio.sleep(0.005)


async def test_an_alert_arrives_as_json(start: Start, upstream: Upstream, host: UnitHost) -> None:
    """What was given arrives as it was given, in both languages."""
    sender = await start()
    given = alert(reason="请求过多 too many")
    assert sender.send(given)
    await until(host, "alerts_sent")
    assert upstream.last.method == "POST"
    assert upstream.last.json == given
    assert upstream.last.headers["content-type"] == "application/json"
    assert "x-yumen-signature" not in upstream.last.headers


async def test_alerts_arrive_in_order_over_one_connection(start: Start, upstream: Upstream, host: UnitHost) -> None:
    """Alerts leave in the order of their firing, each once, and reuse the connection."""
    sender = await start()
    for number in range(20):
        assert sender.send(alert(number=number))
    await until(host, "alerts_sent", 20)
    assert [request.json["number"] for request in upstream.requests] == list(range(20))
    assert len({request.connection for request in upstream.requests}) == 1
    assert len({request.headers["x-yumen-delivery"] for request in upstream.requests}) == 20


@pytest.mark.parametrize("trouble", ["status-500", "status-503", "status-429", "reset", "hang"])
async def test_trouble_is_tried_again(start: Start, upstream: Upstream, host: UnitHost, trouble: str) -> None:
    """An alert that met trouble that passes arrives all the same, under one delivery id."""
    sender = await start(timeout_s=0.2)
    sender.send(alert(f"{trouble}+flaky-2"))
    await until(host, "alerts_sent")
    assert len(upstream.requests) == 3
    assert len({request.headers["x-yumen-delivery"] for request in upstream.requests}) == 1
    assert len({request.body for request in upstream.requests}) == 1


@pytest.mark.parametrize("trouble", ["status-400", "status-401", "status-404", "status-413", "redirect"])
async def test_a_refusal_is_final(start: Start, upstream: Upstream, host: UnitHost, trouble: str) -> None:
    """What the webhook does not want is not sent again, and nowhere else."""
    sender = await start()
    sender.send(alert(trouble))
    sender.send(alert())
    await until(host, "alerts_sent")
    assert host.captured.total("alerts_dropped", reason="refused") == 1
    assert [request.path for request in upstream.requests] == ["/v1/hook", "/v1/hook"]


async def test_attempts_end(start: Start, upstream: Upstream, host: UnitHost) -> None:
    """An alert is given up after its last attempt, and the next one has its turn."""
    sender = await start(attempts=3)
    sender.send(alert("status-500"))
    sender.send(alert())
    await until(host, "alerts_sent")
    assert host.captured.total("alerts_dropped", reason="undelivered") == 1
    assert len(upstream.requests) == 4


async def test_a_refused_connection_is_tried_again(start: Start, host: UnitHost) -> None:
    """Where nobody listens an alert is given up after its attempts, and no exception leaves the sender."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        sender = await start(url=f"http://127.0.0.1:{unused.getsockname()[1]}/", attempts=2)
        with capture_logs() as logged:
            sender.send(alert())
            sender.send(alert())
            await until(host, "alerts_dropped", 2, reason="undelivered")
    assert [(entry["event"], entry["kind"]) for entry in logged] == [("alerts_failing", "connection")]


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_the_webhook_says_when(start: Start, upstream: Upstream, host: UnitHost, form: str) -> None:
    """Retry-After is waited for, as seconds and as a date, but not for longer than a minute."""
    sender = await start()
    if form == "seconds":
        began = time.monotonic()
        sender.send(alert("status-429+retry-1+flaky-1"))
        await until(host, "alerts_sent")
        assert time.monotonic() - began >= 1.0
        assert sender._wait_s("86400") == 60.0
    else:
        assert 25.0 < sender._wait_s(formatdate(host.now() + 30, usegmt=True)) <= 30.0
        assert sender._wait_s(formatdate(host.now() - 30, usegmt=True)) == 0.0
        assert sender._wait_s(formatdate(host.now() + 86_400, usegmt=True)) == 60.0
        assert [sender._wait_s(text) for text in ("", "soon", "-1", "1.5", "٣", "9" * 400)] == [0.0] * 5 + [60.0]


async def test_the_signature_is_of_time_and_body(start: Start, upstream: Upstream, host: UnitHost) -> None:
    """A receiver that knows the secret can tell who sent an alert, and when."""
    secret = "s3cret-密"
    sender = await start(secret=secret)
    sender.send(alert())
    await until(host, "alerts_sent")
    headers = upstream.last.headers
    assert int(headers["x-yumen-timestamp"]) == host.now()
    signed = f"{headers['x-yumen-timestamp']}.".encode() + upstream.last.body
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    assert headers["x-yumen-signature"] == f"sha256={expected}"


async def test_what_is_too_much_is_dropped(start: Start, upstream: Upstream, host: UnitHost) -> None:
    """A full queue drops the newest alerts at once and counts them."""
    sender = await start(queue=3, timeout_s=30)
    sender.send(alert("hang"))
    await arrives(upstream)
    began = time.monotonic()
    assert [sender.send(alert()) for _ in range(5)] == [True, True, True, False, False]
    assert time.monotonic() - began < 0.1
    assert host.captured.total("alerts_dropped", reason="full") == 2


async def test_what_is_no_alert_is_dropped(start: Start, host: UnitHost) -> None:
    """What cannot be sent is dropped and counted, and does not raise."""
    sender = await start()
    endless: dict[str, Any] = {}
    endless["it"] = endless
    for wrong in ({"it": object()}, {"it": "x" * 70_000}, endless, {"it": "\ud800"}):
        assert not sender.send(wrong)
    assert host.captured.total("alerts_dropped", reason="unfit") == 4


async def test_old_alerts_are_dropped(start: Start, upstream: Upstream, host: UnitHost) -> None:
    """An alert that waited for more than ten minutes is news no more."""
    sender = await start()
    sender.send(alert())
    host.clock.move(601)
    await until(host, "alerts_dropped", reason="old")
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("lowest", "severities"),
    [
        ("low", ["low", "medium", "high", "critical", ""]),
        ("high", ["high", "critical", ""]),
        ("critical", ["critical", ""]),
    ],
)
async def test_severity_decides(start: Start, host: UnitHost, lowest: str, severities: list[str]) -> None:
    """Alerts below the least severity are left out, and are not counted as lost; those without one are sent."""
    sender = await start(min_severity=lowest)
    sent = [severity for severity in ("low", "medium", "high", "critical", "") if sender.send(alert(severity=severity))]
    assert sent == severities
    assert host.captured.total("alerts_dropped") == 0


async def test_stopping_delivers_what_waits(start: Start, upstream: Upstream, host: UnitHost) -> None:
    """Alerts that were accepted before the end still arrive, and none is accepted after it."""
    sender = await start()
    for _ in range(10):
        sender.send(alert())
    await sender.stop()
    assert host.captured.total("alerts_sent") == len(upstream.requests) == 10
    assert not sender.send(alert())
    assert host.captured.total("alerts_dropped", reason="stopping") == 1


async def test_a_cancellation_that_is_lost_is_repeated(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The HTTP library loses a cancellation that meets the end of a request: one in twenty, where it was measured."""

    async def deaf(*_: object) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)

    monkeypatch.setattr(alerts, "STOP_S", 0.01)
    sender = await start()
    monkeypatch.setattr(sender, "_post", deaf)
    sender.send(alert())
    async with asyncio.timeout(10):
        await sender.stop()


async def test_stopping_does_not_wait_for_long(
    start: Start, upstream: Upstream, host: UnitHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A webhook that hangs holds nobody up: what is not delivered in time is dropped, each alert counted once."""
    monkeypatch.setattr(alerts, "STOP_S", 0.2)
    before = asyncio.all_tasks()
    sender = await start(timeout_s=30)
    for _ in range(4):
        sender.send(alert("hang"))
    await arrives(upstream)
    began = time.monotonic()
    await sender.stop()
    assert time.monotonic() - began < 2.0
    assert host.captured.total("alerts_dropped", reason="stopping") == 4
    assert asyncio.all_tasks() == before


async def test_stopping_ends_a_pause(start: Start, host: UnitHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that waits before another attempt stops all the same, and stopping twice does nothing more."""
    monkeypatch.setattr(alerts, "STOP_S", 0.05)
    sender = await start()
    sender.send(alert("status-503+retry-60"))
    await asyncio.sleep(0.1)
    await sender.stop()
    await sender.stop()
    assert host.captured.total("alerts_dropped", reason="stopping") == 1


async def test_a_sender_that_never_started_stops(host: UnitHost) -> None:
    """What was given to a sender that never started is counted as dropped."""
    sender = Alerts(AlertsConfig(url="http://127.0.0.1:9/"), host)
    assert sender.send(alert())
    await sender.stop()
    assert host.captured.total("alerts_dropped", reason="stopping") == 1


async def test_the_sender_survives_its_own_faults(start: Start, host: UnitHost) -> None:
    """An error of the sender costs one alert and not those after it; what is logged is its kind."""
    sender = await start(secret="s")

    def broken() -> float:
        raise RuntimeError("text of a payload")

    with pytest.MonkeyPatch.context() as patch, capture_logs() as logged:
        patch.setattr(host, "now", broken)
        sender.send(alert())
        await until(host, "alerts_dropped", reason="fault")
    sender.send(alert())
    await until(host, "alerts_sent")
    assert logged == [{"event": "alert_fault", "error": "RuntimeError", "instance": "unit", "log_level": "error"}]


async def test_logs_name_kinds_alone(start: Start, host: UnitHost) -> None:
    """No log names the URL, which may hold a token, or what is in an alert, and none is repeated for every alert."""
    with capture_logs() as logged:
        sender = await start(timeout_s=0.1, attempts=2)
        for model in ("status-500", "status-500", "hang", "echo", "redirect"):
            sender.send(alert(model, reason="请求过多"))
        await until(host, "alerts_dropped", reason="refused")
    events = [(entry["event"], entry.get("kind")) for entry in logged]
    assert events == [
        ("alerts_failing", "status_500"),
        ("alerts_failing", "timeout"),
        ("alerts_delivered_again", None),
        ("alerts_failing", "status_307"),
    ]
    assert not any(word in str(logged) for word in ("token", "127.0.0.1", "请求过多", "hook"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example/x",
        "ftp://h/x",
        "http:///x",
        "http://[::1",
        "https://h:99999/",
        "http://h/a b",
        "https://例/\n",
    ],
)
def test_a_url_must_be_one(host: UnitHost, url: str) -> None:
    """What nothing can be posted to refuses the start, in a message that does not repeat it."""
    with pytest.raises(CannotStart) as refused:
        Alerts(AlertsConfig(url=url), host)
    assert not url or url not in str(refused.value)


@pytest.mark.parametrize(
    "wrong",
    [{"queue": 0}, {"attempts": 0}, {"timeout_s": 0}, {"timeout_s": 61}, {"min_severity": "urgent"}, {"unknown": 1}],
)
def test_the_configuration_is_checked(wrong: dict[str, Any]) -> None:
    """Values out of bounds and unknown fields are refused."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"url": "https://hooks.example/x", **wrong}, AlertsConfig)


def test_backoff_grows_to_a_bound_and_is_spread() -> None:
    """Senders that fail together do not come back together, and none waits for longer than half a minute."""
    for attempt, ceiling_s in ((1, 0.5), (2, 1.0), (4, 4.0), (7, 30.0), (10_000, 30.0)):
        waits = [backoff_s(attempt) for _ in range(2_000)]
        assert 0.9 * ceiling_s < max(waits) <= ceiling_s
        assert min(waits) < 0.1 * ceiling_s
