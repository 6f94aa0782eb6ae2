"""Private keys: PEM and its kin, DER in base64, age, wallets and the words that restore them."""

from __future__ import annotations

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.near import RUN
from yumen_plugins.anonymize.detectors.secrets.build import HEX, characters, fixed, named
from yumen_plugins.anonymize.detectors.secrets.checks import BASE58, armoured, bech32, wallet

KEY_CHARS_MAX = 16_384
LINES_MAX = KEY_CHARS_MAX - 256
NAME = r"(?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?"
# Line breaks may be real ones or escapes, one level deep or two; headers stand before the key.
BODY = r"(?:[^-]|-(?!----))"
KEPT = r"(?:[A-Za-z0-9+/=\s]|\\{1,4}[nrt])"
MADE = characters("A-Za-z0-9+/", 192, "private key")
LINES = "\n".join(MADE[start : start + 64] for start in range(0, 192, 64))
RSA = "IBADANBgkqhkiG9w0BAQEFAAS"
D = "-" * 5


def _pem(kind: str, lines: str) -> str:
    return f"{D}BEGIN {kind}{D}\n{lines}\n{D}END {kind}{D}"


KEYS: tuple[Detector, ...] = (
    Detector(
        id="secret.private_key",
        description="private key",
        patterns=(
            rf"-----BEGIN {NAME}-----{BODY}{{40,{LINES_MAX}}}+-----END {NAME}-----",
            # One that is cut off: its lines, as far as they go.
            rf"-----BEGIN {NAME}-----{KEPT}{{48,{LINES_MAX}}}+",
        ),
        prefilter=r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY",
        score=1.0,
        validate=armoured,
        canonical=str,
        span_max=KEY_CHARS_MAX,
        opener="-----BEGIN ",
        examples=(
            f"{_pem('RSA PRIVATE KEY', LINES)}\nthat was it",
            f'"private_key": "{_pem("PRIVATE KEY", LINES)}"'.replace("\n", "\\n"),
            f"私钥如下：{_pem('OPENSSH PRIVATE KEY', LINES)}，请保管好",
            _pem(
                "EC PRIVATE KEY",
                f"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,{characters('0-9A-F', 32, 'iv')}\n\n{LINES}",
            ),
            _pem("PGP PRIVATE KEY BLOCK", f"Version: 1\n\n{LINES}"),
            f"{D}BEGIN PRIVATE KEY{D}\n{LINES}",
        ),
        counterexamples=(
            f"{D}BEGIN PRIVATE KEY{D}\n...\n{D}END PRIVATE KEY{D}",
            f"a file that begins with {D}BEGIN RSA PRIVATE KEY{D} and so on",
            _pem("PUBLIC KEY", LINES),
            _pem("CERTIFICATE", LINES),
            f"{D}BEGIN PRIVATE KEY{D}\nYOUR KEY HERE\n{D}END PRIVATE KEY{D}",
        ),
    ),
    Detector(
        id="secret.private_key_ssh2",
        description="private key as SSH Communications writes it",
        patterns=(
            (
                rf"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----{BODY}{{40,{LINES_MAX}}}+"
                rf"(?:---- END [A-Z0-9 ]{{1,40}} ----)?"
            ),
        ),
        prefilter="BEGIN SSH2 ENCRYPTED PRIVATE",
        score=1.0,
        validate=armoured,
        canonical=str,
        span_max=KEY_CHARS_MAX,
        opener="---- BEGIN SSH2 ",
        examples=(f"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n{LINES}\n---- END SSH2 ENCRYPTED PRIVATE KEY ----",),
        counterexamples=(f"---- BEGIN SSH2 PUBLIC KEY ----\n{LINES}\n---- END SSH2 PUBLIC KEY ----",),
    ),
    Detector(
        id="secret.private_key_putty",
        description="private key as PuTTY writes it",
        patterns=(r"Private-Lines: [0-9]{1,3}\s{1,2}(?P<value>[A-Za-z0-9+/=\s]{47,11999}[A-Za-z0-9+/=])",),
        prefilter="Private-Lines: [0-9]",
        score=1.0,
        validate=armoured,
        canonical=str,
        span_max=12_032,
        opener="Private-Lines: ",
        examples=(f"PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 3\n{LINES}",),
        counterexamples=(f"Public-Lines: 3\n{LINES}",),
    ),
    Detector(
        id="secret.private_key_der",
        description="private key in base64 without the lines around it",
        patterns=(
            # PKCS #8 and PKCS #1 for RSA: DER has the same bytes there in every key.
            rf"(?<![A-Za-z0-9+/])MII[A-Za-z0-9+/]{{1,4}}{RSA}[A-Za-z0-9+/]{{200,{LINES_MAX}}}+={{0,2}}",
            rf"(?<![A-Za-z0-9+/])MII[A-Za-z0-9+/]{{2,4}}IBAAK[A-Za-z0-9+/]{{300,{LINES_MAX}}}+={{0,2}}",
        ),
        prefilter=rf"MII[A-Za-z0-9+/]{{1,4}}(?:{RSA}|IBAAK)",
        score=1.0,
        validate=armoured,
        canonical=str,
        span_max=KEY_CHARS_MAX,
        tight=True,
        opener="MII",
        examples=(f"商户私钥 MIIEv{RSA}{MADE}{MADE}",),
        counterexamples=(f"a certificate: MIIDdzCCAl+gAwIBAgIE{MADE}{MADE}",),
    ),
    Detector(
        id="secret.jwk",
        description="private part of a JSON web key",
        patterns=(r'"d\\?"\s{0,2}:\s{0,2}\\?"(?P<value>[A-Za-z0-9_-]{42,700})\\?"',),
        prefilter=r'"d\\?" {0,2}: {0,2}\\?"[A-Za-z0-9_-]{42}',
        score=0.95,
        canonical=str,
        span_max=720,
        opener='"d',
        examples=(f'{{"kty":"EC","d":"{MADE[:43].replace("+", "a").replace("/", "b")}"}}',),
        counterexamples=('{"d": "M 10 10 L 20 20"}', '{"d": "2026-11-25"}'),
    ),
    Detector(
        id="secret.age",
        description="age secret key",
        patterns=(r"(?<![A-Za-z0-9])(?i:AGE-SECRET-KEY-1[0-9AC-HJ-NP-Z]{58})(?![A-Za-z0-9])",),
        prefilter=r"(?i)AGE-SECRET-KEY-1[0-9A-Z]{12}",
        score=1.0,
        validate=bech32,
        context=("age", "key", "私钥", "密钥"),
        span_max=74,
        tight=True,
        # The key of 32 bytes 42 hex: a test vector of the format.
        examples=("AGE-SECRET-KEY-" + "1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX",),
        counterexamples=(
            "AGE-SECRET-KEY-1ABC",
            "AGE-SECRET-KEY-" + "1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEY",
        ),
    ),
    Detector(
        id="secret.wallet_key",
        description="private key of Bitcoin or another chain",
        patterns=(rf"(?<![A-Za-z0-9])(?:[5KL9c][{BASE58}]{{50,51}}|[xyzt]prv[{BASE58}]{{107,108}})(?![A-Za-z0-9])",),
        prefilter=RUN,
        score=1.0,
        validate=wallet,
        canonical=str,
        context=("wif", "私钥", "private key", "btc", "bitcoin", "比特币"),
        span_max=112,
        tight=True,
        # Examples of the wiki of Bitcoin and of BIP 32.
        examples=(
            "the key 5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4" + "dZ1jvhTVqvbTLvyTJ",
            "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TG"
            + "tRBeJgk33yuGBxrMPHi",
        ),
        counterexamples=("5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4" + "dZ1jvhTVqvbTLvyTK",),
    ),
    named(
        "ethereum_key",
        "private key of Ethereum or another chain",
        "ethereum|(?<![A-Za-z])eth(?![a-z])|wallet|metamask|solana|以太坊|钱包",
        (("0x",), fixed(HEX, 64)),
        (fixed("0-9a-fA-F", 64),),
        alone="private[_ ]?key|私钥",
        example="wallet private key",
        score=0.95,
    ),
    Detector(
        id="secret.seed_phrase",
        description="words that restore a wallet",
        patterns=(
            (
                r"(?i:seed phrase|recovery phrase|secret phrase|backup phrase|mnemonic(?: phrase)?|助记词|恢复短语)"
                r"[^\na-z]{0,8}(?:(?:is|are|for [a-z]{1,12}|words?|是"
                r"|为)[^\na-z]{1,6})?(?P<value>(?:[a-z]{3,8}[ ,]{1,2}){11,23}[a-z]{3,8})(?![a-z])"
            ),
        ),
        prefilter=(
            r"(?i)(?:seed phrase|recovery phrase|secret phrase|backup phrase|mnemonic|助记词|恢复短语)"
            r"[^\n]*(?:[a-z]{3,8}[ ,]{1,2}){4}"
        ),
        score=0.95,
        span_max=320,
        examples=(
            "my seed phrase is legal winner thank year wave sausage worth useful legal winner thank yellow",
            "助记词：legal winner thank year wave sausage worth useful legal winner thank yellow，不要告诉别人",
        ),
        counterexamples=("a seed phrase is a list of words that a wallet makes", "助记词 legal winner thank"),
    ),
)
