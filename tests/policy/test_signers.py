"""The keys of signers: what counts as one, who may read it, and how a bundle without a good signature is refused."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from yumen.errors import PolicyError
from yumen.policy.ed25519 import ORDER, P, is_public_key
from yumen.policy.sigfile import require_signed, write_signature
from yumen.policy.signature import sign
from yumen.policy.signers import (
    KEY_BYTES_MAX,
    PublicKey,
    UnusableKey,
    public_path,
    read_private,
    read_public,
    save_key,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
PRIVATE = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
FILES = {"gateway.yaml": b"version: 1\n"}
# The eight points of small order, as RFC 7748 and RFC 8032 encode them, and their other spellings.
EIGHTH = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
SMALL_ORDER = [
    "01" + "00" * 31,
    "ec" + "ff" * 30 + "7f",
    "00" * 32,
    "00" * 31 + "80",
    EIGHTH,
    EIGHTH[:-2] + "fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "01" + "00" * 30 + "80",
    "ed" + "ff" * 30 + "7f",
    "ed" + "ff" * 31,
    "ee" + "ff" * 30 + "7f",
    "ee" + "ff" * 31,
    "ec" + "ff" * 31,
]


def pem(raw: bytes) -> bytes:
    """A PEM file with these 32 bytes for a key."""
    return Ed25519PublicKey.from_public_bytes(raw).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private(folder: Path, content: bytes = PRIVATE, mode: int = 0o600) -> Path:
    path = folder / "signer.pem"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def never() -> str:
    raise AssertionError("nobody should be asked for a passphrase")


def test_a_key_under_which_anything_holds_is_refused() -> None:
    """OpenSSL takes a point of small order for a key, and a signature that nobody made holds under it."""
    neutral = bytes.fromhex(SMALL_ORDER[0])
    Ed25519PublicKey.from_public_bytes(neutral).verify(neutral + bytes(32), "任何东西".encode())  # it does hold
    with pytest.raises(UnusableKey, match="no key that a signer can hold"):
        PublicKey.from_pem(pem(neutral), "signer.pub.pem")


@pytest.mark.parametrize("encoded", SMALL_ORDER)
def test_points_of_small_order_are_no_keys(encoded: str) -> None:
    """Neither the eight points nor their spellings beyond the prime pass."""
    assert not is_public_key(bytes.fromhex(encoded))
    with pytest.raises(UnusableKey):
        PublicKey.from_pem(pem(bytes.fromhex(encoded)), "signer.pub.pem")


@given(st.binary(min_size=32, max_size=32))
def test_what_signers_make_is_a_key(seed: bytes) -> None:
    """Every honest key passes; the same point moved by one of order two does not, although it lies on the curve."""
    raw = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    assert is_public_key(raw)
    number = int.from_bytes(raw, "little")
    moved = (P - number % 2**255) | ((number >> 255 ^ 1) << 255)
    assert not is_public_key(moved.to_bytes(32, "little"))


@pytest.mark.parametrize(
    "raw", [b"", PUBLIC, bytes(31), b"\x02" + bytes(31), b"\xff" * 32, ORDER.to_bytes(32, "little")]
)
def test_bytes_that_are_no_point(raw: bytes) -> None:
    """Garbage and other lengths are no keys."""
    assert not is_public_key(raw)


def test_the_id_of_a_key() -> None:
    """It is what `openssl pkey -pubin -outform DER | sha256sum` prints, so that people can compare it."""
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"], input=PUBLIC, capture_output=True, check=True
    )
    printed = subprocess.run(["sha256sum"], input=der.stdout, capture_output=True, check=True).stdout.decode()
    assert printed.split()[0] == PublicKey.from_pem(PUBLIC, "x").id


OTHERS = [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1()),
          ed448.Ed448PrivateKey.generate(), x25519.X25519PrivateKey.generate()]  # fmt: skip


@pytest.mark.parametrize("other", OTHERS, ids=lambda key: type(key).__name__)
def test_keys_of_another_algorithm_are_refused(
    tmp_path: Path,
    other: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey | x25519.X25519PrivateKey,
) -> None:
    """A key of another kind is named as such, wherever it is given, and no signature is tried under it."""
    content = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(UnusableKey, match=r"of kind .* and not an Ed25519 key"):
        PublicKey.from_pem(content, "signer.pub.pem")
    path = private(tmp_path, other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(UnusableKey, match=r"of kind .* and not an Ed25519 key"):
        read_private(path, never)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (PRIVATE, "this is a private key"),
        (PUBLIC + PRIVATE, "this is a private key"),
        (PUBLIC + PUBLIC, "this holds 2 PEM blocks"),
        (b"", "holds no public key"),
        ("公钥".encode(), "holds no public key"),
        (KEY.public_key().public_bytes_raw(), "holds no public key"),
        (KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH), "holds no public key"),
        (PUBLIC.replace(b"PUBLIC KEY", b"CERTIFICATE"), "holds `CERTIFICATE`"),
        (PUBLIC.replace(b"MC", b"MD"), "not a public key in PEM form"),
        (PUBLIC[:40], "not a public key in PEM form"),
        (b"#" * (KEY_BYTES_MAX + 1) + PUBLIC, f"larger than {KEY_BYTES_MAX} bytes"),
    ],
)
def test_what_is_no_public_key(tmp_path: Path, content: bytes, says: str) -> None:
    """Each file that does not hold exactly one public key is refused in a sentence that never quotes it."""
    path = tmp_path / "signer.pub.pem"
    path.write_bytes(content)
    with pytest.raises(UnusableKey, match=says) as caught:
        read_public(path)
    assert PRIVATE.split(b"\n")[1].decode() not in str(caught.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    """A folder, a pipe that nobody writes to, or nothing at all is said and not waited for."""
    os.mkfifo(tmp_path / "pipe")
    for name, says in ((".", "Is a directory"), ("pipe", "not a file"), ("none", "No such file")):
        with pytest.raises(UnusableKey, match=says):
            read_public(tmp_path / name)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o601])
def test_a_private_key_is_private(tmp_path: Path, mode: int) -> None:
    """A key that others can read, change or use is not used; the line says which command mends it."""
    path = private(tmp_path, mode=mode)
    with pytest.raises(UnusableKey, match=f"run `chmod 600 {path}`"):
        read_private(path, never)
    path.chmod(0o400)
    assert read_private(path, never).private_bytes_raw() == KEY.private_bytes_raw()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (PUBLIC, "holds `PUBLIC KEY` and no private key"),
        (PRIVATE * 2, "this holds 2 PEM blocks"),
        (PRIVATE.replace(b"MC4", b"MC5"), "does not open"),
        (KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), "holds `OPENSSH PRIVATE KEY`"),
    ],
)
def test_what_is_no_private_key(tmp_path: Path, content: bytes, says: str) -> None:
    """Each file that does not hold exactly one private key in PKCS#8 is refused."""
    with pytest.raises(UnusableKey, match=says):
        read_private(private(tmp_path, content), never)


def test_a_key_with_a_passphrase(tmp_path: Path) -> None:
    """A key that is kept encrypted opens with its passphrase, and with no other."""
    encrypted = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption("口令 1".encode()))
    path = private(tmp_path, encrypted)
    assert read_private(path, lambda: "口令 1").private_bytes_raw() == KEY.private_bytes_raw()
    with pytest.raises(UnusableKey, match="does not open with that passphrase"):
        read_private(path, lambda: "口令 2")


def test_new_keys_are_private_and_overwrite_nothing(tmp_path: Path) -> None:
    """A new key is readable by its owner alone; a file that is there, or a dangling link, stops it beforehand."""
    path = tmp_path / "my.signer"
    assert public_path(path) == tmp_path / "my.signer.pub.pem"
    save_key(KEY, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_private(path, never).private_bytes_raw() == KEY.private_bytes_raw()
    assert read_public(public_path(path)).id == PublicKey.from_pem(PUBLIC, "x").id
    (tmp_path / "a.pem").write_text("a")
    (tmp_path / "b.pub.pem").write_text("b")
    (tmp_path / "c.pub.pem").symlink_to("nowhere")
    for name in ("a", "b", "c"):
        with pytest.raises(UnusableKey, match="nothing is overwritten"):
            save_key(KEY, tmp_path / f"{name}.pem")
    assert sorted(one.name for one in tmp_path.iterdir() if one.name[0] in "abc") == ["a.pem", "b.pub.pem", "c.pub.pem"]
    with pytest.raises(UnusableKey, match="cannot be written"):
        save_key(KEY, tmp_path / "none" / "signer.pem")


def refused(*arguments: object) -> list[tuple[str, str]]:
    """File and code of every reason."""
    with pytest.raises(PolicyError) as caught:
        require_signed(*arguments)  # type: ignore[arg-type]  # the tests pass what is right
    assert all((one.line, one.column) == (1, 1) for one in caught.value.diagnostics)
    return [(one.file, one.code) for one in caught.value.diagnostics]


def test_a_gateway_takes_only_signed_bundles(tmp_path: Path) -> None:
    """The one door for start and reload: signed passes, everything else is a policy error at bundle.sig or at the key."""
    folder, key = tmp_path / "bundle", tmp_path / "signer.pub.pem"
    folder.mkdir()
    key.write_bytes(PUBLIC)
    signature, place = sign(FILES, [], KEY).content, str(folder / "bundle.sig")
    require_signed(FILES, [], signature, [key], folder)
    assert refused(FILES, [], None, [key], folder) == [(place, "bundle.unsigned")]
    assert refused({**FILES, "x.yaml": b""}, [], signature, [key], folder) == [(place, "bundle.signature")]
    assert refused(FILES, [("base", FILES)], signature, [key]) == [("bundle.sig", "bundle.signature")]
    assert refused(FILES, [], signature, [], folder) == [(place, "bundle.signature")]


def test_every_key_that_is_named_must_be_usable(tmp_path: Path) -> None:
    """A key that cannot be read is an error although another one has signed: somebody relies on it."""
    key, other = tmp_path / "signer.pub.pem", tmp_path / "other.pub.pem"
    key.write_bytes(PUBLIC)
    signature = sign(FILES, [], KEY).content
    assert refused(FILES, [], signature, [key, other]) == [(str(other), "bundle.key")]
    other.write_bytes(pem(bytes.fromhex(SMALL_ORDER[0])))
    assert refused(FILES, [], signature, [key, other]) == [(str(other), "bundle.key")]


def test_keys_are_read_when_they_are_needed(tmp_path: Path) -> None:
    """A key that was replaced counts from the next reload on, and the old one does not."""
    key = tmp_path / "signer.pub.pem"
    key.write_bytes(PUBLIC)
    signature = sign(FILES, [], KEY).content
    require_signed(FILES, [], signature, [key])
    key.write_bytes(pem(Ed25519PrivateKey.generate().public_key().public_bytes_raw()))
    assert refused(FILES, [], signature, [key]) == [("bundle.sig", "bundle.signature")]


def test_a_key_in_the_bundle_s_folder_is_refused(tmp_path: Path) -> None:
    """Whoever can write the bundle could write that key too, whether the path shows it or goes through a link."""
    folder = tmp_path / "bundle"
    (folder / "keys").mkdir(parents=True)
    key = folder / "keys" / "signer.pub.pem"
    key.write_bytes(PUBLIC)
    (tmp_path / "outside").symlink_to(folder / "keys")
    signature = sign(FILES, [], KEY).content
    for path in (key, tmp_path / "outside" / "signer.pub.pem"):
        assert refused(FILES, [], signature, [path], folder) == [(str(path), "bundle.key")]
    require_signed(FILES, [], signature, [key])  # without a folder there is nothing to compare with


def test_the_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """A link called bundle.sig is replaced and not written through, and nothing else is left in the folder."""
    outside = tmp_path / "outside"
    outside.write_text("kept")
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "bundle.sig").symlink_to(outside)
    write_signature(folder, b"new")
    assert outside.read_text() == "kept"
    assert [(one.name, one.is_symlink(), one.read_bytes()) for one in folder.iterdir()] == [
        ("bundle.sig", False, b"new")
    ]
