"""Makes the sentences that the test embedder learns from: wordings of one meaning, and meanings that differ in one part.

Meanings come from `en.yaml` and `zh.yaml` (a frame with what is done and to what, a fact about a thing, or loose words) and
from the intents of the embedded FAQ engine. The last wording of every frame and fact that has five or more is held out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np

from yumen_engines.faq import corpus

HERE = Path(__file__).parent
T = TypeVar("T")
LANGUAGES = ("en", "zh")
HELD_OUT_FROM = 5
# Verbs that do not follow the rules below.
PAST = {
    "get": "got", "buy": "bought", "send": "sent", "bring": "brought", "sell": "sold", "find": "found", "set": "set",
    "take": "taken", "forget": "forgotten", "lose": "lost", "see": "seen", "put": "put", "give": "given", "run": "run",
    "shut": "shut", "keep": "kept", "read": "read", "write": "written", "teach": "taught", "grow": "grown", "go": "gone",
    "choose": "chosen", "draw": "drawn", "freeze": "frozen", "make": "made", "cut": "cut", "build": "built",
    "split": "split", "hide": "hidden", "undo": "undone", "rent": "rented", "leave": "left", "try": "tried",
    "swap": "swapped", "stop": "stopped", "wrap": "wrapped", "zip": "zipped", "unzip": "unzipped", "drop": "dropped",
    "ship": "shipped", "trim": "trimmed", "roll": "rolled", "opt": "opted", "look": "looked", "sign": "signed",
    "plan": "planned", "ban": "banned", "unban": "unbanned", "top": "topped", "log": "logged", "submit": "submitted",
    "transfer": "transferred", "hire": "hired",
}  # fmt: skip
DOUBLED = ("swap", "stop", "wrap", "zip", "unzip", "drop", "ship", "trim", "plan", "ban", "unban", "top", "log", "submit",
           "get", "set", "put", "run", "shut", "cut", "split", "transfer", "forget")  # fmt: skip


class Meaning(NamedTuple):
    """What a sentence says: a kind (`frame`, `fact` or `loose`), and which entries of the lists it is made of."""

    language: str
    kind: str
    parts: tuple[str | int, ...]


class Lists(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the two files as it is written."""

    frames: dict[str, str]
    actions: dict[str, str]
    objects: dict[str, str]
    facts: str
    things: str
    small: str
    same: str
    function: str
    opposite: str


class Language:
    """One language's lists, cut into their entries. `things` hold the vocabulary of slots beside what is made up."""

    def __init__(self, name: str) -> None:
        lists = msgspec.yaml.decode((HERE / f"{name}.yaml").read_bytes(), type=Lists)
        self.name = name
        self.frames = {frame: _cut(wordings, "|") for frame, wordings in lists.frames.items()}
        self.actions = {
            domain: [_cut(line, "/") for line in text.splitlines()] for domain, text in lists.actions.items()
        }
        self.objects = {
            domain: [_cut(line, "/") for line in text.splitlines()] for domain, text in lists.objects.items()
        }
        self.facts = [_cut(line, "|") for line in lists.facts.splitlines()]
        self.things = [line.split() for line in lists.things.splitlines()]
        self.small = _cut(lists.small, "|")
        self.same = [_cut(line, "/") for line in lists.same.splitlines()]
        self.function = lists.function.split()
        self.opposite = [_cut(line, "/") for line in lists.opposite.splitlines()]

    def frame(self, frame: str, action: str, thing: str, wording: int) -> str:
        """A sentence of a frame."""
        template = self.frames[frame][wording]
        if self.name == "zh":
            return template.format(v=action, o=thing)
        return template.format(v=action, ving=_bent(action, "ing"), ved=_bent(action, "ed"), o=thing)

    def texts(self) -> list[str]:
        """Everything that stands in the lists, for the tokenizer."""
        verbs = [verb for domain in self.actions.values() for group in domain for verb in group]
        if self.name == "en":
            verbs += [_bent(verb, ending) for verb in verbs for ending in ("ing", "ed")]
        nouns = [noun for domain in self.objects.values() for group in domain for noun in group]
        templates = [one for group in (*self.frames.values(), *self.facts) for one in group]
        plain = [one.translate(str.maketrans("{}", "  ")) for one in templates]
        words = [word for group in (*self.things, *self.same, *self.opposite) for word in group]
        return [*verbs, *nouns, *plain, *words, *self.small, *self.function]


def _cut(text: str, mark: str) -> list[str]:
    return [one.strip() for one in text.split(mark) if one.strip()]


def _bent(verb: str, ending: str) -> str:
    """A verb with -ing or as a past participle; what follows its first word stays."""
    first, _, rest = verb.partition(" ")
    if first in ("two", "not"):
        return verb
    if ending == "ed" and first in PAST:
        first = PAST[first]
    elif first in DOUBLED:
        first += first[-1] + ending
    elif first.endswith("e") and not first.endswith("ee"):
        first = first[:-1] + ending
    elif ending == "ed" and first.endswith("y") and first[-2] not in "aeiou":
        first = first[:-1] + "ied"
    else:
        first += ending
    return f"{first} {rest}".strip()


def split(count: int, *, held_out: bool) -> range:
    """Which wordings of so many are trained on, or held out."""
    last = count - 1 if count >= HELD_OUT_FROM else count
    return range(last, count) if held_out else range(last)


class Maker:
    """Draws meanings and wordings. `letters` by language are what made-up things are put together from."""

    def __init__(self, seed: int, letters: Mapping[str, Sequence[str]]) -> None:
        self.random = np.random.default_rng(seed)
        self.languages = {name: Language(name) for name in LANGUAGES}
        self._letters = letters
        self._intents: dict[tuple[str, str], list[str]] = {}
        for phrasing in corpus.read():
            if phrasing.split == "train" and phrasing.label != "none":
                self._intents.setdefault((phrasing.language, phrasing.label), []).append(phrasing.text)
        self._labels = list(self._intents)

    def below(self, count: int) -> int:
        """A number from 0 up to below this one."""
        return int(self.random.integers(count))

    def one_of(self, items: Sequence[T]) -> T:
        """One of some items."""
        return items[self.below(len(items))]

    def thing(self, language: Language, line: int) -> str:
        """A thing from a line of the list; every third is one that nobody has heard of."""
        if self.random.random() < 0.34:
            size = self.below(3) + 1
            made = [self.one_of(self._letters[language.name]) for _ in range(size)]
            return " ".join(made) if language.name == "en" else "".join(made)
        things = language.things[line % len(language.things)]
        joined = 2 if self.random.random() < 0.15 and language.name == "en" else 1
        return " ".join(self.one_of(things) for _ in range(joined))

    def frames(self, language: Language) -> list[Meaning]:
        """A meaning, and some that differ from it in one part each."""
        domain = self.one_of(list(language.actions))
        frames, actions, objects = list(language.frames), language.actions[domain], language.objects[domain]
        frame, action, thing = self.below(len(frames)), self.below(len(actions)), self.below(len(objects))
        other = (frame + 1 + self.below(len(frames) - 1)) % len(frames)
        deed = (action + 1 + self.below(len(actions) - 1)) % len(actions)
        item = (thing + 1 + self.below(len(objects) - 1)) % len(objects)
        parts = [(frame, action, thing), (other, action, thing), (frame, deed, thing), (frame, action, item)]
        return [Meaning(language.name, "frame", (domain, frames[one], a, o)) for one, a, o in parts]

    def facts(self, language: Language) -> list[Meaning]:
        """A question about a thing, the same about others, and another one about it."""
        fact, line = self.below(len(language.facts)), self.below(len(language.things))
        other = (fact + 1 + self.below(len(language.facts) - 1)) % len(language.facts)
        first, second, third = (self.thing(language, line) for _ in range(3))
        return [
            Meaning(language.name, "fact", parts)
            for parts in dict.fromkeys([(fact, first), (fact, second), (fact, third), (other, first)])
        ]

    def loose(self, language: Language) -> list[Meaning]:
        """Some words in any order, and the same with one word in another's place."""
        count = self.below(3) + 1
        chosen = [self._word(language) for _ in range(count)]
        siblings = [chosen]
        for _ in range(2):
            changed = list(chosen)
            changed[self.below(count)] = self._word(language)
            siblings.append(changed)
        if self.random.random() < 0.4:
            # One that stands for a line of opposites: each of them makes another meaning.
            line, place = self.one_of(language.opposite), self.below(count)
            siblings = [[*chosen[:place], one, *chosen[place + 1 :]] for one in line]
        return [Meaning(language.name, "loose", parts) for parts in dict.fromkeys(map(tuple, siblings))]

    def _word(self, language: Language) -> str | int:
        """A group of words of one meaning, by number, or a single thing."""
        if self.random.random() < 0.65:
            return self.below(len(language.same))
        return self.thing(language, self.below(len(language.things)))

    def _loosely(self, language: Language, parts: Sequence[str | int]) -> str:
        """Words of these meanings with others between them that change nothing; their order is another one now and then."""
        words = [self.one_of(language.same[one]) if isinstance(one, int) else one for one in parts]
        if self.random.random() < 0.3:
            words = [words[int(place)] for place in self.random.permutation(len(words))]
        spread: list[str] = []
        for word in [*words, ""]:
            spread += [self.one_of(language.function) for _ in range(self.below(4))]
            spread += [word] if word else []
        return "".join(spread) if language.name == "zh" else " ".join(spread)

    def wording(self, meaning: Meaning, *, held_out: bool = False) -> str:
        """A sentence that says it."""
        language = self.languages[meaning.language]
        if meaning.kind == "fact":
            wordings = language.facts[int(meaning.parts[0])]
            chosen = self._chosen(len(wordings), held_out=held_out)
            return wordings[chosen].format(x=meaning.parts[1])
        if meaning.kind == "loose":
            return self._loosely(language, meaning.parts)
        domain, frame, action, thing = meaning.parts
        deeds, items = language.actions[str(domain)][int(action)], language.objects[str(domain)][int(thing)]
        chosen = self._chosen(len(language.frames[str(frame)]), held_out=held_out)
        return language.frame(str(frame), self.one_of(deeds), self.one_of(items), chosen)

    def _chosen(self, count: int, *, held_out: bool) -> int:
        places = split(count, held_out=held_out) or split(count, held_out=False)
        return places[self.below(len(places))]

    def dressed(self, meaning_language: str, text: str) -> str:
        """Now and then with what people put before and behind a question."""
        if self.random.random() < 0.2:
            small = self.one_of(self.languages[meaning_language].small)
            text = small + text if meaning_language == "zh" else f"{small} {text}"
        if self.random.random() < 0.5:
            text += "？" if meaning_language == "zh" else "?"
        return text

    def intent(self) -> tuple[str, str, list[str]]:
        """A language, an intent of the FAQ engine, and two of its phrasings."""
        language, label = self._labels[self.below(len(self._labels))]
        phrasings = self._intents[language, label]
        chosen = self.random.permutation(len(phrasings))[:2]
        return language, label, [phrasings[int(place)] for place in chosen]
