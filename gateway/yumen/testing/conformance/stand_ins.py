"""Plugins that stand beside the plugin that is looked at."""

from __future__ import annotations

import re
from typing import ClassVar

from yumen.exchange import Exchange
from yumen.plugin import Manifest, NoConfig, Plugin
from yumen.testing.conformance.examples import CANARIES

MASKED = "[masked]"
CANARY = re.compile("|".join(map(re.escape, CANARIES)))


class Masker(Plugin[NoConfig]):
    """Masks the canaries, for plugins that see the masked form. It gives nothing back."""

    manifest: ClassVar[Manifest] = Manifest(name="yumen_testing_masker", version="1", sees="raw", masks=True)

    async def on_request(self, exchange: Exchange) -> None:
        """See `Plugin`."""
        for text in exchange.texts:
            for found in CANARY.finditer(text.value):
                text.mask(found.start(), found.end(), MASKED)


class Idle(Plugin[NoConfig]):
    """Does nothing, where a chain must have somebody."""

    manifest: ClassVar[Manifest] = Manifest(name="yumen_testing_idle", version="1")

    async def on_request(self, exchange: Exchange) -> None:
        """See `Plugin`."""
