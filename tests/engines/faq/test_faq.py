"""The engine with the shipped model: right answers in both languages, plain words where it does not know."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.engines.faq.asking import asked, deltas, host, loaded, plain, says, through_the_core

from yumen import CannotStart, EngineError
from yumen_engines.faq import Faq, FaqConfig, wording
from yumen_engines.faq.classifier import Classifier
from yumen_engines.faq.corpus import read
from yumen_engines.faq.wording import Language

SAID = wording.read()
TOKEN, OTHER_TOKEN = "<CN_MOBILE_npb44me8xn>", "<EMAIL_2mnnmh2y7f>"
# Held-out phrasings: training has seen none of them, which the first test checks.
HELD_OUT: list[tuple[Language, str, str]] = [
    ("en", "Where is the cancel button for an order?", "order_cancel"),
    ("en", "Can you check the status of my shipment?", "delivery_track"),
    ("en", "help, I am locked out of my account", "password_reset"),
    ("en", "An ATM did not give my card back", "card_lost"),
    ("en", "how is my privacy protected here", "privacy_policy"),
    ("zh", "我可以不买了吗，订单帮忙取消一下", "order_cancel"),
    ("zh", "帮忙查一下我订单的物流", "delivery_track"),
    ("zh", "想不起来登录密码了怎么办", "password_reset"),
    ("zh", "装银行卡的包不见了", "card_lost"),
    ("zh", "你们怎么保护客户隐私", "privacy_policy"),
]
ENGLISH, CHINESE = HELD_OUT[0], HELD_OUT[6]
UNKNOWN: list[tuple[Language, str]] = [
    ("en", "how deep is the Pacific ocean"),
    ("en", "what is the square root of 144"),
    ("zh", "太平洋有多深"),
    ("zh", "火山为什么会喷发"),
]


@pytest.mark.parametrize(("language", "question", "intent"), HELD_OUT)
async def test_held_out_questions_are_answered_right(language: Language, question: str, intent: str) -> None:
    """The whole reply is the written answer, in the language of the question, and the wording is one never trained on."""
    (phrasing,) = [one for one in read() if one.text == question]
    assert (phrasing.split, phrasing.label, phrasing.language) == ("held_out", intent, language)
    async with loaded() as engine:
        assert await says(engine, question) == SAID[language].answers[intent]


@pytest.mark.parametrize(("language", "question"), UNKNOWN)
async def test_what_is_not_known_is_said_so(language: Language, question: str) -> None:
    """A question that the service desk has no answer to is not given one."""
    assert any((one.split, one.label) == ("held_out", "none") for one in read() if one.text == question)
    async with loaded() as engine:
        assert await says(engine, question) == SAID[language].unknown


async def test_the_threshold_decides_what_is_known() -> None:
    """`confidence_min` 1 refuses what 0 answers."""
    _, question, intent = ENGLISH
    async with loaded(confidence_min=0.0) as engine:
        assert await says(engine, question) == SAID["en"].answers[intent]
        assert await says(engine, UNKNOWN[0][1]) in SAID["en"].answers.values()
    async with loaded(confidence_min=1.0) as engine:
        assert await says(engine, question) == SAID["en"].unknown


@pytest.mark.parametrize("delta_chars", [1, 12])
@pytest.mark.parametrize("question", [ENGLISH[1], CHINESE[1], f"{TOKEN} 我的快递到哪了", UNKNOWN[0][1], ""])
async def test_a_stream_says_what_a_plain_reply_says(question: str, delta_chars: int) -> None:
    """The pieces of a stream, joined, are the plain reply; the last delta ends it with the same usage."""
    async with loaded(delta_chars=delta_chars) as engine:
        whole = await plain(engine, ("user", question))
        pieces = await deltas(engine, question)
    assert "".join(piece.text for piece in pieces) == whole.texts[0]
    assert len(pieces) > 5
    assert all(len(piece.text.strip()) <= delta_chars for piece in pieces)
    assert [piece.finish_reason for piece in pieces] == [""] * (len(pieces) - 1) + ["stop"]
    assert pieces[-1].usage == whole.usage
    assert whole.usage.output_tokens == len(pieces) - 1


async def test_the_last_user_message_is_the_question() -> None:
    """In a conversation neither earlier questions nor what other roles said are answered."""
    earlier, asked_last = ENGLISH, CHINESE
    turns = [("system", "Answer questions about invoices."), ("user", earlier[1]), ("assistant", "Press Cancel.")]
    async with loaded() as engine:
        first = await plain(engine, *turns)
        last = await plain(engine, *turns, ("user", f"  {asked_last[1]}\n"), ("assistant", "I see."), ("tool", "x"))
    assert first.texts == [SAID["en"].answers[earlier[2]]]
    assert last.texts == [SAID["zh"].answers[asked_last[2]]]


@pytest.mark.parametrize("messages", [[], [("system", "be kind")], [("user", "")], [("user", " \n　")]])
async def test_without_a_question_one_is_asked_for(messages: list[tuple[str, str]]) -> None:
    """Nothing to answer is said in both languages, since nobody knows which one is spoken."""
    async with loaded() as engine:
        assert (await plain(engine, *messages)).texts == [f"{SAID['en'].no_question}\n{SAID['zh'].no_question}"]


@pytest.mark.parametrize("question", ["…！？", "🙂", "привет, где мой заказ", "\u0000\ud800"])
async def test_words_of_neither_language_are_not_known(question: str) -> None:
    """Signs, emoji and other scripts get the plain refusal in both languages."""
    async with loaded() as engine:
        assert await says(engine, question) == f"{SAID['en'].unknown}\n{SAID['zh'].unknown}"


@pytest.mark.parametrize(("language", "question", "intent"), HELD_OUT)
async def test_pseudonyms_are_noted_and_do_not_disturb(language: Language, question: str, intent: str) -> None:
    """A pseudonym before or behind a question changes nothing but that it is repeated, once, in the answer."""
    said = SAID[language]
    separator = {"en": ", ", "zh": "、"}[language]
    noted = said.noted.format(values=separator.join([TOKEN, OTHER_TOKEN]))
    async with loaded() as engine:
        answer = await says(engine, f"{TOKEN} {question} {OTHER_TOKEN}{TOKEN}")
    assert answer == wording.joined(language, [said.answers[intent], noted])


def test_a_pseudonym_changes_no_guess() -> None:
    """For every held-out phrasing, label and confidence are the same with pseudonyms around it."""
    classifier = Classifier.open()
    for phrasing in read():
        if phrasing.split == "held_out":
            assert classifier.guess(f"{TOKEN}{phrasing.text} {OTHER_TOKEN}") == classifier.guess(phrasing.text)


async def test_a_bare_pseudonym_is_noted() -> None:
    """A message that is nothing but a value gets no guess, and shows that the value was understood."""
    async with loaded() as engine:
        answer = await says(engine, TOKEN)
    assert answer.count(TOKEN) == 2
    assert SAID["en"].unknown in answer
    assert SAID["zh"].unknown in answer


async def test_a_long_message_is_read_at_both_ends() -> None:
    """However long a message is, its beginning and its end are read; the engine answers and repeats few pseudonyms."""
    _, question, intent = ENGLISH
    many = " ".join(f"<EMAIL_{number:010d}>" for number in range(30))
    async with loaded() as engine:
        assert await says(engine, " " * 50_000 + ". " * 50_000 + question) == SAID["en"].answers[intent]
        assert await says(engine, question + " ." * 50_000) == SAID["en"].answers[intent]
        assert 0 < (await says(engine, many)).count("<EMAIL_") <= 2 * wording.NOTED_MAX


@pytest.mark.parametrize("stream", [False, True])
async def test_n_choices_say_the_same(stream: bool) -> None:
    """Every choice that was asked for is answered."""
    _, question, intent = ENGLISH
    async with loaded() as engine:
        outcome = await through_the_core(engine, [{"role": "user", "content": question}], n=3, stream=stream)
    expected = [SAID["en"].answers[intent]] * 3
    if stream:
        assert [outcome.channel(choice) for choice in range(3)] == expected
    else:
        assert [choice["message"]["content"] for choice in outcome.json["choices"]] == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([{"type": "text", "text": ENGLISH[1]}], SAID["en"].answers["order_cancel"]),
        (
            [{"type": "text", "text": "帮忙查一下我订单"}, {"type": "text", "text": "的物流"}],
            SAID["zh"].answers["delivery_track"],
        ),
        (
            [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
                {"type": "text", "text": ENGLISH[1]},
            ],
            SAID["en"].answers["order_cancel"],
        ),
        (
            [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}],
            f"{SAID['en'].no_question}\n{SAID['zh'].no_question}",
        ),
    ],
)
async def test_parts_of_a_message(content: list[dict[str, Any]], expected: str) -> None:
    """Text parts are read together; an image is not read and says nothing."""
    async with loaded() as engine:
        outcome = await through_the_core(engine, [{"role": "user", "content": content}])
    assert (outcome.status, outcome.content) == (200, expected)


async def test_a_conversation_without_a_user_is_answered() -> None:
    """The core asks for messages, not for one of a user: such a conversation gets the request for a question."""
    async with loaded() as engine:
        outcome = await through_the_core(engine, [{"role": "system", "content": "be kind"}])
    assert (outcome.status, outcome.content) == (200, f"{SAID['en'].no_question}\n{SAID['zh'].no_question}")


async def test_health_follows_load_and_close() -> None:
    """Before `load` and after `close` the engine says that it cannot answer, and does not."""
    engine = Faq(FaqConfig())
    before = await engine.health()
    with pytest.raises(EngineError):
        await engine.generate(asked(("user", "hello")))
    await engine.load(host())
    assert await engine.health() == ""
    assert await says(engine, "hello") == SAID["en"].answers["greeting"]
    await engine.close()
    assert before == await engine.health() == "the faq engine is not loaded"
    with pytest.raises(EngineError):
        await engine.generate(asked(("user", "hello")))


async def test_an_intent_without_an_answer_refuses_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever edits the answers and loses one is told which, instead of the callers."""
    broken = dict(SAID)
    answers = {name: text for name, text in SAID["zh"].answers.items() if name != "invoice"}
    broken["zh"] = msgspec.structs.replace(SAID["zh"], answers=answers)
    monkeypatch.setattr(wording, "read", lambda: broken)
    with pytest.raises(CannotStart, match=r"answers/zh\.yaml has no answer for invoice"):
        await Faq(FaqConfig()).load(host())
