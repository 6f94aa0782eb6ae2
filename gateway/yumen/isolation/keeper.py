"""Keeps the process of one plugin alive: begins another one when it has ended, later and later while they end early."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sys
import time
from typing import TYPE_CHECKING

import msgspec

from yumen import telemetry
from yumen.errors import CannotStart
from yumen.isolation.conversation import Conversation
from yumen.isolation.process import resident_bytes, unreadable
from yumen.isolation.service import Service
from yumen.isolation.wire import ProcessGone, Setup
from yumen.plugin import Host
from yumen.telemetry import log

if TYPE_CHECKING:
    from yumen.policy.bundle import Instance

# The first wait, the longest one, and how long a process must have lived for the next one to begin at the first again.
FIRST_S, LONGEST_S, STEADY_S = 0.1, 30.0, 60.0
# How often its memory is looked at.
LOOK_S = 1.0


class Keeper:
    """The process of one instance, whichever that is at the moment."""

    def __init__(self, instance: Instance, host: Host) -> None:
        """Error: `CannotStart` where the configuration would be another one in the process."""
        self._host = host
        self._setup = Setup(
            module=instance.plugin_class.__module__,
            qualname=instance.plugin_class.__qualname__,
            config=_packed(instance.config),
            instance=instance.name,
            data_dir=str(host.data_dir),
            workers=host.workers,
            live=host.live,
            shared=host.store.shared,
            disabled=tuple(sorted(host.disabled)),
            told_time=host.monotonic is not time.monotonic,
            level=logging.DEBUG if telemetry.verbose else logging.INFO,
            path=tuple(sys.path),
            memory_bytes=instance.memory_mib << 20,
        )
        self._conversation: Conversation | None = None
        self._task: asyncio.Task[None] | None = None
        # Whether every order must say what time it is.
        self.told_time = self._setup.told_time

    async def start(self) -> None:
        """Begin the first one. Error: `CannotStart`."""
        if self._setup.live:
            unreadable()
        self._conversation = await self._begin()
        self._task = asyncio.create_task(self._keep(self._conversation))

    async def _begin(self) -> Conversation:
        return await Conversation.begin(self._setup, Service(self._host))

    def current(self) -> Conversation:
        """The process that works. Error: `ProcessGone` while there is none."""
        conversation = self._conversation
        if conversation is None or not conversation.lives:
            raise ProcessGone
        return conversation

    @property
    def pid(self) -> int | None:
        """The number of the process that works, for those who look."""
        conversation = self._conversation
        return conversation.pid if conversation is not None and conversation.lives else None

    async def _keep(self, conversation: Conversation) -> None:
        wait_s, begun = FIRST_S, time.monotonic()
        while True:
            await self._over(conversation)
            await conversation.end()
            self._note(conversation.how)
            if time.monotonic() - begun >= STEADY_S:
                wait_s = FIRST_S
            while True:
                # Not all processes of a machine should begin anew in the same moment.
                await asyncio.sleep(wait_s * random.uniform(0.5, 1.5))  # noqa: S311  # no secret
                wait_s, begun = min(wait_s * 2, LONGEST_S), time.monotonic()
                try:
                    conversation = self._conversation = await self._begin()
                    break
                except CannotStart as error:
                    log.error("plugin_process_not_started", instance=self._setup.instance, why=str(error)[:500])

    async def _over(self, conversation: Conversation) -> None:
        """Wait until a process has ended; end it where it takes more than it may, by what the system does not bound."""
        while conversation.lives:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await conversation.gone.wait()
            if conversation.lives and resident_bytes(conversation.pid) > self._setup.memory_bytes:
                conversation.give_up("memory")

    def _note(self, how: str) -> None:
        log.error("plugin_process_ended", instance=self._setup.instance, how=how)
        self._host.metrics.count("process_ends")

    async def stop(self) -> None:
        """Stop the plugin and end the process."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._conversation is not None:
            await self._conversation.end(politely=True)


def _packed(config: msgspec.Struct) -> bytes:
    """A configuration on its way. Error: `CannotStart` where what arrives would not be it."""
    try:
        packed = msgspec.msgpack.encode(config)
        if msgspec.msgpack.decode(packed, type=type(config)) == config:
            return packed
    except Exception as error:  # what its class does when one is made is somebody else's code
        log.debug("configuration_not_packed", error=type(error).__name__)
    raise CannotStart("its configuration does not reach another process as it is; remove `isolation`")
