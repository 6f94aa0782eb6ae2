"""A raw value is found wherever it stands, however what holds it spells it."""

from __future__ import annotations

import json
import logging
from typing import Any, ClassVar

import msgspec
import pytest

from yumen import Exchange, Host, Manifest, Native, NoConfig, Plugin
from yumen.testing import Harness, chat

VALUES = ["张伟", "José", "😀密语", "line1\nline2", 'say "hi"', "C:\\tmp 路径", "a\tb\x01"]
UPPER = json.dumps("张伟").replace("f20", "F20").replace("f1f", "F1F")
FILES: dict[str, Any] = {
    "as it is": str.encode,
    "JSON": lambda value: json.dumps({"k": value}).encode(),
    "JSON without escapes": lambda value: msgspec.json.encode([{"k": value}]),
    "JSON in JSON": lambda value: json.dumps({"body": json.dumps({"k": value})}).encode(),
    "UTF-16": lambda value: value.encode("utf-16"),
    "UTF-16, the other way round": lambda value: value.encode("utf-16-be"),
    "Python": lambda value: ascii({"k": value}).encode(),
    "bytes in Python": lambda value: repr([value.encode()]).encode(),
}


class Telling(Plugin[NoConfig]):
    """Does with a text what a test has it do."""

    manifest: ClassVar[Manifest] = Manifest(name="telling", version="1", sees="raw")

    async def start(self, host: Host) -> None:
        self.host = host

    async def on_request(self, exchange: Exchange) -> None: ...


@pytest.fixture
async def harness() -> Any:
    """A harness in which one exchange has been."""
    async with Harness.of(Telling) as one:
        await one.ask(chat("x"))
        yield one


@pytest.mark.parametrize("spelling", FILES)
async def test_a_file_holds_a_value_however_it_is_written(spelling: str, harness: Harness) -> None:
    """Quotes, line ends and letters beyond ASCII hide nothing in a file, and in the store neither."""
    path, store = harness.plugin().host.data_dir / "notes", harness.plugin().host.store
    harness.assert_no_trace_of(*VALUES)
    for value in VALUES:
        path.write_bytes(FILES[spelling](value))
        await store.set("k", FILES[spelling](value), 60)
        assert harness.traces_of(value) == ["store of telling", f"file {path.relative_to(harness.data_dir)}"], value
        path.write_bytes(b"")
        await store.delete("k")
        assert harness.traces_of(value) == []


async def test_other_writers_escape_in_capitals_and_name_files_as_addresses(harness: Harness) -> None:
    """JSON may be escaped in capitals; who keeps a file per person writes the name as an address does."""
    folder = harness.plugin().host.data_dir
    (folder / "notes").write_text(UPPER)
    assert harness.traces_of("张伟") == [f"file {(folder / 'notes').relative_to(harness.data_dir)}"]
    (folder / "notes").unlink()
    (folder / "%E5%BC%A0%E4%BC%9F").touch()
    assert harness.traces_of("张伟") == ["the name of a file"]


class Seen(msgspec.Struct):
    text: str | bytes


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda value: value,
        str.encode,
        lambda value: bytearray(value.encode()),
        lambda value: [{"a": ({"b": value},)}],
        lambda value: {value: 1},
        lambda value: {1: {frozenset([value])}},
        lambda value: [Seen(value.encode())],
        ValueError,
        lambda value: [KeyError(1, [value])],
        lambda value: f"seen: {value!r}",
        lambda value: f"seen: {value.encode()!r}",
    ],
)
async def test_a_log_line_holds_a_value_however_deep(wrapped: Any, harness: Harness) -> None:
    """Bytes, members, keys, objects and the words of errors are looked through, and not how Python prints them."""
    begun = len(harness.log)
    for value in VALUES:
        harness.plugin().host.log.info("seen", text=wrapped(value))
    assert [harness.traces_of(value) for value in VALUES] == [
        [f"log[{begun + number}]"] for number in range(len(VALUES))
    ]


async def test_a_line_that_is_a_loop_is_looked_through_once(harness: Harness) -> None:
    """Whatever a plugin logs, the search ends."""
    loop: list[Any] = ["one"]
    loop.append({"again": loop, "text": b"\xe5\xbc\xa0\xe4\xbc\x9f"})
    harness.plugin().host.log.info("seen", loop=loop)
    harness.assert_no_trace_of("李雷")
    with pytest.raises(AssertionError, match=r"log\["):
        harness.assert_no_trace_of("张伟")


async def test_numbers_and_extra_fields_count(harness: Harness) -> None:
    """A number that was logged or measured is a trace of its digits, and so is what only some formatters would write."""
    harness.plugin().host.log.info("seen", number=13812345678)
    harness.plugin().host.metrics.gauge("last", 13812345678)
    logging.getLogger("telling").warning("seen", extra={"caller": {"name": "张伟"}})
    found = harness.traces_of("13812345678")
    assert [place.split("[")[0] for place in found] == ["log", "metrics"]
    assert harness.traces_of("张伟") == ["logging[0]"]


async def test_a_client_gets_no_word_in_disguise() -> None:
    """An error's body that spells a word with escapes brings it to the client all the same."""
    async with Harness.of(Telling) as one:
        one.engine.says(Native(418, json.dumps({"error": {"message": "José 张伟", "code": "x"}}).encode()))
        outcome = await one.ask(chat("x"))
        for word in ("José", "张伟"):
            with pytest.raises(AssertionError, match="not to bring"):
                outcome.assert_client_did_not_get(word)
        outcome.assert_client_did_not_get("李雷")
