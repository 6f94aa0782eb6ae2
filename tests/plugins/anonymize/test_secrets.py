"""Secrets: providers' tokens, keys, credentials, and values that only their name gives away."""

from __future__ import annotations

import re

import pytest

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors import CATALOGUE
from yumen_plugins.anonymize.detectors.secrets import SECRETS
from yumen_plugins.anonymize.detectors.secrets.build import ALNUM, characters
from yumen_plugins.anonymize.detectors.secrets.checks import (
    bech32,
    crc62,
    crc_base62,
    crc_grafana,
    credible,
    grafana,
    jwt,
    wallet,
)
from yumen_plugins.anonymize.prefilter import automata
from yumen_plugins.anonymize.scan import Scanner

SCANNER = Scanner(SECRETS)
# In both languages, without a value of any kind: long enough that windows are read.
FILLER = "天气很好，我们去公园。It is a fine day, let us walk. " * 220
KEY = characters(ALNUM, 40, "tests")
BEGIN, END = "-----BEGIN PRIVATE" + " KEY-----", "-----END PRIVATE" + " KEY-----"


def found(text: str) -> list[tuple[str, str]]:
    return [(hit.detector.id.removeprefix("secret."), text[hit.start : hit.end]) for hit in SCANNER.scan([text])[0]]


def values(text: str) -> list[str]:
    return [value for _, value in found(text)]


CASES = [(detector, text) for detector in SECRETS for text in detector.examples]
OTHERS = [(detector, text) for detector in SECRETS for text in detector.counterexamples]


def test_every_example_is_found() -> None:
    """Each example holds one secret, and of two readings its detector's is taken."""
    wrong = [
        (one.id, text, found(text)) for one, text in CASES if [f"secret.{kind}" for kind, _ in found(text)] != [one.id]
    ]
    assert wrong == []


def test_examples_are_found_in_long_texts() -> None:
    """A secret in the middle of a long text is found where it stands, as in a short one."""
    missed = [(one.id, text) for one, text in CASES[::7] if values(f"{FILLER}\n{text}\n{FILLER}") != values(text)]
    assert missed == []


def test_no_counterexample_is_taken() -> None:
    """What only looks like a detector's secret is not taken by it."""
    taken = [(one.id, text) for one, text in OTHERS if one.id in [f"secret.{kind}" for kind, _ in found(text)]]
    assert taken == []


def test_the_pass_names_every_detector() -> None:
    """Both engines see with the prefilter what the patterns find: a detector that is not named never looks."""
    expressions = [one.forms[0][0] for one in SECRETS]
    made = automata(tuple((one.encode(), 0) for one in expressions))
    assert [one.id for one in SECRETS if len(one.forms) > 1] == []
    for one, expression in zip(SECRETS, expressions, strict=True):
        # Of equal expressions one number may stand for all.
        numbers = {number for number, other in enumerate(expressions) if other == expression}
        for text in one.examples:
            seen: set[int] = set()
            for part in made:
                part.scan(text.encode(), match_event_handler=lambda index, *rest, seen=seen: seen.add(index))
            assert numbers & seen, (one.id, text)
            assert re.search(expression, text), (one.id, text)


@pytest.mark.parametrize("one", [one for one in SECRETS if one.span_max > 512], ids=lambda one: one.id)
def test_long_secrets_begin_with_their_opener(one: Detector) -> None:
    """Where a long secret may have begun, a stream waits: so all that a detector finds begins with its opener."""
    assert one.opener
    for text in one.examples:
        begins = [match.start() for pattern in one.compiled for match in pattern.finditer(text)]
        assert begins, text
        assert all(text.startswith(one.opener, place) for place in begins), text


def test_the_catalogue_is_wide() -> None:
    """At least sixty providers, each rule with a name of its own, examples and counterexamples, and its case kept."""
    assert len({one.id for one in SECRETS}) == len(SECRETS)
    assert len({one.id.removeprefix("secret.").partition("_")[0] for one in SECRETS}) >= 60
    assert all(one.examples and one.counterexamples for one in SECRETS if one.id != "secret.jwk")
    assert next(one for one in SECRETS if one.id == "secret.github").canonical("aB") == "aB"


@pytest.mark.parametrize(
    "text",
    [
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "id: 550e8400-e29b-41d4-a716-446655440000",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
        '"integrity": "sha512-nHDyYtXcJz0gY5lZrvZ0T3mJ6xv2Kq1w9b8u7Yc6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1=="',
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "pod web-7d4b9c6f8-x2k9p is running",
        "export OPENAI_API_KEY=<your key>",
        "token: ${{ secrets.GITHUB_TOKEN }}",
        "const getAccessTokenFromAuthorizationHeader = (req) => req.headers",
        "if (password !== confirmPassword) throw new Error('password mismatch')",
        "password_hash = hashlib.sha256(password.encode()).hexdigest()",
        "Password must be at least 8 characters and contain 1 digit.",
        "<input type='password' class='form-control1'>",
        "interface User { password: string; token?: string }",
        "忘记密码？点击重置密码",
        "密码长度为8到16位",
        "token数量是4096",
        "微信支付密钥在商户平台设置",
        "Facebook and Twitter announced 2026 results; key takeaways follow",
        "task-management-system-for-large-organisations-2026",
        "disk-0123456789abcdef0123456789abcdef",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 user@host",
    ],
)
def test_hard_negatives(text: str) -> None:
    """Hashes, identifiers, code, images and sentences about secrets are none."""
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("username: admin\npassword: Welcome1", "Welcome1"),
        ("用户名admin，密码admin123", "admin123"),
        ("账号：root 密码：toor", "toor"),
        ("登录密码改成了Qwer!234，记一下", "Qwer!234"),
        ("spring.datasource.password=abc$123", "abc$123"),
        ("PGPASSWORD=s3cr3t psql", "s3cr3t"),
        ("login: bob / password: s3cretPass", "s3cretPass"),
        ("The password is 'swordfish'", "swordfish"),
        ('"password" : "hunter2"', "hunter2"),
        ("wifi password: 88888888", "88888888"),
        ("secret: hunter2", "hunter2"),
        ("密钥为 8f14e45fceea167a5a36dedd4bea2543", "8f14e45fceea167a5a36dedd4bea2543"),
        ("x-api-key: abcdef1234567890", "abcdef1234567890"),
        ("ftp://bob:pw123@nas/x", "bob:pw123"),
        ("AWS_ACCESS_KEY_ID=AKIA" + "IOSFODNN7EXAMPLE", "AKIA" + "IOSFODNN7EXAMPLE"),
        (f"DEEPSEEK_API_KEY=sk-{KEY.lower()}", f"sk-{KEY.lower()}"),
        (f"\\nghp_{KEY[:30]}{crc_base62(KEY[:30])}", f"ghp_{KEY[:30]}{crc_base62(KEY[:30])}"),
    ],
)
def test_only_the_value_is_taken(text: str, value: str) -> None:
    """Of an assignment, a header or a URL the secret is taken and nothing beside it."""
    assert values(text) == [value]


def test_whole_user_and_password_go() -> None:
    """No end of a password stays where the rest of it and the host read like an e-mail address, and the host stays."""
    assert values("postgres://admin:S3cr3t!pw@db.example.com/app") == ["admin:S3cr3t!pw"]
    text = "postgres://admin:S3cr3t!pw@db.example.com/app，找li.na@example.com"
    taken = [(hit.detector.id, text[hit.start : hit.end]) for hit in Scanner(CATALOGUE).scan([text])[0]]
    assert taken == [("secret.url_credentials", "admin:S3cr3t!pw"), ("email", "li.na@example.com")]


def test_checksums() -> None:
    """What carries a checksum is sure only where it holds; the vectors are those of the formats' authors."""
    body = KEY[:30]
    assert crc62(f"ghp_{body}{crc_base62(body)}")
    assert not crc62(f"ghp_{body}{crc_base62(body[::-1])}")
    assert grafana(f"glsa_{body}_{crc_grafana('glsa_' + body)}")
    assert not grafana(f"glsa_{body}_00000000")
    age = "AGE-SECRET-KEY-" + "1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
    assert bech32(age)
    assert not bech32(age[:-1] + "Q")
    wif = "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4" + "dZ1jvhTVqvbTLvyTJ"
    assert wallet(wif)
    assert not wallet(wif[:-1] + "K")
    assert not jwt("eyJub3QiOiJhIGhlYWRlciJ9.e30.x")


def test_a_wrong_checksum_needs_its_name() -> None:
    """A GitHub token whose checksum fails is taken where words say what it is, and left alone elsewhere."""
    token = "ghp_" + KEY[:36]
    assert values(f"it is {token}") == []
    assert found(f"my GitHub account has {token}") == [("github", token)]


@pytest.mark.parametrize(
    "value", ["sk-" + "x" * 32, "ghp_your_token_goes_here_1234567890", "AKIA" + "A" * 16, "sk-..."]
)
def test_placeholders(value: str) -> None:
    """What documentation writes in place of a token is no token."""
    assert not credible(value)


def test_cut_and_escaped_keys() -> None:
    """A private key goes whole: with real line breaks, with escaped ones, and without its end."""
    lines = "\n".join([KEY + KEY[:24]] * 4)
    for text in (f"{BEGIN}\n{lines}\n{END}", f"{BEGIN}\n{lines}\n{END}".replace("\n", "\\n"), f"{BEGIN}\n{lines}"):
        assert found(f"它是 {text}") == [("private_key", text)]


@pytest.mark.parametrize(
    "unit",
    [
        "eyJ",
        "eyJhbGciOiJub25l.",
        BEGIN,
        BEGIN + "A" * 4000,
        "password=",
        "密码是",
        "://a:a:a:",
        "://a:",
        "sk-",
        "AKIA",
        "Bearer ",
    ],
)
def test_hostile_text_is_only_long(unit: str) -> None:
    """Openers without an end, in great number, cost a bounded number of looks, whatever is made of them."""
    text = unit * (300_000 // len(unit))
    assert all(0 <= hit.start < hit.end <= len(text) for hit in SCANNER.scan([text])[0])


@pytest.mark.parametrize(
    ("around", "password"),
    [
        ("{}", "schlüs'el99"),
        ("{}", 'schlüs"el99'),
        ("{}", "pässw`ord12"),
        ("{}", "pass'word12"),
        ('"{}"', "schlüs'el99"),
    ],
)
def test_a_quote_inside_a_password_does_not_end_it(around: str, password: str) -> None:
    """What stands behind a quote in the middle of a password is still the password, and must not be left."""
    text = f"password: {around.format(password)}"
    hits = Scanner(CATALOGUE).scan([text])[0]
    assert [text[hit.start : hit.end] for hit in hits] == [password]
