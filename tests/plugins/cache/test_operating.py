"""What operators may ask of the cache, what is on record of it, and what they see."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Any

import pytest

from yumen import Kept, Right
from yumen.store import StoreError
from yumen.testing import UnitHost
from yumen_plugins.cache import operating as operating_module
from yumen_plugins.cache.entry import Entry, Purge
from yumen_plugins.cache.lookups import OTHERS, TENANTS_MAX, Lookups
from yumen_plugins.cache.memory import Memory
from yumen_plugins.cache.operating import PURGES_MAX, Operating, seconds_of


class Unwritten(Exception):
    """The ledger does not take it."""


class Call:
    """An operator's call, whose records are kept in the order in which things happen."""

    def __init__(
        self, happened: list[Any], action: str, arguments: Mapping[str, str], *, refuses: bool = False
    ) -> None:
        self.action = action
        self.arguments = arguments
        self.actor = "admin:k_1"
        self._happened = happened
        self._refuses = refuses

    def may(self, right: Right) -> bool:
        return False

    async def record(self, **details: str) -> None:
        if self._refuses:
            raise Unwritten
        self._happened.append(details)


class Kit:
    """A cache with entries of two tenants, and what happens to it."""

    def __init__(self) -> None:
        self.host = UnitHost()
        self.memory = Memory(1 << 20, 1.0, now=self.host.now)
        self.happened: list[Any] = []
        self.fails: Exception | None = None
        self.began, self.wait = asyncio.Event(), asyncio.Event()
        self.wait.set()
        self.operating = Operating(self.host, self.purge, self.stats)
        self.subject = self.host.subject_id("acme", "李娜")
        for number, (tenant, subject) in enumerate([("acme", self.subject), ("acme", ""), ("甲方", "")]):
            stored_at = self.host.now() - 1
            entry = Entry(Kept(b"{}"), tenant, subject, "p" * 12, stored_at, 3600.0)
            assert self.memory.put(b"%d" % number, entry)

    async def purge(self, purge: Purge) -> int:
        self.began.set()
        await self.wait.wait()
        self.happened.append(purge)
        if self.fails is not None:
            raise self.fails
        return self.memory.purge(purge)

    async def stats(self) -> Mapping[str, Any]:
        return {"memory": self.memory.stats()}

    async def ask(self, action: str = "purge", **arguments: str) -> Mapping[str, Any]:
        return await self.operating.operate(Call(self.happened, action, arguments))


async def test_a_purge_is_on_record_before_it_is_done_and_after() -> None:
    """The ledger says what was asked for, and then how many entries went; of a person it holds the digest alone."""
    kit = Kit()
    answer = await kit.ask(tenant="acme", subject="李娜")
    details = {"tenant": "acme", "subject": kit.subject, "older_than_s": "0"}
    assert kit.happened == [details, Purge("acme", kit.subject, math.inf), {**details, "purged": "1"}]
    assert answer == {**details, "purged": 1}
    assert "李娜" not in repr([kit.happened, answer])


async def test_what_is_not_on_record_is_not_done() -> None:
    """Where the ledger does not take it, nothing goes."""
    kit = Kit()
    with pytest.raises(Unwritten):
        await kit.operating.operate(Call(kit.happened, "purge", {"all": "true"}, refuses=True))
    assert kit.happened == []
    assert len(kit.memory) == 3


@pytest.mark.parametrize(
    ("arguments", "left"),
    [({"tenant": "acme"}, 1), ({"tenant": "甲方-none"}, -1), ({"all": "true"}, 0), ({"older_than": "1h"}, 3)],
)
async def test_what_goes(arguments: dict[str, str], left: int) -> None:
    """A tenant's, everything, or what is old enough; a tenant's name that could hold text is refused."""
    kit = Kit()
    if left < 0:
        with pytest.raises(ValueError, match="letters, digits"):
            await kit.ask(**arguments)
        return
    await kit.ask(**arguments)
    assert len(kit.memory) == left


async def test_how_old_is_counted_from_now() -> None:
    """`older_than` becomes the moment before which entries go."""
    kit = Kit()
    before = kit.host.now() - 7200
    answer = await kit.ask(tenant="acme", older_than="2h")
    (purge,) = (one for one in kit.happened if isinstance(one, Purge))
    assert before <= purge.before <= kit.host.now() - 7200
    assert answer["older_than_s"] == "7200"


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"subject": "李娜"},
        {"subject": "李娜", "older_than": "1h"},
        {"subject": "李娜", "all": "true"},
        {"all": "true", "tenant": "acme"},
        {"all": "true", "older_than": "1h"},
        {"all": "false"},
        {"all": "yes", "tenant": "acme"},
        {"tenant": ""},
        {"tenant": "a b"},
        {"tenant": "acme\n"},
        {"tenant": "x" * 65},
        {"older_than": "0h"},
        {"older_than": "2"},
        {"older_than": "２h"},
        {"older_than": "9999999999d"},
        {"older_than": "367d"},
        {"older_than": "-1h"},
        {"tenant": "acme", "everything": "true"},
        {"tenants": "acme"},
    ],
)
async def test_what_is_not_clear_is_refused(arguments: dict[str, str]) -> None:
    """Nothing goes, and nothing is on record, where it is not plain what is meant; a misspelt word is no wider purge."""
    kit = Kit()
    with pytest.raises(ValueError, match=r"[a-z]+ .*[a-z]"):
        await kit.ask(**arguments)
    assert kit.happened == []
    assert len(kit.memory) == 3


async def test_there_is_one_action_and_no_parameter() -> None:
    """Anything else is said to be wrong."""
    kit = Kit()
    with pytest.raises(ValueError, match="purge"):
        await kit.ask(action="flush", all="true")
    with pytest.raises(ValueError, match="no parameters"):
        await kit.operating.inspect({"tenant": "acme"})
    assert (await kit.operating.inspect({}))["memory"]["entries"] == 3


async def test_what_may_be_left_is_said_and_on_record() -> None:
    """A shared store that does not answer is neither an error nor a success."""
    kit = Kit()
    kit.fails = StoreError("timeout")
    answer = await kit.ask(tenant="acme")
    assert answer["purged"] is None
    assert "shared store" in answer["left"]
    assert kit.happened[-1]["purged"] == "incomplete"


async def test_a_purge_that_the_disk_did_not_take_is_said_and_on_record() -> None:
    """Whoever asked must neither believe that it holds after a restart, nor that the gateway could not be asked."""
    kit = Kit()
    kit.fails = OSError(28, "No space left on device")
    answer = await kit.ask(tenant="acme")
    assert answer["purged"] is None
    assert "disk" in answer["left"]
    assert kit.happened[-1]["purged"] == "incomplete"


async def test_what_was_begun_is_done_though_the_operator_leaves() -> None:
    """A caller that gives up does not stop a purge half-way, and what came of it is on record."""
    kit = Kit()
    kit.wait.clear()
    asking = asyncio.create_task(kit.ask(tenant="acme"))
    await kit.began.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    kit.wait.set()
    await kit.operating.stop()
    assert kit.happened[-1]["purged"] == "2"


async def test_one_that_takes_long_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator is told so, in place of an answer that the gateway would not wait for; and only so many do at once."""
    monkeypatch.setattr(operating_module, "ANSWER_S", 0.01)
    kit = Kit()
    kit.wait.clear()
    for _ in range(PURGES_MAX):
        assert (await kit.ask(all="true"))["under_way"] is True
    with pytest.raises(ValueError, match="under way"):
        await kit.ask(all="true")
    kit.wait.set()
    await kit.operating.stop()
    assert [one["purged"] for one in kit.happened if isinstance(one, dict) and "purged" in one] == ["3", "0", "0", "0"]


async def test_the_end_of_the_process_waits_no_longer_than_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A purge that hangs is called off, and that too is on record."""
    monkeypatch.setattr(operating_module, "ANSWER_S", 0.01)
    monkeypatch.setattr(operating_module, "STOP_S", 0.01)
    kit = Kit()
    kit.wait.clear()
    await kit.ask(all="true")
    await kit.operating.stop()
    assert kit.happened[-1]["purged"] == "incomplete"


def test_durations() -> None:
    """Seconds, minutes, hours and days."""
    assert [seconds_of(text) for text in ("1s", "30m", "2h", "7d", "366d")] == [1, 1800, 7200, 604_800, 31_622_400]


def test_lookups_are_counted_by_tenant_up_to_a_limit() -> None:
    """Operators see figures of so many tenants, all others together; the metrics have every one."""
    host = UnitHost()
    lookups = Lookups(host)
    for number in range(TENANTS_MAX + 5):
        lookups.count("hit", "exact", f"t{number:04}")
    lookups.count("miss", "absent", "t0000")
    lookups.count("miss", "absent", "another")
    shown = lookups.shown()
    assert len(shown) == TENANTS_MAX + 1
    assert shown["t0000"] == {"hit exact": 1, "miss absent": 1}
    assert shown[OTHERS] == {"hit exact": 5, "miss absent": 1}
    assert host.captured.total("lookups") == TENANTS_MAX + 7
