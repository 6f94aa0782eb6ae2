"""Versions of models: which ones serve, how they are replaced, and what becomes of those that cannot be opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.core.tensors.adders import FILE, Adders, answer, asked, catalogue, index, put, serving, states, until

from yumen import CannotStart, EngineError, RequestRefused
from yumen.tensors.repository import Folder, Found, VersionFiles, repository


def config(root: Path, text: str, name: str = "adder") -> None:
    """Write a model's `config.yaml`."""
    (root / name).mkdir(exist_ok=True, parents=True)
    (root / name / "config.yaml").write_text(text, encoding="utf-8")


async def test_the_latest_version_answers(tmp_path: Path) -> None:
    """Without a configuration the highest number serves, as a number and not as a text, and no other is opened."""
    for version, add in ((2, 20), (10, 100), (9, 90)):
        put(tmp_path, "adder", version, add)
    async with serving(tmp_path) as engine:
        assert await answer(engine, asked([1, 2])) == {"model_version": "10", "sum": [101, 102], "version": [10]}
        assert await states(engine) == {"2": "UNAVAILABLE", "9": "UNAVAILABLE", "10": "READY"}
        assert len(engine.made) == 1
        with pytest.raises(RequestRefused, match="no such model or version") as refused:
            await engine.generate(asked(version="9"))
        assert refused.value.code == "not_found"


@pytest.mark.parametrize(
    ("said", "chosen"),
    [
        ("versions: all", ["1", "2", "3", "4"]),
        ("latest: 2", ["3", "4"]),
        ("versions: [1, 3]", ["1", "3"]),
        ("versions: latest\nlatest: 64", ["1", "2", "3", "4"]),
    ],
)
async def test_the_policy_chooses_versions(tmp_path: Path, said: str, chosen: list[str]) -> None:
    """What `versions` names serves beside each other, each at its own number, and the highest one answers for all."""
    for version in range(1, 5):
        put(tmp_path, "adder", version, version)
    config(tmp_path, said)
    async with serving(tmp_path) as engine:
        assert [one for one, state in (await states(engine)).items() if state == "READY"] == chosen
        for number in chosen:
            assert (await answer(engine, asked([0, 0], version=number)))["version"] == [int(number)]
        assert (await answer(engine, asked()))["model_version"] == chosen[-1]
        assert (await catalogue(engine).metadata("adder")).versions == tuple(chosen)


async def test_a_corrupt_version_hurts_nothing_else(tmp_path: Path) -> None:
    """A version that is no model is unavailable, with a reason that names its file; the one before it serves, and others."""
    put(tmp_path, "adder", 1, 1)
    put(tmp_path, "adder", 2, "{not json: 秘密}")
    put(tmp_path, "坏-not-a-name", 1, 1)
    put(tmp_path, "other", 1, 5)
    put(tmp_path, "broken", 1, "")
    async with serving(tmp_path) as engine:
        assert (await answer(engine, asked([1, 1])))["version"] == [1]
        assert (await answer(engine, asked([1, 1], model="other")))["sum"] == [6, 6]
        by_version = {(one.name, one.version): one for one in await index(engine)}
        assert by_version["adder", "2"].state == "UNAVAILABLE"
        assert "adder/2: model.json is no adder; write it again" in by_version["adder", "2"].reason
        assert "秘密" not in str(by_version)
        assert {name for name, _ in by_version} == {"adder", "other", "broken"}
        with pytest.raises(EngineError) as failed:
            await engine.generate(asked(model="broken"))
        assert failed.value.again
        assert not isinstance(failed.value, RequestRefused)
        assert await engine.health() == ""


async def test_a_version_that_does_not_run_does_not_serve(tmp_path: Path) -> None:
    """A version runs once before it takes another's place; `warm_up: false` leaves that out."""
    put(tmp_path, "adder", 1, 1)
    async with serving(tmp_path) as engine:
        put(tmp_path, "adder", 2, -1)
        with pytest.raises(ValueError, match="negative adders do not run"):
            await catalogue(engine).load("adder")
        assert (await answer(engine, asked()))["model_version"] == "1"
        config(tmp_path, "warm_up: false")
        await catalogue(engine).load("adder")
        assert (await states(engine))["2"] == "READY"
    assert [model.closed for model in engine.made] == [1] * len(engine.made)


async def test_what_fails_in_its_own_words_is_told_by_type(tmp_path: Path) -> None:
    """The words of an error that is not an adapter's own are not shown: they may hold anything."""
    put(tmp_path, "adder", 1, 1)

    def fail(files: VersionFiles) -> None:
        raise RuntimeError("secret: 秘密")

    async with serving(tmp_path, prepared=lambda engine: setattr(engine, "opening", fail)) as engine:
        (state,) = await index(engine)
        assert "RuntimeError" in state.reason
        assert "secret" not in state.reason


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
async def test_what_would_end_the_process_ends_nothing(tmp_path: Path, error: BaseException) -> None:
    """A model that raises it when it is opened is unavailable; one that does when it is closed is closed."""
    put(tmp_path, "adder", 1, 1)

    def fail(files: VersionFiles) -> None:
        raise error

    async with serving(tmp_path, prepared=lambda engine: setattr(engine, "opening", fail)) as engine:
        assert await states(engine) == {"1": "UNAVAILABLE"}
    async with serving(tmp_path) as engine:
        assert await states(engine) == {"1": "READY"}

        async def close() -> None:
            raise error

        engine.made[0].close = close  # type: ignore[method-assign]  # of this one
        await catalogue(engine).unload("adder")
        with pytest.raises(LookupError):
            await catalogue(engine).metadata("adder")


async def test_load_and_unload(tmp_path: Path) -> None:
    """A model serves when it is loaded and not when it is unloaded; what is not there is a LookupError, by any name."""
    put(tmp_path, "adder", 1, 1)
    put(tmp_path, "other", 1, 1)
    async with serving(tmp_path, load=("adder",)) as engine:
        models = catalogue(engine)
        assert await states(engine, "other") == {"1": "UNAVAILABLE"}
        assert not await models.ready("other")
        await models.load("other")
        assert await models.ready("other", "1")
        await models.unload("adder")
        assert not await models.ready("adder")
        assert await engine.health() == "not ready: adder"
        with pytest.raises(RequestRefused):
            await engine.generate(asked())
        with pytest.raises(LookupError):
            await models.metadata("adder")
        for name in ("none", "../adder", "", "adder/1", "a\x00"):
            with pytest.raises(LookupError):
                await models.load(name)
            with pytest.raises(LookupError):
                await models.unload(name)
            with pytest.raises(LookupError):
                await models.ready(name)
        with pytest.raises(LookupError):
            await models.ready("other", "2")
        await models.load("adder")
        assert await engine.health() == ""
        assert (await answer(engine, asked()))["model_version"] == "1"


async def test_a_named_model_that_is_missing_is_told(tmp_path: Path) -> None:
    """The engine starts without a model that policy names, says so, and serves it as soon as it is there."""
    async with serving(tmp_path, load=("adder",), poll_s=0.01) as engine:
        assert await engine.health() == "not ready: adder"
        assert [one.state for one in await index(engine)] == ["UNAVAILABLE"]
        put(tmp_path, "adder", 1, 3)
        await until(lambda: engine.revision())
        assert await engine.health() == ""
        assert (await answer(engine, asked([0, 0])))["sum"] == [3, 3]


async def test_no_repository_is_no_start(tmp_path: Path) -> None:
    """A root that is not there refuses the start; an empty one is not ready."""
    with pytest.raises(CannotStart, match="correct its path"):
        async with serving(tmp_path / "none"):
            pass
    async with serving(tmp_path) as engine:
        assert await engine.health() == "no model is ready"
        assert engine.revision() == ""


async def test_what_is_being_written_is_not_there_yet(tmp_path: Path) -> None:
    """While its files grow from look to look a version is not opened; two looks that find the same take it up."""
    put(tmp_path, "adder", 1, 1)
    looks = 0
    opened: list[tuple[str, int]] = []

    class Growing(Folder):
        def scan(self) -> Mapping[str, Found]:
            nonlocal looks
            looks += 1
            if 2 <= looks <= 6:
                put(tmp_path, "adder", 2, '{"add": 2' + " " * looks + ("}" if looks == 6 else ""))
            return super().scan()

    def prepare(engine: Adders) -> None:
        engine.source = lambda: Growing(engine.config, FILE)  # type: ignore[method-assign]
        engine.opening = lambda files: opened.append((files.version, looks))

    async with serving(tmp_path, poll_s=0.01, prepared=prepare) as engine:
        await until(lambda: len(engine.made) == 2 and engine.open_now == 1)
        assert [version for version, _ in opened] == ["1", "2"]
        assert opened[1][1] >= 7
        assert (await answer(engine, asked([0, 0])))["version"] == [2]


async def test_a_version_written_over_is_opened_anew(tmp_path: Path) -> None:
    """Another file under the same number takes the place of the first; one that is corrupt does not."""
    put(tmp_path, "adder", 1, 1)
    async with serving(tmp_path, poll_s=0.01) as engine:
        first = engine.revision()
        put(tmp_path, "adder", 1, 2_000)
        await until(lambda: engine.revision() != first)
        assert (await answer(engine, asked([0, 0])))["sum"] == [2_000, 2_000]
        await until(lambda: [model.closed for model in engine.made] == [1, 0])
        put(tmp_path, "adder", 1, "no")
        await until(lambda: any(one.reason for one in engine._repository._shelves["adder"].states()))  # type: ignore[union-attr]
        assert (await answer(engine, asked([0, 0])))["sum"] == [2_000, 2_000]
        assert (await states(engine)) == {"1": "READY"}


async def test_a_change_while_a_version_opens_is_seen(tmp_path: Path) -> None:
    """A version of which files change while it is opened does not serve: it would be half of each."""
    put(tmp_path, "adder", 1, 1)
    async with serving(tmp_path) as engine:

        def change(files: VersionFiles) -> None:
            (files.folder / "weights").write_text("new")

        engine.opening = change
        put(tmp_path, "adder", 2, 2)
        with pytest.raises(ValueError, match="changed while it was opened"):
            await catalogue(engine).load("adder")
        assert (await answer(engine, asked()))["model_version"] == "1"
        engine.opening = lambda files: None
        await catalogue(engine).load("adder")
        assert (await answer(engine, asked()))["model_version"] == "2"
        assert [model.closed for model in engine.made] == [1, 1, 0]


async def test_a_version_is_looked_at_again_when_it_is_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening others takes long: what is a link out of the repository by then is not opened, and is when it is back."""
    root, outside = tmp_path / "models", put(tmp_path / "outside", "adder", 1, 100)
    monkeypatch.setattr(repository, "OPENING_MAX", 1)
    folders = {name: put(root, name, 1, 1) for name in ("a", "b")}
    opened: list[str] = []

    def swap(files: VersionFiles) -> None:
        opened.append(files.model)
        (other,) = folders.keys() - {files.model}
        if len(opened) == 1:
            folders[other].rename(tmp_path / "aside")
            folders[other].symlink_to(outside)

    def prepare(engine: Adders) -> None:
        engine.opening = swap

    async with serving(root, prepared=prepare) as engine:
        (first,) = opened
        (other,) = folders.keys() - {first}
        (reason,) = [one.reason for one in await index(engine) if one.name == other]
        assert "leads out of the repository" in reason
        folders[other].unlink()
        (tmp_path / "aside").rename(folders[other])
        await catalogue(engine).load(other)
        assert (await answer(engine, asked(model=other)))["sum"] == [2, 3]


@pytest.mark.parametrize("how", ["deleted", "renamed"])
async def test_what_is_gone_serves_no_more(tmp_path: Path, how: str) -> None:
    """A version that is taken out of the folder stops serving, the one before it answers; a model without any is unknown."""
    put(tmp_path, "adder", 1, 1)
    put(tmp_path, "adder", 2, 2)
    async with serving(tmp_path, poll_s=0.01) as engine:
        take_away(tmp_path / "adder" / "2", tmp_path / "_2", how)
        await until(lambda: len(engine.made) == 2 and engine.open_now == 1)
        assert (await answer(engine, asked()))["model_version"] == "1"
        take_away(tmp_path / "adder", tmp_path / "_adder", how)
        await until(lambda: not engine.open_now and not engine._repository._shelves)  # type: ignore[union-attr]
        with pytest.raises(RequestRefused, match="no such model"):
            await engine.generate(asked())


def take_away(path: Path, to: Path, how: str) -> None:
    """Delete a folder, or give it another name."""
    if how == "renamed":
        path.rename(to)
        return
    for folder, _, files in os.walk(path, topdown=False):
        for file in files:
            os.unlink(Path(folder, file))
        os.rmdir(folder)


async def test_a_root_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    """What serves goes on while the disk with the models is away, and what is new is taken up when it is back."""
    root = tmp_path / "models"
    put(root, "adder", 1, 1)
    async with serving(root, poll_s=0.01) as engine:
        root.rename(tmp_path / "away")
        await until(lambda: engine._repository._unseen)  # type: ignore[union-attr]
        assert (await answer(engine, asked()))["model_version"] == "1"
        put(tmp_path / "away", "adder", 2, 2)
        (tmp_path / "away").rename(root)
        await until(lambda: len(engine.made) == 2 and engine.open_now == 1)
        assert (await answer(engine, asked()))["model_version"] == "2"


async def test_a_wrong_configuration_is_told_with_its_lines(tmp_path: Path) -> None:
    """Everything that is wrong in `config.yaml` is told at once, with its place; what served before goes on."""
    put(tmp_path, "adder", 1, 1)
    async with serving(tmp_path) as engine:
        config(tmp_path, "latest: 0\nbatchmax: 3\n")
        put(tmp_path, "adder", 2, 2)
        with pytest.raises(ValueError, match=r"adder/config\.yaml:1:9: policy\.bounds") as told:
            await catalogue(engine).load("adder")
        assert "adder/config.yaml:2:1: policy.unknown-key" in str(told.value)
        assert (await answer(engine, asked()))["model_version"] == "1"
        config(tmp_path, "latest: 1")
        await catalogue(engine).load("adder")
        assert (await answer(engine, asked()))["model_version"] == "2"


async def test_versions_that_are_named_and_not_there_are_told(tmp_path: Path) -> None:
    """Where numbers are named, nothing else serves in their place."""
    put(tmp_path, "adder", 1, 1)
    config(tmp_path, "versions: [7]")
    async with serving(tmp_path) as engine:
        with pytest.raises(ValueError, match="`versions` names 7, not there"):
            await catalogue(engine).load("adder")
        with pytest.raises(EngineError):
            await engine.generate(asked())


@pytest.mark.parametrize("wrong", [9, "no"], ids=["not there", "cannot be opened"])
async def test_a_slip_in_versions_closes_nothing_that_answers(tmp_path: Path, wrong: int | str) -> None:
    """Where none of the named versions can serve, the one that does goes on, and gives way to the first that can."""
    put(tmp_path, "adder", 1, 1)
    if wrong == "no":
        put(tmp_path, "adder", 9, wrong)
    async with serving(tmp_path) as engine:
        config(tmp_path, "versions: [9]")
        for _ in range(2):
            with pytest.raises(ValueError, match="`versions` names 9, not there" if wrong == 9 else "adder/9"):
                await catalogue(engine).load("adder")
            assert (await answer(engine, asked()))["model_version"] == "1"
        put(tmp_path, "adder", 9, 9)
        await catalogue(engine).load("adder")
        assert [one["version"] for one in await catalogue(engine).statistics("adder")] == ["9"]
        assert (await answer(engine, asked()))["model_version"] == "9"


async def test_what_was_wrong_on_disk_is_past_once_it_is_mended(tmp_path: Path) -> None:
    """A version whose file is away for a while serves on, and nothing is said against it when the same file is back."""
    put(tmp_path, "adder", 1, 1)
    file, away = tmp_path / "adder" / "1" / FILE, tmp_path / "别处"
    async with serving(tmp_path) as engine:
        file.rename(away)
        with pytest.raises(ValueError, match=r"adder/1 has no file model\.json"):
            await catalogue(engine).load("adder")
        assert [(one.state, one.reason) for one in await index(engine)] == [
            ("READY", "adder/1 has no file model.json; put it there")
        ]
        away.rename(file)
        await catalogue(engine).load("adder")
        assert [(one.state, one.reason) for one in await index(engine)] == [("READY", "")]
        assert len(engine.made) == 1


async def test_a_failed_version_is_not_opened_again_and_again(tmp_path: Path) -> None:
    """What could not be opened is left alone until its files change, or somebody asks for it."""
    put(tmp_path, "adder", 1, 1)
    put(tmp_path, "adder", 2, "no")
    opened: list[str] = []

    def prepare(engine: Adders) -> None:
        engine.opening = lambda files: opened.append(files.version)

    async with serving(tmp_path, poll_s=0.01, prepared=prepare) as engine:
        (tmp_path / "adder" / "README").write_text("something new beside the versions / 旁边的新文件")
        adder = engine._repository._shelves["adder"]  # type: ignore[union-attr]
        await until(lambda: adder.settled is not None and any(name == "README" for name, _, _ in adder.settled.own))
        assert opened == ["2", "1"]
        with pytest.raises(ValueError, match="adder/2"):
            await catalogue(engine).load("adder")
        assert opened == ["2", "1", "2"]
