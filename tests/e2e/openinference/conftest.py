"""One gateway with tensors behind it, for all tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.e2e.openinference.calculator import ROOT, install
from tests.serving import Gateway

FILES = {
    "gateway": """version: 1
engines: {tensors: {adapter: calculator, egress: local}}
routes:
  - id: tensors
    match: {paths: ["/v2/*"], models: [adder, echo, halves]}
    engine: tensors
    chain: [audit, anonymize]
""",
    "audit": "version: 1\nplugin: audit\n",
    "anonymize": "version: 1\nplugin: anonymize\nconfig: {detect: [cn.mobile, email]}\n",
}


@pytest.fixture(scope="package")
def tensors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that masks phones and addresses before an engine from outside."""
    folder = tmp_path_factory.mktemp("tensors")
    site = folder / "site"
    install(site)
    (folder / "policy").mkdir()
    for name, text in FILES.items():
        (folder / "policy" / f"{name}.yaml").write_text(text)
    path = os.pathsep.join([str(site), str(ROOT)])
    gateway = Gateway(folder, YUMEN_POLICIES=str(folder / "policy"), PYTHONPATH=path)
    try:
        yield gateway.start()
    finally:
        gateway.stop()
