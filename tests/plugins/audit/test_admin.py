"""What operators see and do at `/admin/audit`: pages, files, erasing and holds."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.audit.ledgers import ADMIN, EXCHANGE, OPERATION, call, host, records, say, started
from tests.serving import ADMIN_KEY, Gateway

from yumen import Download
from yumen_plugins.audit import Audit
from yumen_plugins.audit.formats import LINES

WHO = "user-17"


@pytest.fixture
async def plugin(tmp_path: Path) -> AsyncIterator[Audit]:
    """The plugin with everything beside it, and twelve exchanges."""
    found = await started(host(tmp_path, live=True))
    about = host(tmp_path).subject_id("tenant", WHO)
    for number in range(12):
        await say(found, f"第 {number} 句", subject=about if number % 3 == 0 else "")
    yield found
    await found.stop()


async def inspected(plugin: Audit, **query: str) -> dict[str, Any]:
    answer = await plugin.inspect(query)
    assert not isinstance(answer, Download)
    return dict(answer)


async def downloaded(plugin: Audit, **query: str) -> tuple[str, bytes]:
    answer = await plugin.inspect(query)
    assert isinstance(answer, Download)
    return answer.media_type, b"".join([chunk async for chunk in answer.chunks])


async def test_pages_go_from_the_newest_to_the_oldest(plugin: Audit) -> None:
    """Each record once, whatever the size of pages, and what comes meanwhile does not move them."""
    seen: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = await inspected(plugin, kind=EXCHANGE, limit="5", **cursor)
        seen += [one["seq"] for one in page["records"]]
        await say(plugin, "meanwhile")
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}
    assert seen == sorted(seen, reverse=True)
    assert seen == list(range(12, 0, -1))


async def test_filters_choose(plugin: Audit, tmp_path: Path) -> None:
    """By what records are about; what is asked and means nothing is said, never passed over."""
    about = host(tmp_path).subject_id("tenant", WHO)
    assert len((await inspected(plugin, subject=about))["records"]) == 4
    assert (await inspected(plugin, tenant="nobody"))["records"] == []
    assert len((await inspected(plugin, outcome="ok", tenant="tenant", kind=EXCHANGE))["records"]) == 12
    assert (await inspected(plugin, until="2020-01-01"))["records"] == []
    for odd in ({"colour": "red"}, {"limit": "many"}, {"since": "soon"}, {"cursor": "x"}, {"format": "docx"}):
        with pytest.raises(ValueError, match=r"\w{3}"):
            await plugin.inspect(odd)


async def test_rows_hold_no_text_and_whole_records_do(plugin: Audit) -> None:
    """A page is made of the index, which knows no text; `full` shows records with what their keys open."""
    assert "句" not in json.dumps(await inspected(plugin), ensure_ascii=False)
    full = await inspected(plugin, full="true", kind=EXCHANGE, limit="1")
    assert full["records"][0]["request"][-1]["text"] == "第 11 句"
    assert full["records"][0]["log"].endswith("/forever")


@pytest.mark.parametrize("form", sorted(LINES))
async def test_records_come_as_a_file(plugin: Audit, form: str) -> None:
    """In every form that is made of lines, all records of a query, one on a line."""
    media, content = await downloaded(plugin, format=form, kind=EXCHANGE)
    assert "/" in media
    lines = content.decode().splitlines()
    assert len(lines) == 12
    assert all("00000000000000000000000000000000" in line for line in lines)


async def test_a_hold_forbids_until_it_is_released(plugin: Audit, tmp_path: Path) -> None:
    """Everything of it is on record with who did it, and the list shows what is in force."""
    with pytest.raises(ValueError, match="reason"):
        await plugin.operate(call("hold", tenant="tenant", subject=WHO))
    with pytest.raises(ValueError, match=r"past|future"):
        await plugin.operate(call("hold", tenant="tenant", subject=WHO, reason="案件", until="2020-01-01"))
    held = await plugin.operate(call("hold", tenant="tenant", subject=WHO, reason="案件", until="2099-01-01"))
    shown = (await inspected(plugin))["holds"]
    assert [(one["id"], one["reason"], one["actor"]) for one in shown] == [(held["hold"], "案件", ADMIN)]
    with pytest.raises(ValueError, match=held["hold"]):
        await plugin.operate(call("erase", tenant="tenant", everybody="true"))
    released = await plugin.operate(call("release", hold=held["hold"]))
    with pytest.raises(LookupError):
        await plugin.operate(call("release", hold=held["hold"]))
    assert (await plugin.operate(call("erase", tenant="tenant", subject=WHO)))["erased"] == 1
    done = [(one["operation"], one["actor"]) for one in records(tmp_path, OPERATION)]
    assert done == [
        ("hold_set", ADMIN),
        ("erasure_refused", ADMIN),
        ("hold_released", ADMIN),
        ("subject_erased", ADMIN),
        ("subject_forgotten", ADMIN),
    ]
    receipts = [one["receipt"] for one in records(tmp_path, OPERATION)]
    assert [receipts[0], receipts[2]] == [held["receipt"], released["receipt"]]
    # The words of an operator are for people; the ledger has the hold's id.
    assert "案件" not in str(records(tmp_path))


@pytest.mark.parametrize(
    "arguments", [{}, {"tenant": "t"}, {"subject": "s"}, {"tenant": "t", "subject": "s", "everybody": "true"}], ids=str
)
async def test_whom_to_erase_has_to_be_said(plugin: Audit, arguments: dict[str, str]) -> None:
    """Neither nobody, nor somebody and everybody at once: nothing is erased by a slip."""
    with pytest.raises(ValueError, match="say the tenant"):
        await plugin.operate(call("erase", **arguments))
    with pytest.raises(ValueError, match="actions"):
        await plugin.operate(call("explode"))


def asked(gateway: Gateway, path: str, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
    """Status and body of a request to the admin API."""
    request = urllib.request.Request(
        gateway.url + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"authorization": f"Bearer {ADMIN_KEY}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def chat(gateway: Gateway, text: str) -> str:
    """Ask the gateway something; the receipt."""
    body = {"model": "assistant", "messages": [{"role": "user", "content": text}], "user": WHO}
    request = urllib.request.Request(
        gateway.url + "/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"authorization": f"Bearer {gateway.key}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as reply:
        return str(reply.headers["x-audit-receipt"])


@pytest.mark.server
def test_over_http(tmp_path: Path) -> None:
    """A real gateway: an operator finds the exchange, downloads it, holds and erases; without the key nobody does."""
    gateway = Gateway(tmp_path).start()
    try:
        receipt = chat(gateway, "我的快递到哪了？电话13812345678")
        status, body = asked(gateway, "/admin/audit?kind=exchange&full=true")
        assert status == 200, body
        (found,) = json.loads(body)["audit"]["records"]
        assert found["receipt"] == receipt
        assert b"13812345678" not in body
        assert "我的快递到哪了" in str(found["request"])
        status, body = asked(gateway, "/admin/audit?format=jsonl&kind=exchange")
        assert (status, json.loads(body)["receipt"]) == (200, receipt)
        assert asked(gateway, "/admin/audit?colour=red")[0] == 400
        assert gateway.get("/admin/audit")[0] in (401, 403, 404)
        status, body = asked(
            gateway, "/admin/audit/hold", {"tenant": "default", "everybody": "true", "reason": "案件 2026/17"}
        )
        assert status == 200, body
        hold = json.loads(body)["hold"]
        assert asked(gateway, "/admin/audit/erase", {"tenant": "default", "everybody": "true"})[0] in (400, 409)
        assert asked(gateway, "/admin/audit/release", {"hold": hold})[0] == 200
        status, body = asked(gateway, "/admin/audit/erase", {"tenant": "default", "everybody": "true"})
        assert (status, json.loads(body)["erased"]) == (200, 1)
        status, body = asked(gateway, "/admin/audit?kind=exchange&full=true")
        assert "快递" not in body.decode()
    finally:
        gateway.stop()
    assert gateway.yumen("audit", "verify").returncode == 0
