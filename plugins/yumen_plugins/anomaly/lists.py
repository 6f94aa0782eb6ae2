"""The word lists of a configuration: the operator's own, and the examples that come with Yumen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from yumen import CannotStart, Lint
from yumen_plugins.anomaly.compiled import Ready, facts_of
from yumen_plugins.anomaly.config import AnomalyConfig, WordsConfig
from yumen_plugins.anomaly.words import WordLists
from yumen_plugins.anomaly.words.wordfile import WORDS_MAX, Word, WordFileError, read_words, words_of

# Of one list, so many mistakes are told.
PROBLEMS_TOLD = 20
CATEGORY_OF = re.compile(r"\bwords\.([a-z][a-z0-9_]*)")


def lists_of(config: AnomalyConfig, rules: Iterable[Ready]) -> WordLists | None:
    """The words, ready to be found; None where no rule asks for any. Takes seconds for long lists. Error: `CannotStart`."""
    if not any(".words." in f".{fact}" for fact in facts_of(rules)):
        return None
    try:
        words = [word for said in config.words for word in words_of(content_of(said), "words")]
        shipped = [path for category in config.shipped_words for path in WordLists.shipped(category)]
        every = [*words, *(read_words(shipped) if shipped else ())]
    except WordFileError as error:
        raise CannotStart(str(error)) from None
    return WordLists(every)


def content_of(said: WordsConfig) -> str:
    """A list as a file would hold it; what stands in it goes before what the configuration says."""
    head = [f"severity: {said.severity}", f"pinyin: {'on' if said.pinyin else 'off'}"]
    if said.category:
        head.insert(0, f"category: {said.category}")
    return "\n".join([*head, *said.words])


def word_lints(config: AnomalyConfig) -> Sequence[Lint]:
    """What is wrong with lists, and categories of examples that there are not."""
    lints: list[Lint] = []
    total = sum(len(said.words) for said in config.words)
    if total > WORDS_MAX:
        lints.append(Lint(("words",), f"there are {total} words", f"keep at most {WORDS_MAX}", wrong=True))
        return lints
    for index, said in enumerate(config.words):
        lints += _list_lints(index, said)
    lints += _unknown_categories(config)
    known = sorted(path.stem for path in WordLists.shipped())
    for index, category in enumerate(config.shipped_words):
        if category not in known:
            fix = f"name one of: {', '.join(known)}"
            lints.append(Lint(("shipped_words", index), f"no example words `{category[:40]}`", fix, wrong=True))
    return lints


def _unknown_categories(config: AnomalyConfig) -> list[Lint]:
    """Facts about words of a category that no list has: they would be 0 for ever."""
    named = {said.category for said in config.words} | set(config.shipped_words)
    named |= {line[9:].strip() for said in config.words for line in said.words if line.startswith("category:")}
    lints = []
    for index, rule in enumerate(config.rules):
        for category in sorted(set(CATEGORY_OF.findall(rule.when)) - named - {"all", "severity"}):
            what = f"rule `{rule.id}`: no list has words of the category `{category}`"
            fix = f"add a list, or name one of: {', '.join(sorted(named - {''})) or 'none yet'}"
            lints.append(Lint(("rules", index, "when"), what, fix, wrong=True))
    return lints


def _list_lints(index: int, said: WordsConfig) -> list[Lint]:
    content = content_of(said)
    try:
        words: list[Word] = words_of(content, "words")
    except WordFileError as error:
        before = content.count("\n") - len(said.words) + 1
        return [
            Lint(("words", index, "words"), f"entry {max(1, one.line - before)}: {one.what}", one.fix, wrong=True)
            for one in error.problems[:PROBLEMS_TOLD]
        ]
    return [] if words else [Lint(("words", index), "this list is empty", "remove it, or write words")]
