"""Parquet: what is read back from a file is what the records were."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.plugins.audit.formats.samples import EVERY, EXCHANGE, MASKED, ODD, OPERATION, TIME

from yumen import CannotStart
from yumen_plugins.audit.formats import parquet
from yumen_plugins.audit.formats.columns import COLUMNS
from yumen_plugins.audit.formats.parquet import write_parquet

FILE_MAX = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000));"


def read(path: Path) -> list[dict[str, Any]]:
    """Records again: without what is null, maps as objects, and `rest` back among the members."""
    return [again(row) for row in pq.read_table(path).to_pylist()]


def again(row: dict[str, Any]) -> dict[str, Any]:
    made = {name: plain(name, value) for name, value in row.items() if value is not None and name != "rest"}
    rest: dict[str, Any] = json.loads(row["rest"] or "{}")
    return made | rest


def plain(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        assert value.utcoffset() is not None
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    column = COLUMNS[name]
    if isinstance(column, str):
        return dict(value) if column.startswith("map ") else value
    return [{inner: one for inner, one in entry.items() if one is not None} for entry in value]


def test_records_come_back(tmp_path: Path) -> None:
    """Every kind of record, old ones and ones that are yet to come included, comes back member for member."""
    path = tmp_path / "记录.parquet"
    assert write_parquet(EVERY, path) == len(EVERY)
    assert read(path) == EVERY
    assert path.stat().st_mode & 0o777 == 0o600


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(ODD, max_size=5))
def test_odd_records_come_back(records: list[dict[str, Any]], tmp_path: Path) -> None:
    """A member of another type than its column, or of none, does not stop the export and is not lost."""
    path = tmp_path / "odd.parquet"
    assert write_parquet(records, path, row_group=2) == len(records)
    assert read(path) == records


def test_columns_have_types(tmp_path: Path) -> None:
    """Whoever queries the file can compare times and numbers, look into findings, and see which columns they are."""
    path = tmp_path / "x.parquet"
    write_parquet([EXCHANGE], path)
    schema = pq.read_schema(path)
    assert schema.names == list(COLUMNS)
    assert str(schema.field("time").type) == "timestamp[us, tz=UTC]"
    assert str(schema.field("seq").type) == "int64"
    assert {field.name for field in schema.field("findings").type.value_type} >= {"rule", "start", "shadow"}
    assert schema.metadata[b"yumen.schema"] == parquet.SCHEMA_VERSION.encode()
    assert pq.read_table(path).column("rest").to_pylist() == [None]
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"


def test_rows_come_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is that of one group: full by rows, or before that by the size of what stands in them."""
    path = tmp_path / "x.parquet"
    write_parquet([OPERATION] * 25, path, row_group=10)
    meta = pq.ParquetFile(path).metadata
    assert [meta.row_group(index).num_rows for index in range(meta.num_row_groups)] == [10, 10, 5]
    monkeypatch.setattr(parquet, "GROUP_CHARS_MAX", 3000)
    big = EXCHANGE | {"reply": [{"path": "", "kind": "message", "chars": 1000, "text": "长" * 1000}]}
    write_parquet([big] * 5, path)
    meta = pq.ParquetFile(path).metadata
    assert [meta.row_group(index).num_rows for index in range(meta.num_row_groups)] == [3, 2]


def test_records_are_not_gathered_first(tmp_path: Path) -> None:
    """A ledger larger than the memory can be exported: a group is written before the records after it are asked for."""
    seen: list[int] = []

    def records() -> Iterator[dict[str, Any]]:
        for number in range(200):
            if number in (100, 199):
                (file,) = tmp_path.iterdir()
                seen.append(file.stat().st_size)
            yield EXCHANGE | {"seq": number, "model": f"model {number * 7919}"}

    write_parquet(records(), tmp_path / "x.parquet", row_group=10)
    assert 0 < seen[0] < seen[1]


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """Where the ledger turns out not to hold half-way, the file that was there stays, and no half of one is left."""
    path = tmp_path / "x.parquet"
    write_parquet([EXCHANGE], path)

    def broken() -> Iterator[dict[str, Any]]:
        yield from [OPERATION] * 30
        assert not path.read_bytes().endswith(MASKED.encode())
        raise CannotStart("the ledger does not hold")

    with pytest.raises(CannotStart, match="does not hold"):
        write_parquet(broken(), path, row_group=10)
    assert list(tmp_path.iterdir()) == [path]
    assert read(path) == [EXCHANGE]


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """It is said in one line what cannot be written and what to do, and nothing is left behind."""
    path = tmp_path / "x.parquet"
    program = (
        f"{FILE_MAX} import json, sys, secrets, pathlib; from yumen import CannotStart;"
        "from yumen_plugins.audit.formats.parquet import write_parquet\n"
        "record = json.loads(sys.argv[2])\n"
        "try: write_parquet((record | {'model': secrets.token_hex(200)} for _ in range(1000)), pathlib.Path(sys.argv[1]),"
        " row_group=50)\n"
        "except CannotStart as error: print(error); sys.exit(7)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), json.dumps(EXCHANGE)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (7, "")
    assert str(path) in done.stdout
    assert "make room" in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """The error names the file that was asked for."""
    with pytest.raises(CannotStart, match=r"nowhere/x\.parquet: No such file"):
        write_parquet([EXCHANGE], tmp_path / "nowhere" / "x.parquet")


def test_without_pyarrow(tmp_path: Path) -> None:
    """Whoever has not installed it is told how to, and every other format is there without it."""
    program = (
        "import sys, pathlib; sys.modules['pyarrow'] = None\n"
        "from yumen import CannotStart; from yumen_plugins.audit.formats import FORMATS, LINES\n"
        "from yumen_plugins.audit.formats.parquet import write_parquet\n"
        "try: write_parquet([], pathlib.Path(sys.argv[1]))\n"
        "except CannotStart as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "x")], capture_output=True, text=True)
    assert "pip install 'yumen[parquet]'" in done.stdout, done.stderr
    assert not list(tmp_path.iterdir())


def test_times_that_a_column_would_change(tmp_path: Path) -> None:
    """A time that is finer or in another zone is kept as it is written, beside the column."""
    path = tmp_path / "x.parquet"
    odd = [{"kind": "start", "time": time} for time in (TIME[:-1] + "999Z", TIME[:-1] + "+08:00", "昨天")]
    write_parquet(odd, path)
    assert read(path) == odd


def test_values_that_a_column_cannot_hold(tmp_path: Path) -> None:
    """A number over 64 bits, a truth value for a number, null, a member named as the column of the others, new members."""
    path = tmp_path / "x.parquet"
    odd: list[dict[str, Any]] = [
        {"seq": 2**63, "kind": "start", "rest": "休息"},
        {"seq": True, "trusted": 1, "usage": {"input_tokens": -(2**63) - 1}},
        {"model": None, "timings_ms": {"total": 2**60}},
        {"findings": [{"rule": "x", "confidence": "high"}]},
    ]
    write_parquet(odd, path)
    assert read(path) == odd
