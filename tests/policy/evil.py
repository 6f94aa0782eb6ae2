"""Policy files of about 100 kB that are made to be slow or to break something."""

from __future__ import annotations

from collections.abc import Callable

SIZE = 100_000
GATEWAY = """version: 1
engines: {near: {adapter: faq, egress: local}}
routes:
  - {id: chat, match: {paths: [/v1/chat/completions]}, engine: near, chain: [limits]}
"""
ENGINES = "version: 1\nengines: {near: {adapter: faq, egress: local}}\nroutes:\n"
LIMITS = "version: 1\nplugin: limits\n"
ANONYMIZE = "version: 1\nplugin: anonymize\n"


def fill(unit: Callable[[int], str], size: int = SIZE) -> str:
    """Numbered pieces, as many as there is room for."""
    out: list[str] = []
    left = size
    while left > 0:
        out.append(unit(len(out)))
        left -= len(out[-1])
    return "".join(out)


def route(number: int, glob: str) -> str:
    return f" - {{id: r{number}, match: {{paths: [{glob}]}}, engine: near}}\n"


# What each file is called, and what stands in it; the rest of the bundle is a small good one.
EVIL: dict[str, tuple[str, str]] = {
    "unknown keys": ("limits.yaml", LIMITS + fill(lambda n: f"k{n}: 1\n")),
    "nearly known keys": ("limits.yaml", LIMITS + "config:\n" + fill(lambda n: f" requests{n}: 1\n")),
    "one long key": ("limits.yaml", LIMITS + f'"{"r" * 900}": 1\n' * 100),
    "routes": ("gateway.yaml", ENGINES + fill(lambda n: route(n, f"/a{n}*"))),
    "covered routes": ("gateway.yaml", ENGINES + fill(lambda n: route(n, "/a*"))),
    "paths times models": (
        "gateway.yaml",
        ENGINES
        + ' - {id: a, match: {paths: ["*a*a*a*a*a*a*b"], models: ["*a*a*a*a*a*b"]}, engine: near}\n'
        + f" - {{id: b, engine: near, match: {{paths: [{fill(lambda n: f'/a{n}aaaaaaaab,', SIZE // 2)}],"
        + f" models: [{fill(lambda n: f'a{n}aaaaaaaaaaab,', SIZE // 2)}]}}}}\n",
    ),
    "a glob of stars": ("gateway.yaml", GATEWAY + f'disable: ["{"*a" * (SIZE // 2)}"]\n'),
    "match of routes": ("limits.yaml", LIMITS + f"match: {{routes: [{fill(lambda n: f'r{n},')}]}}\n"),
    "rules": ("limits.yaml", LIMITS + "rules:\n" + fill(lambda n: f' "r*{n}": {{}}\n')),
    "disable": ("gateway.yaml", GATEWAY + f"disable: [{fill(lambda n: f'r*{n},')}]\n"),
    "nested lists": ("limits.yaml", "a: " + "[" * (SIZE // 2) + "]" * (SIZE // 2)),
    "nested mappings": ("limits.yaml", "a: " + "{a: " * (SIZE // 5) + "}" * (SIZE // 5)),
    "nested blocks": ("limits.yaml", "".join(f"{' ' * n}a:\n" for n in range(440))),
    "billion laughs": (
        "limits.yaml",
        "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*{'a' if n == 0 else f'b{n - 1}'}, *a]\n" for n in range(30)),
    ),
    "duplicate keys": ("limits.yaml", fill(lambda _: "a: 1\n")),
    "a long list": ("limits.yaml", LIMITS + f"config: [{'1,' * (SIZE // 2)}]\n"),
    "escapes": ("limits.yaml", LIMITS + 'config:\n  body_bytes: "' + "\\x41" * (SIZE // 4) + '"\n'),
    "comments": ("limits.yaml", fill(lambda _: "# 注释\n")),
    "zero bytes": ("limits.yaml", "\0" * SIZE),
    "tabs": ("limits.yaml", "\t" * SIZE),
    "carriage returns": ("limits.yaml", "a: 1\r" * (SIZE // 5)),
    "direction marks": ("limits.yaml", "\u202e" * (SIZE // 3)),
    "references": ("limits.yaml", LIMITS + f'config: {{body_bytes: "{"${env:A}" * (SIZE // 8)}"}}\n'),
    "open references": ("limits.yaml", LIMITS + f'config: {{body_bytes: "{"${env:A:-" * (SIZE // 9)}"}}\n'),
    "engines": (
        "gateway.yaml",
        ENGINES.replace("}}", "}, " + fill(lambda n: f"e{n}: {{adapter: faq, egress: local}},") + "}"),
    ),
    "a route of engines": ("gateway.yaml", GATEWAY.replace("engine: near", f"engine: [{fill(lambda n: f'e{n},')}]")),
    "a chain": ("gateway.yaml", GATEWAY.replace("[limits]", f"[{fill(lambda n: f'e{n},')}]")),
    "cases": (
        "limits.yaml",
        LIMITS + "tests:\n" + fill(lambda n: f"  - {{name: a{n}, request: {{text: b}}, expect: {{}}}}\n"),
    ),
    "a long number": ("limits.yaml", LIMITS + f"config: {{body_bytes: {'9' * SIZE}}}\n"),
    "detect": ("anonymize.yaml", ANONYMIZE + f"config: {{detect: [{fill(lambda n: f'email{n},')}]}}\n"),
    "a detector of stars": ("anonymize.yaml", ANONYMIZE + f'config: {{detect: ["{"*e" * (SIZE // 2)}"]}}\n'),
    "actions": ("anonymize.yaml", ANONYMIZE + "config:\n  action:\n" + fill(lambda n: f'    "e*{n}": mask\n')),
    "large patterns": (
        "anonymize.yaml",
        ANONYMIZE + "config:\n  patterns:\n" + fill(lambda n: f'  - {{id: a.b{n}, pattern: "(a{{1000}}){{1000}}"}}\n'),
    ),
    "question marks": ("limits.yaml", "? " * (SIZE // 2)),
    "dashes": ("limits.yaml", "- " * (SIZE // 2)),
    "quotation marks": ("limits.yaml", '"' * SIZE),
    "directives": ("limits.yaml", "%YAML 1.1\n" * (SIZE // 10)),
    "documents": ("limits.yaml", "--- a\n" * (SIZE // 6)),
    "a folded text": ("limits.yaml", "a: " + "b\n " * (SIZE // 3)),
    "a test file": ("more.test.yaml", "version: 1\ntests:\n" + fill(lambda n: f"  - {{nam: a{n}}}\n")),
}
