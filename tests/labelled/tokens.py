"""Draws secrets: the form of each provider's tokens, filled at random. None of them was ever given out by anybody."""

from __future__ import annotations

import base64
import json
import string
from uuid import UUID

from tests.labelled.checks import crc62
from tests.labelled.draw import Draw

ALNUM = string.ascii_letters + string.digits
LOWER = string.ascii_lowercase + string.digits
UPPER = string.ascii_uppercase + string.digits
URLSAFE = ALNUM + "_-"


def github(draw: Draw) -> str:
    body = draw.chars(30, ALNUM)
    return draw.pick(["ghp_", "ghp_", "gho_", "ghs_"]) + body + crc62(body)


def npm(draw: Draw) -> str:
    body = draw.chars(30, ALNUM)
    return "npm_" + body + crc62(body)


def jwt(draw: Draw) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()

    head = {"alg": draw.pick(["HS256", "RS256", "ES256"]), "typ": "JWT"}
    claims = {
        "sub": draw.digits(10),
        "iss": draw.pick(["auth", "login", "id"]),
        "exp": 1_800_000_000 + draw.between(0, 9_999_999),
    }
    return f"{part(head)}.{part(claims)}.{draw.chars(43, URLSAFE)}"


def private_key(draw: Draw) -> str:
    kind = draw.pick(["RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY"])
    lines = "\n".join(draw.chars(64, ALNUM + "+/") for _ in range(draw.between(3, 8)))
    return f"-----BEGIN {kind}-----\n{lines}\n{draw.chars(38, ALNUM)}==\n-----END {kind}-----"


def uuid(draw: Draw) -> str:
    return str(UUID(bytes=draw.bytes(16), version=4))


def password(draw: Draw) -> str:
    """One that a careful person chose."""
    while True:
        value = draw.chars(draw.between(10, 18), ALNUM + "!@#$%^&*_-")
        if (
            any(c.isdigit() for c in value)
            and any(c.islower() for c in value)
            and any(c.isupper() for c in value)
            and value[0].isalnum()
            and value[-1].isalnum()
        ):
            return value


def password_weak(draw: Draw) -> str:
    """One that most people choose."""
    return (
        draw.word("weak_words")
        + draw.pick(["", "@", "_", "#"])
        + draw.pick(["123", "2024", "888", "1!", "007", "2025!"])
    )


PROVIDERS = {
    "secret.aws": lambda draw: draw.pick(["AKIA", "AKIA", "ASIA"]) + draw.chars(16, string.ascii_uppercase + "234567"),
    "secret.github": github,
    "secret.npm": npm,
    "secret.github_fine": lambda draw: f"github_pat_{draw.chars(22, ALNUM)}_{draw.chars(59, ALNUM)}",
    "secret.gitlab": lambda draw: "glpat-" + draw.chars(20, URLSAFE[:-2]),
    "secret.slack": lambda draw: f"xoxb-{draw.digits(12)}-{draw.digits(12)}-{draw.chars(24, ALNUM)}",
    "secret.stripe": lambda draw: draw.pick(["sk_live_", "sk_test_", "rk_live_"]) + draw.chars(24, ALNUM),
    "secret.openai": lambda draw: f"sk-proj-{draw.chars(74, ALNUM)}T3BlbkFJ{draw.chars(74, ALNUM)}",
    "secret.openai_old": lambda draw: f"sk-{draw.chars(20, ALNUM)}T3BlbkFJ{draw.chars(20, ALNUM)}",
    "secret.anthropic": lambda draw: f"sk-ant-api03-{draw.chars(93, URLSAFE[:-2])}AA",
    "secret.google": lambda draw: "AIza" + draw.chars(35, ALNUM),
    "secret.sendgrid": lambda draw: f"SG.{draw.chars(22, ALNUM)}.{draw.chars(43, ALNUM)}",
    "secret.twilio": lambda draw: "SK" + draw.hex(32),
    "secret.telegram": lambda draw: f"{draw.digits(10)}:AA{draw.chars(33, ALNUM)}",
    "secret.huggingface": lambda draw: "hf_" + draw.chars(34, string.ascii_letters),
    "secret.pypi": lambda draw: "pypi-AgEIcHlwaS5vcmc" + draw.chars(100, ALNUM),
    "secret.digitalocean": lambda draw: "dop_v1_" + draw.hex(64),
    "secret.shopify": lambda draw: "shpat_" + draw.hex(32),
    "secret.linear": lambda draw: "lin_api_" + draw.chars(40, ALNUM),
    "secret.notion": lambda draw: "ntn_" + draw.chars(46, ALNUM),
    "secret.postman": lambda draw: f"PMAK-{draw.hex(24)}-{draw.hex(34)}",
    "secret.mailgun": lambda draw: "key-" + draw.hex(32),
    "secret.alibaba": lambda draw: "LTAI" + draw.chars(20, ALNUM),
    "secret.tencent": lambda draw: "AKID" + draw.chars(32, ALNUM),
    "secret.vault": lambda draw: "hvs." + draw.chars(90, ALNUM),
    "secret.grafana": lambda draw: f"glsa_{draw.chars(32, ALNUM)}_{draw.hex(8)}",
    "secret.databricks": lambda draw: "dapi" + draw.hex(32),
    "secret.dashscope": lambda draw: "sk-" + draw.hex(32),
    "secret.zhipu": lambda draw: f"{draw.hex(32)}.{draw.chars(16, ALNUM)}",
    "secret.groq": lambda draw: "gsk_" + draw.chars(52, ALNUM),
    "secret.docker": lambda draw: "dckr_pat_" + draw.chars(27, URLSAFE[:-2]),
    "secret.age": lambda draw: "AGE-SECRET-KEY-1" + draw.chars(58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
}
SECRETS = {
    "secret.slack_webhook": lambda draw: (
        f"https://hooks.slack.com/services/T{draw.chars(8, UPPER)}/B{draw.chars(10, UPPER)}/{draw.chars(24, ALNUM)}"
    ),
    "secret.feishu_hook": lambda draw: f"https://open.feishu.cn/open-apis/bot/v2/hook/{uuid(draw)}",
    "secret.dingtalk_hook": lambda draw: "https://oapi.dingtalk.com/robot/send?access_token=" + draw.hex(64),
    "secret.http_basic": lambda draw: base64.b64encode(f"{draw.word('handles')}:{password(draw)}".encode()).decode(),
    "secret.otp": lambda draw: draw.digits(draw.pick([4, 6, 6, 6]), first="0123456789"),
    **PROVIDERS,
    "secret.jwt": jwt,
    "secret.private_key": private_key,
    "secret.assignment": password,
    "secret.assignment.weak": password_weak,
    "secret.assignment.key": lambda draw: draw.chars(draw.pick([32, 40, 44]), ALNUM),
    "secret.assignment.hex": lambda draw: draw.hex(draw.pick([32, 40, 64])),
    "secret.url_credentials": lambda draw: draw.chars(draw.between(8, 14), ALNUM),
}
