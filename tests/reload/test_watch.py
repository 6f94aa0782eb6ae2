"""What is noticed of files without reading them, and what workers tell one another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from yumen.policy.watch import look
from yumen.reloadfile import ReloadFile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle's files, beside others."""
    made = tmp_path / "策略"
    made.mkdir()
    for name in ("gateway.yaml", "limits.yaml", "a.test.yaml", "bundle.sig", "README.md"):
        (made / name).write_text("1")
    return made


def test_nothing_changed(folder: Path) -> None:
    """Two looks at the same state are the same."""
    assert look([str(folder)]) == look([str(folder)])


@pytest.mark.parametrize("name", ["gateway.yaml", "a.test.yaml", "bundle.sig", "new.yaml"])
def test_what_is_read_is_looked_at(folder: Path, name: str) -> None:
    """Policies, tests and the signature: written, replaced, or gone."""
    before = look([str(folder)])
    (folder / name).write_text("22")
    written = look([str(folder)])
    (folder / "other").write_text("22")
    os.replace(folder / "other", folder / name)
    replaced = look([str(folder)])
    (folder / name).unlink()
    states = [one[str(folder)] for one in (before, written, replaced, look([str(folder)]))]
    assert len(set(states)) == (3 if name == "new.yaml" else 4)


def test_what_is_not_read_is_not(folder: Path) -> None:
    """What no bundle is made of may change as it likes."""
    before = look([str(folder)])
    (folder / "README.md").write_text("22")
    (folder / ".gateway.yaml.swp").write_text("22")
    assert look([str(folder)]) == before


def test_a_time_that_was_set_back(folder: Path) -> None:
    """Size, inode and time of modification can all be those of before; the file has changed all the same."""
    path = folder / "limits.yaml"
    status = path.stat()
    before = look([str(folder)])
    path.write_text("2")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert look([str(folder)]) != before


def test_links(folder: Path) -> None:
    """A file that is a link changes when it leads elsewhere, and when the file that it leads to changes."""
    (folder / "data-1").mkdir()
    (folder / "data-2").mkdir()
    (folder / "data-1" / "odd.yaml").write_text("1")
    (folder / "data-2" / "odd.yaml").write_text("1")
    (folder / "current").symlink_to("data-1")
    (folder / "odd.yaml").symlink_to("current/odd.yaml")
    before = look([str(folder)])
    (folder / "next").symlink_to("data-2")
    os.replace(folder / "next", folder / "current")
    turned = look([str(folder)])
    (folder / "data-2" / "odd.yaml").write_text("22")
    changed = look([str(folder)])
    (folder / "data-2" / "odd.yaml").unlink()
    (folder / "limits.yaml").write_text("22")
    assert len({one[str(folder)] for one in (before, turned, changed, look([str(folder)]))}) == 4


def test_a_folder_that_is_not_there(folder: Path) -> None:
    """It looks like an empty one, and comes back."""
    name = str(folder / "later")
    assert look([name]) == {name: frozenset()}
    Path(name).mkdir()
    (folder / "later" / "gateway.yaml").write_text("1")
    assert look([name])[name]


def test_who_asks_all_workers(tmp_path: Path) -> None:
    """Everybody but the one who asks learns it, once, and who it was."""
    one, other = ReloadFile(tmp_path), ReloadFile(tmp_path)
    assert (one.new(), other.new()) == ("", "")
    one.put("admin:k1")
    assert (one.new(), other.new(), other.new()) == ("", "admin:k1", "")
    other.put("admin:k2")
    assert (one.new(), other.new()) == ("admin:k2", "")
    assert ReloadFile(tmp_path).new() == ""
    assert [path.name for path in tmp_path.iterdir()] == ["reload.json"]
    assert (tmp_path / "reload.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[1]",
        '{"id": "0123456789abcdef0123456789abcdef", "actor": "watch"}',
        '{"id": "0123456789abcdef0123456789abcdef", "actor": "admin:k1\\nstart"}',
        '{"id": "1", "actor": "admin:k1"}',
        '{"id": "0123456789abcdef0123456789abcdef", "actor": "admin:k1", "more": 1}',
        '{"id": "0123456789abcdef0123456789abcdef", "actor": "admin:' + "k" * 2000 + '"}',
    ],
)
def test_what_asks_for_nothing(tmp_path: Path, content: str) -> None:
    """What nobody here has written is no request, and no name of anybody in the ledger."""
    one, other = ReloadFile(tmp_path), ReloadFile(tmp_path)
    (tmp_path / "reload.json").write_text(content)
    assert other.new() == ""
    one.put("admin:k1")
    assert other.new() == "admin:k1"


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """Who asks learns that the others cannot be told."""
    (tmp_path / "reload.json").mkdir()
    with pytest.raises(OSError, match=r"reload\.json"):
        ReloadFile(tmp_path).put("admin:k1")
    assert [path.name for path in tmp_path.iterdir()] == ["reload.json"]
