"""Sends a file that a plugin makes for an operator while it is made."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from litestar.response import Stream

from yumen.errors import Problem
from yumen.foreign import pass_on
from yumen.operators import Download
from yumen.telemetry import error_name, log, place

# How long the next part of a file may take.
CHUNK_S = 60.0
MEDIA_TYPE = re.compile(r"[\x20-\x7e]{1,200}")
# What every client takes for a name of a file without asking; others come percent-encoded beside it (RFC 6266).
PLAIN_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")
NAME_CHARS_MAX = 200


class Sent(Stream):
    """The reply with a file. Error: `Problem` plugin_fault where its name or type cannot stand in a header."""

    def __init__(self, download: Download, plugin: str) -> None:
        if not MEDIA_TYPE.fullmatch(download.media_type) or not 0 < len(download.filename) <= NAME_CHARS_MAX:
            log.warning("plugin_fault", plugin=plugin, hook="admin", error="ValueError", at="")
            raise Problem("plugin_fault")
        super().__init__(
            _parts(download, plugin),
            media_type=download.media_type,
            headers={"content-disposition": disposition(download.filename)},
        )


def disposition(filename: str) -> str:
    """The header `content-disposition` for a file to keep (RFC 6266)."""
    if PLAIN_NAME.fullmatch(filename):
        return f'attachment; filename="{filename}"'
    return f"attachment; filename*=UTF-8''{quote(filename, safe='', errors='replace')}"


async def close(download: Download) -> None:
    """Close the parts of a file that is not sent, or not to its end."""
    closing: Any = getattr(download.chunks, "aclose", None)
    if closing is not None:
        await closing()


async def _parts(download: Download, plugin: str) -> AsyncIterator[bytes]:
    chunks = aiter(download.chunks)
    try:
        while True:
            async with asyncio.timeout(CHUNK_S):
                try:
                    chunk = await anext(chunks)
                except StopAsyncIteration:
                    return
            yield chunk
    except GeneratorExit:
        raise
    except BaseException as error:  # a plugin may raise anything
        pass_on(error)
        log.error("download_broke", plugin=plugin, error=error_name(error), at=place(error))
        raise RuntimeError("a part of the file could not be made") from None
    finally:
        await close(download)
