"""Secrets that travel with requests: JSON web tokens, credentials in URLs, headers and cookies."""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.secrets.build import ALNUM, characters
from yumen_plugins.anonymize.detectors.secrets.checks import basic, credible, jwt, mixed

# In characters, of a JWT's header, its payload and the rest.
HEADER_MAX, PAYLOAD_MAX, REST_MAX = 4000, 10_000, 1400
MADE = characters(ALNUM, 43, "web")
# What a user's name and a password hold where they stand in a URL. Only with schemes of stores may a password have a
# slash, for elsewhere it would be the path.
USER, PASSWORD = r"[!$%&()*+.;=A-Z_a-z0-9~-]", r"[!#$%&()*+.:;=?@A-Z\[\]^_a-z{|}~0-9-]"
STORES = "postgres|postgresql|mysql|mariadb|mongodb|redis|rediss|amqp|amqps|mssql|sqlserver|oracle|clickhouse"
SCHEME = "|".join(
    rf"(?<={one}://)" for one in (*STORES.split("|"), r"\+srv", r"\+asyncpg", r"\+psycopg2", r"\+pymysql")
)
HOST = (
    r"(?=@(?:(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,34}[A-Za-z0-9])?\.){1,6}[A-Za-z]{2,24}(?![A-Za-z0-9.-])"
    r"|[A-Za-z0-9-]{1,63}(?![A-Za-z0-9.-])|[0-9\[$<{%]))"
)
UNFILLED = re.compile(
    r"[$%]?[{(<\[]|\$[A-Z_]+\Z|%[A-Z_]+%|\*{3}|x{3,}\Z|\.{3}|%s|your|\Apass(?:word)?_?here", re.IGNORECASE
)
COOKIES = (
    r"sessionid|sessionId|session_id|SESSIONID|SESSION_ID|SessionId|JSESSIONID|PHPSESSID|ASP\.NET_SessionId"
    r"|ASPSESSIONID[A-Z]{8}|connect\.sid|laravel_session|_session_id|"
    r"SESSDATA|bili_jct|BDUSS|BDUSS_BFESS|SAPISID|__Secure-[0-9A-Za-z_-]{2,24}|sid_tt|sid_guard|pt_key|z_c0"
    r"|remember_me|remember_token|remember_user_token|"
    r"auth_token|authToken|li_at|SSID|_gh_sess|user_session|csrftoken|XSRF-TOKEN"
)

COOKIES_SEEN = COOKIES.replace("[A-Z]{8}", "[A-Z]*").replace("[0-9A-Za-z_-]{2,24}", "[0-9A-Za-z_-]*")


def _part(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _filled(value: str) -> bool:
    """Whether a password stands there, and not a place for one (`${PASSWORD}`, `<password>`, `****`)."""
    password = value.partition(":")[2].split("@")[0]
    return (
        password not in ("", "PASSWORD", "PASS", "PWD") and UNFILLED.match(password) is None and set(password) != {"*"}
    )


def _bearer(value: str) -> bool:
    return credible(value) and (len(value) >= 32 or any("0" <= char <= "9" for char in value))


CLAIMS, NO_HEADER = _part('{"sub":"1234567890","name":"Li Na"}'), _part('{"name":"no algorithm here"}')
HEADER = _part('{"alg":"HS256","typ":"JWT"}')
TOKEN = f"{HEADER}.{CLAIMS}.{MADE}"
ACCOUNT = b64encode(b"li.na:hunter2-and-more").decode()

WEB: tuple[Detector, ...] = (
    Detector(
        id="secret.jwt",
        description="JSON web token",
        patterns=(
            (
                rf"(?:(?<![A-Za-z0-9_+/-])|(?<=\\[nrt]))eyJ[A-Za-z0-9_-]{{14,{HEADER_MAX}}}+"
                rf"\.(?:[A-Za-z0-9_-]{{2,{PAYLOAD_MAX}}}+\.[A-Za-z0-9_-]{{0,{REST_MAX}}}+"
                rf"|\.[A-Za-z0-9_-]{{12,{REST_MAX}}}+)(?:\.[A-Za-z0-9_-]{{8,{REST_MAX // 4}}}+){{0,2}}"
            ),
        ),
        prefilter=r"eyJ[A-Za-z0-9_-]{14}",
        score=1.0,
        validate=jwt,
        canonical=str,
        span_max=HEADER_MAX + PAYLOAD_MAX + 2 * REST_MAX,
        tight=True,
        opener="eyJ",
        examples=(f"it is {TOKEN}", f"令牌是{TOKEN}，有效期一小时", f'{{"id_token":"{TOKEN}"}}', f"{HEADER}.{MADE}."),
        counterexamples=(
            f"a header is {HEADER}...",
            f"{NO_HEADER}.{MADE}.{MADE}",
            "eyJhbGciOi.eyJzdWIiOi.xyz",
        ),
    ),
    Detector(
        id="secret.url_credentials",
        description="user and password in a URL",
        patterns=(
            rf"://(?P<value>{USER}{{0,64}}:{PASSWORD}{{1,192}}{HOST})",
            rf"://(?:{SCHEME})(?P<value>{USER}{{0,64}}:(?![0-9]{{1,5}}/)(?:{PASSWORD}|/){{1,192}}{HOST})",
        ),
        prefilter=r"://[!$%&()*+.;=A-Z_a-z0-9~-]*:[!-~]+@",
        score=0.95,
        validate=_filled,
        # With the host behind it the end of a password looks like an address.
        hides="email",
        canonical=str,
        span_max=512,
        examples=(
            "postgres://admin:S3cr3t!pw@db.example.com:5432/app",
            "连接串 mysql+pymysql://root:hunter2@db/shop",
            "redis://:p4ss@localhost:6379/0",
            "DATABASE_URL=mongodb+srv://app:a/b?c@cluster0.abcde.mongodb.net/x",
            "git clone https://oauth2:abc123def@git.example.com/a/b.git",
        ),
        counterexamples=(
            "https://user@example.com/a",
            "http://example.com:8080/@scope/name",
            "postgres://${DB_USER}:${DB_PASSWORD}@db/app",
            "https://<user>:<password>@example.com",
            "amqp://guest:****@mq:5672",
            "链接http://a.com:80，发给b@c.com",
            "postgres://db.example.com:5432/app?owner=a@b.com",
        ),
    ),
    Detector(
        id="secret.http_basic",
        description="user and password in a header of HTTP",
        patterns=(r"(?i:basic)[ \t]{1,4}(?P<value>[A-Za-z0-9+/]{8,480}={0,2})(?![A-Za-z0-9+/=])",),
        prefilter=r"(?i)basic[ \t]{1,4}[A-Za-z0-9+/]{8}",
        score=0.95,
        validate=basic,
        canonical=str,
        span_max=496,
        examples=(f"Authorization: Basic {ACCOUNT}", f'"authorization":"Basic {ACCOUNT}"', f"请求头是 basic {ACCOUNT}"),
        counterexamples=("basic understanding of it", "Authorization: Basic realm=x", "Basic YOURTOKEN"),
    ),
    Detector(
        id="secret.http_bearer",
        description="token in a header of HTTP",
        patterns=(
            (
                r"(?i:authorization|auth)[\"']{0,2}\s{0,3}[:=：]\s{0,3}[\"']{0,2}"
                r"(?i:bearer|token|apikey|api-key|ssws|genie[kK]ey|key|bot|aws4-hmac-sha256)[ \t]{1,4}(?:token=\\?\"?)?"
                r"(?P<value>[A-Za-z0-9._~+/=:|-]{8,440})"
            ),
            r"(?<![A-Za-z])(?i:bearer)[ \t]{1,4}(?P<value>[A-Za-z0-9._~+/=|-]{16,440})",
        ),
        prefilter=(
            r"(?i)bearer[ \t]+[A-Za-z0-9._~+/=|-]{8}|"
            r"auth(?:orization)?[\"']{0,2}\s*(?:[:=]|：)\s*[\"']{0,2}(?:token|apikey|api-key|ssws|geniekey|key|bot)[ \t]"
        ),
        score=0.9,
        validate=_bearer,
        canonical=str,
        span_max=500,
        examples=(
            f"Authorization: Bearer {MADE}",
            f"curl -H 'authorization: token {MADE[:20]}'",
            f'"Authorization": "Bearer {MADE}"',
            f"用 Bearer {MADE} 调用",
        ),
        counterexamples=(
            "Authorization: Bearer <token>",
            "Authorization: Bearer YOUR_ACCESS_TOKEN",
            "Authorization: Bearer $TOKEN",
            "the bearer of this letter",
            "bearer authentication_scheme",
        ),
    ),
    Detector(
        id="secret.curl_user",
        description="user and password on the command line of an HTTP client",
        patterns=(
            (
                r"(?:curl|wget|https?)(?=[ \t])[^\n]{0,200}?[ \t](?:-u|--user|--proxy-user|-U|-a|--auth)[ =]{0,2}[\"']?"
                r"(?P<value>[A-Za-z0-9._@%+-]{1,64}:[^\s\"'`$<{*]{3,128})"
            ),
        ),
        prefilter=r"(?:curl|wget|https?)[ \t][^\n]*(?:-u|--user|--proxy-user|-U|-a"
        r"|--auth)[ =]{0,2}[\"']?[A-Za-z0-9._@%+-]+:[!-~]",
        score=0.9,
        canonical=str,
        span_max=420,
        examples=(
            "curl -s -u li.na:hunter2 https://api.example.com/v1",
            "运行 curl --user 'admin:S3cret!pw' http://db:80",
        ),
        counterexamples=(
            "curl -u $USER:$PASS https://example.com",
            "docker run -u 1000:1000 image",
            "curl -u <user>:<password> x",
        ),
    ),
    Detector(
        id="secret.cookie",
        description="session in a cookie",
        patterns=(rf"(?<![A-Za-z0-9])(?:{COOKIES})=(?P<value>[A-Za-z0-9%._~+/:*|-]{{12,448}}={{0,2}})",),
        prefilter=rf"(?:{COOKIES_SEEN})=[A-Za-z0-9%._~+/:*|-]",
        score=0.9,
        validate=mixed,
        canonical=str,
        span_max=488,
        examples=(
            f"Cookie: theme=dark; sessionid={MADE}; lang=zh",
            f"Set-Cookie: JSESSIONID={MADE[:32].upper()}; Path=/; HttpOnly",
            f"抓包看到 BDUSS={MADE}；没有别的",
        ),
        counterexamples=("Cookie: theme=dark; lang=zh", "sessionid=YOUR_SESSION_ID", "sessionid=..."),
    ),
)
