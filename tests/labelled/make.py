"""Writes `seen.jsonl` and `unseen.jsonl`: `python -m tests.labelled.make [FOLDER]`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from tests.labelled.draw import Draw
from tests.labelled.render import forms, render

HERE = Path(__file__).parent
OUT = Path(__file__).parents[2] / "plugins" / "yumen_plugins" / "anonymize" / "labelled"
HALVES, LANGUAGES = ("seen", "unseen"), ("zh", "en")
# Texts made of one template, by what it is; a form is another template every time.
TEXTS_PER_TEMPLATE, TEXTS_PER_NEGATIVE, FORMS = 5, 9, 60


def templates(half: str, language: str) -> Iterator[tuple[str, str, str]]:
    """Section, name and text of each template of a half in a language."""
    section = ""
    for number, line in enumerate((HERE / half / f"{language}.txt").read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("## "):
            section = line[3:].strip()
        elif line.strip():
            yield section, f"{half}.{language}.{section}.{number}", line


def words(half: str) -> dict[str, Any]:
    """Names, places, companies and forms of a half."""
    read: dict[str, Any] = yaml.safe_load((HERE / half / "words.yaml").read_text(encoding="utf-8"))
    return {key: value.split("|") if isinstance(value, str) else value for key, value in read.items()}


def half(name: str) -> Iterator[dict[str, Any]]:
    """Every text of a half, in the order of its templates."""
    own = words(name)
    for language in LANGUAGES:
        for section, template, text in templates(name, language):
            negative = section.startswith("negative")
            for number in range(TEXTS_PER_NEGATIVE if negative else TEXTS_PER_TEMPLATE):
                yield _item(template, number, language, negative, text, own)
        fields = {slot: said.split("|") for slot, said in own[f"{language}_fields"].items()}
        for number in range(FORMS):
            template = f"{name}.{language}.form.{number}"
            text = forms(fields, own[f"{language}_styles"], Draw(template, own, language))
            yield _item(template, 0, language, False, text, own)


def _item(template: str, number: int, language: str, negative: bool, text: str, own: dict[str, Any]) -> dict[str, Any]:
    made = render(text, Draw(f"{template}/{number}", own, language), noise=not negative)
    assert bool(made["spans"]) != negative, f"{template}: a text without a value is negative, one with a value is not"
    kind = "negative" if negative else "positive"
    return {"id": f"{template}/{number}", "language": language, "kind": kind, **made}


def lines(name: str) -> Iterator[str]:
    """The file of a half, line by line; texts that came out equal stand there once."""
    known = set()
    for item in half(name):
        if item["text"] not in known:
            known.add(item["text"])
            yield json.dumps(item, ensure_ascii=False) + "\n"


def main(folder: Path = OUT) -> None:
    for name in HALVES:
        (folder / f"{name}.jsonl").write_text("".join(lines(name)), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
