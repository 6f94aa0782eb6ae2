"""What a plugin's process is shown of an exchange, and what it did there applied to the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yumen.exchange import Block, Decision, Respond
from yumen.isolation.wire import Act, Done, Edit, Fed, Find, Passage, Seen, SeenReply
from yumen.said import check_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yumen.text import Text
    from yumen.textview import TextView
    from yumen.view import View


def seen(view: View, late: bool) -> Seen:
    """The exchange as it is now; `late`: the request's texts cannot be edited any more."""
    reply = view.reply
    shown = None
    if reply is not None:
        texts: Sequence[Text] = reply.texts
        shown = SeenReply(
            reply.status,
            reply.code,
            reply.usage,
            reply.finish_reason,
            passages(texts),
            _sent(texts),
            list(reply.tool_calls),
        )
    return Seen(
        view.id, view.received_at, view.principal, view.session, view.subject, view.route, view.dialect, view.model,
        view.engine, view.engine_version, dict(view.versions), view.streamed, view.wants_usage, view.policy_hash,
        view.accept_raw, view.path, view.egress, view.sent_form, view.sent_bytes, view.request_bytes, view.reply_bytes,
        view.client, view.outcome, view.cache, dict(view.cache_control), dict(view.headers),
        view.findings, view.trace,
        view.timings_ms, view.shadow, view._modes, passages(view.texts), late, shown,
    )  # fmt: skip


def passages(texts: Sequence[Text]) -> list[Passage]:
    """Texts in the form that the view gives."""
    return [Passage(text.path, text.role, text.kind, text.value, text.raw_chars) for text in texts]


def _sent(texts: Sequence[Text]) -> bool:
    """Whether texts have left; they have all left, or none."""
    first: TextView | None = texts[0] if texts else None  # type: ignore[assignment]  # a view's texts are TextViews
    return first is not None and first._sent


def apply(view: View, done: Done) -> Decision | None:
    """Do to the exchange what the plugin did to its own, by the same checks. Returns its decision.

    Errors: what the members of `Exchange` raise; IndexError for a text that is not there.
    """
    _do(view, done)
    if done.block is not None:
        return done.block
    return None if done.answer is None else Respond(done.answer)


def passed(view: View, fed: Fed) -> str | Block:
    """The same of a stream filter. Returns what it lets go on, or its block. Errors: as of `apply`."""
    _do(view, fed)
    # What goes on, and a block, are checked where every filter's are; there nobody looks at what is masked.
    check_text(fed.masked)
    return fed.out if fed.block is None else fed.block


def _do(view: View, said: Done | Fed) -> None:
    view._exchange.findings_dropped += said.dropped
    for act in said.acts:
        if isinstance(act, Edit):
            text = _text(view, act.reply, act.text)
            (text.mask if act.mask else text.replace)(act.start, act.end, act.new, rule=act.rule)
        elif isinstance(act, Find):
            found = None if act.text < 0 else _text(view, act.reply, act.text)
            view.find(act.rule, category=act.category, text=found, start=act.start, end=act.end, score=act.score)
        else:
            _act(view, act)


def _text(view: View, reply: bool, index: int) -> Text:
    if index < 0:
        raise IndexError("there is no such text")
    if not reply:
        return view.texts[index]
    there = view.reply
    if there is None:
        raise IndexError("there is no reply")
    return there.texts[index]


def _act(view: View, act: Act) -> None:
    if act.what == "block":
        # The plugin has asked, was told that the rule does not enforce, and has gone on.
        view.ruled(Block(act.first))
    elif act.what == "require_masking":
        view.require_masking(act.first)
    elif act.what == "send_to":
        view.send_to(act.first, act.second)
    elif act.what == "set_cache":
        view.set_cache(act.first, rule=act.second)  # type: ignore[arg-type]  # it checks the word itself
    else:
        view.set_header(act.first, act.second)
