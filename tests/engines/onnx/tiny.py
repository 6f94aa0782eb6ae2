"""A small model that finds names and places in Chinese and English, as a Hugging Face export would hold it.

It is trained here, in about a second, on sentences put together from lists: it sees two tokens on either side of each. So
it knows the characters of names and what stands around them, and names that no sentence of its training held.
"""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tokenizers
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import models, normalizers, pre_tokenizers, processors

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
SURNAMES = "王李张刘陈杨黄赵周吴徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红建文辉力飞鹏雷梅晨宇欣佳雪梦浩博思雨子轩涵"
FIRST = """John Mary James Linda Robert Susan David Karen Peter Laura Daniel Sarah Thomas Nancy Kevin Emily Brian Alice
George Julia Henry Diana Oscar Grace Simon Helen Victor Irene Felix Clara"""
LAST = """Smith Johnson Brown Taylor Miller Wilson Moore Clark Lewis Walker Young Allen Wright Scott Hill Green Adams Baker
Nelson Carter Turner Parker Collins Murphy Bailey Cooper Howard Ward Brooks Fisher"""
CITIES_ZH = "北京 上海 广州 深圳 成都 杭州 武汉 西安 南京 重庆 天津 苏州 青岛 大连 厦门 昆明"
CITIES_EN = "London Paris Berlin Madrid Boston Chicago Dublin Vienna Prague Sydney Toronto Seattle"
# `{p}` stands for a person and `{l}` for a place.
TEMPLATES = """我叫{p}|{p}说他明天来|昨天{p}和{p}去了{l}|请转告{p}我到了|我见了{p}|{p}在{l}工作|他住在{l}|从{l}到{l}的火车
{p}昨天来过|联系{p}就行|是{p}告诉我的|{p}、{p}都同意|会议在{l}举行|今天天气不错|请帮我查一下订单|这个产品怎么退货|谢谢你的帮助
我想去{l}玩|昨天见了一个朋友|明天开会讨论预算|{p}给{p}打了电话|王子和公主|高兴地工作|文明城市|周末去爬山|马上处理|黄色的包
{p}，你好|{p}是谁？|{p}的电话是多少
My name is {p}|I met {p} in {l}|{p} lives in {l}.|He is in {l}, I think|I live in {l} now|Please call {p} today
{p} and {p} went to {l}|The meeting is in {l}|{p} said hello|I work with {p}|Thank you for your help|Where is my order
The weather in {l} is nice|Can you help me|We talked to {p} yesterday|A letter from {p}|Tell {p} that I am here
How do I return this product|{p} will come tomorrow|Please send it to {p}"""
WINDOW, DIM, HIDDEN = 2, 16, 32
SENTENCES, EPOCHS, ROWS, RATE = 2400, 8, 1024, 0.02


def listed(text: str) -> list[str]:
    """The words of a list, or its sentences where it has bars."""
    return text.replace("\n", "|").split("|") if "|" in text else text.split()


def tokenizer() -> Any:
    """WordPiece over whole words and single characters, cased, Han characters apart, as BERT's does."""
    templates = listed(TEMPLATES)
    spoken = {word.strip("?,.") for one in templates for word in one.split() if "{" not in word}
    words = sorted({*listed(FIRST), *listed(LAST), *listed(CITIES_EN), *filter(str.isascii, spoken)})
    han = sorted({char for char in SURNAMES + GIVEN + CITIES_ZH + TEMPLATES if "\u4e00" <= char <= "\u9fff"})
    letters = [chr(code) for code in (*range(0x30, 0x3A), *range(0x41, 0x5B), *range(0x61, 0x7B))]
    marks = list("，。？！、：；,.?!:;'\"-()@#")
    plain = dict.fromkeys([*words, *han, *letters, *marks])
    vocabulary = {piece: number for number, piece in enumerate([*SPECIAL, *plain, *(f"##{one}" for one in letters)])}
    made = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    made.add_special_tokens(SPECIAL)
    return made


def sentences(random: np.random.Generator) -> list[tuple[str, list[tuple[int, int, str]]]]:
    """Sentences with the spans in them."""

    def chosen(items: Sequence[str]) -> str:
        return items[int(random.integers(len(items)))]

    def one(kind: str, chinese: bool) -> str:
        if kind == "l":
            return chosen(cities_zh if chinese else cities_en)
        if chinese:
            return chosen(SURNAMES) + "".join(chosen(GIVEN) for _ in range(int(random.integers(1, 3))))
        return f"{chosen(first)} {chosen(last)}" if random.random() < 0.7 else chosen(first)

    first, last, cities_zh, cities_en = map(listed, (FIRST, LAST, CITIES_ZH, CITIES_EN))
    templates = listed(TEMPLATES)
    made = []
    for number in range(SENTENCES):
        template = templates[number % len(templates)]
        text, spans = "", []
        for place, part in enumerate(template.replace("}", "{").split("{")):
            if place % 2:
                value = one(part, not template.isascii())
                spans.append((len(text), len(text) + len(value), "PER" if part == "p" else "LOC"))
                text += value
            else:
                text += part
        end = ("." if text.isascii() else "。") if random.random() < 0.5 and text[-1] not in ".？" else ""
        made.append((text + end, spans))
    return made


def examples(made: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Windows of tokens, and the label of the one in the middle."""
    random = np.random.default_rng(7)
    unknown = made.token_to_id("[UNK]")
    windows, labels = [], []
    for text, spans in sentences(random):
        encoded = made.encode(text)
        ids = [0] * WINDOW + encoded.ids + [0] * WINDOW
        for place, (start, end) in enumerate(encoded.offsets):
            span = next((one for one in spans if end > start and one[0] <= start < one[1]), None)
            label = "O" if span is None else f"{'B' if start == span[0] else 'I'}-{span[2]}"
            window = ids[place : place + 2 * WINDOW + 1]
            if random.random() < (0.05 if span is None else 0.1):  # there are characters that nobody has seen
                window[WINDOW] = unknown
            windows.append(window)
            labels.append(LABELS.index(label))
    return np.array(windows), np.array(labels)


def trained(windows: NDArray[Any], labels: NDArray[Any], words: int) -> dict[str, NDArray[np.float32]]:
    """The weights of embedding, one hidden layer and one on top of it, by Adam."""
    random = np.random.default_rng(11)
    width = (2 * WINDOW + 1) * DIM
    shapes = {"words": (words, DIM), "w1": (width, HIDDEN), "w2": (HIDDEN, len(LABELS))}
    spread = {"words": 0.3, "w1": width**-0.5, "w2": HIDDEN**-0.5}
    weights = {name: random.normal(0, spread[name], shape).astype(np.float32) for name, shape in shapes.items()}
    weights |= {"b1": np.zeros(HIDDEN, np.float32), "b2": np.zeros(len(LABELS), np.float32)}
    weights["words"][0] = 0
    first = {name: np.zeros_like(one) for name, one in weights.items()}
    second = {name: np.zeros_like(one) for name, one in weights.items()}
    # Without threads, which would wait for one another where other tests run beside.
    times = np.einsum
    step = 0
    for _ in range(EPOCHS):
        order = random.permutation(len(labels))
        for start in range(0, len(order), ROWS):
            chosen = order[start : start + ROWS]
            rows, wanted = windows[chosen], labels[chosen]
            seen = weights["words"][rows].reshape(len(rows), width)
            hidden = np.maximum(times("ij,jk->ik", seen, weights["w1"]) + weights["b1"], 0)
            scores = times("ij,jk->ik", hidden, weights["w2"]) + weights["b2"]
            error = np.exp(scores - scores.max(1, keepdims=True))
            error /= error.sum(1, keepdims=True)
            error[np.arange(len(rows)), wanted] -= 1
            error /= len(rows)
            below = times("ik,jk->ij", error, weights["w2"]) * (hidden > 0)
            slopes = {"b1": below.sum(0), "b2": error.sum(0)}
            slopes["w1"] = times("ij,ik->jk", seen, below)
            slopes["w2"] = times("ij,ik->jk", hidden, error)
            slopes["words"] = np.zeros_like(weights["words"])
            np.add.at(slopes["words"], rows, times("ik,jk->ij", below, weights["w1"]).reshape(len(rows), -1, DIM))
            slopes["words"][0] = 0
            step += 1
            for name, slope in slopes.items():
                first[name] += 0.1 * (slope - first[name])
                second[name] += 0.001 * (slope**2 - second[name])
                rate = RATE * (1 - 0.999**step) ** 0.5 / (1 - 0.9**step)
                weights[name] -= rate * first[name] / (np.sqrt(second[name]) + 1e-8)
    return weights


def graph(weights: dict[str, NDArray[np.float32]]) -> Any:
    """The model in ONNX: a convolution over the embedded tokens does what the window did, and padding is zero there."""
    span = 2 * WINDOW + 1
    kernel = weights["w1"].reshape(span, DIM, HIDDEN).transpose(2, 1, 0)
    constants = {
        "words": weights["words"],
        "kernel": kernel,
        "b1": weights["b1"],
        "w2": weights["w2"],
        "b2": weights["b2"],
    }
    constants["last"] = np.array([2])
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["embedded"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Mul", ["embedded", "column"], ["masked"]),
        helper.make_node("Transpose", ["masked"], ["across"], perm=[0, 2, 1]),
        helper.make_node("Conv", ["across", "kernel", "b1"], ["seen"], pads=[WINDOW, WINDOW]),
        helper.make_node("Relu", ["seen"], ["hidden"]),
        helper.make_node("Transpose", ["hidden"], ["back"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["back", "w2"], ["scores"]),
        helper.make_node("Add", ["scores", "b2"], ["logits"]),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "sequence", len(LABELS)])
    kept = [numpy_helper.from_array(np.ascontiguousarray(one), name) for name, one in constants.items()]
    made = helper.make_model(
        helper.make_graph(nodes, "tiny", inputs, [output], kept),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    onnx.checker.check_model(made)
    return made


def build(folder: Path) -> Path:
    """Write the three files of the export into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = tokenizer()
    windows, labels = examples(made)
    onnx.save(graph(trained(windows, labels, made.get_vocab_size())), folder / "model.onnx")
    made.save(str(folder / "tokenizer.json"))
    config = {
        "id2label": {str(number): label for number, label in enumerate(LABELS)},
        "pad_token_id": 0,
        "model_type": "tiny",
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@functools.cache
def model() -> Path:
    """The folder of the export, built once for all tests of a process."""
    folder = tempfile.TemporaryDirectory(prefix="yumen-tiny-")
    _KEPT.append(folder)
    return build(Path(folder.name))


_KEPT: list[tempfile.TemporaryDirectory[str]] = []
