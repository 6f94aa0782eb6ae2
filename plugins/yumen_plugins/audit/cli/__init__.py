"""`yumen audit`: verify the ledger, look into it, hand it over, and erase from it."""

from __future__ import annotations

import click

from yumen_plugins.audit.cli.erase import erase, hold, holds, release, retain
from yumen_plugins.audit.cli.export import export
from yumen_plugins.audit.cli.keys import key, rotate
from yumen_plugins.audit.cli.prove import prove
from yumen_plugins.audit.cli.report import report
from yumen_plugins.audit.cli.show import show
from yumen_plugins.audit.cli.verify import verify


@click.group()
def audit() -> None:
    """Verify the ledger, look into it, hand it over, and erase from it."""


for _command in (verify, show, prove, export, erase, hold, holds, release, retain, key, rotate, report):
    audit.add_command(_command)
