"""Logs and metrics. Both carry ids, names and numbers; neither ever carries text of a payload.

The log tells what went wrong; that an exchange happened at all is the ledger's to record, so exchanges that end well are
logged at level `debug` only.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from yumen.dialects.document import encode_json
from yumen.errors import RaisedElsewhere
from yumen.histograms import histogram
from yumen.structured import structlog

BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
LABEL_LENGTH_MAX = 64
# Of the name of an error's type.
NAME_CHARS_MAX = 80
NO_NAME = re.compile(r"\W")
# Of how many policies, the last that were served, there are series.
POLICIES_MAX = 8

# Whether exchanges that end well are logged too. A call that the level drops would still cost what masking a text costs.
verbose = False
# Whether logs are written as lines of JSON to standard error, and not where the command line prints its answers.
configured = False
log: structlog.typing.FilteringBoundLogger = structlog.get_logger("yumen")


def configure_logging(level: str) -> None:
    """Write JSON lines to standard error from `level` (debug, info, warning, error) on."""
    global verbose, configured
    configured = True
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    verbose = number <= logging.DEBUG
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_serialize),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=False,
    )


def _serialize(event: dict[str, Any], **_: Any) -> bytes:
    return encode_json(event)


def warn(event: str, sentence: str, **about: object) -> None:
    """Log a warning; where nobody has set up logs, as on the command line, its sentence goes to standard error."""
    if configured:
        log.warning(event, **about)
    else:
        sys.stderr.write(f"yumen: {sentence}\n")


def place(error: BaseException) -> str:
    """File and line where an error was raised; the message is left out, it may hold what was being looked at."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def error_name(error: BaseException) -> str:
    """The name of an error's type, safe to log; see `type_name`."""
    return type_name(type(error))


def type_name(kind: type[BaseException]) -> str:
    """A name that is safe to log: a type that is made at run time may be called after a text.

    It is that of the first of its bases which its module has under this name, letters, digits and underscores only.
    """
    named = kind if issubclass(kind, RaisedElsewhere) else next(base for base in kind.__mro__ if _stands(base))
    return NO_NAME.sub("", named.__name__)[:NAME_CHARS_MAX]


def _stands(kind: type) -> bool:
    """Whether a type is found where it says that it is."""
    found: Any = sys.modules.get(str(kind.__module__))
    for name in kind.__qualname__.split("."):
        found = vars(found).get(name) if hasattr(found, "__dict__") else None
    return found is kind


def wordless(error: BaseException) -> str:
    """An error without its message: its kind, and where it was raised."""
    where = place(error)
    return f"{error_name(error)} at {where}" if where else error_name(error)


class CoreMetrics:
    """The gateway's own metrics, each child looked up once."""

    def __init__(self) -> None:
        self._exchanges = Counter("yumen_exchanges", "Exchanges that ended", ("route", "outcome", "policy"))
        seconds = histogram("yumen_exchange_seconds", "Whole exchange", "route", BUCKETS_S)
        engine = histogram("yumen_engine_seconds", "Engine, whole reply", "engine", BUCKETS_S)
        first = histogram("yumen_first_token_seconds", "Request to the first event of a stream", "route", BUCKETS_S)
        self._plugin = histogram("yumen_plugin_seconds", "All hooks of one exchange", "plugin", BUCKETS_S)
        self._faults = Counter("yumen_plugin_faults", "Hooks that failed", ("plugin", "kind"))
        self._in_flight = Gauge("yumen_exchanges_in_flight", "Exchanges under way", multiprocess_mode="livesum")
        self._shadow = Counter(
            "yumen_shadow",
            "What shadow would have done, and the exchange's outcome",
            ("plugin", "rule", "would", "outcome"),
        )
        self._fell_back = Counter(
            "yumen_fallbacks", "Exchanges for which another engine was asked", ("engine", "instead")
        )
        self._refused = Counter("yumen_refused", "Requests refused before the chain", ("code",))
        self._loop_blocked = Counter("yumen_loop_blocked", "Times that the event loop stood still", ("plugin",))
        self._policy = Gauge("yumen_policy", "Workers that serve this policy", ("policy",), multiprocess_mode="livesum")
        self._reloads = Counter("yumen_policy_reloads", "Policies that took another's place")
        self._reload_failed = Counter("yumen_policy_reload_failed", "Reloads that kept the old policy", ("reason",))
        self._reload_ok = Gauge(
            "yumen_policy_reload_ok", "Whether the last reload found nothing wrong", multiprocess_mode="livemin"
        )
        # The series that name a policy, by policy, the one served last at the end.
        self._series: dict[str, set[tuple[str, str, str]]] = {}
        self.exchange_seconds = lru_cache(256)(seconds)
        self.engine_seconds = lru_cache(256)(engine)
        self.first_token_seconds = lru_cache(256)(first)
        self.exchanges = lru_cache(1024)(self._exchanges_of)
        self.started = self._in_flight.inc
        self.ended = self._in_flight.dec

    def _exchanges_of(self, route: str, outcome: str, policy: str) -> Callable[[], None]:
        labels = (route, outcome, policy)
        self._series.setdefault(policy, set()).add(labels)
        count: Callable[[], None] = self._exchanges.labels(*labels).inc
        return count

    def serves(self, policy: str) -> None:
        """From now on this process serves this policy; there are series of the last few only."""
        for other in self._series:
            self._policy.labels(other).set(0)
        self._policy.labels(policy).set(1)
        self._reload_ok.set(1)
        self._series[policy] = self._series.pop(policy, set())
        while len(self._series) > POLICIES_MAX:
            oldest = next(iter(self._series))
            dropped = self._series.pop(oldest)
            if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
                continue  # what is in the files that processes share stays there
            for labels in dropped:
                self._exchanges.remove(*labels)
            self._policy.remove(oldest)
            self.exchanges.cache_clear()

    def reloaded(self) -> None:
        """Count a policy that took another's place."""
        self._reloads.inc()

    def reload_ok(self) -> None:
        """A reload found nothing wrong and nothing new."""
        self._reload_ok.set(1)

    def reload_failed(self, reason: str) -> None:
        """Count a reload that kept the old policy."""
        self._reload_failed.labels(reason).inc()
        self._reload_ok.set(0)

    def plugin_seconds(self, plugin: str) -> Callable[[float], None]:
        """The observer of one plugin instance."""
        return self._plugin(plugin)

    def plugin_faults(self, plugin: str, kind: str) -> None:
        """Count a hook that failed."""
        self._faults.labels(plugin, kind).inc()

    def loop_blocked(self, plugin: str) -> None:
        """Count a time that a plugin's or engine's code stopped the event loop; empty where it was nobody's."""
        self._loop_blocked.labels(plugin).inc()

    def shadow(self, plugin: str, rule: str, would: str, outcome: str) -> None:
        """Count what an instance or rule in shadow would have done on an exchange that ended so."""
        self._shadow.labels(plugin, rule, would, outcome).inc()

    def fell_back(self, engine: str, instead: str) -> None:
        """Count an exchange whose engine failed and for which another was asked."""
        self._fell_back.labels(engine, instead).inc()

    def refused(self, code: str) -> None:
        """Count a request that never became an exchange."""
        self._refused.labels(code).inc()


metrics = CoreMetrics()
_own: dict[tuple[str, tuple[str, ...]], Any] = {}


class PluginMetrics:
    """A plugin's or engine's own metrics; see `yumen.plugin.Metrics`."""

    def __init__(self, instance: str) -> None:
        self._prefix = "yumen_" + "".join(char if char.isalnum() and char.isascii() else "_" for char in instance)

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self._metric(Counter, name, labels).inc(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self._metric(Gauge, name, labels).set(value)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        self._metric(Histogram, name, labels).observe(seconds)

    def _metric(self, kind: type[Any], name: str, labels: dict[str, str]) -> Any:
        names = tuple(sorted(labels))
        key = (f"{self._prefix}_{name}", names)
        metric = _own.get(key)
        if metric is None:
            extra: dict[str, Any] = {"buckets": BUCKETS_S} if kind is Histogram else {}
            metric = _own[key] = kind(key[0], f"{name} of {self._prefix}", names, **extra)
        if not names:
            return metric
        return metric.labels(*(labels[label][:LABEL_LENGTH_MAX] for label in names))
