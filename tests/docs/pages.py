"""Pages of the documentation as programs: their files are written, their commands run, their output compared.

In a page, a block of YAML or Python whose first line is `# path` is a file, and a block `console` holds commands, each
behind `$ `, with what they print below. All commands of a page run in one shell, in one folder, in their order.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from tests.serving import free_port

BLOCK = re.compile(r"```(yaml|python|console)\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n", re.MULTILINE)
# What differs from run to run, and what stands for it when two outputs are compared.
VARYING = [
    # A machine that is busy with other tests imports slowly.
    (re.compile(r"^yumen: \S+ `\w+` of \S+ has been importing for .*\n", re.MULTILINE), ""),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"), "TIME"),
    (re.compile(r"\b[0-9a-f]{8}\.[0-9a-f]{32}\b"), "RECEIPT"),
    (re.compile(r"\b[0-9a-f]{32,64}\b"), "ID"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "HASH"),
    (re.compile(r"\bk[0-9a-f]{10}\b"), "KEY"),
    (re.compile(r"<([A-Z_]+)_[0-9a-z]{10}>"), r"<\1>"),
    # What a busy machine imports slowly is said on standard error.
    (re.compile(r"^yumen: \w+ `[\w-]+` of yumen has been importing for \d+ s\n", re.MULTILINE), ""),
    (re.compile(r"\d+\.\d+(?= ms|\b *│)"), "N"),
    (re.compile(r"[─━]+"), "─"),
    (re.compile(r" +"), " "),
]


class Step(NamedTuple):
    """A file to write, or a command and what stands below it; `span` is where that stands in the page."""

    file: str
    text: str
    span: tuple[int, int]


def steps(page: str) -> Iterator[Step]:
    """The files and commands of a page in their order."""
    for block in BLOCK.finditer(page):
        kind, text = block.groups()
        if kind != "console":
            first, _, content = text.partition("\n")
            if re.fullmatch(r"# \S+\.(yaml|py)", first):
                yield Step(first[2:], content, block.span())
            continue
        found = list(COMMAND.finditer(text))
        for index, command in enumerate(found):
            end = found[index + 1].start() if index + 1 < len(found) else len(text)
            start = block.start(2)
            yield Step("", command[1], (start + command.end(), start + end))


def plain(output: str) -> str:
    """An output without what differs from run to run."""
    for pattern, word in VARYING:
        output = pattern.sub(word, output)
    return output.strip()


class Shell:
    """One shell in a folder of its own; its port stands for 8080 in what it is told and what it says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = str(free_port())
        env = {name: value for name, value in os.environ.items() if not name.startswith(("YUMEN_", "PROMETHEUS_"))}
        env |= {"PATH": f"{Path(sys.executable).parent}:{env['PATH']}", "YUMEN_PORT": self.port, "COLUMNS": "120"}
        self._process = subprocess.Popen(
            ["bash"], cwd=folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip

    def __enter__(self) -> Shell:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.communicate(timeout=30)

    def run(self, command: str) -> str:
        """What a command prints."""
        shell = self._process
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write(command.replace("8080", self.port) + "\necho; echo '<end>'\n")
        shell.stdin.flush()
        lines: list[str] = []
        for line in shell.stdout:
            if line == "<end>\n":
                break
            lines.append(line)
        return "".join(lines).removesuffix("\n").replace(self.port, "8080").replace(f"{self.folder}/", "")


def followed(page: str, folder: Path) -> Iterator[tuple[Step, str]]:
    """Do what a page says; yield every command with what it printed."""
    with Shell(folder) as shell:
        for step in steps(page):
            if step.file:
                (folder / step.file).parent.mkdir(exist_ok=True)
                (folder / step.file).write_text(step.text)
            else:
                yield step, shell.run(step.text)


def rewritten(page: str, folder: Path) -> str:
    """The page with what its commands print now; what only differs as it may stays as it stands."""
    parts, position = [], 0
    for step, output in followed(page, folder):
        start, end = step.span
        stands = page[start:end]
        parts += [page[position:start], stands if plain(stands) == plain(output) else output]
        position = end
    return "".join((*parts, page[position:]))
