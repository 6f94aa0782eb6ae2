"""What a signature covers: whatever an attacker does to a signed bundle makes verification fail, and says what it was."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from yumen.policy.folder import SIGNATURE_BYTES_MAX
from yumen.policy.signature import (
    HEADER,
    SIGNATURES_MAX,
    Bases,
    Entry,
    Files,
    Flaw,
    SignatureFile,
    Unsignable,
    parse,
    sign,
    statement,
    verify,
)
from yumen.policy.signers import PublicKey

LI, SAM, MALLORY = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2, 3))
FILES = {
    "gateway.yaml": b"version: 1\nextends: pipl\n",
    "limits.test.yaml": b"tests: []\n",
    "手机号.yaml": "version: 1\nplugin: anonymize  # 掩码\n".encode(),
}
BASES = [
    ("pipl", {"anonymize.yaml": b"version: 1\nplugin: anonymize\n", "gateway.yaml": b"version: 1\nextends: base\n"}),
    ("base", {"gateway.yaml": b"version: 1\n"}),
]
SIGNED = sign(FILES, BASES, LI).content


def public(key: Ed25519PrivateKey, file: str = "li.pub.pem") -> PublicKey:
    return PublicKey(key.public_key(), file)


def kinds(
    files: Files = FILES,
    bases: Bases = BASES,
    signature: bytes | None = SIGNED,
    keys: tuple[Ed25519PrivateKey, ...] = (LI,),
) -> list[tuple[str, str]]:
    """What is wrong: kind and subject."""
    return [(flaw.kind, flaw.subject) for flaw in verify(files, bases, signature, [public(key) for key in keys])]


def changed(bases: Bases, at: int, name: str, content: bytes) -> list[tuple[str, Files]]:
    """The bases with one file put in."""
    return [(base, {**files, name: content} if number == at else files) for number, (base, files) in enumerate(bases)]


def forged(files: Files, bases: Bases, key: Ed25519PrivateKey) -> bytes:
    """What a careless or hostile signer could write: the form is right, and nothing was checked."""
    plain = SignatureFile(1, dict.fromkeys(files, "0" * 64), [dict.fromkeys(base, "0" * 64) for _, base in bases], [])
    entry = Entry(public(key).id, key.sign(plain.statement))
    return SignatureFile(1, plain.files, plain.bases, [entry]).encode()


def test_what_was_signed_holds() -> None:
    """Files as they were signed hold, whatever order they are read in; where a base was found does not count."""
    assert kinds() == []
    assert kinds(files=dict(reversed(FILES.items()))) == []
    assert kinds(bases=[(f"elsewhere/{name}", files) for name, files in BASES]) == []


@pytest.mark.parametrize(
    ("files", "bases", "expected"),
    [
        ({**FILES, "extra.yaml": b""}, BASES, [("added", "extra.yaml")]),
        ({**FILES, "extra.test.yaml": b""}, BASES, [("added", "extra.test.yaml")]),
        ({name: FILES[name] for name in ("gateway.yaml", "手机号.yaml")}, BASES, [("removed", "limits.test.yaml")]),
        ({**FILES, "手机号.yaml": b"mode: off\n"}, BASES, [("changed", "手机号.yaml")]),
        ({**FILES, "gateway.yaml": FILES["gateway.yaml"].replace(b"\n", b"\r\n")}, BASES, [("changed", "gateway.yaml")]),
        (
            {**FILES, "gateway.yaml": FILES["手机号.yaml"], "手机号.yaml": FILES["gateway.yaml"]},
            BASES,
            [("changed", "gateway.yaml"), ("changed", "手机号.yaml")],
        ),
        (
            {("手机.yaml" if name == "手机号.yaml" else name): content for name, content in FILES.items()},
            BASES,
            [("added", "手机.yaml"), ("removed", "手机号.yaml")],
        ),
        ({("Gateway.yaml" if name == "gateway.yaml" else name): content for name, content in FILES.items()}, BASES,
         [("added", "Gateway.yaml"), ("removed", "gateway.yaml")]),
        (FILES, changed(BASES, 0, "anonymize.yaml", b""), [("changed", "base 1 (pipl): anonymize.yaml")]),
        (FILES, changed(BASES, 1, "new.yaml", b""), [("added", "base 2 (base): new.yaml")]),
        (FILES, BASES[:1], [("removed", "base 2")]),
        (FILES, [], [("removed", "base 1"), ("removed", "base 2")]),
        (FILES, [*BASES, ("more", {"gateway.yaml": b""})], [("added", "base 3 (more)")]),
        # A file moved from the bundle into its base.
        (
            {name: FILES[name] for name in ("gateway.yaml", "手机号.yaml")},
            changed(BASES, 0, "limits.test.yaml", FILES["limits.test.yaml"]),
            [("removed", "limits.test.yaml"), ("added", "base 1 (pipl): limits.test.yaml")],
        ),
    ],
)  # fmt: skip
def test_a_change_is_named(files: Files, bases: Bases, expected: list[tuple[str, str]]) -> None:
    """Every file or base that was added, removed, renamed, moved or changed is named, and nothing else is."""
    assert kinds(files=files, bases=bases) == expected


def test_bases_in_another_order() -> None:
    """Which base overrules which is part of the policy."""
    assert kinds(bases=BASES[::-1]) == [
        ("removed", "base 1 (base): anonymize.yaml"),
        ("changed", "base 1 (base): gateway.yaml"),
        ("added", "base 2 (pipl): anonymize.yaml"),
        ("changed", "base 2 (pipl): gateway.yaml"),
    ]


def test_a_signature_that_leaves_the_bases_out() -> None:
    """A signature over the bundle alone does not cover what the bundle extends."""
    assert kinds(signature=sign(FILES, [], LI).content) == [("added", "base 1 (pipl)"), ("added", "base 2 (base)")]


def test_the_signature_of_another_bundle() -> None:
    """A good signature by a trusted key over other files says which ones differ."""
    other = sign({"gateway.yaml": b"other", "手机号.yaml": FILES["手机号.yaml"]}, [], LI).content
    assert kinds(bases=[], signature=other) == [("changed", "gateway.yaml"), ("added", "limits.test.yaml")]


def test_no_signature() -> None:
    """A bundle without the file is unsigned, which has a code of its own."""
    (flaw,) = verify(FILES, BASES, None, [public(LI)])
    assert flaw.diagnostic("b/bundle.sig").code == "bundle.unsigned"
    (flaw,) = verify(FILES, BASES, b"", [public(LI)])
    assert str(flaw.diagnostic("b/bundle.sig")).startswith(
        "b/bundle.sig:1:1: bundle.signature: bundle.sig cannot be used"
    )


def test_an_empty_bundle_is_neither_signed_nor_verified() -> None:
    """A signature over nothing would hold for every folder that was emptied."""
    with pytest.raises(Unsignable, match="no file to sign"):
        sign({}, [], LI)
    with pytest.raises(Unsignable, match=r"base 1 \(pipl\): there is no file"):
        sign(FILES, [("pipl", {})], LI)
    assert kinds(files={}, bases=[], signature=forged({}, [], LI)) == [("name", ".")]


def test_keys() -> None:
    """One trusted key is enough, an unknown one counts for nothing, and without a trusted key nothing holds."""
    both = sign(FILES, BASES, SAM, SIGNED).content
    assert kinds(signature=both, keys=(MALLORY, SAM)) == []
    assert kinds(signature=both, keys=(LI,)) == []
    assert kinds(keys=(SAM, MALLORY)) == [("key", public(SAM).id), ("key", public(MALLORY).id)]
    assert kinds(keys=()) == [("key", "")]
    (flaw,) = verify(FILES, BASES, SIGNED, [public(SAM, "sam.pub.pem")])
    assert f"{public(SAM).id[:16]} (sam.pub.pem) has not signed" in flaw.what
    assert public(LI).id[:16] in flaw.what


def tampered(edit: Callable[[Any], object]) -> bytes:
    """The signature file with an edit, written in the right form."""
    content = json.loads(SIGNED)
    edit(content)
    return json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n"


def test_a_signature_under_another_s_name() -> None:
    """The id in the file only says which key to try: a signature that this key did not make does not hold."""
    mine = Entry(public(LI).id, MALLORY.sign(statement(FILES, BASES)))
    forgery = tampered(lambda content: content["signatures"][0].update(_entry(mine)))
    assert kinds(signature=forgery) == [("key", public(LI).id)]
    assert "does not hold" in verify(FILES, BASES, forgery, [public(LI)])[0].what
    assert kinds(signature=forgery, keys=(MALLORY,)) == [("key", public(MALLORY).id)]


def _set_version(version: object, content: dict[str, object]) -> None:
    content["version"] = version


def _entry(entry: Entry) -> dict[str, str]:
    return {"key": entry.key, "signature": base64.b64encode(entry.signature).decode()}


def test_a_listing_that_nobody_signed_explains_nothing() -> None:
    """What an untrusted bundle.sig says about changes is not repeated: only the key that did not sign is named."""
    assert kinds(signature=forged({"invented.yaml": b""}, [], MALLORY)) == [("key", public(LI).id)]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "yumen policy bundle signature 0",
        "yumen policy bundle signature 2",
        "yumen audit checkpoint 1",
        HEADER + " ",
    ],
)
def test_signatures_mean_one_thing(header: str) -> None:
    """What the key signed for another purpose or version does not hold here, even over the same files."""
    message = statement(FILES, BASES).replace(HEADER.encode(), header.encode(), 1)
    other = Entry(public(LI).id, LI.sign(message))
    assert kinds(signature=tampered(lambda content: content.update(signatures=[_entry(other)]))) == [
        ("key", public(LI).id)
    ]


@pytest.mark.parametrize(
    "signature",
    [
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        SIGNED[:-2],
        SIGNED + b"\n",
        SIGNED + b"{}",
        SIGNED.rstrip(),
        b"\xef\xbb\xbf" + SIGNED,
        SIGNED.replace(b"\n", b"\r\n"),
        SIGNED.replace(b'"version": 1,', b'"version": 1, "version": 1,'),
        SIGNED.replace(b'"version": 1,', b'"version": 2,\n  "version": 1,'),
        SIGNED.replace("手".encode(), b"\\u624b"),
        SIGNED.replace(b"==", b"=="[:1]),
        json.dumps(json.loads(SIGNED), ensure_ascii=False).encode(),
        *(tampered(partial(_set_version, version)) for version in (0, 2, 1.0, True, None, "1", [1])),
        tampered(lambda content: content.update(also=1)),
        tampered(lambda content: content.pop("bases")),
        tampered(lambda content: content.update(signatures=[])),
        tampered(lambda content: content["signatures"].append(content["signatures"][0])),
        tampered(lambda content: content["signatures"].append({**content["signatures"][0], "key": "0" * 64})),
        tampered(lambda content: content["signatures"][0].update(key=public(LI).id.upper())),
        tampered(lambda content: content["signatures"][0].update(key=public(LI).id + "\n")),
        tampered(lambda content: content["signatures"][0].update(signature="AAAA")),
        tampered(lambda content: content["signatures"][0].update(algorithm="none")),
        tampered(lambda content: content["files"].update({"gateway.yaml": "abc"})),
        tampered(lambda content: content["files"].update({"a.yaml": "0" * 64})),  # not sorted any more
        forged({"../gateway.yaml": b""}, [], LI),
        forged({"gateway.yaml": b"", "x\n.yaml": b""}, [], LI),
        forged(FILES, [("base", {"x\u202e.yaml": b""})], LI),
    ],
)
def test_a_file_in_another_form_is_refused(signature: bytes) -> None:
    """bundle.sig is exactly what `sign` writes: nothing that two readers could read differently is taken."""
    assert kinds(signature=signature) == [("malformed", "bundle.sig")]


def test_a_file_that_is_too_large_is_refused() -> None:
    """More than 1 MiB, or more than 32 signatures, is not even looked into; sign writes no such file either."""
    huge = forged({f"{number:05}{'x' * 200}.yaml": b"" for number in range(4000)}, [], LI)
    assert len(huge) > SIGNATURE_BYTES_MAX
    (flaw,) = verify(FILES, BASES, huge, [public(LI)])
    assert "larger than" in flaw.what
    many = SIGNED
    for number in range(10, 9 + SIGNATURES_MAX):
        many = sign(FILES, BASES, Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32), many).content
    assert kinds(signature=many) == []
    with pytest.raises(Unsignable, match="32 signatures already"):
        sign(FILES, BASES, MALLORY, many)
    content = json.loads(many)
    content["signatures"].append({**content["signatures"][-1], "key": "f" * 64})
    assert kinds(signature=json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n") == [
        ("malformed", "bundle.sig")
    ]
    with pytest.raises(Unsignable, match="larger than"):
        sign({f"{number:05}{'x' * 200}.yaml": b"" for number in range(4000)}, [], LI)


@pytest.mark.parametrize(
    "name",
    ["a\nb.yaml", "a\x00.yaml", "../a.yaml", "a\\b.yaml", ".yaml", ".a.yaml", " a.yaml", "a.yml", "a.yaml ", "a.YAML",
     "\u202eabc.yaml", "a\u200b.yaml", "a\ud800.yaml", "cafe\u0301.yaml", "\u2126.yaml", "长" * 84 + ".yaml", ""],
)  # fmt: skip
def test_names_that_could_mislead_are_refused(name: str) -> None:
    """A name that breaks a line, leaves the folder, hides or has a second spelling is neither signed nor verified."""
    with pytest.raises(Unsignable, match="file name"):
        sign({**FILES, name: b""}, BASES, LI)
    with pytest.raises(Unsignable, match=r"base 2 \(base\): the file name"):
        sign(FILES, changed(BASES, 1, name, b""), LI)
    assert [kind for kind, _ in kinds(files={**FILES, name: b""})] == ["name"]


@pytest.mark.parametrize(
    "pair", [("limits.yaml", "Limits.yaml"), ("straße.yaml", "STRASSE.yaml"), ("ａ.yaml", "a.yaml")]
)
def test_two_names_for_one_file_are_refused(pair: tuple[str, str]) -> None:
    """Names that are one on another file system, or look like one, cannot stand in one bundle."""
    files = {"gateway.yaml": b"", **dict.fromkeys(pair, b"")}
    with pytest.raises(Unsignable, match="differ only in case"):
        sign(files, [], LI)
    assert {kind for kind, _ in kinds(files=files, bases=[], signature=sign({"x.yaml": b""}, [], LI).content)} == {
        "name"
    }


def test_names_in_messages_cannot_act_on_a_terminal() -> None:
    """Whoever names a file or a base does not write to the terminal of who verifies."""
    (flaw,) = verify({"\x1b[2J.yaml": b""}, [], SIGNED, [public(LI)])
    assert flaw.what.isprintable()
    (flaw,) = verify(FILES, [("\x1b[2J", {})], SIGNED, [public(LI)])
    assert flaw.what.isprintable()


def test_signing_again() -> None:
    """Another key adds a signature, the same key replaces its own, and signatures of other contents go, named."""
    both = sign(FILES, BASES, SAM, SIGNED)
    assert both.dropped == []
    assert sign(FILES, BASES, LI, both.content) == both
    assert sign(FILES, BASES, LI, SIGNED).content == SIGNED
    edited = {**FILES, "limits.test.yaml": b"tests: [{}]\n"}
    anew = sign(edited, BASES, SAM, both.content)
    assert anew.dropped == [public(LI).id]
    assert kinds(files=edited, signature=anew.content, keys=(SAM,)) == []
    assert kinds(files=edited, signature=anew.content, keys=(LI,)) == [("key", public(LI).id)]


def test_what_is_no_signature_file_is_not_overwritten() -> None:
    """Signing over a file that cannot be read would lose the signatures of others."""
    with pytest.raises(Unsignable, match="cannot be used"):
        sign(FILES, BASES, LI, SIGNED + b"\n")


names = st.text("abz-_ .手机号é", min_size=1, max_size=6).map(lambda name: f"{name.strip('. ')}x.yaml")
contents = st.dictionaries(names, st.binary(max_size=40), min_size=1, max_size=5)
bundles = st.tuples(contents, st.lists(contents.map(lambda files: ("base", files)), max_size=3))


@given(bundles, bundles)
def test_one_statement_one_bundle(one: tuple[Files, Bases], other: tuple[Files, Bases]) -> None:
    """Different bundles never have the same statement, so a signature is of one bundle."""
    assert (statement(*one) == statement(*other)) == (one == other)


@given(bundles, st.data())
def test_any_change_makes_verification_fail(bundle: tuple[dict[str, bytes], Bases], data: st.DataObject) -> None:
    """A flipped bit, an added, dropped, renamed or swapped file, in the bundle or in a base: each one is noticed."""
    files, bases = bundle
    signature = sign(files, bases, LI).content
    parts = [dict(files), *(dict(base) for _, base in bases)]
    part = parts[data.draw(st.integers(0, len(parts) - 1))]
    name = data.draw(st.sampled_from(sorted(part)))
    fresh = data.draw(names.filter(lambda one: one not in part))
    change = data.draw(st.sampled_from(["flip", "add", "drop", "rename", "swap"]))
    before = [dict(one) for one in parts]
    if change == "flip" and part[name]:
        bit = data.draw(st.integers(0, len(part[name]) * 8 - 1))
        part[name] = (int.from_bytes(part[name], "big") ^ (1 << bit)).to_bytes(len(part[name]), "big")
    elif change == "add":
        part[fresh] = data.draw(st.binary(max_size=5))
    elif change == "drop":
        del part[name]
    elif change == "rename":
        part[fresh] = part.pop(name)
    elif change == "swap":
        other = data.draw(st.sampled_from(sorted(part)))
        part[name], part[other] = part[other], part[name]
    flaws = verify(parts[0], [("base", one) for one in parts[1:]], signature, [public(LI)])
    assert (flaws == []) == (parts == before)


@given(st.integers(0, len(SIGNED) * 8 - 1))
def test_any_flipped_bit_of_the_signature_file_makes_verification_fail(bit: int) -> None:
    """There is no second spelling of a signature file that holds."""
    flipped = (int.from_bytes(SIGNED, "big") ^ (1 << bit)).to_bytes(len(SIGNED), "big")
    assert kinds(signature=flipped) != []


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """Whatever stands in bundle.sig, reading it gives a flaw, never an exception."""
    assert isinstance(parse(content), Flaw)
