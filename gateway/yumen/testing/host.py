"""The host of a plugin or engine that a test starts by hand, and an exchange for a hook that it calls by hand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

from yumen.engine import Engine
from yumen.exchange import Exchange, Mode
from yumen.forms import ExchangeState
from yumen.parts import InstanceHost, Parts
from yumen.plugin import Plugin
from yumen.policy.testing.clock import START, FakeClock
from yumen.policy.testing.harness import SECRET
from yumen.policy.testing.words import decode
from yumen.settings import Secret, Settings
from yumen.state import Store
from yumen.subject import session_id, subject_id
from yumen.testing.calls import Call
from yumen.testing.watching import CapturedMetrics
from yumen.textview import NO_MODES
from yumen.view import View

# Where requests in a harness come from.
CLIENT = "127.0.0.1"
NOWHERE = Path("/nonexistent")
NO_ENGINES: Mapping[str, Engine[Any]] = {}


class UnitHost(InstanceHost):
    """The gateway's own host, without a gateway around it: for what needs a host and no chain.

    `clock` stands still until it is moved, `captured` is what was measured, and secrets are derived from `root`. A plugin
    that writes files is given a `data_dir`. `shared` has the store say that several workers share it; with `store` and
    `clock` of another host this is one more worker beside it. `disabled` are rules that policy has switched off, `engines`
    those that the plugin may ask for, by name.
    """

    def __init__(
        self,
        instance: str = "unit",
        *,
        data_dir: Path = NOWHERE,
        clock: FakeClock | None = None,
        store: Store | None = None,
        shared: bool = False,
        workers: int = 1,
        disabled: Collection[str] = (),
        engines: Mapping[str, Engine[Any]] = NO_ENGINES,
        live: bool = True,
        root: bytes = SECRET,
    ) -> None:
        self.clock = clock or FakeClock()
        self.captured = CapturedMetrics()
        settings = msgspec.structs.replace(Settings(), data_dir=data_dir, workers=workers)
        parts = Parts(settings, Secret(root), clock=self.clock, metrics=self.captured.of, live=live)
        super().__init__(parts, instance, frozenset(disabled), engines)
        if store is not None:
            self.store = store
        else:
            self.store.shared = shared


def seen_by(plugin: type[Plugin[Any]], call: Call, modes: Mapping[str, Mode] = NO_MODES) -> Exchange:
    """A request as a plugin is shown it before anybody has done anything to it.

    `modes` are those of rules that do not enforce; one that a plugin has on can be `off` where a sample leaves the exchange
    out. It is for a test that calls one hook or function; whatever comes of it, nobody answers. Error: `Problem` where the
    body is none of its dialect.
    """
    caller, secret = call.caller, Secret(SECRET)
    state = ExchangeState("0" * 32, START, caller, decode(call.path, call.body))
    state.client = CLIENT
    if call.session:
        state.session = session_id(secret, caller.tenant, caller.app, call.session)
    if call.subject:
        state.subject = subject_id(secret, caller.tenant, call.subject)
    return View(state, plugin.manifest.name, plugin.manifest, modes=modes)
