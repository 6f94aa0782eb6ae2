"""The kit for whoever writes plugins and engines: what the built-in ones are tested with.

1. `Harness.of(MyPlugin, {"words": ["猎鹰"]})` has a plugin at work in this process, under a policy as operators write them:
   `async with` starts and stops it.
2. `chat`, `complete`, `embed`, `infer` and `app` make requests of every dialect; `harness.ask(chat("…"))` is one exchange,
   of which the `Outcome` tells what the client and the engine got and what each plugin did.
3. `harness.engine` is the engine: `says`, `fails`, `hangs`; `chunk` and `completion` are what servers write, for whatever
   no text can say. `harness.clock.move(60)` lets time pass.
4. `harness.log`, `harness.metrics` and `harness.records` are what was logged, measured and recorded, and
   `harness.assert_no_trace_of("13812345678")` holds a plugin to its word that it stores nothing raw.
5. `UnitHost` is what a plugin or an engine alone is started with, where a test wants no gateway around it.
6. `yumen.testing.conformance` has the checks that every plugin is held to, as tests: docs/plugins/conformance.md.

With pytest the fixtures of `yumen_pytest` are there as soon as Yumen is installed.
"""

from yumen.policy.testing.clock import FakeClock
from yumen.testing.calls import Call, app, chat, complete, embed, infer
from yumen.testing.engine import Pause, Piece, ScriptedEngine, ToolArguments
from yumen.testing.harness import Harness, Used
from yumen.testing.host import UnitHost, seen_by
from yumen.testing.outcome import Outcome
from yumen.testing.replies import chunk, completion
from yumen.testing.running import RunningClock
from yumen.testing.underway import UnderWay
from yumen.testing.watching import CapturedMetrics, Measured, Record

__all__ = [
    "Call",
    "CapturedMetrics",
    "FakeClock",
    "Harness",
    "Measured",
    "Outcome",
    "Pause",
    "Piece",
    "Record",
    "RunningClock",
    "ScriptedEngine",
    "ToolArguments",
    "UnderWay",
    "UnitHost",
    "Used",
    "app",
    "chat",
    "chunk",
    "complete",
    "completion",
    "embed",
    "infer",
    "seen_by",
]
