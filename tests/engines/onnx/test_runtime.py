"""Sessions: on what device, from what file, and what is kept of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import pytest
from tests.engines.onnx import graphs
from tests.engines.onnx.graphs import node, value

from yumen import CannotStart
from yumen_engines.onnx import kept as kept_module
from yumen_engines.onnx import providers
from yumen_engines.onnx.config import OnnxConfig
from yumen_engines.onnx.kept import FOLDER, KIND, Kept
from yumen_engines.onnx.providers import CPU, CUDA, TENSORRT
from yumen_engines.onnx.runtime import open_session

SECRET = b"s" * 32


def config(**changes: Any) -> OnnxConfig:
    """A configuration for models of tensors."""
    return OnnxConfig(model="/models/m", task="tensors", **changes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The encoder's file."""
    return graphs.saved(tmp_path / "m" / "model.onnx", graphs.encoder())


@pytest.fixture
def keep(tmp_path: Path) -> Kept:
    """An empty folder for graphs."""
    return Kept(tmp_path / "data", SECRET)


def ran(session: Any) -> Any:
    """What the encoder makes of two rows."""
    return session.run(["y"], {"x": np.eye(2, 3, dtype=np.float32)})[0].tolist()


WANTED = graphs.matrix()[:2].tolist()


def kept_files(tmp_path: Path) -> list[Path]:
    """The graphs that are kept."""
    return sorted((tmp_path / "data" / FOLDER).iterdir())


def test_what_runs_is_told(path: Path) -> None:
    """Device, providers, what each of them computes and the version are those of the session."""
    opened = open_session(path, config())
    placement = opened.placement("m", "3")
    assert ran(opened.session) == WANTED
    assert (placement.device, placement.providers) == ("cpu", (CPU,))
    assert placement.runtime == f"onnxruntime {onnxruntime.__version__}"
    assert placement.detail == {f"nodes.{CPU}": "1"}


@pytest.mark.parametrize("optimization", ["none", "basic", "extended", "all"])
def test_every_level_computes_the_same(path: Path, optimization: Any) -> None:
    """Levels and threads change how a model runs, never what it says."""
    opened = open_session(path, config(optimization=optimization, threads_inter=2, spinning=True, arena=False))
    assert ran(opened.session) == WANTED


def test_a_rewritten_graph_is_kept_and_used(path: Path, keep: Kept, tmp_path: Path) -> None:
    """The second start reads what the first one wrote, which nobody else may read, and leaves nothing else behind."""
    assert not open_session(path, config(), keep).kept
    (file,) = kept_files(tmp_path)
    assert (file.parent.stat().st_mode & 0o777) == 0o700
    again = open_session(path, config(), keep)
    assert again.kept
    assert ran(again.session) == WANTED
    assert kept_files(tmp_path) == [file]


def test_another_model_or_setting_has_another_graph(path: Path, keep: Kept, tmp_path: Path) -> None:
    """What a graph was made of is in its key: the file and the settings."""
    open_session(path, config(), keep)
    assert not open_session(path, config(optimization="basic"), keep).kept
    graphs.saved(path, graphs.adder())
    assert not open_session(path, config(), keep).kept
    assert len(kept_files(tmp_path)) == 3


def spoilt(file: Path) -> None:
    """Change one byte at the end."""
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def foreign(file: Path) -> None:
    """What another gateway would have signed."""
    made = file.with_name("made")
    made.write_bytes(graphs.encoder().SerializeToString())
    key = file.stem
    assert Kept(file.parent.parent, b"t" * 32).keep(key, made)


def swapped(file: Path) -> None:
    """Put our own graph of another key there."""
    made = file.with_name("made")
    made.write_bytes(graphs.adder().SerializeToString())
    keep = Kept(file.parent.parent, SECRET)
    assert keep.keep("other", made)
    (file.parent / f"other.{KIND}").replace(file)


def linked(file: Path) -> None:
    """Put a link to the same bytes there."""
    target = file.parent.parent / "elsewhere"
    file.replace(target)
    file.symlink_to(target)


@pytest.mark.parametrize(
    "change", [spoilt, foreign, swapped, linked, lambda file: os.truncate(file, 20), lambda file: os.truncate(file, 0)]
)
def test_a_graph_that_is_not_ours_is_made_anew(path: Path, keep: Kept, tmp_path: Path, change: Any) -> None:
    """A graph is nearly a program: one that was changed, exchanged, signed by others or cut is never loaded."""
    open_session(path, config(), keep)
    (file,) = kept_files(tmp_path)
    change(file)
    opened = open_session(path, config(), keep)
    assert not opened.kept
    assert ran(opened.session) == WANTED
    assert open_session(path, config(), keep).kept


def test_only_so_many_graphs_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder has a limit; what has been used last stays, and what a start that was cut off left behind goes."""
    monkeypatch.setattr(kept_module, "FILES_MAX", 2)
    keep = Kept(tmp_path / "data", SECRET)
    left = keep.room()
    assert left is not None
    left.write_bytes(b"half")
    os.utime(left, (1, 1))
    for number in range(4):
        room = keep.room()
        assert room is not None
        room.write_bytes(b"graph %d" % number)
        assert keep.keep(f"k{number}", room)
        os.utime(tmp_path / "data" / FOLDER / f"k{number}.{KIND}", (number, number))
    assert [keep.read(f"k{number}") for number in range(4)] == [None, None, b"graph 2", b"graph 3"]
    assert not left.exists()


def test_a_folder_that_cannot_be_written_costs_nothing_else(path: Path, tmp_path: Path) -> None:
    """Without the data folder, or with a file in its place, models load all the same."""
    (tmp_path / "file").write_text("")
    assert ran(open_session(path, config(), Kept(tmp_path / "file", SECRET)).session) == WANTED


# What runs where the second argument is a disk that nobody can write to; `unshare` keeps it from everybody else.
READ_ONLY = """
mount -t tmpfs none "$2" && mkdir "$2/models-cache" && mount -o remount,ro "$2" || exit 77
exec "$0" -c '
import sys
from tests.engines.onnx.test_runtime import SECRET, WANTED, Kept, Path, config, open_session, ran
keep = Kept(Path(sys.argv[2]), SECRET)
assert keep.room() is None
assert ran(open_session(Path(sys.argv[1]), config(), keep).session) == WANTED
' "$1" "$2"
"""


def test_a_folder_on_a_disk_for_reading_only_costs_nothing_else(path: Path, tmp_path: Path) -> None:
    """Where graphs cannot be kept models load all the same, and nothing is rewritten twice."""
    (tmp_path / "data").mkdir()
    command = ["unshare", "-rm", "sh", "-c", READ_ONLY, sys.executable, str(path), str(tmp_path / "data")]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare here")
    if ended.returncode == 77 or "unshare" in ended.stderr:
        pytest.skip("nobody may mount anything here")
    assert not ended.returncode, ended.stderr


def test_weights_beside_the_model_are_read(tmp_path: Path, keep: Kept) -> None:
    """A model whose weights have a file of their own runs; its graph, which would name that file, is not kept."""
    path = graphs.weighty(tmp_path / "weighty")
    assert ran(open_session(path, config(), keep).session) == WANTED
    assert not (tmp_path / "data").exists()


def of(*nodes: Any, opset: int = 17) -> Any:
    """A model of one input and output."""
    tensors = [value("x", 1, ["n"]), value("y", 1, ["n"])]
    return graphs.made(nodes, tensors[:1], tensors[1:], opset=opset)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (of(node("Nonesuch", ["x"], ["y"])), "needs an operator"),
        (of(node("Relu", ["x"], ["y"]), opset=99), "newer ONNX"),
        (of(node("Relu", ["z"], ["y"])), "cannot load"),
    ],
)
def test_a_model_that_cannot_run_says_why(tmp_path: Path, model: Any, said: str) -> None:
    """A missing operator, a newer format and a broken graph are told apart, with what to do."""
    with pytest.raises(CannotStart, match=said):
        open_session(graphs.saved(tmp_path / "model.onnx", model), config())


class Fake(SimpleNamespace):
    """The surface of ONNX Runtime where it has a GPU, which this machine has not: it runs nothing."""

    def __init__(self, *, active: list[str], nodes: dict[str, int] | None = None, fails: tuple[str, ...] = ()) -> None:
        super().__init__(**{name: getattr(onnxruntime, name) for name in ("SessionOptions", "GraphOptimizationLevel")})
        self.__version__ = "9.9.9"
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.preloaded = 0
        self._active, self._nodes, self._fails = active, nodes or {}, fails

    def preload_dlls(self) -> None:
        self.preloaded += 1

    def get_available_providers(self) -> list[str]:
        return [TENSORRT, CUDA, CPU]

    def InferenceSession(self, source: Any, options: Any, *, providers: Any, enable_fallback: int) -> Any:
        """Pretend."""
        assert enable_fallback == 0
        self.asked = providers
        if providers[0][0] in self._fails:
            raise RuntimeError("CUDA error")
        active = [CPU] if providers[0][0] == CPU else self._active
        parts = [
            SimpleNamespace(ep_name=name, get_nodes=lambda count=count: [None] * count)
            for name, count in self._nodes.items()
        ]
        return SimpleNamespace(get_providers=lambda: active, get_provider_graph_assignment_info=lambda: parts)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Put a fake with a GPU in the place of ONNX Runtime."""

    def put(**said: Any) -> Fake:
        fake = Fake(**said)
        monkeypatch.setitem(sys.modules, "onnxruntime", fake)
        return fake

    return put  # type: ignore[return-value]


def test_a_gpu_gets_its_options(path: Path, gpu: Any) -> None:
    """The device, the limit of memory and what policy says reach the provider, its libraries are loaded first, and the CPU
    stands last.
    """
    fake = gpu(active=[CUDA, CPU], nodes={CUDA: 3, CPU: 1})
    wanted = config(device="cuda:1", arena_bytes_max=1 << 30, provider_options={"use_tf32": False})
    opened = open_session(path, wanted)
    own = {
        "device_id": "1",
        "arena_extend_strategy": "kSameAsRequested",
        "gpu_mem_limit": str(1 << 30),
        "use_tf32": "0",
    }
    assert fake.asked == [(CUDA, own), (CPU, {})]
    assert fake.preloaded == 1
    assert (opened.device, opened.fell_back, opened.active) == ("cuda:1", "", (CUDA, CPU))


def test_tensorrt_has_cuda_behind_it(path: Path, gpu: Any, keep: Kept) -> None:
    """What TensorRT does not take goes to CUDA, then to the CPU; its graph is not kept."""
    fake = gpu(active=[TENSORRT, CUDA, CPU], nodes={TENSORRT: 1})
    opened = open_session(path, config(device="tensorrt"), keep)
    assert [name for name, _ in fake.asked] == [TENSORRT, CUDA, CPU]
    assert (opened.device, opened.kept) == ("cuda:0", False)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"active": [CPU]}, "could not be started"),
        ({"active": [CUDA, CPU], "nodes": {CPU: 7}}, "computes nothing of this model"),
        ({"active": [CPU], "fails": (CUDA,)}, "failed with RuntimeError"),
    ],
)
def test_a_fallback_is_told_or_refused(path: Path, gpu: Any, said: Any, why: str) -> None:
    """Whichever way a device drops out, a strict engine does not start, and another one says so in its placement."""
    gpu(**said)
    opened = open_session(path, config(device="cuda"))
    assert opened.device == "cpu"
    assert why in opened.placement("m").detail["instead_of"]
    with pytest.raises(CannotStart, match=r"cuda|cannot load"):
        open_session(path, config(device="cuda", strict_provider=True))


def test_a_build_without_the_provider_names_the_extra(path: Path) -> None:
    """On this machine's real build: strict refuses with the line that installs it, otherwise the CPU computes."""
    if CUDA in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime is built with CUDA")
    with pytest.raises(CannotStart, match=r"pip install 'yumen\[gpu\]'"):
        open_session(path, config(device="cuda", strict_provider=True))
    opened = open_session(path, config(device="cuda:1"))
    assert ran(opened.session) == WANTED
    assert opened.placement("m").detail["instead_of"].startswith("cuda:1: this ONNX Runtime is built without")


def test_two_packages_of_one_name_are_refused(path: Path, gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime and onnxruntime-gpu overwrite each other's files: for a GPU that is an error with the way out."""
    monkeypatch.setattr(metadata, "distribution", lambda name: name)
    gpu(active=[CUDA, CPU])
    with pytest.raises(CannotStart, match="pip uninstall onnxruntime onnxruntime-gpu"):
        open_session(path, config(device="cuda"))
    assert providers.installed_twice()


@pytest.mark.parametrize(
    "changes",
    [
        {"device": "gpu"},
        {"device": "cuda:x"},
        {"provider_options": {"trt_engine_cache_path": "/tmp/x"}},
        {"provider_options": {"trt_extra_plugin_lib_paths": "/tmp/x.so"}},
        {"provider_options": {"Upper": 1}},
        {"repository": {"path": "/models"}},
        {"repository": {"path": "models"}, "model": ""},
        {"model": ""},
        {"optimization": "most"},
        {"arena": False, "arena_bytes_max": 1 << 20},
    ],
)
def test_settings_are_checked(changes: Any) -> None:
    """Unknown devices, options that name files, and two places for models at once are refused when the policy is read."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"model": "/models/m", "task": "tensors", **changes}, OnnxConfig)


def test_a_repository_is_for_tensors() -> None:
    """A repository names no tokenizer."""
    msgspec.convert({"repository": {"path": "/models"}, "task": "tensors"}, OnnxConfig)
    with pytest.raises(msgspec.ValidationError, match="task `tensors`"):
        msgspec.convert({"repository": {"path": "/models"}}, OnnxConfig)
