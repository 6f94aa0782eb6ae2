"""Parquet files of records, for whoever asks questions of many of them at once.

Format: https://parquet.apache.org/docs/file-format/, compressed with Zstandard. The columns are those of `columns.COLUMNS`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from yumen import CannotStart
from yumen_plugins.audit.formats.columns import COLUMNS, MAP, Column, row
from yumen_plugins.audit.formats.reading import product_version
from yumen_plugins.audit.log.tiles import sync_folder

# The version of the columns; it grows when a column changes or goes, and not when one is added.
SCHEMA_VERSION = "1"
INSTALL = "pip install 'yumen[parquet]'"
# Characters that may wait for a row group to be full, so that big records cannot fill the memory.
GROUP_CHARS_MAX = 1 << 25


def write_parquet(records: Iterable[dict[str, Any]], path: Path, *, row_group: int = 10_000) -> int:
    """Write records to a file, which appears whole or not at all, and return how many they were.

    A file of that name is replaced. Memory is that of one row group: `row_group` rows, or fewer where they are big.
    Errors: `CannotStart` where pyarrow is missing or the file cannot be written; those of `records` as they are.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise CannotStart(f"Parquet needs pyarrow, which is not installed; {INSTALL}") from None
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                written = _write(pyarrow, file, records, row_group)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise CannotStart(
            f"cannot write {path}: {error.strerror or type(error).__name__}; make room, or name another file"
        ) from None
    return written


def _write(pyarrow: Any, file: IO[bytes], records: Iterable[dict[str, Any]], row_group: int) -> int:
    schema, written = _schema(pyarrow), 0
    with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for rows in _groups(records, row_group):
            arrays = [pyarrow.array([one.get(name) for one in rows], schema.field(name).type) for name in COLUMNS]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema), row_group_size=row_group)
            written += len(rows)
    return written


def _groups(records: Iterable[dict[str, Any]], row_group: int) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    chars = 0
    for record in records:
        rows.append(row(record))
        chars += _chars(rows[-1])
        if len(rows) >= row_group or chars >= GROUP_CHARS_MAX:
            yield rows
            rows, chars = [], 0
    if rows:
        yield rows


def _chars(made: dict[str, Any]) -> int:
    """How big a row is, as far as it can be big."""
    texts = [one.get("text", "") for name in ("request", "reply") for one in made.get(name, ())]
    return sum(map(len, texts)) + len(made.get("rest", ""))


def _schema(pyarrow: Any) -> Any:
    metadata = {"yumen.schema": SCHEMA_VERSION, "yumen.version": product_version({})}
    return pyarrow.schema([(name, _type(pyarrow, column)) for name, column in COLUMNS.items()], metadata=metadata)


def _type(pyarrow: Any, column: Column) -> Any:
    if not isinstance(column, str):
        return pyarrow.list_(pyarrow.struct([(name, _type(pyarrow, kind)) for name, kind in column.items()]))
    if column.startswith(MAP):
        return pyarrow.map_(pyarrow.string(), _type(pyarrow, column.removeprefix(MAP)))
    plain = {
        "string": pyarrow.string,
        "bool": pyarrow.bool_,
        "int64": pyarrow.int64,
        "double": pyarrow.float64,
        "time": lambda: pyarrow.timestamp("us", "UTC"),
    }
    return plain[column]()
