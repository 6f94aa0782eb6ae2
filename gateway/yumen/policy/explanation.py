"""What became of one exchange, and why, as data and as a tree for people."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.markup import escape
from rich.tree import Tree

TEXTS_SHOWN_MAX = 200
ARROWS = {"on_request": "↓", "on_send": "→", "stream": "↑", "on_response": "↑", "on_complete": "✓"}


class RuleSeen(msgspec.Struct, frozen=True):
    """Something that a rule found or decided: where in the payload, and where in the policy."""

    rule: str
    did: str
    shadow: bool = False
    path: str = ""
    start: int = 0
    end: int = 0
    score: float = 1.0
    place: str = ""
    description: str = ""
    cites: tuple[str, ...] = ()


class HookSeen(msgspec.Struct, frozen=True):
    """One hook of one plugin; `ms` is None where the record leaves it out: the hook allowed and edited nothing."""

    plugin: str
    hook: str
    mode: str
    decision: str
    ms: float | None = None
    edits: int = 0
    shadow: bool = False
    place: str = ""
    rules: tuple[RuleSeen, ...] = ()


class TextSeen(msgspec.Struct, frozen=True):
    """One text of the request: code points as the caller wrote it, and in the masked form."""

    path: str
    kind: str
    before: int
    after: int


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. `passed_over` are the routes above the one taken, each with its reason."""

    id: str
    time: str
    tenant: str
    app: str
    subject: str
    policy: str
    route: str
    route_place: str
    why: str
    passed_over: tuple[str, ...]
    hooks: tuple[HookSeen, ...]
    texts: tuple[TextSeen, ...]
    engine: str
    egress: str
    sent_form: str
    sent_bytes: int
    engine_ms: float | None
    accept_raw: str
    outcome: str
    status: int
    notes: tuple[str, ...]

    def data(self) -> dict[str, Any]:
        """The same as plain data."""
        built: dict[str, Any] = msgspec.to_builtins(self)
        return built

    def tree(self) -> Tree:
        """The same for people."""
        tree = Tree(f"[bold]exchange {_cell(self.id)}[/]  {_cell(self.time)}  {_cell(self.tenant)}/{_cell(self.app)}")
        if self.subject:
            tree.add(f"about the subject {_cell(self.subject)}")
        route = tree.add(f"[bold]route {_cell(self.route) or 'none'}[/]: {_cell(self.why)}{_at(self.route_place)}")
        for reason in self.passed_over:
            route.add(_cell(reason))
        asked = False
        for hook in self.hooks:
            if hook.hook not in ("on_request", "on_send") and not asked:
                asked = self._draw_engine(tree)
            _draw_hook(tree, hook)
        if not asked:
            self._draw_engine(tree)
        if self.texts:
            texts = tree.add("texts of the request, code points before and after masking")
            for text in self.texts[:TEXTS_SHOWN_MAX]:
                texts.add(f"{_cell(text.path)} ({_cell(text.kind)}): {text.before} → {text.after}")
            if len(self.texts) > TEXTS_SHOWN_MAX:
                texts.add(f"… and {len(self.texts) - TEXTS_SHOWN_MAX} more; --json has all")
        tree.add(f"[bold]outcome {_cell(self.outcome)}[/]" + (f", status {self.status}" if self.status else ""))
        for note in self.notes:
            tree.add(f"[yellow]{_cell(note)}[/]")
        return tree

    def _draw_engine(self, tree: Tree) -> bool:
        if not self.sent_form:
            tree.add(
                f"→ nothing was sent to an engine{f' ({_cell(self.engine)} answered)' if ':' in self.engine else ''}"
            )
            return True
        ms = "" if self.engine_ms is None else f", {self.engine_ms:.2f} ms"
        sent = tree.add(
            f"→ engine [bold]{_cell(self.engine)}[/] ({_cell(self.egress)}) got {_cell(self.sent_form)} text,"
            f" {self.sent_bytes} bytes{ms}"
        )
        if self.accept_raw:
            sent.add(_cell(f'raw text was accepted: "{self.accept_raw}"'))
        return True


def _draw_hook(tree: Tree, hook: HookSeen) -> None:
    ms = "" if hook.ms is None or (hook.shadow and not hook.ms) else f" {hook.ms:.3f} ms"
    mode = f" ({_cell(hook.mode)})" if hook.mode else ""
    edits = f", {hook.edits} edit{'s' if hook.edits != 1 else ''}" if hook.edits else ""
    did = f"{'in shadow: ' if hook.shadow else ''}{_cell(hook.decision)}{edits}"
    arrow = ARROWS.get(hook.hook, "·")
    branch = tree.add(f"{arrow} [bold]{_cell(hook.plugin)}[/]{mode} {_cell(hook.hook)}{ms}: {did}{_at(hook.place)}")
    for rule in hook.rules:
        span = f" in {_cell(rule.path)} {rule.start}–{rule.end}, score {rule.score:g}" if rule.path else ""
        shadow = " (shadow)" if rule.shadow else ""
        cites = f"  [dim]{_cell('; '.join(rule.cites))}[/]" if rule.cites else ""
        line = branch.add(f"{_cell(rule.rule)}{shadow} {_cell(rule.did)}{span}{_at(rule.place)}{cites}")
        if rule.description:
            line.add(f"[dim]{_cell(rule.description)}[/]")


def _at(place: str) -> str:
    return f"  [dim]{_cell(place)}[/]" if place else ""


def _cell(value: str) -> str:
    """A value without anything that a terminal or the tree's markup would act on."""
    return escape("".join(char if char.isprintable() else "?" for char in value))
