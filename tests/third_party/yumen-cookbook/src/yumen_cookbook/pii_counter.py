"""Counts what other plugins found, by rule: how much personal data comes in, without seeing any of it."""

from __future__ import annotations

from typing import ClassVar

from yumen import Exchange, Host, Manifest, NoConfig, Plugin


class PiiCounter(Plugin[NoConfig]):
    """Findings say where and of what kind, never what. So this plugin has no text, and asks for no raw form.

    Put it first in the chain: completion hooks run from the last to the first, and it sees what all others have found.
    """

    manifest: ClassVar[Manifest] = Manifest(name="pii_counter", version="1.0.0")

    async def start(self, host: Host) -> None:
        self._metrics = host.metrics

    async def on_complete(self, exchange: Exchange) -> None:
        for finding in exchange.findings:
            shadow = "shadow" if finding.shadow else "enforce"
            self._metrics.count("found", rule=finding.rule, direction=finding.direction, mode=shadow)
        self._metrics.count("exchanges", found="yes" if exchange.findings else "no")
