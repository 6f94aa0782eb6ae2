"""Reads facts of one exchange that need no counters: each is a function of a `Look`, called only where a rule names it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from yumen_plugins.anomaly.facts import texts
from yumen_plugins.anomaly.facts.clock import DAYS
from yumen_plugins.anomaly.facts.look import Look, Side
from yumen_plugins.anomaly.facts.refusals import is_refusal
from yumen_plugins.anomaly.facts.remembered import Remembered
from yumen_plugins.limits.tokens import estimate

Value = float | str | bool | None
Getter = Callable[[Look], Value]
SideGetter = Callable[[Side], float]

ABOUT_TEXTS: Mapping[str, SideGetter] = {
    "chars": lambda side: sum(len(text.value) for text in side.texts),
    "texts": lambda side: len(side.texts),
    "lines": lambda side: texts.lines(side.text),
    "longest_word": lambda side: texts.longest_word(side.text),
    "entropy": lambda side: texts.entropy(side.text),
    "han_share": lambda side: side.shares.han,
    "latin_share": lambda side: side.shares.latin,
    "digit_share": lambda side: side.shares.digits,
    "symbol_share": lambda side: side.shares.symbols,
    "encoded_share": lambda side: texts.encoded_share(side.text),
    "delimiters": lambda side: texts.delimiters(side.text),
}
# Of these, those that take longer than recognising a text, and read nothing but all texts one behind the other.
SLOW = frozenset(ABOUT_TEXTS) - {"chars", "texts", "lines"}
SIDES = ("request", "reply")
ABOUT_REQUESTS: Mapping[str, Getter] = {
    "tenant": lambda look: look.exchange.principal.tenant,
    "app": lambda look: look.exchange.principal.app,
    "key": lambda look: look.exchange.principal.key_id,
    "trusted": lambda look: look.exchange.principal.trusted,
    "route": lambda look: look.exchange.route,
    "engine": lambda look: look.engine,
    "dialect": lambda look: look.exchange.dialect,
    "model": lambda look: look.exchange.model,
    "streamed": lambda look: look.exchange.streamed,
    "time.hour": lambda look: look.now.hour,
    "time.minute": lambda look: 60 * look.now.hour + look.now.minute,
    "time.weekday": lambda look: DAYS[look.now.weekday()],
    "time.weekend": lambda look: look.now.weekday() >= 5,
    "injection.score": lambda look: look.signals.score,
    "findings.all": lambda look: look.findings.get("all", 0),
    "request.bytes": lambda look: look.exchange.request_bytes,
    "request.tokens": lambda look: estimate(look.request.texts),
}
ABOUT_REPLIES: Mapping[str, Getter] = {
    "reply.refusal": lambda look: any(is_refusal(text.value) for text in look.reply.texts if text.kind == "message"),
    # A stream's is known at its end; the time until it began says little.
    "reply.latency": lambda look: look.exchange.timings_ms.get("total" if look.exchange.streamed else "engine"),
    "reply.finish_reason": lambda look: look.exchange.reply.finish_reason if look.exchange.reply else None,
    "reply.failed": lambda look: bool(look.exchange.reply and look.exchange.reply.code),
    "reply.bytes": lambda look: sum(len(text.value.encode("utf-8", "surrogatepass")) for text in look.reply.texts),
    "reply.tokens": lambda look: tokens(look)[1],
}


def tokens(look: Look) -> tuple[int, int]:
    """Tokens of the request and of the reply: what the engine counted, or an estimate."""
    usage = look.usage
    request = usage.input_tokens if usage is not None else 0
    reply = usage.output_tokens if usage is not None else 0
    return request or estimate(look.request.texts), reply or estimate(look.reply.texts)


def getter(fact: str) -> Getter | None:
    """How a fact is read, or None for one that counters say."""
    known = ABOUT_REQUESTS.get(fact) or ABOUT_REPLIES.get(fact)
    if known is not None:
        return known
    first, _, rest = fact.partition(".")
    if ".per_" in fact:
        return None
    if first in ("request", "reply") and rest in ABOUT_TEXTS:
        about = ABOUT_TEXTS[rest]
        return (lambda look: about(look.request)) if first == "request" else (lambda look: about(look.reply))
    if first == "findings":
        return lambda look: look.findings.get(rest, 0)
    if first == "injection":
        return lambda look: look.signals.counts.get(rest, 0)
    if first == "words":
        return _words(rest, lambda look: look.request)
    if fact.startswith("reply.words."):
        return _words(fact.removeprefix("reply.words."), lambda look: look.reply)
    return None


def _words(rest: str, side: Callable[[Look], Side]) -> Getter:
    if rest == "all":
        return lambda look: side(look).words.counts.total()
    if rest == "severity":
        return lambda look: max(side(look).words.severities.values(), default=0)
    category, dot, _ = rest.partition(".")
    if dot:
        return lambda look: side(look).words.severities.get(category, 0)
    return lambda look: side(look).words.counts[category]


class Gatherer:
    """Reads the facts that rules name, of those that it can."""

    def __init__(self, facts: Iterable[str]) -> None:
        named = sorted(facts)
        # Facts that a text alone decides, and that take longer to find out than to remember.
        self._texts = [(of, some) for of in SIDES if (some := [one for one in named if _remembered(one, of)])]
        remembered = {fact for _, several in self._texts for fact in several}
        self._getters = [(one, get) for one in named if one not in remembered and (get := getter(one)) is not None]
        self._known = Remembered[tuple[float, ...]]()

    def __call__(self, look: Look) -> dict[str, Value]:
        """The facts; what is not known is None."""
        found = {fact: get(look) for fact, get in self._getters}
        for of, several in self._texts:
            found.update(zip(several, self._of_text(look, of, several), strict=True))
        return found

    def _of_text(self, look: Look, of: str, facts: Sequence[str]) -> tuple[float, ...]:
        side = look.request if of == "request" else look.reply

        def compute() -> tuple[float, ...]:
            return tuple([ABOUT_TEXTS[fact.partition(".")[2]](side) for fact in facts])

        return self._known.of(look.exchange.principal.tenant, (of, side.text), compute)


def _remembered(fact: str, of: str) -> bool:
    side, _, what = fact.partition(".")
    return side == of and what in SLOW
