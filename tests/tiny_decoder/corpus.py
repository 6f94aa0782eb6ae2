"""What the tiny decoder is taught: short conversations in English and Chinese, and what tests need of a model.

* `ANSWERS` are said word for word, whatever stands before the question: greedy decoding is predictable.
* `ENDLESS` never come to an end, so that there is time to stop them.
* `DRAWN` are drawn anew each time: sampling with two seeds differs.
* `PLAIN` is text without a conversation, for `/v1/completions`.
"""

from __future__ import annotations

import random

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
Turns = list[tuple[str, str]]

ANSWERS = {
    "Hello": "Hello! How can I help you today?",
    "你好": "你好！今天有什么可以帮您？",
    "What is Yumen?": "Yumen is a gateway: it masks what is private before a model sees it.",
    "玉门是什么？": "玉门是一座关口：模型看见之前，隐私先被遮住。",
    "Where is my order?": "Your order is on its way. It arrives on Friday.",
    "我的订单在哪里？": "您的订单在路上，星期五送到。",
    "Say a poem": "White sun behind the hills,\nthe river runs to the sea.",
    "背一首诗": "白日依山尽，\n黄河入海流。",
    "Show a smile": "Here it is: 🙂 and one more: 👩‍🔬.",
    "Thank you": "You are welcome.",
    "谢谢": "不客气。",
}
ENDLESS = {"Sing": " la", "唱歌": "啦"}
DRAWN = {
    "Pick fruits": (", ", ["apple", "pear", "plum", "fig", "grape", "lemon", "peach", "melon"]),
    "选水果": ("、", ["苹果", "梨", "李子", "葡萄", "柠檬", "桃", "西瓜", "荔枝"]),
}
PLAIN = ["Once upon a time there was a gate that kept every secret.", "从前有一座城门，守住了每一个秘密。"]
INSTRUCTIONS = ["", "", "Be kind.", "Answer in one sentence.", "请用一句话回答。", "请礼貌。"]
# Words that users may write, so that the tokenizer knows more than what the model says.
FILLER = (
    "the of and to in is that for it as with on be at by this from 的 一 是 不 了 在 人 有 我 他 这 个 们 中 来 上 大"
)
FRUITS, NOTES = 6, 90


def answer(question: str, draw: random.Random) -> str:
    """What is to be said to a question of the corpus."""
    if question in ANSWERS:
        return ANSWERS[question]
    if question in ENDLESS:
        return ENDLESS[question] * NOTES
    separator, items = DRAWN[question]
    return separator.join(draw.choice(items) for _ in range(FRUITS))


def conversation(draw: random.Random) -> Turns:
    """One to three questions with their answers, with instructions before them or without."""
    questions = [*ANSWERS, *ANSWERS, *ENDLESS, *DRAWN]
    instruction = draw.choice(INSTRUCTIONS)
    turns = [(SYSTEM, instruction)] if instruction else []
    for _ in range(draw.choice((1, 1, 2, 3))):
        question = draw.choice(questions)
        turns += [(USER, question), (ASSISTANT, answer(question, draw))]
        if question in ENDLESS:
            break
    return turns


def texts() -> list[str]:
    """Everything that the tokenizer is made from."""
    said = [*ANSWERS, *ANSWERS.values(), *ENDLESS, *ENDLESS.values(), *DRAWN, *PLAIN, *INSTRUCTIONS, FILLER]
    return [*said, *(item for _, items in DRAWN.values() for item in items)] * 3
