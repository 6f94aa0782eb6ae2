"""What the contract does not say of a hook in its docstring: when it runs, what it may do, and what comes of a failure.

One entry for each hook; `tests.docs.hook_pages` makes the pages in docs/plugins/hooks of it, and a hook without an entry
fails its test.
"""

from __future__ import annotations

import msgspec


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """One hook. `example` is a class in `tests.docs.hook_examples`; an empty text leaves its row out."""

    when: str
    may: str
    fails: str
    late: str = ""
    cancelled: str = ""
    shadow: str = ""
    stream: str = ""
    example: str


FAULT = (
    "A fault, and nothing is edited; policy decides. `on_error: closed` (the default) ends the exchange with "
    "`plugin_fault`; `open` goes on as if the hook had returned None. `Unsupported` is for what cannot be read: "
    "`on_unsupported` decides."
)
LATE = (
    "Longer than `timeout_ms` (1,000 by default): what the hook awaits is cancelled, and it is a fault. A hook that "
    "blocks the event loop cannot be cancelled, and is a fault when it ends; one that goes on all the same "
    "is left where it waits, 5 s later."
)
GONE = (
    "What the hook awaits raises `CancelledError`. Let it out; `on_complete` comes next, with the outcome "
    "`client_disconnect`."
)
SHADOW = (
    "It runs. Findings are marked as in shadow; its decision and the number of its edits are on record, and none is "
    "applied."
)
SAME = "The same as for a plain reply."
REFUSED = "The bundle is refused at `config:` of the policy file (`policy.config`), with the first line of the error."
AT_CHECK = (
    "When a bundle is loaded or checked, right after `__init__`, on an instance that is not started. Nothing may be "
    "opened."
)
NOBODY = "No exchange is there."
ADMIN_FAILS = (
    "ValueError is 400 with its sentence, LookupError 404, PermissionError with a sentence 403; all else 502 "
    "`plugin_fault`."
)
ADMIN_LATE = "Longer than 10 s: cancelled, and 502 `plugin_fault`."

FACTS: dict[str, Facts] = {
    "rules": Facts(
        when=AT_CHECK,
        may="Return the rules of this configuration, each with an id that policy can put in shadow or switch off.",
        fails=REFUSED,
        shadow="It is called all the same.",
        example="Words",
    ),
    "lint": Facts(
        when=AT_CHECK,
        may="Return what is unwise (a warning), or wrong (`wrong=True`: the bundle is refused).",
        fails=REFUSED,
        shadow="It is called all the same.",
        example="Words",
    ),
    "engines": Facts(
        when=AT_CHECK,
        may=(
            "Name engines of the bundle. They are loaded before `start`, and `host.engine(name)` gives these and no "
            "others."
        ),
        fails=REFUSED,
        shadow="It is called all the same, and the engines are loaded.",
        example="Reroute",
    ),
    "headers": Facts(
        when=AT_CHECK,
        may=(
            "Name headers of requests, in lower case, at most 32. `exchange.headers` gives these and no others. None that "
            "holds a credential can be had: `authorization`, `cookie`, `x-api-key` and such (`policy.header`)."
        ),
        fails=REFUSED,
        shadow="It is called all the same.",
        example="Teams",
    ),
    "start": Facts(
        when=(
            "Once in each worker, before the first exchange. At a reload an instance that has not changed goes on "
            "and is not started again."
        ),
        may=(
            "Open connections, files and tasks; keep what `host` gives. Raise `CannotStart` with a sentence to refuse."
        ),
        fails=(
            "`stop` is awaited. At the start the gateway does not serve; at a reload the old policy stays. So make "
            "`stop` close what is half open."
        ),
        late="After 2 s the log has `start_slow`; nothing ends it: give what it waits for a timeout of its own.",
        cancelled="The gateway ends while it starts: `stop` is awaited.",
        shadow="It runs. With `mode: off` it does not.",
        example="Meter",
    ),
    "on_request": Facts(
        when=(
            "On the way down, in the order of the chain. Not where `match` leaves the exchange or the direction "
            "`request` out, nor where a plugin above has blocked or answered."
        ),
        may=(
            "Read `texts`; edit them (`mutates`, `masks`); `find`; `send_to`; `require_masking`; `set_header`. "
            "Return `exchange.block(rule)` to end it, or `Respond` to answer: the plugins below and the engine see "
            "nothing of it."
        ),
        fails=FAULT,
        late=LATE,
        cancelled=GONE,
        shadow=SHADOW,
        stream=SAME,
        example="Words",
    ),
    "on_send": Facts(
        when=(
            "Right before an engine is asked, in the order of the chain, once all request hooks have run; once more "
            "where the route's `fallback` is asked. Not where nothing is sent."
        ),
        may=(
            "Read, `find`, block or `Respond`; then nothing is sent. Editing, `send_to` and `require_masking` raise "
            "PermissionError: it is too late."
        ),
        fails=FAULT + " With `closed` nothing is sent.",
        late=LATE,
        cancelled=GONE,
        shadow=SHADOW,
        stream=SAME,
        example="Residency",
    ),
    "on_ask": Facts(
        when=(
            "In the place of asking the engine. Of the last plugin of a chain only; one that sees the masked form "
            "is passed over where masking has not been enforced."
        ),
        may=(
            "Await `ask()` once and return what it gives, or return an `Answer`, a `Native` or an iterator of "
            "events in the engine's place."
        ),
        fails=(
            "A fault; with `open` the engine is asked, if it was not. `EngineError` ends the exchange as if the "
            "engine had raised it. What `ask` raises cannot be undone: a block stays a block."
        ),
        late="Bounded by the route's timeout for the engine (120 s by default), and not by `timeout_ms`.",
        cancelled=GONE + " An iterator that it returned is closed (`aclose`).",
        shadow="It runs; an answer in the engine's place is recorded (`respond`), and the engine is asked.",
        stream="It returns the iterator of a stream, or an answer that the core brings into the form of one.",
        example="Ping",
    ),
    "stream": Facts(
        when=(
            "When the first text of a channel comes: `content`, `reasoning`, `refusal` or `tool_arguments` of each "
            "choice, and `loose` for texts that stand alone. In the reverse order of the chain, as replies go. "
            "Never for a plain reply, nor for one that is held back whole. So a class that has `stream` and no "
            "`on_response` is refused when it is loaded; where plain replies may really pass, write one that returns None."
        ),
        may="Return a [StreamFilter](stream-filter.md), or None to let the channel pass. It is not awaited.",
        fails=(
            "A fault, `on_error` decides: `closed` ends the stream with an error event, `open` lets the channel pass."
        ),
        shadow="It runs, and what its filter returns is not applied.",
        stream="For streams only.",
        example="Dots",
    ),
    "whole": Facts(
        when="When a streamed reply begins, where the plugin has both `stream` and `on_response`.",
        may=(
            "Return True to have this reply held back until every `on_response` has seen it whole. The filters of "
            "no plugin run then."
        ),
        fails="The reply is held back whole, which is safe; the log has `plugin_fault`.",
        shadow="It counts in shadow as well.",
        stream="For streams only. The client gets comments that keep the connection alive meanwhile.",
        example="Dots",
    ),
    "on_response": Facts(
        when=(
            "On the way up, in the reverse order of the chain, for every plugin whose request hook was reached: "
            "replies, answers of plugins, and errors (`reply.code`, no texts). Not where `match` leaves the direction "
            "`reply` out, nor after the client has left, nor for an error in mid-stream."
        ),
        may=(
            "Read `reply.texts`; edit them (`mutates`); `find`; `set_header`. Return `exchange.block(rule)` to put "
            "an error in the reply's place, or `Respond` to put another answer there."
        ),
        fails=FAULT,
        late=LATE,
        cancelled=GONE,
        shadow=SHADOW,
        stream=(
            "Not called where the plugin has `stream` and nobody wants the reply whole. Otherwise it sees the whole "
            "reply before any of it leaves."
        ),
        example="Dots",
    ),
    "on_complete": Facts(
        when=(
            "When the outcome is known, in the reverse order of the chain; always, for every plugin whose request "
            "hook was reached, and before the last byte leaves."
        ),
        may="Read everything and record it. Nothing can be edited or decided any more.",
        fails=(
            "With `closed` the client gets an error in the reply's place, or at the end of a stream: what is not "
            "recorded has not happened. With `open`, and of a plugin that has `on_ask`, nothing comes of it."
        ),
        late=LATE,
        cancelled=(
            "It runs with the outcome `client_disconnect`. A client that leaves while a completion hook waits changes "
            "nothing any more: it runs once."
        ),
        shadow="It runs.",
        stream="Once, after the last text; `reply.texts` holds what has passed, one text for each channel.",
        example="Meter",
    ),
    "on_operation": Facts(
        when=(
            "Something was done to the gateway: a policy was loaded, a model unloaded, an operator asked for something."
        ),
        may="Record it.",
        fails=(
            "The log has `operation_not_taken`. With `closed` what the operation was recorded for is not done, "
            "where it can still be left."
        ),
        late="Longer than `timeout_ms`: cancelled, as a failure.",
        cancelled=NOBODY,
        shadow="It runs, and a failure stops nothing.",
        example="Visits",
    ),
    "on_erase": Facts(
        when="A subject of a tenant, or all of the tenant, is to be forgotten.",
        may="Forget, and return how many things that was.",
        fails="Whoever asked is told -1 for this instance; the other plugins forget all the same.",
        late="Longer than 60 s: cancelled, and -1.",
        cancelled=NOBODY,
        shadow="It runs: what was kept in shadow has to go as well.",
        example="Visits",
    ),
    "inspect": Facts(
        when="`GET /admin/<manifest.admin>` with an admin key.",
        may="Return what JSON can hold, and no text of a payload; or a `Download`.",
        fails=ADMIN_FAILS,
        late=ADMIN_LATE,
        cancelled="The operator's connection ends: chunks of a `Download` are closed (`aclose`).",
        shadow="It runs.",
        example="Visits",
    ),
    "operate": Facts(
        when="`POST /admin/<manifest.admin>/<action>` with an admin key.",
        may="Check the arguments, await `call.record(...)`, then do it, and say what came of it.",
        fails=ADMIN_FAILS + " Where `call.record` raises, let it out: what cannot be recorded is not done.",
        late=ADMIN_LATE,
        cancelled=NOBODY,
        shadow="It runs.",
        example="Visits",
    ),
    "judge": Facts(
        when=(
            "In `yumen policy replay`, for each finding of this instance on record whose value is not there any more."
        ),
        may="Return what this configuration decides about such a finding; read `finding.rule`, not the text.",
        fails="As a fault of the request or response hook, in the replay only.",
        shadow="It runs, and what it decides is on record only.",
        example="Words",
    ),
    "ready": Facts(
        when="On `/readyz`, and for `/v2/health/ready`; once for all who ask at the same time.",
        may=(
            "Return a reason why it cannot work, or an empty text; 500 characters are shown. No text of a payload belongs "
            "there."
        ),
        fails="The gateway is not ready: `asking failed with <error>`.",
        late="Longer than 5 s: cancelled, and the gateway is not ready, which is said of this instance. Say what is known.",
        cancelled=NOBODY,
        shadow="It counts in shadow as well.",
        example="Visits",
    ),
    "stop": Facts(
        when="Once, when the gateway ends, or a reload has replaced the instance and its last exchange has left.",
        may="Close everything that `start` opened. It is awaited after a `start` that failed, too.",
        fails="The log has `stop_failed`, and the others are stopped all the same.",
        late=(
            "After 2 s the log has `stop_slow` and the next is stopped beside it; after 20 s it is cancelled, a second "
            "later left."
        ),
        cancelled=NOBODY,
        shadow="It runs.",
        example="Meter",
    ),
}

FILTER_FAULT = (
    "A fault, `on_error` decides: `closed` ends the stream with an error event, and what is held does not leave; "
    "`open` loses the piece and what the filter held, and lets the rest of the channel pass."
)
FILTER_LATE = "It is not awaited. A call that takes longer than `timeout_ms` is a fault when it ends."
FILTERS: dict[str, Facts] = {
    "feed": Facts(
        when="For each piece of the channel as the engine sends it, however it was cut.",
        may=(
            "Return what may go on now (`mutates`, if it differs), hold back up to `hold_max` code points, or "
            "return `exchange.block(rule)`: the stream ends with an error event. Without `mutates` it may still "
            "hold back and block. In `tool_arguments` the text is JSON source."
        ),
        fails=(
            FILTER_FAULT + " Holding more than `hold_max`, or more than the bundle's `hold_chars`, is a fault. "
            "Without `mutates` that is counted exactly. With it, what came since something last went on counts, the last "
            "piece aside, and beyond that one code point may stand for up to 8 that came, since edits shorten."
        ),
        late=FILTER_LATE,
        cancelled="It is not called any more, and `finish` neither. Keep nothing open in a filter.",
        shadow="It runs, and the text goes on without it. A block ends the filter and not the stream.",
        example="DotsFilter",
    ),
    "finish": Facts(
        when="The choice has ended, or the stream. Not where the stream broke off.",
        may="Return what was held back, or a block.",
        fails=FILTER_FAULT,
        late=FILTER_LATE,
        shadow="As `feed`.",
        example="DotsFilter",
    ),
    "masked": Facts(
        when="After every `feed`, and after `finish`.",
        may=(
            "Return the masked text that became ready, for stores and for plugins that see the masked form. It need "
            "not come at the same pace as the client's form, but must be whole after `finish`."
        ),
        fails=(
            "A fault, and so is what is no text: `closed` ends the stream with an error event, `open` lets the rest of the "
            "channel pass. Either way stores get no masked form of the channel, but its digest."
        ),
        shadow="It counts in shadow as well: stores stay clean.",
        example="NumbersFilter",
    ),
}

ENGINES: dict[str, Facts] = {
    "load": Facts(
        when="Once in each worker, before the first exchange; heavy imports belong here.",
        may="Load the model, open the pool. Raise `CannotStart` with a sentence to refuse.",
        fails="`close` is awaited. At the start the gateway does not serve; at a reload the old policy stays.",
        late="After 2 s the log has `start_slow`; nothing ends it.",
        example="Parrot",
    ),
    "generate": Facts(
        when="For each exchange that reaches the engine, after every request hook and `on_send`.",
        may="Return an `Answer` or a `Native`; where `request.streamed`, an iterator of `Delta`s or events as bytes.",
        fails=(
            "`EngineError` is `engine_unavailable`, or `engine_timeout` with `timeout=True`; `again=True` lets "
            "another replica be asked, `retry_after_s` is a 503. `RequestRefused` tells the caller its message. "
            "Anything else is a fault of the engine and `engine_unavailable`. A route's `fallback` is asked where "
            "there is one."
        ),
        late="Cancelled after the route's `timeout_ms` (120 s by default): `engine_timeout`.",
        cancelled="Cancelled, and the iterator is closed (`aclose`); let go of the upstream there.",
        stream="The iterator is read by the core, which closes it on every path.",
        example="Parrot",
    ),
    "infer": Facts(
        when="A plugin that named the engine in `engines` calls it.",
        may="Run a batch of named tensors, rows first.",
        fails="The plugin gets what is raised; `EngineError` is what it may expect.",
        late="Bounded by the hook that called it.",
        cancelled="With the hook that called it.",
        example="Parrot",
    ),
    "models": Facts(
        when="When a client asks below `/v2` which models there are, whether they are ready, or what they take.",
        may="Return the models that are served, or None. It is not awaited.",
        fails="That request fails; exchanges go on.",
        example="Parrot",
    ),
    "placements": Facts(
        when="After `load`, for `yumen engines list`, `/readyz` and metrics.",
        may="Say on which device each model really runs.",
        fails="On `/readyz` the gateway is not ready: `it cannot say where it runs`; whoever else asks is told an error.",
        example="Parrot",
    ),
    "revision": Facts(
        when="For every exchange: it is part of `Exchange.engine_version`, and so of the keys of a cache.",
        may="Return a text that changes with what answers, at once.",
        fails=(
            "A fault of the engine, which is not asked then: `engine_unavailable`, or the reply of the route's `fallback`, "
            "and on record."
        ),
        example="Parrot",
    ),
    "health": Facts(
        when="On `/readyz`, and by a pool of replicas.",
        may="Return a short reason why it cannot answer, or an empty text.",
        fails="The gateway is not ready: `asking failed with <error>`.",
        late="Longer than 5 s on `/readyz`: cancelled, and the gateway is not ready, which is said of this engine.",
        example="Parrot",
    ),
    "close": Facts(
        when="Once, when the gateway ends or a reload has replaced it; after a `load` that failed, too.",
        may="Let go of everything.",
        fails="The log has `stop_failed`, and the others are closed all the same.",
        example="Parrot",
    ),
}
