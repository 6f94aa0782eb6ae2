"""What facts of one exchange are read from, looked at when a fact first asks for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from yumen import Exchange, Text, Usage
from yumen_plugins.anomaly.facts import texts
from yumen_plugins.anomaly.facts.clock import Zones
from yumen_plugins.anomaly.facts.lazy import lazy
from yumen_plugins.anomaly.facts.likeness import fingerprint, signature
from yumen_plugins.anomaly.facts.remembered import Remembered
from yumen_plugins.anomaly.facts.subjects import Subjects
from yumen_plugins.anomaly.injection import Signals, read, signals_of
from yumen_plugins.anomaly.words import WordHit, WordLists
from yumen_plugins.anomaly.words.escapes import plainly, unescaped

ARGUMENTS = "tool_arguments"
SPOKEN = frozenset(("message", "reasoning", ARGUMENTS, "tool_result"))


class Words:
    """Sensitive words of one direction: how many of each category, and the highest severity of each."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.severities: dict[str, int] = {}

    def add(self, hits: Sequence[WordHit]) -> None:
        """Count hits."""
        for hit in hits:
            self.counts[hit.category] += 1
            self.severities[hit.category] = max(self.severities.get(hit.category, 0), hit.severity)

    def join(self, other: Words) -> None:
        """Of each category what more were found of; both are readings of one text."""
        self.counts |= other.counts
        for category, severity in other.severities.items():
            self.severities[category] = max(self.severities.get(category, 0), severity)


class Side:
    """The texts of one direction: `texts` are what somebody says, `every` also names, ids and what nobody declared.

    `asked`: it is the request. Images and other data are left out: no fact is about them but their bytes.
    """

    def __init__(self, all_texts: Sequence[Text], lists: WordLists | None, *, asked: bool = False) -> None:
        self.every = [text for text in all_texts if text.kind != "media"]
        # Where a payload has no such kinds, everything in it may be said by somebody.
        self.texts = [text for text in self.every if text.kind in SPOKEN] or self.every
        self._lists = lists
        self._asked = asked

    @lazy
    def text(self) -> str:
        """All texts one behind the other, as far as they are looked at."""
        return texts.joined([text.value for text in self.texts])

    @lazy
    def shares(self) -> texts.Shares:
        """The shares of scripts."""
        return texts.shares(self.text)

    @lazy
    def words(self) -> Words:
        """The sensitive words."""
        words = Words()
        for text in self.every if self._lists is not None else ():
            assert self._lists is not None
            hits = self._lists.find(text.value)
            # Of what an engine says, escapes are read where it is JSON: in a stream they are read there alone, too.
            plain = (
                plainly(text.value) if self._asked else unescaped(text.value) if text.kind == ARGUMENTS else text.value
            )
            if plain != text.value:
                hits = max(hits, self._lists.find(plain), key=len)
            words.add(hits)
        return words


class Look:
    """One exchange at a moment, in seconds since the epoch. `known` are the signals of earlier requests."""

    def __init__(
        self,
        exchange: Exchange,
        lists: WordLists | None,
        subjects: Subjects,
        zones: Zones,
        moment: float,
        known: Remembered[Signals],
    ) -> None:
        self.exchange = exchange
        # The route's own: a rule may have another one asked later.
        self.engine = exchange.engine
        self._lists = lists
        self._subjects = subjects
        self._zones = zones
        self._moment = moment
        self._known = known

    @lazy
    def now(self) -> datetime:
        """The time where the tenant is."""
        return self._zones.at(self._moment, self.exchange.principal.tenant)

    @lazy
    def request(self) -> Side:
        """The request's texts."""
        return Side(self.exchange.texts, self._lists, asked=True)

    @lazy
    def reply(self) -> Side:
        """The reply's texts, once there are some."""
        reply = self.exchange.reply
        return Side(reply.texts if reply is not None else (), self._lists)

    @lazy
    def prompt(self) -> str:
        """All texts of a user's last message; where nobody is called so, all texts."""
        asked = [text for text in self.request.texts if text.role == "user"]
        if not asked:
            return self.request.text
        message = asked[-1].path.partition(".")[0]
        return "\n".join(text.value for text in asked if text.path.partition(".")[0] == message)

    @lazy
    def fingerprint(self) -> int:
        """A keyed digest of the prompt: the same for the same one only, within a tenant."""
        return fingerprint(self.prompt, self._subjects.key(self.exchange.principal.tenant))

    @lazy
    def signature(self) -> int:
        """What is alike for prompts that are."""
        return signature(self.prompt)

    @lazy
    def signals(self) -> Signals:
        """What the injection pack looks for."""
        texts = read(self.request.every)
        return self._known.of(self.exchange.principal.tenant, texts, lambda: signals_of(*texts))

    @property
    def chars(self) -> int:
        """Code points of what is looked at now: the reply where there is one, else the request."""
        side = self.request if self.exchange.reply is None else self.reply
        return sum([len(text.value) for text in side.every])

    @property
    def usage(self) -> Usage | None:
        """The tokens that the engine counted."""
        reply = self.exchange.reply
        return reply.usage if reply is not None else None

    @lazy
    def findings(self) -> Mapping[str, int]:
        """Findings of other plugins by category and by rule; `all` of them."""
        counts: Counter[str] = Counter()
        for finding in self.exchange.findings:
            if finding.category != CATEGORY:
                counts.update({"all": 1, finding.rule: 1})
                counts[finding.category] += finding.category != finding.rule
        return counts

    def renew(self) -> None:
        """Forget what may have become more since."""
        for name in ("findings", "reply"):
            self.__dict__.pop(name, None)


# The category of this plugin's own findings.
CATEGORY = "anomaly"
