"""Compiles the modules on the path of every exchange to machine code, with mypyc, when a wheel is asked to be fast.

`make compiled` sets HATCH_BUILD_HOOKS_ENABLE=1 and builds so. Without it, and always in an editable installation, the wheel
holds Python only: the sources are the same. `make test` runs every test on Python, `make test-compiled` those that meet
compiled modules, but for the very long ones, on machine code. Format: https://hatch.pypa.io, "Build hooks".
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMPILE = [sys.executable, "-m", "mypyc", "--explicit-package-bases", "--ignore-missing-imports"]


class CompileHook(BuildHookInterface[Any]):
    """Adds an extension module beside each module that pyproject.toml names under `modules`."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile in a copy of the sources: extension modules left in the tree would hide later edits."""
        if version == "editable":
            return
        self._folder = Path(tempfile.mkdtemp(prefix="yumen-compile-"))
        for package in self.build_config.packages:
            source = Path(self.root, package)
            shutil.copytree(source, self._folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        modules = sorted(
            str(path.relative_to(self._folder)) for glob in self.config["modules"] for path in self._folder.glob(glob)
        )
        done = subprocess.run([*COMPILE, *modules], cwd=self._folder, capture_output=True, text=True)  # noqa: S603  # a fixed command, without a shell
        if done.returncode:
            raise SystemExit(f"mypyc could not compile:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        built = [path for path in self._folder.rglob("*.so") if path.relative_to(self._folder).parts[0] != "build"]
        build_data["force_include"].update({str(path): str(path.relative_to(self._folder)) for path in built})
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the copy."""
        if version != "editable":
            shutil.rmtree(self._folder)
