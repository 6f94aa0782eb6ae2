"""`yumen policy sign` and `verify` as a person, a script and docs/policy-signing.md use them."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.serving import PROGRAM

from yumen.cli import main
from yumen.policy.signature import sign, statement

PAGE = (Path(__file__).parents[2] / "docs" / "policy-signing.md").read_text()
GATEWAY = """version: 1
engines:
  near: {adapter: faq, egress: local}
routes:
  - id: chat
    match: {paths: [/v1/chat/completions]}
    engine: near
    chain: [anonymize]
"""
MASKING = "version: 1\nplugin: anonymize\nmode: enforce  # 掩码\n"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a bundle in it."""
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "my-bundle", gateway=GATEWAY, anonymize=MASKING)
    return tmp_path


def written(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content)
    return folder


def run(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(main, ["policy", *arguments], input=answer)


def signed(*arguments: str) -> str:
    """Sign the bundle with a key that is made when needed; the key's id."""
    create = () if Path("signer.pem").exists() else ("--create-key",)
    result = run("sign", "my-bundle", "--key", "signer.pem", "--json", *create, *arguments)
    assert result.exit_code == 0, result.output
    key: str = json.loads(result.stdout)["key"]
    return key


def test_sign_and_verify() -> None:
    """What was just signed holds, and verify says by whom; any change is exit 2 at the place of bundle.sig."""
    key = signed()
    good = run("verify", "my-bundle", "--key", "signer.pub.pem")
    assert (good.exit_code, good.stdout) == (0, f"signed with the key {key} (signer.pub.pem)\n")
    Path("my-bundle/limits.yaml").write_text("version: 1\nplugin: limits\n")
    bad = run("verify", "my-bundle", "--key", "signer.pub.pem")
    assert bad.exit_code == 2
    assert bad.stdout.startswith("my-bundle/bundle.sig:1:1: bundle.signature: limits.yaml was added")
    signed()
    assert run("verify", "my-bundle", "--key", "signer.pub.pem").exit_code == 0


def test_as_json() -> None:
    """Both commands print one object that a pipeline can act on."""
    made = json.loads(run("sign", "my-bundle", "--key", "signer.pem", "--create-key", "--json").stdout)
    files = ["anonymize.yaml", "gateway.yaml"]
    assert made == {"signature": "my-bundle/bundle.sig", "key": made["key"], "files": files, "bases": [], "dropped": []}
    run("sign", "my-bundle", "--key", "second.pem", "--create-key")
    Path("my-bundle/anonymize.yaml").write_text(MASKING + "\n")
    run("sign", "my-bundle", "--key", "third.pem", "--create-key")
    result = run("verify", "my-bundle", "--key", "signer.pub.pem", "--key", "third.pub.pem", "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["ok"], report["changes"], report["diagnostics"]) == (0, True, [], [])
    assert [(key["file"], key["signed"]) for key in report["keys"]] == [
        ("signer.pub.pem", False),
        ("third.pub.pem", True),
    ]
    Path("my-bundle/anonymize.yaml").unlink()
    result = run("verify", "my-bundle", "--key", "third.pub.pem", "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["ok"]) == (2, False)
    assert report["changes"] == [{"kind": "removed", "subject": "anonymize.yaml"}]
    assert [one["code"] for one in report["diagnostics"]] == ["bundle.signature"]


def test_signatures_of_other_contents_are_named() -> None:
    """A signer sees whose signature their own leaves out."""
    key = signed()
    Path("my-bundle/anonymize.yaml").write_text(MASKING + "\n")
    result = run("sign", "my-bundle", "--key", "second.pem", "--create-key")
    assert f"left out the signature by {key}: it was of other contents" in result.stdout


def test_a_base_is_signed_too(place: Path) -> None:
    """A base that changes, or is signed for itself alone, breaks the signature of what extends it."""
    base = written(place / "house", gateway=GATEWAY, anonymize=MASKING)
    written(place / "my-bundle", gateway="version: 1\nextends: ../house\n")
    result = run("sign", "my-bundle", "--key", "signer.pem", "--create-key")
    assert "signed 2 files, and those of house, with the key" in result.stdout
    assert run("verify", "my-bundle", "--key", "signer.pub.pem").exit_code == 0
    written(base, anonymize=MASKING + "timeout_ms: 50\n")
    result = run("verify", "my-bundle", "--key", "signer.pub.pem")
    assert result.exit_code == 2
    assert "base 1 (house): anonymize.yaml was changed" in result.stdout


def test_what_is_not_read_whole_is_neither_signed_nor_verified(place: Path) -> None:
    """A file that leads out of the folder, is too large or is no YAML stands in the way, with its own line."""
    (place / "outside.yaml").write_text("version: 1\nplugin: limits\n")
    (place / "my-bundle" / "limits.yaml").symlink_to(place / "outside.yaml")
    result = run("sign", "my-bundle", "--key", "signer.pem", "--create-key")
    assert result.exit_code == 2
    assert "my-bundle/limits.yaml:1:1: bundle.symlink" in result.stderr
    assert not Path("signer.pem").exists()
    (place / "my-bundle" / "limits.yaml").unlink()
    signed()
    (place / "my-bundle" / "limits.yaml").write_bytes(b"#" * (1 << 20) + b"\n")
    result = run("verify", "my-bundle", "--key", "signer.pub.pem")
    assert result.exit_code == 2
    assert "my-bundle/limits.yaml:1:1: yaml.too-large" in result.stdout


def test_a_link_is_no_signature(place: Path) -> None:
    """A bundle.sig that is a link counts as none, and signing puts a file in its place."""
    signed()
    (place / "my-bundle" / "bundle.sig").rename(place / "kept.sig")
    (place / "my-bundle" / "bundle.sig").symlink_to(place / "kept.sig")
    result = run("verify", "my-bundle", "--key", "signer.pub.pem")
    assert result.exit_code == 2
    assert "bundle.sig:1:1: bundle.unsigned" in result.stdout
    signed()
    assert not (place / "my-bundle" / "bundle.sig").is_symlink()
    assert run("verify", "my-bundle", "--key", "signer.pub.pem").exit_code == 0


def test_serve_takes_only_what_is_signed(place: Path) -> None:
    """A gateway that requires signatures starts on no other bundle, and says why with the line that verify prints."""
    signed()
    run("sign", "my-bundle", "--key", "second.pem", "--create-key")
    Path("my-bundle/anonymize.yaml").write_text(MASKING.replace("enforce", "off"))
    line = run("verify", "my-bundle", "--key", "second.pub.pem").stdout
    clean = {name: value for name, value in os.environ.items() if not name.startswith("YUMEN_")}
    command = [PROGRAM, "serve", "--policies", "my-bundle", "--require-signed", "second.pub.pem"]
    for expected in (line, "my-bundle/bundle.sig:1:1: bundle.unsigned: this bundle is not signed"):
        result = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=60, check=False)
        assert result.returncode == 2
        assert result.stderr.startswith(expected)
        Path("my-bundle/bundle.sig").unlink(missing_ok=True)
    assert not (place / "data").exists()


def test_create_key_overwrites_nothing() -> None:
    """A key that is lost cannot be made again, so no option writes over one; the new one is its owner's alone."""
    signed()
    before = Path("signer.pem").read_bytes()
    assert stat.S_IMODE(os.stat("signer.pem").st_mode) == 0o600
    result = run("sign", "my-bundle", "--key", "signer.pem", "--create-key")
    assert result.exit_code == 1
    assert "nothing is overwritten" in result.stderr
    assert Path("signer.pem").read_bytes() == before


def test_what_cannot_be_run_is_exit_1() -> None:
    """No bundle, no key, the wrong key: a sentence each, and never the exit code that means `does not hold`."""
    signed()
    for arguments, says in (
        (("verify", "nothing", "--key", "signer.pub.pem"), "bundle.not-found"),
        (("verify", "my-bundle"), "name at least one trusted public key"),
        (("verify", "my-bundle", "--key", "none.pem"), "none.pem: this cannot be read"),
        (("verify", "my-bundle", "--key", "signer.pem"), "this is a private key"),
        (("sign", "nothing", "--key", "signer.pem"), "there is no folder nothing"),
        (("sign", "starter", "--key", "signer.pem"), "there is no folder starter"),
        (("sign", "my-bundle", "--key", "signer.pub.pem"), "others than its owner"),
        (("sign", "my-bundle", "--key", "my-bundle/signer.pem", "--create-key"), "lies in the bundle's folder"),
    ):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (1, ""), arguments
        assert says in result.stderr


def test_a_signature_file_that_cannot_be_read_is_kept() -> None:
    """Signing does not write over what may hold the signatures of others."""
    signed()
    Path("my-bundle/bundle.sig").write_text("{}")
    result = run("sign", "my-bundle", "--key", "signer.pem")
    assert result.exit_code == 2
    assert "bundle.sig:1:1: bundle.signature: bundle.sig cannot be used" in result.stderr
    assert Path("my-bundle/bundle.sig").read_text() == "{}"


def test_a_key_of_openssl_with_a_passphrase() -> None:
    """A key that openssl made and encrypted signs after its passphrase was asked for."""
    make = "openssl genpkey -algorithm ed25519 -aes256 -pass pass:口令 -out li.pem && chmod 600 li.pem"
    make += " && openssl pkey -in li.pem -passin pass:口令 -pubout -out li.pub.pem"
    subprocess.run(["bash", "-c", make], check=True, capture_output=True)
    assert run("sign", "my-bundle", "--key", "li.pem", answer="wrong\n").exit_code == 1
    assert run("sign", "my-bundle", "--key", "li.pem", answer="口令\n").exit_code == 0
    assert run("verify", "my-bundle", "--key", "li.pub.pem").exit_code == 0


def blocks(language: str) -> list[str]:
    """The page's blocks of one language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [content for name, content in found if name == language]


def test_the_transcript_of_the_page() -> None:
    """Every command of docs/policy-signing.md prints what the page shows; only the ids of new keys differ."""
    (transcript,) = blocks("console")
    path = f"{Path(PROGRAM).parent}:{os.environ['PATH']}"
    commands = re.findall(r"^\$ (.*)$", transcript, re.MULTILINE)
    # What is printed between two commands must not change the exit status that the next one sees.
    script = "\n".join(f"(s=$?; echo {_quoted('$ ' + command)}; exit $s)\n{command}" for command in commands)
    shown = subprocess.run(["bash", "-c", script], env={**os.environ, "PATH": path}, capture_output=True, text=True)
    hidden = re.compile("[0-9a-f]{64}")
    assert (hidden.sub("ID", shown.stdout), shown.stderr) == (hidden.sub("ID", transcript), "")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def test_the_page_s_verifier_in_shell() -> None:
    """With openssl and coreutils alone, as the page shows, a signature verifies, and a changed file is noticed."""
    make, script = blocks("sh")
    subprocess.run(["bash", "-ec", make], check=True, capture_output=True)
    written(Path("my-bundle"), 手机号="version: 1\nplugin: anonymize\nname: zh\n", Zoll="version: 1\nplugin: limits\n")
    signed()
    run("sign", "my-bundle", "--key", "second.pem", "--create-key")
    good = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, check=True)
    assert "Verified Successfully" in good.stdout
    Path("my-bundle/gateway.yaml").write_text(GATEWAY + "\n")
    assert subprocess.run(["bash", "-ec", script], capture_output=True, check=False).returncode != 0


def test_the_page_s_verifier_in_python(place: Path) -> None:
    """The page's fifteen lines agree with ours, a base included."""
    (script,) = blocks("python")
    assert len([line for line in script.splitlines() if line]) <= 15
    written(place / "house", gateway=GATEWAY, anonymize=MASKING)
    written(place / "my-bundle", gateway="version: 1\nextends: ../house\n")
    signed()
    command = [sys.executable, "-c", script, "signer.pub.pem", "my-bundle", "house"]
    subprocess.run(command, check=True, capture_output=True)
    written(place / "house", more="version: 1\nplugin: limits\n")
    bad = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "InvalidSignature" in bad.stderr


def test_the_numbers_of_the_page() -> None:
    """The form never changes by accident: the page's key and files give the page's statement and signature."""
    key = Ed25519PrivateKey.from_private_bytes(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )
    files, bases = {"gateway.yaml": b"version: 1\nextends: ./base\n"}, [("base", {"gateway.yaml": b"version: 1\n"})]
    assert statement(files, bases).decode() in blocks("")
    assert [sign(files, bases, key).content.decode()] == blocks("json")
