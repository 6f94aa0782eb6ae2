"""The cache of plans: only what this gateway has written itself, whole and for the same thing, is ever loaded."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.engines.tensorrt import tiny
from tests.engines.tensorrt.made import SECRET, Bench

from yumen import CannotStart
from yumen_engines.onnx.signed import Refused
from yumen_engines.tensorrt.plan import Key, PlanCache

KEY = Key(
    tensorrt="11.4.0.106",
    compute="9.0",
    gpu="Fake H200",
    onnx="ab" * 32,
    profiles=("1: x=(1, 4)",),
    flags=("tf32=False",),
)
PLAN = b"plan " * 100


@pytest.fixture
def cache(tmp_path: Path) -> PlanCache:
    """A cache with one plan."""
    made = PlanCache(tmp_path / "cache", SECRET, plans_max=3, plan_bytes_max=4096)
    made.write(KEY, PLAN)
    return made


def test_what_was_kept_is_found_again(cache: PlanCache) -> None:
    """A plan is found by its key and nothing else, and only its owner may read it."""
    assert cache.read(KEY) == PLAN
    assert cache.read(msgspec.structs.replace(KEY, onnx="cd" * 32)) is None
    assert cache.path(KEY).stat().st_mode & 0o777 == 0o600
    assert cache.path(KEY).parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in cache.path(KEY).parent.iterdir()] == [f"{KEY.digest()}.plan"]


@pytest.mark.parametrize("change", [
    {"tensorrt": "11.4.0.107"}, {"compute": "8.9"}, {"gpu": "Fake H100"}, {"onnx": ""}, {"profiles": ()},
    {"flags": ("tf32=True",)},
])  # fmt: skip
def test_a_plan_for_anything_else_is_refused(cache: PlanCache, change: Any) -> None:
    """A plan under another one's name is not taken, although we have signed it: all of its key must be the same."""
    other = msgspec.structs.replace(KEY, **change)
    assert cache.read(other) is None
    cache.path(KEY).rename(cache.path(other))
    with pytest.raises(Refused, match="something else"):
        cache.read(other)


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_one_bit_is_enough(tmp_path_factory: pytest.TempPathFactory, place: int, bit: int) -> None:
    """Wherever a file differs from what was written, in its head, its signature or its plan, it is refused."""
    cache = PlanCache(tmp_path_factory.getbasetemp() / "bits", SECRET)
    path = cache.write(KEY, PLAN)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    with pytest.raises(Refused):
        cache.read(KEY)


@given(st.integers(0, 10_000))
def test_a_file_that_is_cut_off_or_longer_is_refused(tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    """A file that was not written to its end, or goes on behind it, is no plan."""
    cache = PlanCache(tmp_path_factory.getbasetemp() / "cut", SECRET)
    path = cache.write(KEY, PLAN)
    content = path.read_bytes()
    path.write_bytes(content[: size % len(content)] if size % 2 else content + b"x" * (1 + size))
    with pytest.raises(Refused):
        cache.read(KEY)


def test_another_gateway_s_plan_is_refused(cache: PlanCache, tmp_path: Path) -> None:
    """The signature is by this gateway's secret: a plan from elsewhere is content that runs, and nobody's word for it."""
    other = PlanCache(tmp_path / "cache", b"o" * 32)
    with pytest.raises(Refused, match="signature"):
        other.read(KEY)


def test_timings_are_no_plan(cache: PlanCache) -> None:
    """What was signed as one kind of file is not taken for the other."""
    cache.write(KEY, PLAN, "timings")
    cache.path(KEY, "timings").rename(cache.path(KEY))
    with pytest.raises(Refused, match="signature"):
        cache.read(KEY)


def linked(path: Path) -> None:
    path.rename(path.with_suffix(".elsewhere"))
    path.symlink_to(path.with_suffix(".elsewhere"))


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def shut(path: Path) -> None:
    path.unlink()
    path.mkdir()


def filled(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(1 << 20)


@pytest.mark.parametrize("change", [linked, piped, shut, filled])
def test_what_is_no_plain_file_is_refused(cache: PlanCache, change: Callable[[Path], None]) -> None:
    """A link, a pipe, a folder or a file beyond the limit is not read, and nothing waits for it."""
    change(cache.path(KEY))
    with pytest.raises(Refused):
        cache.read(KEY)


def test_there_are_not_too_many(cache: PlanCache) -> None:
    """What was used longest ago makes room, what was half written an hour ago goes, and what is too large is not kept."""
    folder = cache.path(KEY).parent
    (folder / ".old.tmp").write_bytes(b"")
    os.utime(folder / ".old.tmp", (1, 1))
    (folder / ".new.tmp").write_bytes(b"")
    for number in range(5):
        path = cache.write(msgspec.structs.replace(KEY, onnx=str(number)), PLAN)
        os.utime(path, (time.time() + number - 100, time.time() + number - 100))
    assert cache.read(KEY) is None or len(list(folder.glob("*.plan"))) == 3
    assert len(list(folder.glob("*.plan"))) == 3
    assert cache.read(msgspec.structs.replace(KEY, onnx="4")) == PLAN
    assert [path.name for path in folder.glob(".*")] == [".new.tmp"]
    with pytest.raises(Refused, match="more than 4096"):
        cache.write(KEY, b"x" * 4097)


def test_a_write_that_fails_leaves_nothing(cache: PlanCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full costs neither the plan that was there nor a file of its own."""

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        cache.write(KEY, b"another")
    assert cache.read(KEY) == PLAN
    assert len(list(cache.path(KEY).parent.iterdir())) == 1


def test_one_process_builds_at_a_time(cache: PlanCache, tmp_path: Path) -> None:
    """Who wants to build while another does waits, and not for ever."""
    other = PlanCache(tmp_path / "cache", SECRET)
    with cache.building(time.monotonic() + 60), pytest.raises(TimeoutError), other.building(time.monotonic() - 1):
        pass
    with other.building(time.monotonic() - 1):
        pass


def test_a_plan_is_built_once(bench: Bench, tmp_path: Path) -> None:
    """The second start takes the plan of the first; another model, or other shapes, are another plan."""
    path = tiny.scaled(tmp_path / "m.onnx")
    first = bench.planned(path)
    second = bench.planned(path, may_build=False)
    assert (first.built, second.built, bench.trt.built) == (True, False, 1)
    assert first.plan == second.plan
    bench.planned(path, buckets=(1, 2))
    bench.planned(path, tf32=True)
    bench.planned(tiny.scaled(tmp_path / "m.onnx", factor=3))
    assert bench.trt.built == 4


def test_a_plan_that_was_tampered_with_is_never_loaded(bench: Bench, tmp_path: Path) -> None:
    """What is refused is told, and built anew or not at all; TensorRT gets none of it."""
    path = tiny.scaled(tmp_path / "m.onnx")
    bench.planned(path)
    (kept,) = (tmp_path / "tensorrt-cache").glob("*.plan")
    kept.write_bytes(kept.read_bytes()[:-1] + b"!")
    with capture_logs() as logs, pytest.raises(CannotStart, match="yumen engines build"):
        bench.planned(path, may_build=False)
    assert [line["event"] for line in logs] == ["tensorrt_plan_refused"]
    assert bench.planned(path).built
    assert not bench.planned(path).built
    assert bench.trt.loaded == 0


def test_timings_are_kept_and_used_again(bench: Bench, tmp_path: Path) -> None:
    """The second build begins with what the first has measured, unless that was tampered with."""
    bench.planned(tiny.scaled(tmp_path / "a.onnx"))
    bench.planned(tiny.fixed(tmp_path / "b.onnx"))
    assert bench.trt.config is not None
    assert bench.trt.config.cache is not None
    assert bench.trt.config.cache.content == b"timed" * 2
    (kept,) = (tmp_path / "tensorrt-cache").glob("*.timings")
    kept.write_bytes(b"!" + kept.read_bytes()[1:])
    with capture_logs() as logs:
        bench.planned(tiny.summed(tmp_path / "c.onnx"), shapes=tiny.SHAPES)
    assert bench.trt.config.cache.content == b"timed"
    assert "tensorrt_timings_refused" in [line["event"] for line in logs]


def test_a_build_says_how_to_do_it(bench: Bench, tmp_path: Path) -> None:
    """What policy says reaches the builder: memory, level and the flag for TF32."""
    bench.planned(tiny.scaled(tmp_path / "a.onnx"), workspace_bytes_max=2 << 20, optimization_level=5, tf32=False)
    config = bench.trt.config
    assert config is not None
    assert (list(config.pools.values()), config.builder_optimization_level) == ([2 << 20], 5)
    assert (len(config.profiles), config.flags_set) == (6, set())
    bench.planned(tiny.scaled(tmp_path / "a.onnx"), tf32=True)
    assert bench.trt.config is not None
    assert len(bench.trt.config.flags_set) == 1


def test_a_build_can_be_stopped(bench: Bench, tmp_path: Path) -> None:
    """A build ends when nobody wants it any more, keeps nothing, and the next one may begin."""
    path, stop = tiny.scaled(tmp_path / "m.onnx"), threading.Event()
    stop.set()
    with pytest.raises(TimeoutError, match="given up"):
        bench.planner().planned(path, bench.plan(), lambda line: None, stop, may_build=True)
    assert bench.trt.built == 0
    assert bench.planned(path).built


def test_progress_is_told(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a build hears of it, in the words of TensorRT."""
    monkeypatch.setattr("yumen_engines.tensorrt.build.PROGRESS_S", 0)
    told: list[str] = []
    bench.planner().planned(
        tiny.scaled(tmp_path / "m.onnx"), bench.plan(), told.append, threading.Event(), may_build=True
    )
    assert told == ["building a plan of m.onnx for Fake H200; this takes minutes"] + [
        f"Building: step {step} of 3" for step in (1, 2, 3)
    ]


def test_a_plan_that_cannot_be_kept_serves(bench: Bench, tmp_path: Path) -> None:
    """A disk without room costs the next start its time, and this one nothing."""
    planner = bench.planner()
    planner._cache = PlanCache(tmp_path / "tensorrt-cache", SECRET, plan_bytes_max=10)
    planner._log = structlog.get_logger()
    with capture_logs() as logs:
        planned = planner.planned(
            tiny.scaled(tmp_path / "m.onnx"), bench.plan(), lambda line: None, threading.Event(), may_build=True
        )
    assert planned.built
    assert [line["event"] for line in logs] == ["tensorrt_plan_not_kept"]


def test_a_folder_that_cannot_be_written_costs_only_time(bench: Bench, tmp_path: Path) -> None:
    """Where no plan can be kept, nor the file that says who builds, one is built at each start, and serves."""
    (tmp_path / "file").write_text("")
    planner = bench.planner()
    planner._cache = PlanCache(tmp_path / "file" / "tensorrt-cache", SECRET)
    planner._log = structlog.get_logger()
    with capture_logs() as logs:
        planned = planner.planned(
            tiny.scaled(tmp_path / "m.onnx"), bench.plan(), lambda line: None, threading.Event(), may_build=True
        )
    assert planned.built
    assert logs[-1] == {"event": "tensorrt_plan_not_kept", "log_level": "warning", "reason": "Not a directory"}
