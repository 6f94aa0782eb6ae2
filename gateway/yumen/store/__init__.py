"""Shared state behind `yumen.state.Store`."""

from __future__ import annotations


class StoreError(Exception):
    """The store could not be asked. The message names the kind of fault: no key, no value and no address."""
