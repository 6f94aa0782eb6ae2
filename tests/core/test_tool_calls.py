"""The tool calls of a reply as a plugin sees them: whole, in its form, plain and streamed alike."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
from tests.kit import exchange, saying, step

from yumen import Decision, Exchange, Manifest, NoConfig, Plugin, ToolCall
from yumen.testing import chunk

BOTH = '{"城市": "上海", "days": 2, "to": "li.na@example.com"}'
SAID = [("book", BOTH), ("send", "{}"), ("note", "not JSON: 张伟"), ("none", "[1, 22]")]
EDITED = BOTH.replace("上海", "北京")


class Sees(Plugin[NoConfig]):
    """Notes the calls; `edit` has it replace a city first."""

    manifest: ClassVar[Manifest] = Manifest(name="sees", version="1", sees="raw", mutates=True)

    def __init__(self, edit: bool = False) -> None:
        super().__init__(NoConfig())
        self.edit = edit
        self.calls: list[ToolCall] = []

    async def on_response(self, exchange: Exchange) -> Decision | None:
        assert exchange.reply is not None
        self.calls += exchange.reply.tool_calls
        for text in exchange.reply.texts if self.edit else ():
            if text.value == "上海":
                text.replace(0, 2, "北京")
        return None


class SeesMasked(Sees):
    """May see the masked form only."""

    manifest: ClassVar[Manifest] = Manifest(name="sees_masked", version="1")


class Masks(Plugin[NoConfig]):
    """Masks addresses, and restores nothing."""

    manifest: ClassVar[Manifest] = Manifest(name="masks", version="1", sees="raw", masks=True)

    async def on_request(self, exchange: Exchange) -> Decision | None:
        return None

    async def on_response(self, exchange: Exchange) -> Decision | None:
        for text in exchange.reply.texts if exchange.reply is not None else ():
            if "@" in text.value:
                text.mask(0, len(text.value), "<EMAIL>")
        return None


def plain(said: list[tuple[str, str]]) -> bytes:
    calls = [{"id": "1", "type": "function", "function": {"name": name, "arguments": args}} for name, args in said]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return json.dumps({"id": "1", "object": "chat.completion", "choices": [choice]}).encode()


def streamed(said: list[tuple[str, str]]) -> list[bytes]:
    """Each call in three pieces, all calls mixed."""
    events: list[bytes] = []
    for part in range(3):
        for tool, (name, args) in enumerate(said):
            function: dict[str, Any] = {"arguments": args[part * 7 : part * 7 + 7] if part < 2 else args[14:]}
            function |= {"name": name} if part == 0 else {}
            events.append(chunk(tool_calls=[{"index": tool, "function": function}]))
    return [*events, chunk(finish="tool_calls")]


async def seen(stream: bool, *plugins: Plugin[Any]) -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "?"}], "stream": stream}).encode()
    engine = saying(*(streamed(SAID) if stream else [plain(SAID)]))
    outcome = await exchange([step(plugin) for plugin in plugins], engine, body)
    assert outcome.exchange.outcome == "ok"


@pytest.mark.parametrize("stream", [False, True])
async def test_calls_are_seen_whole(stream: bool) -> None:
    """Names and arguments are what the model wrote, byte for byte, and what a plugin below has edited is edited there."""
    below, above = Sees(edit=True), Sees()
    await seen(stream, above, below)
    assert [(call.name, call.arguments) for call in below.calls] == SAID
    assert [(call.name, call.arguments) for call in above.calls] == [("book", EDITED), *SAID[1:]]
    paths = [f"choices[0].message.tool_calls[{place}]" for place in range(len(SAID))]
    assert [call.path for call in above.calls] == paths


@pytest.mark.parametrize("stream", [False, True])
async def test_the_masked_form_shows_nothing_raw(stream: bool) -> None:
    """Without a masking plugin whoever may see the masked form is shown digests, not even short numbers."""
    plugin = SeesMasked()
    await seen(stream, plugin)
    assert len(plugin.calls) == len(SAID)
    assert all(call.name.startswith("hmac:") and call.arguments.startswith("hmac:") for call in plugin.calls)
    assert len({call.arguments for call in plugin.calls}) == len(SAID)
    other = SeesMasked()
    await seen(not stream, other)
    assert [call.arguments for call in plugin.calls] == [call.arguments for call in other.calls]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_masked_form_above_a_masking_plugin(stream: bool) -> None:
    """What a masking plugin has made of the arguments is their masked form, and stays JSON."""
    plugin = SeesMasked()
    await seen(stream, plugin, Masks(NoConfig()))
    assert json.loads(plugin.calls[0].arguments) == {"城市": "上海", "days": 2, "to": "<EMAIL>"}
    assert plugin.calls[2].arguments == "not JSON: 张伟"


@pytest.mark.parametrize(
    "message",
    [
        {"tool_calls": 7}, {"tool_calls": [None, {"function": 1}]}, {"tool_calls": [{"function": {"name": 1}}]},
        {"function_call": []}, {"tool_calls": [{"custom": {"name": "c", "input": "好"}}]},
        {"function_call": {"name": "f", "arguments": {"a": 1}}},
    ],
)  # fmt: skip
async def test_odd_calls_are_no_error(message: dict[str, Any]) -> None:
    """Whatever an engine says for calls, a plugin that looks at them gets those that are some."""
    reply = json.dumps({"id": "1", "object": "chat.completion", "choices": [{"index": 0, "message": message}]})
    plugin = Sees()
    outcome = await exchange([step(plugin)], saying(reply.encode()))
    assert outcome.exchange.outcome == "ok"
    known = [(call.name, call.arguments) for call in plugin.calls]
    assert known in ([], [("", "")], [("c", "好")], [("f", '{"a":1}')])
