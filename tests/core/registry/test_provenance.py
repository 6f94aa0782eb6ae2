"""The hash of what is installed: of which bytes it is made, and when there is none."""

from __future__ import annotations

import hashlib
import importlib.util
import marshal
import os
import py_compile
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.registry.site import Site, on_path, plugin

from yumen import registry
from yumen.provenance import NoHash, module_file, normalized

MORE = {"acme_it/data/词.txt": "猎鹰\n", "acme_help.py": "X = 1\n"}


def add(site: Site, **files: str) -> Path:
    """Install `acme-it` with the plugin `it`."""
    named = {name.replace("__", "/"): content for name, content in files.items()}
    return site.add(
        "acme-it", {"acme_it/__init__.py": plugin("it"), **MORE, **named}, "[yumen.plugins]\nit = acme_it:It\n"
    )


def sha256() -> str:
    return registry.provenance("plugin", "it").sha256()


def test_it_is_what_its_description_says(site: Site) -> None:
    """Anybody can make the hash anew with `sha256sum`: one line for the entry point, and one for each file of the record."""
    add(site)
    names = sorted(["acme_it/__init__.py", *MORE])
    listed = subprocess.run(["sha256sum", *names], cwd=site.folder, capture_output=True, text=True, check=True).stdout
    assert sha256() == hashlib.sha256(f"it = acme_it:It\n{listed}".encode()).hexdigest()


def test_what_installing_and_running_leave_is_no_part_of_it(site: Site) -> None:
    """Who installed it, when it was installed and what was compiled meanwhile change nothing."""
    info = add(site)
    before = sha256()
    registry.load_plugin("it")
    (info / "INSTALLER").write_text("uv\n")
    (info / "REQUESTED").touch()
    cache = site.folder / "acme_it" / "__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "more.cpython-311.pyc").write_bytes(b"x")
    assert sha256() == before
    assert "acme_it" in sys.modules


@pytest.mark.parametrize("name", ["acme_it/__init__.py", *MORE])
def test_every_byte_counts(site: Site, name: str) -> None:
    """One byte more in any file of the distribution is another hash, though its record be the old one."""
    add(site)
    before = sha256()
    with (site.folder / name).open("a") as file:
        file.write("#")
    assert sha256() != before


def test_another_entry_point_is_another_hash(site: Site) -> None:
    """The same files with another class behind the name are not the same plugin."""
    info = add(site)
    before = sha256()
    (info / "entry_points.txt").write_text("[yumen.plugins]\nit = acme_it:Other\n")
    os.utime(site.folder, (1, 1))
    assert sha256() != before


def unrecorded(site: Site) -> None:
    (site.folder / "acme_it" / "_speedups.py").write_text("X = 2\n")


def gone(site: Site) -> None:
    (site.folder / "acme_help.py").unlink()


def editable(site: Site) -> None:
    record = next(site.folder.glob("*.dist-info")) / "RECORD"
    record.write_text("".join(line for line in record.read_text().splitlines(True) if "acme_it/" not in line))


def no_record(site: Site) -> None:
    (next(site.folder.glob("*.dist-info")) / "RECORD").unlink()


def linked_folder(site: Site) -> None:
    elsewhere = site.folder.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "__init__.py").write_text("X = 3\n")
    (site.folder / "acme_it" / "part").symlink_to(elsewhere)


def before_a_module(site: Site) -> None:
    (site.folder / "acme_help").mkdir()
    (site.folder / "acme_help" / "__init__.py").touch()


def record(site: Site, text: bytes) -> None:
    (next(site.folder.glob("*.dist-info")) / "RECORD").write_bytes(text)


NO_RECORD = "there is no record of what its distribution has installed"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (linked_folder, "its distribution has not installed acme_it/part, which lies among its files"),
        (before_a_module, "acme_help would be imported from a file that its distribution has not installed"),
        (lambda site: record(site, b"x" * 200_000 + b",,\n"), NO_RECORD),
        (lambda site: record(site, b"acme_it/\xff.py,,\n"), NO_RECORD),
        (lambda site: record(site, b"acme_it/\0.py,,\n"), NO_RECORD),
        (unrecorded, "its distribution has not installed acme_it/_speedups.py, which lies among its files"),
        (gone, "acme_help.py cannot be read: No such file or directory"),
        (editable, "its module is none of the files that its distribution has installed"),
        (no_record, NO_RECORD),
    ],
)
def test_no_hash_where_it_would_prove_nothing(site: Site, spoil: Callable[[Site], None], says: str) -> None:
    """What cannot be proved has no hash, so that no pin can hold."""
    add(site)
    spoil(site)
    with pytest.raises(NoHash, match=says):
        sha256()


def test_a_module_in_front_of_it_on_the_path(site: Site, tmp_path: Path) -> None:
    """Where another folder on the path has the module, what the distribution has installed is not what would run."""
    add(site)
    with on_path(tmp_path / "front") as front:
        (front.folder / "acme_it.py").write_text(plugin("it"))
        with pytest.raises(NoHash, match="its module is none of the files"):
            sha256()


def test_a_release_that_came_after_the_import(site: Site) -> None:
    """What a running process has imported is not what lies there now: it says so until it is restarted."""
    add(site)
    before = sha256()
    registry.load_plugin("it")
    assert sha256() == before
    path = site.folder / "acme_it" / "__init__.py"
    path.write_text(path.read_text() + "# new\n")
    with pytest.raises(NoHash, match="its files have changed since this process looked at them first; restart it"):
        sha256()


def test_what_runs_is_what_was_imported_first(site: Site, tmp_path: Path) -> None:
    """A copy that was imported from another folder runs on, whatever has been installed since: that has no hash here."""
    with on_path(tmp_path / "work") as work:
        work.add("acme-it", {"acme_it/__init__.py": plugin("it")}, "[yumen.plugins]\nit = acme_it:It\n", record=False)
        registry.load_plugin("it")
        shutil.rmtree(work.folder)
        add(site)
        registry.load_plugin.cache_clear()
        with pytest.raises(NoHash, match="there is no record"):
            sha256()


def test_a_neighbour_counts_as_well(site: Site, tmp_path: Path) -> None:
    """Nor has a plugin one whose helper module this process has from another folder, or from an older release."""
    points = "[yumen.plugins]\nit = acme_it:It\nnext = acme_next:It\n"
    files = {
        "acme_it.py": plugin("it"),
        "acme_next.py": plugin("next", more="import acme_help"),
        "acme_help.py": "X = 1\n",
    }
    site.add("acme-it", files, points)
    before = sha256()
    with on_path(tmp_path / "front") as front:
        (front.folder / "acme_help.py").write_text("X = 2\n")
        importlib.import_module("acme_help")
        (front.folder / "acme_help.py").unlink()
        with pytest.raises(NoHash, match="this process has imported acme_help from a file that is none of its"):
            sha256()
    assert sha256() == before
    registry.load_plugin("next")
    (site.folder / "acme_help.py").write_text("X = 3\n")
    with pytest.raises(NoHash, match="its files have changed since"):
        sha256()


def test_a_namespace_with_a_folder_in_front(site: Site, tmp_path: Path) -> None:
    """What has no `__init__.py` is made of every folder on the path: a module that another one has first is not its own."""
    site.add(
        "acme-a", {"acme_ns/deep/a.py": plugin("a"), "acme_ns/help.py": ""}, "[yumen.plugins]\na = acme_ns.deep.a:It\n"
    )
    before = registry.provenance("plugin", "a").sha256()
    with on_path(tmp_path / "front") as front:
        (front.folder / "acme_ns").mkdir()
        assert registry.provenance("plugin", "a").sha256() == before
        (front.folder / "acme_ns" / "help.py").touch()
        with pytest.raises(NoHash, match=r"acme_ns\.help would be imported from a file that its distribution has not"):
            registry.provenance("plugin", "a").sha256()


@pytest.mark.parametrize("checked", [True, False])
def test_compiled_code_that_is_not_of_its_source(site: Site, checked: bool) -> None:
    """What Python keeps compiled is compared with its source, whatever its head says of that; an honest one is right."""
    add(site)
    path = site.folder / "acme_help.py"
    assert registry.provenance("plugin", "it").unlike() == ""
    kept = Path(py_compile.compile(str(path), dfile="/built/elsewhere.py", doraise=True) or "")
    assert registry.provenance("plugin", "it").unlike() == ""
    forged = marshal.dumps(compile("X = 4\n", str(path), "exec"))
    head = kept.read_bytes()[:16] if checked else importlib.util.MAGIC_NUMBER + struct.pack("<III", 1, 0, 0)
    kept.write_bytes(head + forged)
    assert registry.provenance("plugin", "it").unlike() == "acme_help.py"
    kept.write_bytes(head + forged[:5])
    assert registry.provenance("plugin", "it").unlike() == "acme_help.py"
    os.utime(path, (1, 1))
    # An import would not run a form that is of another time, but write it anew.
    assert registry.provenance("plugin", "it").unlike() == ("" if checked else "acme_help.py")


def test_names_are_compared_as_installers_do() -> None:
    """A run of separators is one hyphen, and capitals do not count."""
    assert normalized("Acme_-.It") == normalized("acme-it") == "acme-it"


def test_others_may_share_a_namespace(site: Site) -> None:
    """In a folder without `__init__.py` files of another distribution lie rightly."""
    site.add("acme-a", {"acme_ns/a/__init__.py": plugin("a")}, "[yumen.plugins]\na = acme_ns.a:It\n")
    before = registry.provenance("plugin", "a").sha256()
    site.add("acme-b", {"acme_ns/b/__init__.py": plugin("b")}, "[yumen.plugins]\nb = acme_ns.b:It\n")
    assert registry.provenance("plugin", "a").sha256() == before
    (site.folder / "acme_ns" / "a" / "more.py").touch()
    with pytest.raises(NoHash, match=r"acme_ns/a/more\.py"):
        registry.provenance("plugin", "a").sha256()


def test_finding_the_file_imports_nothing(site: Site) -> None:
    """Where a module lies is known without running it or a package around it."""
    trap = "raise SystemExit\n"
    site.add(
        "acme-deep",
        {"acme_deep/__init__.py": trap, "acme_deep/in_it/__init__.py": trap, "acme_deep/in_it/one.py": trap},
    )
    assert module_file("acme_deep.in_it.one") == str(site.folder / "acme_deep" / "in_it" / "one.py")
    assert module_file("acme_deep.in_it") == str(site.folder / "acme_deep" / "in_it" / "__init__.py")
    assert not [name for name in sys.modules if name.startswith("acme_deep")]
    assert module_file("acme_deep.not_there") == module_file("not_there.at.all") == module_file("sys") == ""


@given(st.text(alphabet="ab._/\\\0 ü", max_size=12))
def test_any_module_name(module: str) -> None:
    """Whatever an entry point names, finding its file raises nothing."""
    assert isinstance(module_file(module), str)
