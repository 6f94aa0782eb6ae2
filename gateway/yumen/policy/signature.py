"""The signature of a policy bundle: what is signed, and whether a signature holds.

What is signed is a *statement*: UTF-8, every line ended by one newline.

    yumen policy bundle signature 1
    bundle
    <SHA-256 of the content, 64 lower-case hexadecimal digits>  <file name>
    …
    base 1
    <SHA-256>  <file name>
    …

The first line says what the signer means, so that a signature made for anything else counts for nothing here, and which
version of this form it is. Under `bundle` stand all `*.yaml` files of the bundle, tests included; under `base 1` those of
the bundle that it extends, under `base 2` those of the one that this extends, and so on: a base that changes changes the
policy. Bases go by number, because the place where one was found differs between machines, and its name stands in the
signed `gateway.yaml`. Files are sorted by the bytes of their names, which is what `LC_ALL=C sha256sum *.yaml` prints. A name
that could stand for two files, or spoil a line, is refused (`_bad_name`).

`bundle.sig` in the bundle's folder is JSON: `version`, the digests of `files` and `bases`, and `signatures`, each the id of
a `key` (see `signers`) and its Ed25519 `signature` of the statement in base64. A signature is always verified over the
statement of the files that are there; the digests in `bundle.sig` must be theirs too, and else help to say what changed
where a trusted key signed them.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from yumen.errors import Diagnostic
from yumen.policy.folder import SIGNATURE, SIGNATURE_BYTES_MAX
from yumen.policy.signers import PublicKey

HEADER = "yumen policy bundle signature 1"
SIGNATURES_MAX = 32
NAME_BYTES_MAX = 255
UNDO = {"added": "remove it", "removed": "put it back", "changed": "restore it"}

Files = Mapping[str, bytes]
Bases = Sequence[tuple[str, Files]]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$", max_length=64)]
Digests = dict[str, Digest]
Kind = Literal["unsigned", "malformed", "name", "added", "removed", "changed", "key"]


class Flaw(msgspec.Struct, frozen=True):
    """One reason why a bundle counts as not signed, or cannot be. `subject` is the file, base or key it is about."""

    kind: Kind
    subject: str
    what: str
    fix: str

    def diagnostic(self, file: str) -> Diagnostic:
        """The line that says so; `file` is the path of `bundle.sig`."""
        code = "bundle.unsigned" if self.kind == "unsigned" else "bundle.signature"
        return Diagnostic(file, 1, 1, code, self.what, self.fix)


class Unsignable(Exception):
    """A bundle that cannot be signed, with every reason."""

    def __init__(self, flaws: list[Flaw]) -> None:
        self.flaws = flaws
        super().__init__("; ".join(flaw.what for flaw in flaws))


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One signature: the id of the key (see `signers`) and 64 bytes."""

    key: Digest
    signature: Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]


class SignatureFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `bundle.sig`."""

    version: Literal[1]
    files: Digests
    bases: list[Digests]
    signatures: Annotated[list[Entry], msgspec.Meta(min_length=1, max_length=SIGNATURES_MAX)]

    @property
    def statement(self) -> bytes:
        """What was signed, if it was signed."""
        lines = [HEADER, "bundle", *_lines(self.files)]
        for number, base in enumerate(self.bases, 1):
            lines += [f"base {number}", *_lines(base)]
        return "".join(f"{line}\n" for line in lines).encode()

    def encode(self) -> bytes:
        """The one form in which this is written."""
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=2) + b"\n"


class Signed(msgspec.Struct, frozen=True):
    """A new `bundle.sig`, and the ids of the keys whose signatures were of other contents and are not in it any more."""

    content: bytes
    dropped: list[str]


def statement(files: Files, bases: Bases = ()) -> bytes:
    """What a signer of these files signs. Error: `Unsignable` where a name is refused or a bundle is empty."""
    if flaws := _unsound(files, bases):
        raise Unsignable(flaws)
    return _listed(files, bases, []).statement


def sign(files: Files, bases: Bases, key: Ed25519PrivateKey, existing: bytes | None = None) -> Signed:
    """Sign a bundle: `existing`, the `bundle.sig` so far, keeps the signatures that other keys made of the same contents.

    Errors: `Unsignable`; `signers.UnusableKey` for a key that is none.
    """
    message = statement(files, bases)
    entries: dict[str, Entry] = {}
    dropped: list[str] = []
    if existing is not None:
        before = parse(existing)
        if isinstance(before, Flaw):
            raise Unsignable([before])
        if before.statement == message:
            entries = {entry.key: entry for entry in before.signatures}
        else:
            dropped = [entry.key for entry in before.signatures]
    signer = PublicKey(key.public_key(), "the signer's key").id
    entries[signer] = Entry(signer, key.sign(message))
    if len(entries) > SIGNATURES_MAX:
        fix = "remove it and let those sign who are still trusted"
        raise Unsignable([_malformed(f"it has {SIGNATURES_MAX} signatures already", fix)])
    content = _listed(files, bases, [entries[one] for one in sorted(entries)]).encode()
    if len(content) > SIGNATURE_BYTES_MAX:
        raise Unsignable([_malformed(f"it would be larger than {SIGNATURE_BYTES_MAX} bytes", "split the bundle")])
    return Signed(content, [one for one in dropped if one != signer])


def verify(files: Files, bases: Bases, signature: bytes | None, keys: Sequence[PublicKey]) -> list[Flaw]:
    """Why no trusted key has signed exactly these files; an empty list where one has.

    Arguments: `signature`, the content of `bundle.sig`, None where there is none; `keys`, those that are trusted.
    """
    if not keys:
        return [Flaw("key", "", "no key is trusted, so no signature counts", "name the public key of a signer")]
    if flaws := _unsound(files, bases):
        return flaws
    if signature is None:
        fix = "let a signer run `yumen policy sign` on it"
        return [Flaw("unsigned", SIGNATURE, f"this bundle is not signed: there is no file {SIGNATURE}", fix)]
    claimed = parse(signature)
    if isinstance(claimed, Flaw):
        return [claimed]
    there = _listed(files, bases, [])
    if claimed.statement == there.statement and _signed_by(keys, claimed.signatures, there.statement):
        return []
    flaws = []
    if _signed_by(keys, claimed.signatures, claimed.statement):
        flaws = _differences(claimed, there, [_base(number, name) for number, (name, _) in enumerate(bases, 1)])
    return flaws or [_unsigned_by(key, claimed.signatures) for key in keys]


def parse(content: bytes) -> SignatureFile | Flaw:
    """Read `bundle.sig`, which must be written exactly as `SignatureFile.encode` writes it."""
    again = "remove it and let the bundle be signed again"
    if len(content) > SIGNATURE_BYTES_MAX:
        return _malformed(f"it is larger than {SIGNATURE_BYTES_MAX} bytes", again)
    try:
        parsed = msgspec.json.decode(content, type=SignatureFile)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _malformed("its form is not the one of version 1", again)
    keys = [entry.key for entry in parsed.signatures]
    if any(_bad_name(name) for digests in (parsed.files, *parsed.bases) for name in digests):
        return _malformed("it lists a name that no file of a bundle can have", again)
    # Keys that stand twice, other orders, blanks, what follows the end: all that two readers could read differently.
    if keys != sorted(set(keys)) or parsed.encode() != content:
        return _malformed("it is not written as `yumen policy sign` writes it", again)
    return parsed


def _listed(files: Files, bases: Bases, signatures: list[Entry]) -> SignatureFile:
    return SignatureFile(1, _digests(files), [_digests(base) for _, base in bases], signatures)


def _digests(files: Files) -> Digests:
    return {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}


def _lines(digests: Digests) -> Iterable[str]:
    # Code points sort as their UTF-8 bytes do.
    return (f"{digests[name]}  {name}" for name in sorted(digests))


def _signed_by(keys: Sequence[PublicKey], entries: list[Entry], message: bytes) -> bool:
    return any(entry.key == key.id and key.holds(entry.signature, message) for entry in entries for key in keys)


def _unsigned_by(key: PublicKey, entries: list[Entry]) -> Flaw:
    if any(entry.key == key.id for entry in entries):
        what = f"the signature under the name of the key {key} does not hold: the key made none of these contents"
        return Flaw("key", key.id, what, f"find out who wrote this {SIGNATURE}, then let the bundle be signed again")
    others = ", ".join(entry.key[:16] for entry in entries[:4]) + (", …" if len(entries) > 4 else "")
    what = f"the key {key} has not signed this bundle ({SIGNATURE} names only {others})"
    return Flaw("key", key.id, what, "let its holder sign the bundle")


def _differences(signed: SignatureFile, there: SignatureFile, bases: list[str]) -> list[Flaw]:
    """What changed since a trusted key signed."""
    flaws = []
    pairs = zip([signed.files, *signed.bases], [there.files, *there.bases], strict=False)
    for where, (before, now) in zip(["", *(f"{name}: " for name in bases)], pairs, strict=False):
        for name in sorted(before.keys() | now.keys()):
            if name not in now:
                flaws.append(_changed("removed", where + name))
            elif name not in before:
                flaws.append(_changed("added", where + name))
            elif before[name] != now[name]:
                flaws.append(_changed("changed", where + name))
    flaws += [_changed("added", name) for name in bases[len(signed.bases) :]]
    flaws += [_changed("removed", f"base {number}") for number in range(len(bases) + 1, len(signed.bases) + 1)]
    return flaws


def _changed(kind: Literal["added", "removed", "changed"], subject: str) -> Flaw:
    what = f"{subject} was {kind} after the bundle was signed"
    return Flaw(kind, subject, what, f"{UNDO[kind]}, or look at the change and let the bundle be signed again")


def _base(number: int, name: str) -> str:
    return f"base {number} ({''.join(char if char.isprintable() else '?' for char in name)})"


def _malformed(what: str, fix: str) -> Flaw:
    return Flaw("malformed", SIGNATURE, f"{SIGNATURE} cannot be used: {what}", fix)


def _unsound(files: Files, bases: Bases) -> list[Flaw]:
    """What makes a statement about these files impossible."""
    flaws = []
    sections = [("", files), *((f"{_base(number, name)}: ", base) for number, (name, base) in enumerate(bases, 1))]
    for where, names in sections:
        if not names:
            flaws.append(Flaw("name", where or ".", f"{where}there is no file to sign", "add a gateway.yaml"))
        alike: dict[str, str] = {}
        for name in sorted(names):
            bad = _bad_name(name)
            other = alike.setdefault(unicodedata.normalize("NFKC", name).casefold(), name)
            if bad:
                what = f"{where}the file name {name!a} {bad}"
                flaws.append(Flaw("name", f"{where}{name!a}", what, "rename the file"))
            elif other != name:
                # On some file systems the two are one file, and on others they look like one.
                what = f"{where}the file names {other!a} and {name!a} differ only in case or in how they are spelt"
                flaws.append(Flaw("name", f"{where}{name!a}", what, "rename one of the two"))
    return flaws


def _bad_name(name: str) -> str:
    if not name.isprintable() or "/" in name or "\\" in name:
        return "has a character that cannot stand in it"
    if not name.endswith(".yaml") or name.startswith((".", " ")):
        return "does not end in .yaml, or begins with a dot or a blank"
    if not unicodedata.is_normalized("NFC", name):
        return "is not in the composed form of Unicode (NFC)"
    return "is too long" if len(name.encode()) > NAME_BYTES_MAX else ""
