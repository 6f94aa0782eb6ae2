"""Bundles for tests of the test runner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from yumen.cli import main
from yumen.policy.bundle import Bundle
from yumen.policy.load import load_bundle
from yumen.policy.testing import Condition, Report, run_cases

GATEWAY = """
version: 1
engines:
  near: {adapter: faq, egress: local}
  far: {adapter: openai, egress: remote, base_url: "http://127.0.0.1:9/v1"}
routes:
  - id: apps
    match: {paths: [/apps/notes/*]}
    engine: near
    chain: [audit, words, anonymize]
  - id: native
    match: {paths: [/v1/*, /apps/native/*], models: [gpt-*]}
    engine: far
    chain: [anonymize]
  - id: bare
    match: {paths: [/v1/*], models: [bare]}
    engine: near
  - id: chat
    match: {paths: [/v1/chat/completions, /v1/completions, /v1/embeddings], models: [assistant]}
    engine: near
    chain: [audit, words, anonymize]
"""
WORDS = """
version: 1
plugin: guard_words
config:
  note: [falcon, 猎鹰]
  block: [forbidden, 禁止]
"""
FILES = {
    "gateway.yaml": GATEWAY,
    "words.yaml": WORDS,
    "audit.yaml": "version: 1\nplugin: audit\n",
    "anonymize.yaml": "version: 1\nplugin: anonymize\nconfig: {detect: [cn.mobile, email]}\n",
}


def plugin(name: str, **members: Any) -> str:
    """A policy file of one plugin."""
    return json.dumps({"version": 1, "plugin": name, **members}, ensure_ascii=False)


def chain(*instances: str, **limits: int) -> str:
    """A gateway file with one route through these instances."""
    match = {"paths": ["/v1/chat/completions"]}
    route = {"id": "chat", "match": match, "engine": "near", "chain": instances}
    engines = {"near": {"adapter": "faq", "egress": "local"}}
    return json.dumps({"version": 1, "engines": engines, "routes": [route], "limits": limits})


def case(text: str | None = None, /, **members: Any) -> dict[str, Any]:
    """A case, as its file holds it."""
    asked = {} if text is None else {"request": {"text": text}}
    return {"name": "a case", **asked, **members}


def write(folder: Path, *cases: dict[str, Any], files: dict[str, str] | None = None) -> Path:
    """Write a bundle with these cases, a line each, in `cases.test.yaml`."""
    folder = folder / "bundle"
    folder.mkdir(exist_ok=True)
    for name, content in (FILES if files is None else files).items():
        (folder / name).write_text(content)
    lines = (f"  - {json.dumps(one, ensure_ascii=False)}\n" for one in cases)
    (folder / "cases.test.yaml").write_text(
        "version: 1\ntests:\n" + "".join(lines) if cases else "version: 1\ntests: []\n"
    )
    return folder


def bundle(folder: Path, *cases: dict[str, Any], files: dict[str, str] | None = None) -> Bundle:
    """A compiled bundle with these cases."""
    return load_bundle(str(write(folder, *cases, files=files)))


async def report(
    folder: Path, *cases: dict[str, Any], files: dict[str, str] | None = None, mutated: bool = False
) -> Report:
    """What running these cases comes to, with all values."""
    return await run_cases(bundle(folder, *cases, files=files), values=True, mutated=mutated)


async def conditions(folder: Path, one: dict[str, Any], files: dict[str, str] | None = None) -> list[Condition]:
    """What of one case does not hold."""
    (result,) = (await report(folder, one, files=files)).cases
    return result.conditions


async def failing(folder: Path, one: dict[str, Any], files: dict[str, str] | None = None) -> list[str]:
    """The names of the conditions of one case that do not hold."""
    return [condition.name for condition in await conditions(folder, one, files)]


def run(*arguments: str, **env: str) -> Result:
    """`yumen policy test` with these arguments, in this process."""
    return CliRunner().invoke(main, ["policy", "test", *arguments], env=env)
