"""The page of all detectors, made from the catalogue itself.

`python -m yumen_plugins.anonymize.catalogue > docs/detectors.md` writes it anew.
"""

from __future__ import annotations

from collections.abc import Iterator

from yumen_plugins.anonymize.detector import BETWEEN, CONTEXT_AFTER, CONTEXT_BEFORE, UNLESS_BEFORE, Detector
from yumen_plugins.anonymize.detectors import CATALOGUE, PACKED

COMMAND = "python -m yumen_plugins.anonymize.catalogue > docs/detectors.md"
# The packs in the order of the page, each with what it holds.
PACKS = {
    "cn": "China, with Hong Kong and Taiwan",
    "en": "English text",
    "person": "People",
    "health": "Health",
    "travel": "Travel",
    "finance": "Money",
    "net": "Networks and telephones",
    "us": "United States",
    "uk": "United Kingdom",
    "eu": "Europe",
    "asia": "Asia, Australia, Africa",
    "america": "The Americas, without the United States",
    "secret": "Secrets",
}
# A longer secret is shown by its beginning, so that nobody's scanner takes this page for a leak.
SECRET_SHOWN = 12
COLUMNS = ("id", "what it finds", "taken", "score", "example")
HEAD = f"""# Detectors

Everything that [anonymize](plugins/anonymize.md) finds without a model and without words or patterns of yours, by pack. This
page is generated: `{COMMAND}` writes it anew.

`detect`, `action`, `replies` and `restore` take an id (`cn.mobile`) or a glob of ids (`cn.*`). An id that has a second name
in brackets is known there by both, so `net.*` names `email` too. Findings, pseudonyms and `rules:` know the first alone.

| taken | when |
|---|---|
| form | it looks so |
| named | it looks so, and words around it that belong to the form say what it is (`CVV: 123`, `张伟先生`) |
| check | its checksum, date, range or prefix holds; for secrets, that it is no placeholder such as `sk-xxxx` |
| word | a word of those below the table stands within {CONTEXT_BEFORE} characters before it \
(a longer word with {BETWEEN} between) or {CONTEXT_AFTER} behind it |

`form + check, or word` is found where the check holds, and where it fails beside such a word. `word` alone is found beside
such a word only, whether any check holds or not. What `word` found has half the score. It is left alone where a word of *not
behind* stands within {UNLESS_BEFORE} characters before it.
"""


def page() -> str:
    """The page."""
    parts = [HEAD]
    for pack, title in PACKS.items():
        members = [one for one in CATALOGUE if pack_of(one) == pack]
        parts.append(f"\n## `{pack}.*`: {title}\n\n{_row(COLUMNS)}\n|{'---|' * len(COLUMNS)}\n")
        parts += [f"{_row(_cells(one))}\n" for one in members]
        words = [line for one in members for line in _words(one)]
        if words:
            parts.append("\n" + "\n".join(words) + "\n")
    return "".join(parts)


def pack_of(detector: Detector) -> str:
    """The pack that a detector belongs to."""
    return PACKED.get(detector.id, detector.id).partition(".")[0]


def taken(detector: Detector) -> str:
    """When a value counts."""
    if detector.weak:
        return "word"
    named = ["(?P<value>" in pattern for pattern in detector.patterns]
    form = "named" if all(named) else "form, or named" if any(named) else "form"
    if not _checks(detector):
        return form
    return f"{form} + check, or word" if detector.context else f"{form} + check"


def _checks(detector: Detector) -> bool:
    return detector.validate is not Detector.__dataclass_fields__["validate"].default


def _cells(detector: Detector) -> tuple[str, ...]:
    other = PACKED.get(detector.id)
    name = f"`{detector.id}`" + (f" (`{other}`)" if other else "")
    return name, detector.description, taken(detector), f"{detector.score:g}", _code(example(detector))


def example(detector: Detector) -> str:
    """A text in which a detector finds something, in one line; a long secret is cut."""
    text = next((one for one in detector.examples if "\n" not in one), detector.examples[0])
    if not detector.id.startswith("secret."):
        return text.replace("\n", " ")
    for pattern in detector.compiled:
        match = pattern.search(text)
        if match is not None:
            start, end = match.span("value" if "value" in pattern.groupindex else 0)
            value = match.string[start:end]
            shown = value if len(value) <= SECRET_SHOWN else f"{value[:SECRET_SHOWN]}…"
            return (text[:start] + shown + text[end:]).replace("\n", " ")
    raise ValueError(f"{detector.id} finds nothing in its example")


def _words(detector: Detector) -> Iterator[str]:
    """The words that count; those of a detector whose values are always sure never do."""
    if not detector.weak and not (_checks(detector) and detector.context):
        return
    line = f"- `{detector.id}`: {', '.join(detector.context)}"
    if detector.unless:
        line += f"; not behind {', '.join(detector.unless)}"
    yield line


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    blank = " " if "`" in text else ""
    return f"{fence}{blank}{text}{blank}{fence}"


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(page(), end="")
