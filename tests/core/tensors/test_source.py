"""What is found on disk, and what hostile folders cannot do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.core.tensors.adders import put

from yumen.dialects.kserve import PATH
from yumen.tensors.repository import Folder, ModelConfig, RepositoryConfig, Single, config, inside, source
from yumen.tensors.repository.source import Wrong


def folder(root: Path) -> Folder:
    """The repository there."""
    return Folder(RepositoryConfig(path=str(root)), "model.json")


def test_names_are_those_of_the_path() -> None:
    """A folder is a model exactly where a request's path can name it."""
    for name in (
        "a",
        "@a",
        "A.b:c@d+e-f_g",
        "x" * 200,
        "lost+found",
        "x" * 201,
        "",
        ".a",
        "..",
        "_a",
        "a b",
        "模型",
        "a\n",
    ):
        assert bool(source.MODEL.fullmatch(name)) is bool(PATH.fullmatch(f"/v2/models/{name}/infer")), name


def test_what_is_found(tmp_path: Path) -> None:
    """Models are folders with a name that a path may have, versions whole numbers from 1; all else is passed over."""
    put(tmp_path, "adder", 1, 1)
    put(tmp_path, "adder", 123456789012345678, 1)
    for name in ("0", "01", "-1", "1.5", "1234567890123456789", "latest", "１"):
        put(tmp_path, "adder", name, 1)
    for name in (".hidden", "_x", "模型", "a b", ".."):
        (tmp_path / name).mkdir(exist_ok=True)
    (tmp_path / "a-file").write_text("")
    found = folder(tmp_path).scan()
    assert set(found) == {"adder"}
    assert set(found["adder"].versions) == {1, 123456789012345678}
    assert not found["adder"].wrong
    assert folder(tmp_path).look("../adder") is None
    assert folder(tmp_path).look("a-file") is None


def test_links_lead_nowhere_outside(tmp_path: Path) -> None:
    """A link out of the repository is refused, be it a model, a version, a file, or beside the model's file; one that stays
    inside is taken, as mounted volumes of Kubernetes are full of them.
    """
    root, outside = tmp_path / "models", tmp_path / "outside"
    put(outside, "secret", 1, 1)
    (outside / "config.yaml").write_text("latest: 1")
    put(root, "fine", 1, 1)
    (root / "fine" / "2").symlink_to(root / "fine" / "1")
    (root / "whole").symlink_to(outside / "secret")
    put(root, "version", 1, 1)
    (root / "version" / "2").symlink_to(outside / "secret" / "1")
    (root / "file" / "1").mkdir(parents=True)
    (root / "file" / "1" / "model.json").symlink_to(outside / "secret" / "1" / "model.json")
    put(root, "beside", 1, 1)
    (root / "beside" / "1" / "weights").symlink_to("/etc/passwd")
    put(root, "config", 1, 1)
    (root / "config" / "config.yaml").symlink_to(outside / "config.yaml")
    put(root, "dangling", 1, 1)
    (root / "dangling" / "1" / "gone").symlink_to(root / "nothing")
    found = folder(root).scan()
    assert not found["fine"].wrong
    assert set(found["fine"].versions) == {1, 2}
    for said in (
        found["whole"].reason, found["version"].wrong[2], found["file"].wrong[1], found["beside"].wrong[1],
        found["config"].reason,
    ):  # fmt: skip
        assert "a link that leads out of the repository" in said
    assert set(found["version"].wrong) == {2}
    assert "cannot be read" in found["dangling"].wrong[1]


def test_a_link_that_leads_elsewhere_is_another_one(tmp_path: Path) -> None:
    """A version is taken up anew where a link in it, or its own, has been replaced, whatever size and time files have."""
    for number in (1, 2):
        os.utime(put(tmp_path, f"store{number}", 1, number) / "model.json", ns=(0, 0))
    version = tmp_path / "adder" / "1"
    version.parent.mkdir()
    marks = []
    for number in (1, 2):
        version.mkdir()
        (version / "model.json").symlink_to(tmp_path / f"store{number}" / "1" / "model.json")
        marks.append(folder(tmp_path).scan()["adder"].versions[1])
        (version / "model.json").unlink()
        version.rmdir()
    for number in (1, 2):
        version.symlink_to(tmp_path / f"store{number}" / "1")
        marks.append(folder(tmp_path).scan()["adder"].versions[1])
        version.unlink()
    assert len({*marks}) == 4


def test_labels_that_become_a_link_out_of_the_repository_are_not_read(tmp_path: Path) -> None:
    """Links are checked again where they are followed: labels reach callers, so they would show any file."""
    root = tmp_path / "models"
    put(root, "adder", 1, 1)
    (root / "adder" / "config.yaml").write_text("labels: {sum: classes.txt}")
    (root / "adder" / "inside.txt").write_text("猫\ncat")
    (root / "adder" / "classes.txt").symlink_to("inside.txt")
    (tmp_path / "secret").write_text("机密\nsecret")
    one = folder(root)
    assert not one.scan()["adder"].reason
    assert one.config("adder")[1] == {"sum": ("猫", "cat")}
    (root / "adder" / "classes.txt").unlink()
    (root / "adder" / "classes.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(config.ConfigWrong, match="leads out of the repository"):
        one.config("adder")


@pytest.mark.parametrize("swapped", ["a/b", "a", "a/b/file"])
def test_what_becomes_a_link_under_way_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swapped: str
) -> None:
    """Between looking where a path leads and opening it somebody may put a link into its place."""
    root, outside = tmp_path / "models", tmp_path / "outside"
    for place in (root, outside):
        (place / "a" / "b").mkdir(parents=True)
        (place / "a" / "b" / "file").write_text(place.name)
    path = str(root / "a" / "b" / "file")
    with open(inside.open_inside(path, str(root))) as file:
        assert file.read() == "models"
    real_inside = inside.real_inside

    def slow(path: str, root_: str) -> str:
        real = real_inside(path, root_)
        (root / swapped).rename(tmp_path / "aside")
        (root / swapped).symlink_to(outside / swapped)
        return real

    monkeypatch.setattr(inside, "real_inside", slow)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    with pytest.raises(OSError):  # noqa: PT011 - what it says differs between systems
        inside.open_inside(path, str(root))
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


def test_loops_of_links_end(tmp_path: Path) -> None:
    """Folders that contain themselves are refused after a few steps."""
    made = put(tmp_path, "adder", 1, 1)
    (made / "again").symlink_to(made)
    assert "folders in each other" in folder(tmp_path).scan()["adder"].wrong[1]


@pytest.mark.parametrize(
    ("limit", "value", "said"),
    [("FILES_MAX", 3, "more than 3 files"), ("ENTRIES_MAX", 3, "more than 3 entries")],
)
def test_a_version_has_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, said: str
) -> None:
    """A version with too many files is refused, and no other with it."""
    monkeypatch.setattr(source, limit, value)
    put(tmp_path, "a", 1, 1)
    made = put(tmp_path, "b", 1, 1)
    for number in range(4):
        (made / f"{number}.bin").write_text("")
    found = folder(tmp_path).scan()
    assert said in found["b"].wrong[1]
    assert not found["a"].wrong


def test_the_number_of_models_and_versions_has_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many versions the latest count; too many models are refused as a whole, so that none of them is lost unseen."""
    for version in range(1, 67):
        put(tmp_path, "adder", version, 1)
    assert list(folder(tmp_path).scan()["adder"].versions) == list(range(3, 67))
    monkeypatch.setattr(source, "MODELS_MAX", 2)
    put(tmp_path, "b", 1, 1)
    assert len(folder(tmp_path).scan()) == 2
    put(tmp_path, "c", 1, 1)
    with pytest.raises(Wrong, match="more than 2 models"):
        folder(tmp_path).scan()


def test_only_plain_files_count(tmp_path: Path) -> None:
    """A pipe in the place of a file would hang whoever opens it; a folder is no model either, nor is a file a version."""
    (tmp_path / "pipe" / "1").mkdir(parents=True)
    os.mkfifo(tmp_path / "pipe" / "1" / "model.json")
    put(tmp_path, "config", 1, 1)
    os.mkfifo(tmp_path / "config" / "config.yaml")
    (tmp_path / "folder" / "1" / "model.json").mkdir(parents=True)
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "1").write_text("")
    (tmp_path / "empty").mkdir()
    found = folder(tmp_path).scan()
    assert "neither a file nor a folder" in found["pipe"].wrong[1]
    assert "neither a file nor a folder" in found["config"].reason
    assert "has no file model.json; put it there" in found["folder"].wrong[1]
    assert "cannot be read (Not a directory)" in found["file"].wrong[1]
    assert found["empty"].reason == "empty has no version; put its file into empty/1"


def test_names_of_files_are_shown_harmlessly(tmp_path: Path) -> None:
    """A name with control characters or half a character does not reach a log as it is."""
    made = put(tmp_path, "adder", 1, 1)
    os.mkfifo(os.fsencode(made) + b"/\x1b[31m\xff\n\xe5\x9d\x8f")
    said = folder(tmp_path).scan()["adder"].wrong[1]
    assert said.startswith("?[31m??坏 is neither")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A folder without rights is told by name."""
    made = put(tmp_path, "adder", 1, 1)
    made.chmod(0)
    try:
        assert "cannot be read (Permission denied)" in folder(tmp_path).scan()["adder"].wrong[1]
    finally:
        made.chmod(0o700)


def test_a_single_model(tmp_path: Path) -> None:
    """A file or a folder by itself is version 1 of a model of the given name, links included, as caches have them."""
    made = put(tmp_path, "cache", 1, 1)
    link = tmp_path / "snapshot"
    link.mkdir()
    (link / "model.json").symlink_to(made / "model.json")
    for path in (link, made / "model.json"):
        one = Single("mine", path, ModelConfig(batch_max=4))
        assert set(one.scan()) == {"mine"}
        assert one.load == ("mine",)
        found = one.look("mine")
        assert found is not None
        assert not found.wrong
        assert len(found.versions[1]) == 1
        files = one.files("mine", 1, one.config("mine")[0])
        assert files.path == path
        assert (files.version, files.config.batch_max) == ("1", 4)
        assert one.look("other") is None
    gone = Single("mine", tmp_path / "none").look("mine")
    assert gone is not None
    assert "correct its path" in gone.wrong[1]


def test_what_is_written_beside_models_is_not_read(tmp_path: Path) -> None:
    """Labels come from the model's own folder only, whatever `labels` says."""
    for name in ("../secret", "/etc/passwd", ".hidden", "a/b", "a\\b", ""):
        (tmp_path / "config.yaml").write_text(f"labels: {{y: '{name}'}}")
        with pytest.raises(config.ConfigWrong, match=r"policy\.bounds"):
            config.read_config(tmp_path)
