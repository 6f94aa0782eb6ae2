"""What a record holds: enough to say what happened and to run the exchange again, and nothing raw."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar, cast

import pytest
from tests.kit import Ledger, Outcome, exchange, given_to, request, saying, step

from yumen import Block, Exchange, Manifest, Mode, NoConfig, Operation, Plugin, Trace
from yumen.policy.bundle import RulePolicy
from yumen.step import Step
from yumen.testing import completion
from yumen.view import View
from yumen_plugins.audit.config import AuditConfig
from yumen_plugins.audit.entries import decode, encode
from yumen_plugins.audit.record import TRACE_MAX, Digester, intent_record, open_texts, operation_record, record_of
from yumen_plugins.audit.subjects.sealing import Wrapping

DIGEST = Digester(b"k" * 32)
KEY, _ = Wrapping(b"w" * 32).new("tenant", "")


class Hook(Plugin[NoConfig]):
    """Does in its request hook what the test says, under a manifest that lets it mask."""

    manifest: ClassVar[Manifest] = Manifest(name="hook", version="1", sees="raw", mutates=True, masks=True)

    def __init__(self, do: Callable[[Any], Any]) -> None:
        super().__init__(NoConfig())
        self.do = do

    async def on_request(self, exchange: Any) -> Any:
        return self.do(exchange)


def hook(do: Callable[[Any], Any], **modes: Mode) -> Step:
    """A step of that plugin with rules in these modes, and one more that enforces."""
    policies = {name: RulePolicy(id=name, mode=mode) for name, mode in modes.items()}
    return step(Hook(do), rules={**policies, "other": RulePolicy(id="other")})


def mask_digits(exchange: Any) -> None:
    for text in exchange.texts:
        start = text.value.find("13812345678")
        if start >= 0:
            text.mask(start, start + 11, "<P>", rule="phone")
            exchange.find("phone", category="pii", text=text, start=start, end=start + 11)


def record_from(outcome: Outcome, **config: Any) -> dict[str, Any]:
    """The record that the plugin makes of an exchange, as a reader gets it who has the keys."""
    record = decode(encode(record_of(shown(outcome), "r", AuditConfig(**config), DIGEST, KEY)))
    if "sealed" in record:
        open_texts(record, KEY)
    return record


def shown(outcome: Outcome) -> Exchange:
    """An exchange as the plugin is shown it."""
    return cast(Exchange, View(outcome.exchange, "audit", Ledger.manifest))


@pytest.mark.parametrize("text", ["my phone is 13812345678", "我的电话是13812345678"])
async def test_a_record_says_what_the_engine_got(text: str) -> None:
    """Where an engine was asked: by which path, where it is, how much it got in which form; and lengths before and after."""
    engine = saying(completion("ok"))
    outcome = await exchange([hook(mask_digits)], engine, request(text))
    outcome.exchange.path = "/v1/chat/completions"
    record = record_from(outcome)
    sent = (record["path"], record["egress"], record["sent_form"], record["sent_bytes"])
    assert sent == ("/v1/chat/completions", "local", "masked", len(engine.requests[0].body))
    model, said = record["request"]
    assert (said["chars"], said["raw_chars"]) == (len(text) - 8, len(text))
    assert "raw_chars" not in model
    assert all("raw_chars" not in one for one in record["reply"])
    assert "13812345678" not in json.dumps(record)


@pytest.mark.parametrize("texts", ["masked", "digest", "none"])
async def test_what_is_kept_of_texts(texts: str) -> None:
    """Policy says whether records hold the masked form, sealed, digests of it, or lengths only."""
    outcome = await exchange([hook(mask_digits)], saying(completion("好")), request("打给13812345678"))
    raw = decode(encode(record_of(shown(outcome), "r", AuditConfig(texts=texts), DIGEST, KEY)))  # type: ignore[arg-type]
    for entry in (*raw["request"], *raw["reply"]):
        assert {"text", "digest", "sealed"} & set(entry) == {"masked": {"sealed"}, "digest": {"digest"}, "none": set()}[
            texts
        ]
    assert ("sealed" in raw) == (texts == "masked")
    assert raw["request"][-1]["chars"] == len("打给<P>")
    if texts == "digest":
        assert raw["request"][-1]["digest"] == KEY.digest("打给<P>")
    if texts == "masked":
        assert raw["sealed"]["key"] == KEY.id
        assert "打给" not in json.dumps(raw, ensure_ascii=False)
        assert record_from(outcome)["request"][-1]["text"] == "打给<P>"


async def test_the_address_belongs_to_the_subject_where_one_is_known() -> None:
    """Under a subject's salt it is forgotten with the subject; else it is the same for every caller of the gateway."""
    outcome = await exchange([], saying(completion("ok")))
    outcome.exchange.client = "192.0.2.7"
    assert record_from(outcome)["client"] == DIGEST("192.0.2.7")
    outcome.exchange.subject = "ab" * 16
    assert record_from(outcome)["client"] == KEY.digest("192.0.2.7") != DIGEST("192.0.2.7")


async def test_texts_beyond_what_is_kept_are_digested() -> None:
    """A record grows with no caller: what is longer than policy lets records be is there as its digest and its length."""
    outcome = await exchange([hook(lambda _: None)], saying(completion("短")), request("长" * 50))
    record = record_from(outcome, text_chars_max=20)
    assert record["request"][-1]["digest"] == KEY.digest("长" * 50)
    assert record["reply"][-1]["text"] == "短"


async def test_an_intent_holds_no_text() -> None:
    """It says who sends how much where, and nothing of what."""
    outcome = await exchange([hook(mask_digits)], saying(completion("ok")), request("你好"), egress="remote")
    intent = intent_record(shown(outcome), "r")
    assert (intent["egress"], intent["sent_form"], intent["engine"]) == ("remote", "masked", "llm")
    assert not {"request", "reply", "client", "path"} & set(intent)
    assert "你好" not in json.dumps(intent, ensure_ascii=False)


async def test_nothing_was_sent_where_no_engine_was_asked() -> None:
    """A record of an exchange that ended before the engine does not speak of one."""
    record = record_from(await exchange([hook(lambda _: Block(reason="other"))], saying(completion("ok"))))
    assert not {"egress", "sent_form", "sent_bytes"} & set(record)
    assert record["outcome"] == "policy_blocked"


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/apps/crm-2/tickets", "/apps/crm-2/tickets"),
        ("/apps/crm/", "/apps/crm/"),
        ("/apps/crm/13812345678", f"/apps/crm/{DIGEST('13812345678')}"),
        ("/apps/crm/li.na@example.com/x", f"/apps/crm/{DIGEST('li.na@example.com')}/x"),
        ("/apps/%E6%9D%8E%E5%A8%9C", f"/apps/{DIGEST('%E6%9D%8E%E5%A8%9C')}"),
        ("/apps/a\x1b]0;x", f"/apps/{DIGEST(chr(97) + chr(27) + ']0;x')}"),
        ("/a/b/c/d/e/f/g/13812345678/h", f"/a/b/c/d/e/f/g/{DIGEST('13812345678/h')}"),
        ("/apps/" + "x" * 5000, f"/apps/{DIGEST('x' * 5000)}"),
    ],
)
async def test_a_path_holds_no_words_of_the_caller(path: str, kept: str) -> None:
    """Of a path only plain words are kept; what could be a number, an address or a name in Han characters is digested."""
    outcome = await exchange([], saying(completion("ok")))
    outcome.exchange.path = path
    assert record_from(outcome)["path"] == kept


async def test_what_a_rule_in_shadow_would_have_done_is_on_record() -> None:
    """Beside what was done: a finding, a block and an edit that were not let happen, each marked as such."""

    def both(exchange: Any) -> None:
        mask_digits(exchange)
        assert exchange.block("word") is None

    engine = saying(completion("ok"))
    record = record_from(
        await exchange([hook(both, phone="shadow", word="shadow")], engine, request("13812345678 你好"))
    )
    assert "13812345678" in given_to(engine)
    assert (record["outcome"], record["sent_form"]) == ("ok", "partly masked")
    assert [(one["rule"], one["shadow"]) for one in record["findings"]] == [("phone", True)]
    shadow = [(one["decision"], one["reason"], one["edits"]) for one in record["trace"] if one["shadow"]]
    assert shadow == [("block", "word", 0), ("allow", "", 1)]


@pytest.mark.parametrize("trace", ["notable", "full"])
async def test_the_cap_of_a_trace_keeps_every_different_deed(trace: str) -> None:
    """However many calls there were, each rule that would have blocked and the block that came stay on record, in order."""
    outcome = await exchange([], saying(completion("ok")))
    idle = Trace("limits", "on_request", 0.1, "allow")
    again = Trace("word", "stream", 0.0, "block", "词", shadow=True)
    late = [
        Trace("word", "stream", 0.0, "block", "rule", shadow=True),
        Trace("masker", "on_response", 0.1, "allow", "", 3, True),
        Trace("anomaly", "on_response", 0.1, "block", "burst"),
    ]
    outcome.exchange.trace = [idle] * 400 + [again] * 400 + late
    record = record_from(outcome, trace=trace)
    assert len(record["trace"]) == TRACE_MAX
    assert record["trace_left_out"] == len(late) + 400 * (2 if trace == "full" else 1) - TRACE_MAX
    assert [(one["plugin"], one["reason"]) for one in record["trace"][-4:]] == [
        ("word", "词"),
        ("word", "rule"),
        ("masker", ""),
        ("anomaly", "burst"),
    ]
    assert all(one["decision"] == "block" or one["edits"] for one in record["trace"])


def test_an_operation_is_cleaned_and_bounded() -> None:
    """Whatever the details are, a record holds short texts without anything that a terminal acts on."""
    hostile = {"new\x1b[2J": "a\nb\x9b\u202e" + "长" * 500, **{f"n{number}": "v" for number in range(100)}}
    record = operation_record(Operation(kind="policy\x00loaded", actor="x" * 300, at=0.5, details=hostile), "i", "r")
    assert (record["kind"], record["operation"], record["actor"]) == ("operation", "policy?loaded", "x" * 200)
    assert record["time"] == "1970-01-01T00:00:00.500000Z"
    assert (len(record["details"]), record["details_left_out"]) == (32, 69)
    assert record["details"]["new?[2J"] == "a?b??" + "长" * 195
