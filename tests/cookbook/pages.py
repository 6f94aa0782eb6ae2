"""Makes docs/cookbook of the package: `python -m tests.cookbook.pages` writes the pages anew.

What a plugin does is its docstring, its source and its policy are shown as they stand; what is to be learned from it, and
what it does not do, is said here.
"""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import msgspec
from tests.cookbook.recipes import POLICIES, SOURCES

FOLDER = Path(__file__).parents[2] / "docs" / "cookbook"
COMMAND = "python -m tests.cookbook.pages"
NOTE = f"<!-- Made of tests/third_party/yumen-cookbook by `{COMMAND}`. -->\n"
HOOKS = (
    "rules",
    "engines",
    "start",
    "on_request",
    "on_send",
    "on_ask",
    "stream",
    "whole",
    "on_response",
    "on_complete",
    "stop",
)


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a plugin beside its source."""

    title: str
    learn: str
    not_done: str
    tests: str = "test_requests.py"


RECIPES = {
    "header_guard": Recipe(
        title="Header guard",
        learn=(
            "A plugin gets the headers that it names (`headers`), and no others; one that holds a credential it "
            "cannot name. Each refusal has a rule of its own, and asks `exchange.block` for the rule's mode; where "
            "policy has one in shadow, the next still decides."
        ),
        not_done=(
            "Replays have no headers, as they are not on record: it is taken to decide there what it decided then."
        ),
    ),
    "keyword_router": Recipe(
        title="Keyword router",
        learn=(
            '`engines` names the engines with `calls="route"`: a bundle without them is refused, and the flow '
            "check takes them for engines of the route. `send_to` obeys the mode of its rule. Of a conversation "
            "only the user's words count, so that a system prompt does not choose for everybody."
        ),
        not_done=(
            'It finds words inside other words; put it behind `anonymize` with `sees="masked"` to route what is masked.'
        ),
    ),
    "language_detector": Recipe(
        title="Language detector",
        learn=(
            "A header that is set on the way down is there for streams, too, whose headers leave before their "
            "first word. The metric has the language and not the text. It records no finding: a language is "
            "nothing that is wrong, and an exchange with findings is not kept by `cache`."
        ),
        not_done=(
            "It tells scripts and not languages: Japanese in Han characters counts as Chinese, French as English."
        ),
    ),
    "token_budget": Recipe(
        title="Token budget",
        learn=(
            "`host.store` is shared by all workers where policy names Redis, and every key has a time to live. "
            "`add` of 0 reads a counter. Where the store does not answer, the hook raises, and `on_error` "
            "decides. What is counted is what an engine was really asked (`egress`), once, also of a client that "
            "leaves."
        ),
        not_done=(
            "Requests that run at the same time can exceed the budget together. The built-in "
            "[limits](../plugins/limits.md) reserves before it asks."
        ),
    ),
    "pii_counter": Recipe(
        title="PII counter",
        learn=(
            "A plugin without raw text can still know how much was found: findings name rules and places. It "
            "stands first in the chain, so that its completion hook is the last, when everything is known."
        ),
        not_done="It counts what others find, and finds nothing itself.",
    ),
    "business_hours": Recipe(
        title="Business hours",
        learn=(
            "`host.now` is the clock of a test as well: the harness sets it. `__init__` checks what a schema "
            "cannot say, and its ValueError refuses the bundle with the line. `retry_after_s` becomes "
            "Retry-After."
        ),
        not_done="It knows no holidays, and no hours over midnight.",
    ),
    "reply_label": Recipe(
        title="Reply label",
        learn=(
            "A reply is edited in two ways that have to agree: `on_response` for plain ones, a filter for "
            "streams. `finish` is where a filter adds something at the end. What has to be known before the first "
            "word is said in a header."
        ),
        not_done=(
            "It leaves answers that begin like JSON alone, so a caller who asks for such an answer gets "
            "the header only."
        ),
        tests="test_replies.py",
    ),
    "canary": Recipe(
        title="Canary tokens",
        learn=(
            "A filter that may not edit can hold back and block. It holds one code point less than the longest "
            "canary has, so that no piece that goes out can be the end of one. `whole` is for tools, in whose "
            "arguments a canary may be escaped."
        ),
        not_done="It finds the canary as it is written, not translated, in base64 or with blanks in between.",
        tests="test_replies.py",
    ),
    "tool_schema": Recipe(
        title="JSON Schema for tool arguments",
        learn=(
            "Hooks are shown texts, and a schema is about a whole: `reply.tool_calls` has each call with its name and "
            "arguments, above a masking plugin with the values restored. Whoever has no stream filter gets streamed "
            "replies whole. A package has its own dependencies."
        ),
        not_done="Every streamed reply on its route is held back until it has ended, also one that calls no tool.",
        tests="test_replies.py",
    ),
    "moderation": Recipe(
        title="External moderation over HTTP",
        learn=(
            "The flow check proves what engines get; whom a plugin calls it cannot know. So this one sees the "
            "masked form, looks at `sent_form` in `on_send`, where it is settled, and refuses what is not masked. "
            "The client is opened in `start`, has a timeout of its own below `timeout_ms`, follows no redirect, "
            "and is closed in `stop`. `host.live` is false in tests of policies: then nobody outside is told "
            "anything."
        ),
        not_done="It asks anew for every request. Replies it does not look at.",
        tests="test_replies.py",
    ),
}


def purpose(name: str) -> str:
    """The docstring of a plugin's module."""
    said = ast.get_docstring(ast.parse((SOURCES / f"{name}.py").read_text()))
    assert said is not None
    return said


def page(name: str) -> str:
    """The page of one plugin."""
    recipe, source = RECIPES[name], (SOURCES / f"{name}.py").read_text()
    hooks = ", ".join(f"[`{hook}`](../plugins/hooks/{hook}.md)" for hook in HOOKS if f"def {hook}(" in source)
    tests = f"[{recipe.tests}](../../tests/cookbook/{recipe.tests})"
    return PAGE.format(
        note=NOTE,
        title=recipe.title,
        purpose=purpose(name),
        name=name,
        policy=(POLICIES / f"{name}.yaml").read_text(),
        source=source,
        learn=filled(f"**What is to be learned from it.** {recipe.learn}"),
        not_done=filled(f"**What it does not do.** {recipe.not_done}"),
        more=filled(f"Hooks: {hooks}. Its tests: {tests}. All recipes: [README.md](README.md)."),
    )


def filled(text: str) -> str:
    """A paragraph in lines of one length."""
    return textwrap.fill(text, 125, break_long_words=False, break_on_hyphens=False)


def index() -> str:
    """The page that lists the others."""
    rows = [f"| [{one.title}]({name}.md) | {purpose(name).splitlines()[0]} |\n" for name, one in RECIPES.items()]
    return INDEX.format(note=NOTE, rows="".join(rows))


PAGE = """{note}# {title}

{purpose}

```yaml
# {name}.yaml
{policy}```

```python
{source}```

{learn}

{not_done}

{more}
"""
INDEX = """{note}# Cookbook: ten small plugins

Each is one file of at most 60 lines, to take and to change. They are one installable package,
[tests/third_party/yumen-cookbook](../../tests/third_party/yumen-cookbook/README.md), and our tests run all of them with the
kit, in Chinese and English, plain and streamed.

| plugin | what it does |
|---|---|
{rows}
How to begin with one of your own: [the tutorial](../plugins/tutorial.md). What each hook may do:
[hooks](../plugins/hooks/README.md).
"""


def pages() -> dict[str, str]:
    """Every page by its file's name."""
    return {"README.md": index(), **{f"{name}.md": page(name) for name in RECIPES}}


if __name__ == "__main__":
    for file, text in pages().items():
        (FOLDER / file).write_text(text)
    print(f"wrote {FOLDER}")
