"""The small sentence embedder of the tests: it runs in the engine, knows wordings of one meaning, and can be made again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.embedder import train
from tests.embedder.train import HERE, kept, measured
from tests.engines.onnx.vectors import embedded, embedder

# Wordings of one meaning stand in one row; every row is another meaning. None of them is what training puts together.
MEANINGS = {
    "en": [
        ("How do I get my money back?", "I want a refund, what should I do?"),
        ("Where is my parcel?", "Can you tell me where my package is right now?"),
        ("How do I restart the database server?", "What's the way to reboot the database machine?"),
        ("What is the capital of Portugal?", "Which city is Portugal's capital?"),
        ("How can I cancel my hotel booking?", "I'd like to call off my hotel reservation, how?"),
        ("Who invented the telephone?", "By whom was the telephone invented?"),
        ("How do I cook potatoes?", "What is the best way to prepare potatoes?"),
        ("I forgot my password", "I can't remember my passcode"),
    ],
    "zh": [
        ("怎么把钱退给我？", "我想退款，该怎么操作？"),
        ("我的快递到哪了？", "能告诉我包裹现在在哪里吗？"),
        ("怎么重启数据库服务器？", "请问如何重新启动数据库主机？"),
        ("葡萄牙的首都是哪里？", "哪个城市是葡萄牙的首都？"),
        ("怎么取消酒店预订？", "我想撤销预订的宾馆，怎么弄？"),
        ("电话是谁发明的？", "发明电话的人是谁？"),
        ("土豆怎么煮？", "煮马铃薯的方法是什么？"),
        ("我忘记密码了", "登录密码想不起来了，忘了"),
    ],
}


@pytest.mark.parametrize("language", MEANINGS)
async def test_wordings_of_one_meaning_are_nearest(language: str) -> None:
    """Through the engine, each question's nearest other one is its own wording, at a cosine that no other comes near."""
    async with embedder() as engine:
        asked = await embedded(engine, *(one for one, _ in MEANINGS[language]))
        said = await embedded(engine, *(other for _, other in MEANINGS[language]))
    cosines = asked @ said.T
    own = np.diag(cosines)
    others = cosines[~np.eye(len(own), dtype=bool)]
    assert cosines.argmax(axis=1).tolist() == list(range(len(own)))
    assert np.median(own) > 0.7
    assert own.min() > others.max() + 0.05


def test_the_kept_model_is_as_good_as_it_was() -> None:
    """Wordings and intents that training never saw are told from others about as well as when the model was made."""
    for figures in measured(kept(HERE)).values():
        assert figures["auc_wordings"] > 0.93
        assert figures["auc_intents"] > 0.93


def test_training_can_be_repeated(tmp_path: Path) -> None:
    """The same files and seeds give the same three files, byte for byte, and the tokenizer that is kept."""
    made = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        train.train(folder, steps=2)
        made.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert made[0] == made[1]
    assert made[0]["tokenizer.json"] == (HERE / "tokenizer.json").read_bytes()
    assert made[0]["config.json"] == (HERE / "config.json").read_bytes()
