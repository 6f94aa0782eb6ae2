"""The one form of policy files: what it looks like, and that nothing is lost or changed on the way to it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.policy.messy import documents

from yumen.policy.fmt import agree, format_files, formatted
from yumen.policy.page import Page
from yumen.policy.reader import read

BUNDLES = Path(__file__).parents[2] / "policies" / "yumen_policies"
BEFORE = """\


# 头 head


version:   1
"plugin" : anonymize   # 甲
mode:  off # b

config:


    detect:
    - cn.mobile   # one
    -   email
    # the end of the list
    # about the action
    action : {default:  pseudonym,
       cn.mobile: mask}
  # the end of config, written a little to the left
tests: [ {name: "电话", # in brackets
   expect: {findings: []}}]
note: |
     kept

       as it is


long: [aaaaaaaaaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, ccccccccccccccccccccccccccccccc, ddddddddddddddd]
"""
AFTER = """\
# 头 head

version: 1
"plugin": anonymize  # 甲
mode: off            # b

config:
  detect:
    - cn.mobile  # one
    - email
  # the end of the list
  # about the action
  action: {default: pseudonym, cn.mobile: mask}
# the end of config, written a little to the left
tests:
  - name: "电话"  # in brackets
    expect: {findings: []}
note: |
  kept

    as it is

long:
  - aaaaaaaaaaaaaaaaaaaaaaaaaaaa
  - bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
  - ccccccccccccccccccccccccccccccc
  - ddddddddddddddd
"""


def test_the_form() -> None:
    """One look: blanks, lists, brackets, comments behind values and above them, blank lines, texts, long lists."""
    assert formatted("x.yaml", BEFORE.encode()) == (AFTER.encode(), [])


# Many examples of a large strategy; how long one takes is not what is tested.
SLOW = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@SLOW
@given(documents())
@example("a: |+\n  text\n\n\n# c\nb: 1")
@example("a: |\n  no line end")
@example("k: [a, # in\n  b\n  # last\n]\n# below\n")
@example("a:\n- b: 1\n  # of b\n# of c\nc: 1\n")
@example("a: [\n  # nothing\n]\n")
@example("- \n  # 里\n  - a\n")
def test_any_document_keeps_what_it_says(text: str) -> None:
    """Whatever a document looks like: the same data, every comment once, and a second run changes nothing."""
    content = text.encode()
    before = read("x.yaml", content)
    out, wrong = formatted("x.yaml", content)
    if before.diagnostics:
        assert (out, wrong) == (content, before.diagnostics)
        return
    assert not wrong
    after = read("x.yaml", out)
    assert not after.diagnostics
    assert repr(after.data) == repr(before.data)
    assert comments(out.decode()) == comments(text.replace("\r\n", "\n"))
    assert formatted("x.yaml", out) == (out, [])


def comments(text: str) -> list[str]:
    """The comments, in the order of the alphabet: one in brackets may change places with the next."""
    return sorted(comment.text for comment in Page(text).comments)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_formatted_or_left(content: bytes) -> None:
    """Whatever a file holds, it is brought into the form or left as it is with what is wrong; nothing is raised."""
    out, wrong = formatted("x.yaml", content)
    assert out == content if wrong else not read("x.yaml", out).diagnostics


@pytest.mark.parametrize("scalar", ["yes", "on", "2026-01-01", "1:30", "0x1F", "010", "1_000", "~", "TRUE", "1.50"])
def test_scalars_stay_as_they_are_written(scalar: str) -> None:
    """No value is written in another way, whatever another reader would take it for."""
    assert formatted("x.yaml", f"a:   {scalar}\n".encode()) == (f"a: {scalar}\n".encode(), [])


@pytest.mark.parametrize(
    ("after", "same"),
    [
        ("a: 1  # c\nb: yes\n", True),
        ("a: 1\nb: yes\n", False),  # a comment is lost
        ("a: 1  # c\nb: true\n", False),  # another value
        ("a: 1.0  # c\nb: yes\n", False),  # a number that is equal and not the same
        ("b: yes\na: 1  # c\n", False),  # another order, which counts in `rules:`
        ("a: 1   # c\nb: yes\n", False),  # not in the form
        ("a: 1  # c\nb: [\n", False),  # not YAML
    ],
)
def test_a_file_is_written_only_if_it_says_the_same(after: str, same: bool) -> None:
    """The last look before writing sees a lost comment, a changed value or type, another order and an unstable form."""
    assert agree("a: 1 # c\nb: yes\n", after) is same


def test_what_cannot_be_kept_is_left(tmp_path: Path) -> None:
    """A key of more than 1,024 characters needs `? `, which is not in the form: the file is named and stays as it is."""
    path = tmp_path / "x.yaml"
    path.write_text(f"? {'键' * 1100}\n:   v\n")
    before = path.read_bytes()
    (one,), (wrong,) = format_files([path])
    assert (wrong.file, wrong.code) == (str(path), "yaml.not-formatted")
    assert not one.changed
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in BUNDLES.glob("*/gateway.yaml")), ids=lambda one: one.name
)
def test_shipped_bundles_are_in_the_form(folder: Path) -> None:
    """What we ship looks as `fmt` writes it; the failure says what repairs it."""
    found, wrong = format_files([folder])
    assert not wrong
    changed = [str(one.path) for one in found if one.changed]
    assert not changed, f"run: yumen policy fmt {' '.join(changed)}"


def test_a_file_keeps_its_mode_and_is_replaced_whole(tmp_path: Path) -> None:
    """Who could read and write a file still can, and nobody finds half of it or a temporary file beside it."""
    path = tmp_path / "x.yaml"
    path.write_text("a:   1\n")
    path.chmod(0o640)
    with path.open() as opened:
        (one,), _ = format_files([tmp_path])
        one.write()
        assert opened.read() == "a:   1\n"
    assert path.read_text() == "a: 1\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["x.yaml"]


def test_links(tmp_path: Path) -> None:
    """A link out of the folder is refused and what it leads to is left; one within it stays a link."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    outside, kept = tmp_path / "outside.yaml", folder / "kept"
    for file in (outside, kept):
        file.write_text("a:   1\n")
    (folder / "out.yaml").symlink_to(outside)
    (folder / "in.yaml").symlink_to("kept")
    (one,), (wrong,) = format_files([folder])
    one.write()
    assert (Path(wrong.file).name, wrong.code) == ("out.yaml", "bundle.symlink")
    assert outside.read_text() == "a:   1\n"
    assert kept.read_text() == "a: 1\n"
    assert (folder / "in.yaml").is_symlink()
    assert [one.code for one in format_files([folder / "out.yaml"])[1]] == ["bundle.symlink"]
    (folder / "round.yaml").symlink_to("round.yaml")
    assert [one.code for one in format_files([folder / "round.yaml"])[1]] == ["bundle.unreadable"]


def test_what_is_no_file(tmp_path: Path) -> None:
    """Folders and pipes with the name of a policy file are named, not opened."""
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    found, wrong = format_files([tmp_path])
    assert not found
    assert [(Path(one.file).name, one.code) for one in wrong] == [
        ("folder.yaml", "bundle.unreadable"),
        ("pipe.yaml", "bundle.unreadable"),
    ]
