"""A distribution with plugins that policies may refuse, installed into a folder as pip would do it."""

from __future__ import annotations

from pathlib import Path

PLUGINS = {
    "masks_masked": 'sees="masked", masks=True',
    "edits_raw": 'sees="raw", mutates=True',
    "edits_masked": 'sees="masked", mutates=True',
    "stores_raw": 'sees="raw", stores="raw"',
    "stores_seen": 'sees="raw", stores="masked"',
    "picky": 'sees="masked"',
    "asks_masked": 'sees="masked"',
    "asks_raw": 'sees="raw"',
}
MODULE = """
import msgspec
from yumen import Manifest, Plugin

class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    word: str = ""
    other: str = ""

    def __post_init__(self):
        if self.word == "never":
            raise ValueError("the word `never` is not taken; not even here")

class _Base(Plugin[Config]):
    def __init__(self, config):
        super().__init__(config)
        if config.word == "later":
            raise RuntimeError(f"{config.word} and {config.other} do not go together")

    async def on_request(self, exchange):
        return None

class _Asking(_Base):
    async def on_ask(self, exchange, ask):
        return await ask()
"""


def install(site: Path) -> None:
    """Write the distribution's files into `site`."""
    classes = [
        f'class {name.title()}({base(name)}):\n    manifest = Manifest(name="{name}", version="1", {manifest})\n'
        for name, manifest in PLUGINS.items()
    ]
    (site / "acme_plugins.py").write_text("\n".join([MODULE, *classes]))
    info = site / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    points = (f"{name} = acme_plugins:{name.title()}" for name in PLUGINS)
    (info / "entry_points.txt").write_text("\n".join(["[yumen.plugins]", *points]) + "\n")


def base(name: str) -> str:
    """The class that a plugin is made of."""
    return "_Asking" if name.startswith("asks") else "_Base"
