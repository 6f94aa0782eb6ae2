"""One model of a repository: its versions on disk, and those of them that are open.

What is new is opened beside what serves, runs once, and takes its place between two requests; what it has replaced is closed
when the last request that uses it has been answered. A version that cannot be opened changes nothing but its own state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from yumen.engine import EngineError
from yumen.errors import CannotStart
from yumen.tensors.models import ModelState, State
from yumen.tensors.repository.config import CONFIG, ConfigWrong, Labels, ModelConfig
from yumen.tensors.repository.served import Served
from yumen.tensors.repository.source import Found, Mark, Wrong

REASON_CHARS_MAX = 1_000
UNCHOSEN = "`versions` does not choose it"
UNLOADED = "it is not loaded; load it, or name it in `load`"
CHANGED = "its files were changed while it was opened; load it again when they are complete"


class Care(Protocol):
    """What a shelf needs of the repository."""

    async def look(self, name: str) -> Found | None: ...
    async def config(self, name: str) -> tuple[ModelConfig, Labels]: ...
    async def open(self, name: str, version: int, config: ModelConfig, labels: Labels) -> Served:
        """Error: `Wrong` where the version is no longer what was found; and those of the adapter."""
        ...

    async def retire(self, *served: Served) -> None:
        """Close each when nobody uses it any more; goes on when nobody waits for it."""
        ...

    def changed(self, name: str, version: int, what: str, reason: str = "") -> None: ...


class Key(NamedTuple):
    """What a version was opened from: it is opened anew where this is another."""

    mark: Mark
    config: ModelConfig
    labels: Labels


class Slot:
    """One version: what serves of it, what was opened last or could not be, and why not."""

    __slots__ = ("key", "reason", "served", "state")

    def __init__(self) -> None:
        self.served: Served | None = None
        self.key: Key | None = None
        self.reason = ""
        self.state: State = "UNAVAILABLE"


class Shelf:
    """See the module. `wanted`: whether any version is to serve."""

    def __init__(self, name: str, care: Care, *, wanted: bool) -> None:
        self.name = name
        self.wanted = wanted
        # What was found when versions were opened or closed last; None too where something was changed meanwhile.
        self.found: Found | None = None
        self.settled: Found | None = None
        # How many `settle` are under way or about to be.
        self.settling = 0
        self._care = care
        self._slots: dict[int, Slot] = {}
        self._lock = asyncio.Lock()
        self._reason = ""
        self._changed_meanwhile = False

    @property
    def open(self) -> dict[int, Served]:
        """What serves, the latest version first."""
        found = {number: slot.served for number, slot in self._slots.items() if slot.served is not None}
        return dict(sorted(found.items(), reverse=True))

    def states(self) -> list[ModelState]:
        """Every version that is there, on disk or in memory; one without a version where there is none at all."""
        found = self.found or Found(self.name)
        reason = self._reason or found.reason
        states: list[ModelState] = []
        for number in sorted({*self._slots, *found.versions}):
            slot = self._slots.get(number)
            why, state = found.wrong.get(number, ""), slot.state if slot is not None else "UNAVAILABLE"
            why = why or (slot.reason if slot is not None else reason) or self._why(slot)
            states.append(ModelState(self.name, str(number), state, why))
        return states or [ModelState(self.name, "", "UNAVAILABLE", reason or self._why(None))]

    def _why(self, slot: Slot | None) -> str:
        if slot is not None and slot.state != "UNAVAILABLE":
            return ""
        return UNCHOSEN if self.wanted else UNLOADED

    async def settle(self, found: Found | None, *, asked: bool = False) -> str:
        """Have served what is to be served of what was found; `asked`: what could not be opened before is tried again.

        Returns what could not be done and why, or empty.
        """
        async with self._lock:
            before, self.found, self._changed_meanwhile = self.found, found, False
            wrong: list[str] = []
            if found is None or not self.wanted:
                await self._retire(self.open)
                self._slots.clear()
            elif found.reason:
                # What serves goes on: a folder that cannot be read is not one that somebody has emptied.
                wrong = [found.reason]
                self._care.changed(self.name, 0, "unavailable", found.reason)
            else:
                wrong = await self._settle(found, before.wrong if before is not None else {}, asked=asked)
            self.settled = None if self._changed_meanwhile else found
            return "\n".join(wrong)[:REASON_CHARS_MAX]

    async def _settle(self, found: Found, before: Mapping[int, str], *, asked: bool) -> list[str]:
        """`before` is what was wrong with versions on disk at the look before."""
        try:
            config, labels = await self._care.config(self.name)
        except (ConfigWrong, Wrong) as error:
            # What serves has been opened by a configuration that was right, and goes on while it is on disk.
            self._reason = str(error)[:REASON_CHARS_MAX]
            self._care.changed(self.name, 0, "unavailable", self._reason)
            await self._retire({number: one for number, one in self.open.items() if number not in found.versions})
            return [self._reason]
        self._reason = ""
        wrong = _missing(config, found)
        candidates, count = _chosen(config, found)
        kept: list[int] = []
        for number in candidates:
            if len(kept) == count:
                break
            slot = self._slots.setdefault(number, Slot())
            key = Key(found.versions[number], config.serving, labels)
            # What is wrong on disk is the disk's to say: it is past as soon as it is mended, whatever serves meanwhile.
            reason = found.wrong.get(number, "")
            if reason and reason != before.get(number):
                self._care.changed(self.name, number, "unavailable", reason)
            elif not reason and (slot.key != key or (asked and slot.served is None)):
                await self._make_room(kept, number, count)
                await self._open(number, slot, key, config, labels)
            reason = reason or slot.reason
            wrong += [reason] if reason else []
            if slot.served is not None:
                kept.append(number)
        if wrong and not kept:
            # A slip in `versions`, or files that cannot be opened, close nothing that answers.
            kept = [number for number in self.open if number in found.versions]
        await self._retire({number: served for number, served in self.open.items() if number not in kept})
        for number in [*self._slots]:
            if number not in found.versions or (number not in kept and not self._slots[number].reason):
                del self._slots[number]
        return wrong

    async def _make_room(self, kept: list[int], number: int, count: int) -> None:
        """Close what is to go anyway, so that there is never more than one version too many in memory."""
        serving = self.open
        for old in sorted(serving):
            if len(serving) > count and old not in kept and old != number:
                await self._retire({old: serving.pop(old)})

    async def _open(self, number: int, slot: Slot, key: Key, config: ModelConfig, labels: Labels) -> None:
        """Open a version, and let it serve in the place of what served under its number."""
        slot.key, slot.reason = key, ""
        slot.state = "READY" if slot.served else "LOADING"
        self._care.changed(self.name, number, "loading")
        reason = ""
        try:
            reason = slot.reason = await self._opened(number, slot, key, config, labels)
        except BaseException:
            slot.key = None  # it was cancelled, and says nothing about the files
            raise
        finally:
            slot.state = "READY" if slot.served else "UNAVAILABLE"
        if reason:
            self._care.changed(self.name, number, "unavailable", reason)

    async def _opened(self, number: int, slot: Slot, key: Key, config: ModelConfig, labels: Labels) -> str:
        """Why it cannot be, or empty."""
        where = f"{self.name}/{number}"
        try:
            served = await self._care.open(self.name, number, config, labels)
        except (CannotStart, ConfigWrong, EngineError) as error:
            return f"{where}: {error}"[:REASON_CHARS_MAX]
        except Wrong as error:
            # Before it was its turn to be opened: whatever is there by the next look is another matter.
            slot.key, self._changed_meanwhile = None, True
            return str(error)[:REASON_CHARS_MAX]
        except TimeoutError:
            return f"{where}: it took too long to open; try again, or use a smaller model"
        except Exception as error:  # an adapter may raise anything, and its words may hold anything
            return f"{where}: it cannot be opened ({type(error).__name__}); write its files again, or remove it"
        try:
            now = await self._care.look(self.name)
            whole = now is not None and now.versions.get(number) == key.mark
        except Wrong:
            whole = False
        except BaseException:
            await self._care.retire(served)
            raise
        if not whole:
            slot.key, self._changed_meanwhile = None, True
            await self._care.retire(served)
            return f"{where}: {CHANGED}"
        old, slot.served = slot.served, served
        self._care.changed(self.name, number, "ready")
        if old is not None:
            await self._care.retire(old)
        return ""

    async def _retire(self, going: dict[int, Served]) -> None:
        slots = [self._slots[number] for number in going]
        for number, slot in zip(going, slots, strict=True):
            slot.served, slot.key, slot.state = None, None, "UNLOADING"
            self._care.changed(self.name, number, "unloading")
        try:
            await self._care.retire(*going.values())
        finally:
            for slot in slots:
                slot.state = "UNAVAILABLE"

    def drop(self) -> list[Served]:
        """Everything that is open, none of which serves any more: the engine closes."""
        dropped = [*self.open.values()]
        self.wanted = False
        self._slots.clear()
        return dropped


def _chosen(config: ModelConfig, found: Found) -> tuple[list[int], int]:
    """The versions that may serve, the latest first, and how many of them are to."""
    numbers = sorted(found.versions, reverse=True)
    if config.versions == "latest":
        return numbers, config.latest
    if config.versions != "all":
        numbers = [number for number in numbers if number in config.versions]
    return numbers, len(numbers)


def _missing(config: ModelConfig, found: Found) -> list[str]:
    """What `versions` names and is not there."""
    if isinstance(config.versions, str):
        return []
    missing = [str(number) for number in config.versions if number not in found.versions]
    return [f"{found.name}/{CONFIG}: `versions` names {', '.join(missing)}, not there; correct it"] if missing else []
