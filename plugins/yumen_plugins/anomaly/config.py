"""What an `anomaly` plugin can be told."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from yumen_plugins.anomaly.alerts import AlertsConfig
from yumen_plugins.anomaly.facts.fact import CATEGORY
from yumen_plugins.anomaly.facts.windows import DURATION
from yumen_plugins.anomaly.then import EXAMPLES, THEN

Severity = Literal["low", "medium", "high", "critical"]
Subject = Literal["key", "tenant", "user", "ip", "model"]
RULE_ID = r"^[a-z0-9][a-z0-9_-]{0,63}(\.[a-z0-9][a-z0-9_-]{0,63}){0,3}$"
RULES_MAX = 20_000
WORDS_MAX = 200_000
Duration = Annotated[str, Meta(pattern=f"^{DURATION}$", examples=["30s", "5m", "1h"])]


class RuleConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule. Its mode, and what it cites, stand in the file's own `rules:`, as those of every plugin."""

    id: Annotated[str, Meta(pattern=RULE_ID, description="Its name in records, metrics and tests.")]
    when: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=2000,
            examples=['requests.per_key.1m > 120 and tenant not in ["batch"]'],
            description="The condition, over facts; see docs/facts.md.",
        ),
    ]
    then: Annotated[str, Meta(pattern=THEN, examples=EXAMPLES, description="What is done when it holds.")] = "flag"
    description: Annotated[str, Meta(max_length=500, description="What it is about, in a sentence.")] = ""
    severity: Annotated[Severity, Meta(description="How bad it is; for alerts and those who look.")] = "medium"
    by: Annotated[Subject, Meta(description="Whom `for`, `cooldown` and a quarantine are about.")] = "key"
    holds_for: Annotated[Duration, Meta(description="It fires once the condition has held so long.")] | None = (
        msgspec.field(default=None, name="for")
    )
    cooldown: (
        Annotated[Duration, Meta(description="How long it is not reported again; what it decides holds all the same.")]
        | None
    ) = None


class WordsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A list of sensitive words. It may hold headers of its own (`category: violence`), as docs/plugins/anomaly.md says."""

    words: Annotated[
        list[Annotated[str, Meta(max_length=200)]],
        Meta(
            max_length=WORDS_MAX,
            description="The words; one with `!` in front is an exception. `${lines:FILE}` reads them from a file beside.",
        ),
    ]
    category: Annotated[
        str, Meta(pattern=f"^({CATEGORY})?$", description="What facts call them: `words.<category>`.")
    ] = ""
    severity: Annotated[int, Meta(ge=1, le=5, description="How bad they are, from 1 to 5.")] = 3
    pinyin: Annotated[
        bool, Meta(description="Whether Chinese words are found in Latin letters too, `zhadan`; needs `yumen[pinyin]`.")
    ] = False


class AnomalyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules over what traffic does."""

    rules: Annotated[list[RuleConfig], Meta(max_length=RULES_MAX, description="The rules; all that hold fire.")] = []
    zone: Annotated[
        str, Meta(max_length=64, examples=["UTC", "Asia/Shanghai"], description="The time zone of `time.*`.")
    ] = "UTC"
    zones: Annotated[dict[str, str], Meta(description="Other zones, by tenant.")] = {}
    words: Annotated[list[WordsConfig], Meta(max_length=100, description="Sensitive words of your own.")] = []
    shipped_words: Annotated[
        list[str], Meta(max_length=20, description="Categories of the example words that come with Yumen.")
    ] = []
    packs: Annotated[
        list[Literal["injection"]],
        Meta(
            max_length=1, description="Rules that come with Yumen; in shadow unless the file's `rules:` says otherwise."
        ),
    ] = []
    alerts: Annotated[AlertsConfig | None, Meta(description="Where firings are told to.")] = None
    evaluator: Annotated[
        Literal["auto", "durable-rules", "python"], Meta(description="What evaluates rules; the verdicts are the same.")
    ] = "auto"
    keys_max: Annotated[
        int,
        Meta(ge=1, le=10_000_000, description="Of how many keys, tenants, users, ... each memory keeps the counters."),
    ] = 100_000
