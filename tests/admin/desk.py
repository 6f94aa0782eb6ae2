"""A distribution with a plugin that operators reach, and one that writes operations down, installed as pip would do it.

`desk` shows what it was asked, sends files, and lets those do things who may. `notes` stands for a ledger: it writes what
was done to the gateway into its data directory, and refuses where the policy says so.
"""

from __future__ import annotations

import http.client
import json
import os
from pathlib import Path
from typing import Any

from tests.serving import ADMIN_KEY, Gateway

MODULE = """
import asyncio
import itertools
import msgspec
from yumen import Download, Manifest, NoConfig, Plugin


class Unwritten(Exception):
    code = "ledger_unavailable"


class Desk(Plugin[NoConfig]):
    manifest = Manifest(name="desk", version="1", admin="desk")

    async def on_request(self, exchange):
        return None

    async def inspect(self, query):
        what = query.get("file", "")
        if not what:
            return {"asked": dict(query)}
        if what == "wrong":
            raise ValueError("`file` is one of: whole, broken, 名字")
        if what == "none":
            raise LookupError(what)
        if what == "fault":
            raise RuntimeError("13987650123")
        name = "导出.jsonl" if what == "名字" else "export.jsonl"
        return Download("application/jsonl", self.chunks(what), name)

    async def chunks(self, what):
        try:
            for number in range(200) if what != "endless" else itertools.count():
                if what == "broken" and number == 100:
                    raise OSError("13987650123")
                yield b"%04d\\\\n" % number
                await asyncio.sleep(0.001 if what == "endless" else 0)
        finally:
            with (self.host.data_dir / "closed").open("a") as file:
                file.write(what + " ")

    async def start(self, host):
        self.host = host

    async def operate(self, call):
        if call.action == "open":
            open("/proc/1/mem", "rb").close()  # may raise PermissionError, which is the system's and not ours
            raise PermissionError(13, "the system says no")
        if call.action == "unwritten":
            raise Unwritten("13987650123")
        if not call.may("reveal"):
            raise PermissionError("this key may not do it; 请找管理员")
        await call.record(number="1")
        return {"done": call.actor}


class NotesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    refuse: str = ""


class Notes(Plugin[NotesConfig]):
    manifest = Manifest(name="notes", version="1")

    async def start(self, host):
        self.path = host.data_dir / "notes.jsonl"

    async def on_operation(self, operation):
        if operation.kind == self.config.refuse:
            raise OSError("the disk is full")
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(operation) + b"\\\\n")
""".replace("\\\\", "\\")
POINTS = "[yumen.plugins]\ndesk = desk_plugins:Desk\nnotes = desk_plugins:Notes\n"


def install(site: Path) -> str:
    """Write the distribution into a new folder; returns what PYTHONPATH must be."""
    info = site / "desk-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "desk_plugins.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: desk\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    return os.pathsep.join(filter(None, [str(site), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))


def served(folder: Path, **files: str) -> Gateway:
    """A gateway with these plugins and this bundle, started; the names of files are without `.yaml`."""
    path = install(folder / "site")
    bundle = folder / "bundle"
    bundle.mkdir()
    for name, content in files.items():
        (bundle / f"{name}.yaml").write_text(content)
    return Gateway(folder, YUMEN_POLICIES=str(bundle), PYTHONPATH=path).start()


def call(
    gateway: Gateway, method: str, path: str, key: str = ADMIN_KEY, **body: Any
) -> tuple[http.client.HTTPResponse, bytes]:
    """A request to the control plane: the reply, and its body."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    try:
        connection.request(method, path, json.dumps(body) if body else None, {"authorization": f"Bearer {key}"})
        reply = connection.getresponse()
        return reply, reply.read()
    finally:
        connection.close()


def notes(gateway: Gateway) -> list[dict[str, Any]]:
    """The operations on record."""
    path = gateway.data_dir / "notes.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def key_with_rights(gateway: Gateway) -> str:
    """A new admin key that may reveal, and that the running gateway knows."""
    made = gateway.yumen(
        "keys", "create", "--tenant", "ops", "--app", "desk", "--role", "admin", "--may", "reveal", "--json"
    )
    assert made.returncode == 0, made.stderr
    key: str = json.loads(made.stdout)["key"]
    gateway.wait_for_key(key, "/admin/policy")
    return key
