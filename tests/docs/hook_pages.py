"""Makes docs/plugins/hooks of the contract: `python -m tests.docs.hook_pages` writes the pages anew.

Signatures and docstrings come from the source; what they do not say is in `tests.docs.hook_facts`, and the examples are
those of `tests.docs.hook_examples`.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tests.docs import hook_examples
from tests.docs.hook_facts import ENGINES, FACTS, FILTERS, Facts

from yumen import Engine, MaskingFilter, Plugin, StreamFilter

FOLDER = Path(__file__).parents[2] / "docs" / "plugins" / "hooks"
COMMAND = "python -m tests.docs.hook_pages"
NOTE = f"<!-- Made of the contract by `{COMMAND}`. -->\n"
INDEX = """{note}# Hooks

What a plugin may override, in the order of the contract (gateway/yumen/plugin.py); at least one hook it must. Every page has
the signature, when it runs, what it may do, what comes of a failure, and an example that our tests run.

| hook | when it runs |
|---|---|
{rows}
Filters of streamed replies: [StreamFilter](stream-filter.md), and [MaskingFilter](masking-filter.md) for plugins that mask.
Engines: [Engine](engine.md). How to begin: [the tutorial](../tutorial.md); whole plugins:
[the cookbook](../../cookbook/README.md).
"""
ROWS = {
    "when": "when it runs",
    "may": "what it may do",
    "fails": "when it raises",
    "late": "when it takes too long",
    "cancelled": "when the client leaves",
    "shadow": "in shadow",
    "stream": "streamed replies",
}


def methods(owner: type) -> dict[str, str]:
    """The public methods that a class itself defines, in their order, with their signatures as they are written."""
    (body,) = (
        one for one in ast.parse(textwrap.dedent(inspect.getsource(owner))).body if isinstance(one, ast.ClassDef)
    )
    found: dict[str, str] = {}
    for node in body.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
            returns = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
            found[node.name] = f"{word} {node.name}({ast.unparse(node.args)}){returns}"
    return found


def hooks() -> dict[str, tuple[type, dict[str, Facts]]]:
    """Which class defines a method, and the table that has its facts."""
    owners: dict[type, dict[str, Facts]] = {
        Plugin: FACTS,
        StreamFilter: FILTERS,
        MaskingFilter: FILTERS,
        Engine: ENGINES,
    }
    return {f"{owner.__name__}.{name}": (owner, table) for owner, table in owners.items() for name in methods(owner)}


def section(owner: type, name: str, facts: Facts) -> str:
    """Signature, docstring and table of one method."""
    signature = methods(owner)[name]
    rows = [f"| {label} | {getattr(facts, field)} |\n" for field, label in ROWS.items() if getattr(facts, field)]
    said = inspect.getdoc(getattr(owner, name))
    return f"```python\n{signature}\n```\n\n{said}\n\n| | |\n|---|---|\n{''.join(rows)}"


def example(name: str) -> str:
    """The source of an example."""
    source = inspect.getsource(getattr(hook_examples, name))
    return f"```python\n{source}```\n"


def hook_page(name: str) -> str:
    """The page of one hook of a plugin."""
    facts = FACTS[name]
    shown = example(facts.example)
    return f"{NOTE}# `{name}`\n\n{section(Plugin, name, facts)}\n## Example\n\n{shown}\nAll hooks: [README.md](README.md).\n"


def class_page(owner: type, table: Mapping[str, Facts], *also: str) -> str:
    """A page for all methods of a class, with the examples of them and those that they need."""
    names = list(methods(owner))
    parts = [f"{NOTE}# `{owner.__name__}`\n\n{inspect.getdoc(owner)}\n"]
    parts += [f"## `{name}`\n\n{section(owner, name, table[name])}" for name in names]
    shown = dict.fromkeys([*also, *(table[name].example for name in names)])
    parts.append("## Example\n\n" + "\n".join(example(one) for one in shown))
    return "\n".join([*parts, "All hooks: [README.md](README.md).\n"])


def index() -> str:
    """The page that lists the others, in the order of the contract."""
    rows = [f"| [`{name}`]({name}.md) | {FACTS[name].when} |\n" for name in methods(Plugin) if name in FACTS]
    return INDEX.format(note=NOTE, rows="".join(rows))


def pages() -> dict[str, Callable[[], str]]:
    """What makes each page, by its file's name."""
    made = {f"{name}.md": partial(hook_page, name) for name in methods(Plugin) if name in FACTS}
    made["stream-filter.md"] = partial(class_page, StreamFilter, FILTERS, "Dots")
    made["masking-filter.md"] = partial(class_page, MaskingFilter, FILTERS, "Numbers")
    made["engine.md"] = partial(class_page, Engine, ENGINES)
    return {"README.md": index, **made}


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file, make in pages().items():
        (FOLDER / file).write_text(make())
    print(f"wrote {FOLDER}")
