"""The stream filters of a plugin in its process: one for each channel of a reply, until that has come to its end."""

from __future__ import annotations

from typing import Any

from yumen.exchange import Block
from yumen.isolation.child.exchange import IsolatedExchange
from yumen.isolation.wire import Fed, Feed
from yumen.plugin import MaskingFilter, Plugin, StreamFilter
from yumen.said import check_decision, check_text

# Channels under way, of all exchanges together.
FILTERS_MAX = 65_536


class Filters:
    """Makes and calls the filters of one plugin. They lie with their exchanges, and go with them at the latest."""

    def __init__(self, plugin: Plugin[Any]) -> None:
        self._plugin = plugin
        self._count = 0

    def feed(self, exchange: IsolatedExchange, order: Feed) -> Fed:
        """Hand a piece to its filter. Errors: what the plugin raises; TypeError for what the contract does not allow."""
        if order.opening is None:
            exchange.go_on(order.id)
            running: StreamFilter | None = exchange.filters[order.filter]
        else:
            exchange.begin(order.id, order.opening.seen)
            running = self._open(exchange, order)
        if running is None:
            return Fed(order.id, "", "", None, exchange.filter_acts(), dropped=exchange.dropped)
        # One that fails is not called again, and stays until its exchange ends.
        fed = self._fed(running, exchange, order)
        if order.last or fed.block is not None:
            self._close(exchange, order.filter)
        return fed

    def _open(self, exchange: IsolatedExchange, order: Feed) -> StreamFilter | None:
        assert order.opening is not None
        made = self._plugin.stream(exchange, order.opening.channel)
        if made is None:
            return None
        if self._plugin.manifest.masks and not isinstance(made, MaskingFilter):
            raise TypeError("the filter of a masking plugin is a MaskingFilter")
        if self._count >= FILTERS_MAX:
            raise OverflowError("there are too many channels under way")
        self._count += 1
        exchange.filters[order.filter] = made
        return made

    def _fed(self, running: StreamFilter, exchange: IsolatedExchange, order: Feed) -> Fed:
        out = running.feed(order.text) if order.text else ""
        if order.last and not isinstance(out, Block):
            rest = running.finish()
            out = rest if isinstance(rest, Block) else out + rest
        passed, masked, blocked = "", "", None
        if isinstance(out, str):
            passed = out
            masked = running.masked() if isinstance(running, MaskingFilter) else ""
            check_text(passed)
            check_text(masked)
        else:
            check_decision(out)
            if not isinstance(out, Block):
                raise TypeError("a filter returns text or a Block")
            blocked = out
        hold_max = int(running.hold_max)
        return Fed(order.id, passed, masked, hold_max, exchange.filter_acts(), blocked, exchange.dropped)

    def _close(self, exchange: IsolatedExchange, number: int) -> None:
        if exchange.filters.pop(number, None) is not None:
            self._count -= 1

    def forget(self, exchange: IsolatedExchange | None) -> None:
        """An exchange has ended, and what of its channels has not."""
        if exchange is not None:
            self._count -= len(exchange.filters)
            exchange.filters.clear()
