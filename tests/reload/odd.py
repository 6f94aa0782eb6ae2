"""A distribution whose plugins misbehave where a policy tells them to, installed into a folder as pip would do it.

`odd` does what its configuration says in the process that proves (`here: proof`), in the gateway itself, or in both. `notes`
writes operations down in its data directory, as a ledger does. `echo` is an engine that needs nothing. `ends` would end the
process that imports it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from yumen import registry

MODULE = '''
import asyncio, json, os, signal, time
from typing import Any, Literal
import msgspec
from yumen import Answer, CannotStart, Delta, Engine, EngineManifest, Manifest, NoConfig, Plugin


def proving() -> bool:
    """Whether this is the process that proves, which is started with `-m`."""
    import sys
    return sys.orig_argv[3:4] == ["yumen.policy.prove"]


class OddConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    word: str = ""
    here: Literal["proof", "gateway", "both"] = "proof"
    made: str = ""
    start: str = ""


def behave(how: str) -> None:
    if how == "hang":
        while True:
            pass
    elif how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif how == "eat":
        b"x" * (8 << 30)
    elif how == "print":
        print("13987650123", flush=True)
        os.write(1, b"{}\\n")
        os.write(2, b"13987650123\\n")
    elif how == "leave":
        os._exit(0)
    elif how == "exit":
        raise SystemExit(3)


class Odd(Plugin[OddConfig]):
    manifest = Manifest(name="odd", version="1", sees="masked")

    @property
    def _on(self) -> bool:
        return self.config.here == "both" or (self.config.here == "proof") == proving()

    def __init__(self, config: OddConfig) -> None:
        super().__init__(config)
        if self._on:
            behave(config.made)

    async def start(self, host: Any) -> None:
        if not self._on:
            return
        behave(self.config.start)
        if self.config.start == "refuse":
            raise CannotStart(f"it does not like {self.config.word}")
        if self.config.start == "fail":
            raise ValueError(f"{self.config.word} is wrong")
        if self.config.start == "wait":
            await asyncio.sleep(3600)

    async def on_request(self, exchange: Any) -> None:
        exchange.set_header("x-word", self.config.word)


class NotesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    file: str = "notes"
    refuse: str = ""
    stopped: str = ""


class Notes(Plugin[NotesConfig]):
    manifest = Manifest(name="notes", version="1", sees="masked", stores="masked")

    async def start(self, host: Any) -> None:
        self._folder = host.data_dir
        self._path = host.data_dir / f"{self.config.file}.jsonl"

    async def on_operation(self, operation: Any) -> None:
        if operation.kind == self.config.refuse or (self._folder / "refuse").exists():
            raise OSError("the disk is full")
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(operation) + b"\\n")

    async def stop(self) -> None:
        if self.config.stopped:
            (self._folder / self.config.stopped).write_text("stopped")


class Echo(Engine[NoConfig]):
    manifest = EngineManifest(name="echo", version="1")

    async def generate(self, request: Any) -> Any:
        text = request.messages[-1].text
        return self._events(text) if request.streamed else Answer([text])

    async def _events(self, text: str) -> Any:
        """One letter after the other; a dot takes a tenth of a second."""
        for letter in text:
            if letter == ".":
                await asyncio.sleep(0.1)
            yield Delta(letter)
        yield Delta(finish_reason="stop")
'''
POINTS = """[yumen.plugins]
odd = odd_plugins:Odd
notes = odd_plugins:Notes
ends = odd_ends:Ends

[yumen.engines]
echo = odd_plugins:Echo
"""
GATEWAY = """version: 1
engines:
  echo: {adapter: echo, egress: local}
routes:
  - id: chat
    match: {paths: [/v1/chat/completions]}
    engine: echo
    chain: [notes, odd]
"""


def install(site: Path) -> Path:
    """Write the distribution's files into a new folder."""
    info = site / "odd-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "odd_plugins.py").write_text(MODULE)
    (site / "odd_ends.py").write_text("raise SystemExit(3)\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    return site


def install_here(patch: pytest.MonkeyPatch, site: Path) -> None:
    """Make it importable in this process and in those that it starts."""
    install(site)
    patch.syspath_prepend(str(site))
    patch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    registry.load_plugin.cache_clear()
    registry.load_engine.cache_clear()


class Policy:
    """A bundle of `notes`, `odd` and `echo`; `write` gives one of its files another content, in one step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.write(gateway=GATEWAY, notes="version: 1\nplugin: notes\n", odd="version: 1\nplugin: odd\n")

    def write(self, **files: str) -> None:
        for name, content in files.items():
            temporary = self.folder / f".{name}.new"
            temporary.write_text(content)
            os.replace(temporary, self.folder / f"{name}.yaml")

    def say(self, word: str, **config: str) -> None:
        """Let `odd` have this word and configuration."""
        lines = "".join(f"  {name}: {value}\n" for name, value in {"word": word, **config}.items())
        self.write(odd=f"version: 1\nplugin: odd\nconfig:\n{lines}")
