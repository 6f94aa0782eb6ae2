"""The test embedder's tokenizer: WordPiece over words, endings and single characters, Han characters apart, as BERT's is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, processors

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORD = re.compile(r"[a-z]+")
ENDINGS = ("s", "es", "ed", "d", "ing", "er", "ly", "ers")
STEM_MIN = 3
# Of pieces within words so many, the most frequent ones: what no list holds is put together from them.
PIECES = 1500
PIECE_SIZES = range(2, 5)


def gb2312(first: int, last: int) -> list[str]:
    """The Han characters in these rows of GB 2312: 16 to 55 are the usual ones, 56 to 87 others."""
    found = []
    for row in range(first, last + 1):
        for cell in range(1, 95):
            try:
                found.append(bytes((row + 0xA0, cell + 0xA0)).decode("gb2312"))
            except UnicodeDecodeError:
                continue
    return found


def vocabulary(texts: Iterable[str]) -> list[str]:
    """All tokens in their order."""
    joined = "\n".join(texts).lower()
    counts = Counter(WORD.findall(joined))
    known = set(counts)
    words = sorted(word for word in known if len(word) > 1 and not _inflected(word, known))
    pieces: Counter[str] = Counter()
    for word in known:
        for size in PIECE_SIZES:
            pieces.update(word[start : start + size] for start in range(1, len(word) - size + 1))
    frequent = sorted(pieces, key=lambda piece: (-pieces[piece], piece))[:PIECES]
    letters = [chr(code) for code in (*range(0x30, 0x3A), *range(0x61, 0x7B))]
    inner = [f"##{piece}" for piece in dict.fromkeys([*letters, *ENDINGS, *sorted(frequent)])]
    han = [*gb2312(16, 87), *sorted({char for char in joined if "\u4e00" <= char <= "\u9fff"})]
    marks = [chr(code) for code in range(0x21, 0x7F) if not chr(code).isalnum()] + list(
        "，。？！、：；·《》“”‘’（）【】…—￥€£°²%‰"
    )
    return list(dict.fromkeys([*SPECIAL, *marks, *letters, *words, *inner, *han]))


def _inflected(word: str, known: set[str]) -> bool:
    """Whether a word is another one with an ending, and so needs no token of its own."""
    return any(
        word.endswith(end) and len(word) - len(end) >= STEM_MIN and word[: -len(end)] in known for end in ENDINGS
    )


def tokenizer(texts: Iterable[str]) -> Any:
    """Lower case, NFKC; a row is framed by [CLS] and [SEP]."""
    numbers = {piece: number for number, piece in enumerate(vocabulary(texts))}
    made = tokenizers.Tokenizer(models.WordPiece(numbers, unk_token="[UNK]", max_input_chars_per_word=60))
    bert = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True)
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), bert])
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", numbers["[SEP]"]), ("[CLS]", numbers["[CLS]"]))
    made.add_special_tokens(SPECIAL)
    return made
