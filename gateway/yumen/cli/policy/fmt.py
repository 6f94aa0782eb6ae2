"""`yumen policy fmt`: policy files in one form."""

from __future__ import annotations

import difflib
from pathlib import Path

import click
import msgspec

from yumen import registry
from yumen.errors import CannotStart, Diagnostic
from yumen.policy.fmt import Formatted, format_files
from yumen.settings import Settings


@click.command()
@click.argument("bundle_or_files", nargs=-1)
@click.option("--check", is_flag=True, help="Write nothing; list the files that would change, with exit status 2.")
@click.option("--diff", is_flag=True, help="As --check, and show what would change.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def fmt(settings: Settings, bundle_or_files: tuple[str, ...], check: bool, diff: bool, as_json: bool) -> None:
    """Bring policy files into their one form: comments stay, and nothing that they say changes.

    BUNDLE_OR_FILES are folders and YAML files; an installed bundle's name can only be checked.

    Exit status: 0 fine, 1 there is no such file, 2 a file is wrong, or would change.
    """
    only_check = check or diff
    paths = [_path(name, only_check) for name in bundle_or_files or (settings.policies,)]
    found, wrong = format_files(paths)
    changed = [one for one in found if one.changed]
    if not only_check:
        for one in changed:
            _write(one)
    if as_json:
        report = {
            "ok": not wrong and not (only_check and changed),
            "files": [_shown(one, diff) for one in found],
            "diagnostics": wrong,
        }
        click.echo(msgspec.json.encode(report).decode())
    else:
        _print(changed, wrong, only_check, diff)
    if wrong or (only_check and changed):
        raise SystemExit(2)


def _path(name: str, only_check: bool) -> Path:
    path = Path(name)
    if path.exists() or path.is_symlink():
        return path
    installed = registry.bundle_folder(name)
    if installed is None:
        raise CannotStart(f"there is neither a file or folder {name} nor a bundle of this name")
    if not only_check:
        raise CannotStart(f"{name} is an installed bundle; `yumen init --from {name} FOLDER` makes a copy to work on")
    return installed


def _write(one: Formatted) -> None:
    try:
        one.write()
    except OSError as error:
        raise CannotStart(f"cannot write {one.path}: {error.strerror}; make the file and its folder writable") from None


def _print(changed: list[Formatted], wrong: list[Diagnostic], only_check: bool, diff: bool) -> None:
    for diagnostic in wrong:
        click.echo(str(diagnostic))
    for one in changed:
        click.echo(f"{'would change' if only_check else 'wrote'} {one.path}")
        if diff:
            click.echo(_diff(one), nl=False)


def _shown(one: Formatted, diff: bool) -> dict[str, object]:
    shown: dict[str, object] = {"file": str(one.path), "changed": one.changed}
    return {**shown, "diff": _diff(one)} if diff else shown


def _diff(one: Formatted) -> str:
    """What changes, in the form of `diff -u`."""
    if not one.changed:
        return ""
    before, after = (text.decode("utf-8-sig").splitlines() for text in (one.before, one.after))
    lines = difflib.unified_diff(before, after, str(one.path), "formatted", lineterm="")
    return "".join(f"{line}\n" for line in lines)
