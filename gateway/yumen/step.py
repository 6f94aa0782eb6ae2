"""One plugin instance on a route, and the calling of its hooks under the knobs that the core owns.

Most hooks finish without waiting for anything. Such a hook is driven here to its end without a timer, a task or a future;
only one that really waits is put under its timeout. A hook that finishes late is a fault as well: it blocked the loop.
"""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from yumen.awaited import AwaitedPlugin
from yumen.deadline import Deadline
from yumen.errors import Code, Problem, Unsupported
from yumen.exchange import Block, Decision, Mode, Respond, Trace
from yumen.foreign import pass_on, resume
from yumen.forms import ExchangeState
from yumen.plugin import Manifest, Plugin
from yumen.policy.bundle import ANY
from yumen.registry import owner
from yumen.said import check_decision
from yumen.telemetry import error_name, log, metrics, place
from yumen.textview import NO_MODES
from yumen.view import View

if TYPE_CHECKING:
    from yumen.policy.bundle import Instance

Hook = Literal["on_request", "on_send", "on_ask", "on_response", "on_complete", "stream"]
Async = Callable[[Any], Coroutine[Any, Any, Decision | None]]


class Posture(NamedTuple):
    """What is in shadow: the whole instance, and the modes of those of its rules that do not enforce."""

    shadow: bool = False
    modes: Mapping[str, Mode] = NO_MODES


class Step:
    """A started plugin under its policy. `hooks` are those that the class overrides and `match.directions` lets run."""

    def __init__(self, instance: Instance, plugin: Plugin[Any]) -> None:
        self.instance = instance
        self.plugin = plugin
        self.name = instance.name
        self.distribution = owner(instance.plugin_class.__module__)
        self.manifest: Manifest = plugin.manifest
        self.headers = frozenset(instance.headers)
        self._shadow = instance.mode == "shadow"
        self._quiet = instance.quiet
        # Whether anything of it is in shadow, and whether that depends on the exchange.
        self.shadowing = self._shadow or any(rule.mode == "shadow" for rule in self._quiet)
        # Whether any of its rules enforces, or it has none that policy could name.
        self.enforces = len(self._quiet) < max(1, len(instance.rules))
        changing = instance.until is not None or instance.sample < 1
        changing = changing or any(rule.until is not None or rule.sample < 1 for rule in self._quiet)
        self._constant = None if changing else Posture(self._shadow, {rule.id: rule.mode for rule in self._quiet})
        # What holds where an exchange may leave in its masked form only.
        self._strict = Posture(False, {rule.id: rule.mode for rule in self._quiet if rule.mode == "off"})
        hooks: tuple[Hook, ...] = ("on_request", "on_send", "on_response", "on_complete")
        self.hooks: dict[str, Async] = {
            hook: getattr(plugin, hook)
            for hook in hooks
            if getattr(type(plugin), hook) is not getattr(Plugin, hook) and self.directed(hook)
        }
        match = instance.match
        self._everywhere = match.routes == match.tenants == match.models == ANY
        self.streams = type(plugin).stream is not Plugin.stream
        self.stream = plugin.stream
        self.asks = type(plugin).on_ask is not Plugin.on_ask and set(match.directions) == {"request", "reply"}
        self.timeout_s = instance.timeout_ms / 1000
        self.seconds = metrics.plugin_seconds(instance.name)

    def applies(self, exchange: ExchangeState) -> bool:
        """Whether the instance's `match` covers this exchange."""
        match = self.instance.match
        return self._everywhere or (
            _any_glob(match.routes, exchange.route)
            and _any_glob(match.tenants, exchange.principal.tenant)
            and _any_glob(match.models, exchange.model)
        )

    def posture(self, exchange: ExchangeState) -> Posture | None:
        """What is in shadow on this exchange; None where it is not one of those that the instance looks at in shadow."""
        if exchange.masking_required is not None and self.manifest.masks:
            return self._strict
        if self._constant is not None:
            return self._constant
        instance = self.instance
        shadow = self._shadow and not _over(instance.until, exchange)
        if shadow and not _sampled(instance.sample, exchange):
            return None
        modes: dict[str, Mode] = {}
        for rule in self._quiet:
            # What a masking rule would find must not be stored raw, in its sample or not.
            sampled = self.manifest.masks or _sampled(rule.sample, exchange)
            if rule.mode == "off" or not sampled:
                modes[rule.id] = "off"
            elif not _over(rule.until, exchange):
                modes[rule.id] = "shadow"
        return Posture(shadow, modes)

    def directed(self, hook: Hook) -> bool:
        """Whether the instance's `match.directions` lets this hook run; completion always does."""
        directions = self.instance.match.directions
        return hook == "on_complete" or ("request" if hook in ("on_request", "on_send") else "reply") in directions

    def wants_whole(self, view: View) -> bool:
        """Whether the plugin must see a streamed reply whole; one that fails to say so does."""
        try:
            return self.plugin.whole(view)
        except BaseException as error:  # a plugin may raise anything; its response hook has the whole reply to judge
            return self._unsaid(error)

    async def awaits_whole(self, view: View) -> bool:
        """The same of a plugin that is elsewhere; one that is late does."""
        assert isinstance(self.plugin, AwaitedPlugin)
        try:
            with Deadline(self.timeout_s):
                return await self.plugin.awaited_whole(view)
        except BaseException as error:  # as above
            pass_on(error)
            return self._unsaid(error)

    def _unsaid(self, error: BaseException) -> bool:
        """What holds where a plugin fails to say whether it must see a reply whole: it must."""
        log.warning("plugin_fault", plugin=self.name, hook="whole", error=error_name(error), at=place(error),
                    distribution=self.distribution)  # fmt: skip
        return True

    async def call(self, hook: Hook, exchange: ExchangeState, view: View) -> Decision | None:
        """Run one hook. Returns the decision that counts: None in shadow.

        Errors: `Problem` where the hook failed and policy says that the exchange ends then.
        """
        function = self.hooks.get(hook)
        if function is None:
            return None
        started = time.perf_counter()
        try:
            try:
                coroutine = function(view)
                waited_for = coroutine.send(None)
            except StopIteration as finished:
                decision: Decision | None = finished.value
                if time.perf_counter() - started > self.timeout_s:
                    raise TimeoutError from None
            except GeneratorExit as error:
                raise RuntimeError("it raised GeneratorExit") from error
            else:
                with Deadline(self.timeout_s):
                    decision = await resume(coroutine, waited_for)
                if time.perf_counter() - started > self.timeout_s:
                    # It has swallowed its cancellation, or blocked the loop behind its last wait.
                    raise TimeoutError
            # Most hooks decide nothing.
            decision, edits = (None, view.commit()) if decision is None else self.committed(decision, view)
        except BaseException as error:  # a plugin may raise anything; what it means is policy
            self.raised(hook, exchange, view, started, error)
            return None
        seconds = time.perf_counter() - started
        view.seconds += seconds
        return self.finished(hook, exchange, view, seconds * 1000, decision, edits)

    def committed(self, decision: Decision | None, view: View) -> tuple[Decision | None, int]:
        """Apply the edits of a hook. Returns its decision under the mode of its rule, and the number of edits."""
        blocked = isinstance(decision, Block)
        if decision is not None:
            decision = self.ruled(decision, view)
        return decision, view.commit(blocked=blocked)

    def raised(self, hook: Hook, exchange: ExchangeState, view: View, started: float, error: BaseException) -> None:
        """A hook has raised something. Errors: that of `failed`; what is meant for whoever awaits the exchange."""
        view.discard()
        pass_on(error)
        self.failed(hook, exchange, started, error, view.shadow)

    def finished(
        self, hook: Hook, exchange: ExchangeState, view: View, ms: float, decision: Decision | None, edits: int
    ) -> Decision | None:
        """Trace a hook that has not failed. Returns the decision that counts: None in shadow."""
        did, reason = ("allow", "") if decision is None else traced(decision)
        exchange.trace.append(Trace(self.name, hook, ms, did, reason, edits, view.shadow))
        if view.quiet_blocks or view.quiet_edits:
            self.record_quiet(hook, exchange, view)
        return None if view.shadow else decision

    def ruled(self, decision: Decision, view: View) -> Decision | None:
        """A decision under the mode of its rule. Errors: TypeError or ValueError for what is none.

        A plugin that does not ask (`Exchange.block`) has stopped at this rule: what its others would have done, or masked,
        is not known, so the block holds wherever one of them enforces.
        """
        check_decision(decision)
        if not isinstance(decision, Block):
            return decision
        return view.ruled(decision) or (decision if self.enforces or self.manifest.masks else None)

    def record_quiet(self, hook: Hook, exchange: ExchangeState, view: View) -> None:
        """Note what rules in shadow would have done."""
        exchange.trace += [Trace(self.name, hook, 0.0, "block", reason, 0, True) for reason in view.quiet_blocks]
        if view.quiet_edits:
            exchange.trace.append(Trace(self.name, hook, 0.0, "allow", "", view.quiet_edits, True))
        view.quiet_blocks, view.quiet_edits = [], 0

    def failed(self, hook: Hook, exchange: ExchangeState, started: float, error: BaseException, shadow: bool) -> None:
        """Follow `on_error` or `on_unsupported`. Error: `Problem` where the exchange ends."""
        unsupported = isinstance(error, Unsupported)
        action = self.instance.on_unsupported if unsupported else self.instance.on_error
        ms = (time.perf_counter() - started) * 1000
        kind = "unsupported" if unsupported else "fault"
        # The type only: the message of an exception may hold what the plugin was looking at.
        reason = error_name(error)
        exchange.trace.append(Trace(self.name, hook, ms, kind, reason, 0, shadow))
        if action != "skip":
            metrics.plugin_faults(self.name, kind)
            log.warning("plugin_" + kind, exchange=exchange.id, plugin=self.name, hook=hook, error=reason,
                        at=place(error), distribution=self.distribution, policy=action, shadow=shadow)  # fmt: skip
        if shadow or action in ("open", "warn", "skip"):
            return
        code: Code = "unsupported_payload" if unsupported else "plugin_fault"
        if getattr(error, "code", "") == "ledger_unavailable":
            code = "ledger_unavailable"
        raise Problem(code)


def traced(decision: Decision | None) -> tuple[str, str]:
    """A decision as a trace names it, and its reason."""
    if isinstance(decision, Block):
        return "block", decision.reason
    return ("respond" if isinstance(decision, Respond) else "allow"), ""


def _over(until: float | None, exchange: ExchangeState) -> bool:
    """Whether a shadow phase has ended when the exchange began."""
    return until is not None and exchange.received_at >= until


def _sampled(share: float, exchange: ExchangeState) -> bool:
    """Whether an exchange is in a sample: a fact of its id, so that a replay looks at the same ones."""
    return share >= 1 or int(exchange.id[-8:], 16) < share * (1 << 32)


def _any_glob(globs: tuple[str, ...], name: str) -> bool:
    return globs == ANY or any(fnmatch.fnmatchcase(name, glob) for glob in globs)
