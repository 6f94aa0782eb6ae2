"""A folder into which distributions are installed as pip would do it, with their RECORD, and that is on the path."""

from __future__ import annotations

import base64
import hashlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from yumen import registry

HOOK = "    async def on_request(self, exchange): return None\n"


def plugin(name: str, *, more: str = "", body: str = HOOK, manifest: str = "") -> str:
    """The source of a module with a plugin, whose class is `It`."""
    return (
        f"from yumen import Manifest, NoConfig, Plugin\n{more}\n"
        f"class It(Plugin[NoConfig]):\n    manifest = Manifest(name={name!r}, version='1.0', {manifest})\n{body}"
    )


class Site:
    """See the module; `folder` is on the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(
        self,
        distribution: str,
        files: Mapping[str, str],
        points: str = "",
        *,
        version: str = "1.0",
        record: bool = True,
    ) -> Path:
        """Install a distribution of these files; `points` are its `entry_points.txt`. Returns the folder of its metadata."""
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        written = {
            **files,
            f"{info.name}/METADATA": metadata,
            f"{info.name}/entry_points.txt": points,
            f"{info.name}/INSTALLER": "pip\n",
        }
        lines = [f"{info.name}/RECORD,,\n"]
        for name, content in written.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()
            lines.append(f"{name},sha256={digest},{path.stat().st_size}\n")
        if record:
            (info / "RECORD").write_text("".join(lines))
        return info

    def add_plugin(self, name: str, source: str = "", *, version: str = "1.0") -> Path:
        """Install the distribution `acme-NAME` with the plugin NAME in the module `acme_NAME`."""
        points = f"[yumen.plugins]\n{name} = acme_{name}:It\n"
        return self.add(f"acme-{name}", {f"acme_{name}/__init__.py": source or plugin(name)}, points, version=version)


@contextmanager
def on_path(folder: Path) -> Iterator[Site]:
    """A site that is on the path of this process and of those that it starts; what it has imported of it goes again."""
    folder.mkdir(parents=True, exist_ok=True)
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("PYTHONPATH", str(folder), prepend=":")
        try:
            yield Site(folder)
        finally:
            for name in set(sys.modules) - before:
                if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
                    del sys.modules[name]
            registry.forget()
