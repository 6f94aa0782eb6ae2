"""Secrets that only their name gives away: passwords, keys and codes that something is set to."""

from __future__ import annotations

import re

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.near import typed
from yumen_plugins.anonymize.detectors.secrets.build import ALNUM, characters
from yumen_plugins.anonymize.detectors.secrets.checks import PLACE

# In characters. Of a longer value so much is taken: what is left of it is no use.
VALUE_MAX, PASSWORD_MAX = 384, 128
# Names begin with a set of characters, and lookbehinds say which it was: with one in front, a search passes over everything
# else at once, which it does not with alternatives in which case does not matter.
PASSWORDS = (
    r"[pP_密蜜秘口](?:(?<=[pP])(?i:assw(?:or|ro)?d|assowrd|aswsord|saswd|ass[ _-]?phrase|asscode|asswort|wd"
    r"|(?<![a-z]p)(?:ass|w|sw"
    r"|swd)(?=[\"' ]{0,2}[:=]))"
    r"|(?<=[A-Za-z0-9]_)(?i:pass)(?![a-z])|(?<=[密蜜秘])[码碼马]|(?<=口)令)(?i:[_-]?(?:hash|confirm(?:ation)?)|[0-9]{1,2})?"
)
KINDS = (
    "api|access|secret|private|encryption|signing|auth|app|master|account|storage|session|license|licence"
    "|service|shared|"
    "security|aes|hmac|jwt"
)
KINDS_BEFORE = "|".join(rf"(?<={kind}key)|(?<={kind}[_ -]key)" for kind in KINDS.split("|"))
KEYS = (
    r"[sStTcCkK密秘令私凭](?:(?<=[sS])(?i:ecret)|(?<=[tT])(?<!(?i:page)[tT])(?<!(?i:page)[_-][tT])(?i:oken)"
    r"|(?<=[cC])(?i:redential)"
    rf"|(?<=[kK])(?i:ey(?:{KINDS_BEFORE})(?:[_ -]?id)?)"
    r"|(?<=[密秘])[钥鑰]|(?<=令)牌|(?<=私)钥|(?<=凭)[证据])(?i:[_-]?(?:base|value|hash))?"
)
# What may close a name: a quote, also an escaped one, a bracket, the stars of markdown.
CLOSE = r"(?:\\{0,2}[\"'`\])]|\*\*|[）】」]){0,2}[ \t]{0,4}"
IS = (
    r"(?:(?:被?(?:设置?|改|重置|更新|换)(?:为|成|到)了?|应?就?是|为|為|[👉➡])[:：]?|"
    r"[:=：]=?|=>|->)(?!=)[ \t👉➡→▶]{0,4}(?:\*\*)?[ \t]{0,2}"
)
# A declared type stands between a name and what it is set to.
QUOTED_IS = (
    rf"(?:{IS}(?:[A-Za-z_.\[\]|]{{1,24}} ?= ?)?|\(|[ \t](?:is|was|to)[ \t]"
    rf"|[ \t])[ \t]{{0,2}}[bruf]{{0,2}}(?P<q>\\{{0,2}}[\"'`])"
)
PROSE_IS = (
    r"(?: (?:for|of) [A-Za-z0-9_.@-]{1,32}(?: [a-z]{1,16})?)?"
    r"(?:[ \t](?:is|was|to|are|=)[ \t]?:?[ \t]|[ \t]?\|[ \t]?|[:：]?\s{1,4}|(?<=码)|(?<=令)|>)"
)
# The same, as widely as the prefilter needs it: the names without their edges, and what may come between them and a value.
NAMES = (
    r"(?:passw(?:or|ro)?d|passowrd|paswsord|aswsord|saswd|pass[ _-]?phrase|passcode|passwort|pwd|_pass"
    r"|pass[\"' ]{0,2}(?:=|:)"
    r"|pw[\"' ]{0,2}(?:=|:)|pswd?[\"' ]{0,2}(?:=|:)|(?:密|蜜|秘)(?:码|碼|马)|口令"
    r"|secret|token|credential|[a-z][ _-]?key|密钥|秘钥|密鑰|令牌|私钥|凭证|凭据)[a-z0-9_-]*"
)
BETWEEN = (
    r"(?:[\\\"'`\])* \t]|）|】|」)*(?:[(|>\"'`\\=:]|->|：|👉|➡|“|「|『|‘|被|设|改|重置|更新|换|应|就|是|为|為"
    r"|\s(?:is|was|to|are|for|of|=)[ \t]|\s*[!-~]*[0-9])"
)
# Ends a value that has no quotes: a blank, a quote, or what separates it from the next name.
PLAIN = r"[!#-%(-+\--:=?-\[\]^_a-z{}~]|[,;&|<>\"'](?=[A-Za-z0-9!@#$%^*])(?![A-Za-z_.\[\]-]{1,30}[=:])|\\(?![nrtu\"'\\])"
BARE = (
    r"(?![\"'<>,;&|]|(?i:[a-z_]{0,12}(?:password|passwd|pwd|secret|token))[=:])"
    rf"(?:{PLAIN}){{4,{PASSWORD_MAX}}}(?<![.,;:?)\]}}])"
)
WORD_END = r"(?=[ \t]{0,2}(?:\Z|[\r\n,;&}\])\"'`<#]|[^\x00-\x7f]|[.!](?:\s|\Z)|[A-Za-z_]{2,20}[ \t]?[:=]))"
KEY_PROSE_IS = r"(?:[ \t](?:is|was|to|=)[ \t]?:?[ \t]|[ \t]?\|[ \t]?|[ \t]{1,2}|(?<=钥)|(?<=牌)|>)"
KEY_CHARS = r"[A-Za-z0-9+/=_.~@!#$%^&*:-]"
# Behind a value that is longer than what is taken of it.
CUT = f"(?<={KEY_CHARS}{{{VALUE_MAX}}})"
DIGIT_IN, LETTER_IN, SIGN_IN = (
    r"(?=[!-~]{0,60}?[0-9])",
    r"(?=[!-~]{0,60}?[A-Za-z])",
    r"(?=[A-Za-z]{0,60}[0-9!@#$%^&*+=~_?-])",
)
# Names in lower case, as things in clusters and code have them, are no keys.
NO_NAME = r"(?![a-z]+(?:[-_./][a-z]+)++[-_.]?v?[0-9]{0,3}(?![!-~]))"
WORDS = frozenset(
    [
        "required",
        "optional",
        "string",
        "text",
        "none",
        "null",
        "nil",
        "true",
        "false",
        "undefined",
        "empty",
        "unknown",
        "missing",
        "invalid",
        "incorrect",
        "wrong",
        "correct",
        "valid",
        "expired",
        "changed",
        "updated",
        "reset",
        "protected",
        "encrypted",
        "hashed",
        "hidden",
        "masked",
        "redacted",
        "removed",
        "secret",
        "password",
        "passwd",
        "pwd",
        "token",
        "username",
        "user",
        "login",
        "email",
        "name",
        "value",
        "input",
        "field",
        "type",
        "number",
        "integer",
        "boolean",
        "object",
        "array",
        "varchar",
        "char",
        "bytes",
        "default",
        "yes",
        "todo",
        "tbd",
        "same",
        "here",
        "below",
        "above",
        "please",
        "enter",
        "your",
        "the",
        "this",
        "that",
        "must",
        "should",
        "cannot",
        "with",
        "from",
        "when",
        "then",
        "forgot",
        "forgotten",
        "strength",
        "policy",
        "failed",
        "failure",
        "success",
        "error",
        "mismatch",
        "weak",
        "strong",
        "blank",
        "nullable",
        "private",
        "public",
        "basic",
        "bearer",
        "self",
        "args",
        "kwargs",
        "params",
        "request",
        "config",
        "settings",
        "environ",
        "process",
        "plain",
        "plaintext",
        "is",
        "not",
        "set",
        "unset",
        "confirm",
    ]
)
CODE = re.compile(
    r"""[A-Za-z_$][A-Za-z0-9_$.:>-]*[(\[{]|[A-Za-z_$][A-Za-z0-9_]*(?:(?:\.|->|::)[A-Za-z_]+[0-9]?)+\Z|\$[A-Z_a-z]+\Z|[%$]?[<({\[]|
    %[A-Z_]+%|%[sdrv]|@[A-Za-z_]+@?\Z|!(?:[A-Za-z]+|Ref)\Z|[*•.#_=-]+\Z|[0-9]{1,2}[-~][0-9]{1,3}\Z|[a-z]+://|~?/[a-z]+/|\.{1,2}/|
    [A-Z]:\\|[a-z]+(?:_[a-z]+)+\Z|[a-z]+[A-Z][A-Za-z]*\Z|[A-Z]+(?:_[A-Z]+)+\Z|&[a-z]|[a-z-]+=["'{]""",
    re.VERBOSE,
)
LATIN, HAN_CHARS = "\u00c0-\u024f\u0370-\u03ff\u0400-\u04ff", "\u3400-\u9fff"
LATIN_IN, HAN_IN = rf"(?=[!-~]{{0,40}}[{LATIN}])", rf"(?=[!-~]{{0,20}}[{HAN_CHARS}])"
SAID = rf"(?:{IS}|[ \t](?:is|was)[ \t]?:?[ \t])"
# What is written about passwords in Chinese, and not as one.
ABOUT = re.compile(
    "请|至少|不能|不可|必须|必填|长度|输入|设置|确认|修改|忘记|密码|口令|错误|正确|不正|为空|过期|失败|成功|已|未|可以|无|字符|字母|数字|位$"
)
SENTENCE = re.compile(
    r"(?i)(?:^|\s)(?:is|are|must|should|please|enter|your|the|required|not|password|at least|cannot|forgot"
    r"|invalid|a|an|to|in|on|of|for|with|and|or|by|has|have|been|be|was|were|will|would|can|could|too|very"
    r"|this|that|these|it|its"
    r"|if|when|as|at|from|no|only|used|set|changed|reset|sent|stored|saved|kept|expired|we|you|they|he|she|so"
    r"|but|then|now)(?:\s|$)|\s\S+[.!?]$"
)
PAIR = re.compile(r"(?i)[a-z_]*(?:password|passwd|pwd|secret|token)[=:]")


def secret(value: str) -> bool:
    """Whether that is a value and not a place for one, a piece of code, a type, or a word about passwords."""
    lower = value.lower().rstrip("!.")
    if (
        lower in WORDS
        or (len(set(value)) < 2 and not value.isdigit())
        or PLACE.search(lower)
        or CODE.match(value)
        or PAIR.match(value)
    ):
        return False
    if not value.isascii() and ABOUT.search(value):
        return False
    return " " not in value or SENTENCE.search(value) is None


def _quoted(words: str, inside: str) -> str:
    return rf"{words}{CLOSE}{QUOTED_IS}{inside}(?:(?P=q)|{CUT})"


MADE = characters(ALNUM, 40, "assigned")
HAN = "验证[码马]|校验[码马]|动态码|动态密码|短信码|驗證碼"
CODES = (
    rf"(?:{HAN}|(?:{typed('verification')}|{typed('confirmation')}|{typed('security')}) code"
    rf"|one[- ]time (?:code|password|passcode"
    rf"|pin)|(?<![A-Za-z])otp(?![a-z])|passcode|login code|auth(?:entication)? code|2fa code)"
)
# Han characters never stand in brackets there. The words alone: with a number beside them the automaton would be large.
CODE_SEEN = CODES.replace("(?<![A-Za-z])", "").replace("(?![a-z])", "").replace("[码马]", "(?:码|马)")

ASSIGNED: tuple[Detector, ...] = (
    Detector(
        id="secret.assignment",
        description="password, token or key by its name",
        patterns=(
            _quoted(PASSWORDS, rf"(?P<value>(?:(?!(?P=q))(?:\\[!-~]|[^\\\r\n])){{4,{PASSWORD_MAX}}})"),
            _quoted(KEYS, rf"(?P<value>{NO_NAME}{DIGIT_IN}{LETTER_IN}{KEY_CHARS}{{6,{VALUE_MAX}}})"),
            _quoted(KEYS, rf"(?P<value>(?=[A-Za-z]*[+/=A-Z])[A-Za-z0-9+/]{{24,{VALUE_MAX}}}={{0,2}})"),
            # What stands in quotes to its end is the first form's.
            rf"{PASSWORDS}{CLOSE}{IS}(?![\"'][^\"'\n]{{4,{PASSWORD_MAX}}}[\"'])(?P<value>{SIGN_IN}{BARE})",
            rf"{PASSWORDS}{CLOSE}{IS}(?P<value>[A-Za-z]{{4,40}}(?:[-_][A-Za-z]{{1,40}}){{0,6}}){WORD_END}",
            rf"{PASSWORDS}{CLOSE}{PROSE_IS}(?P<value>{DIGIT_IN}(?=[!-~]{{0,60}}?[A-Za-z]|[0-9]{{6}}){BARE})",
            rf"--[a-z-]{{0,24}}?{PASSWORDS}[ =](?P<value>(?!-){BARE})",
            rf"{KEYS}{CLOSE}{IS}(?P<value>{NO_NAME}{DIGIT_IN}{LETTER_IN}{KEY_CHARS}{{6,{VALUE_MAX}}}(?<![.:]))(?:(?![A-Za-z0-9(\[])|{CUT})",
            (
                rf"{KEYS}{CLOSE}{KEY_PROSE_IS}(?P<value>{NO_NAME}"
                rf"(?=[!-~]{{0,60}}?[0-9][!-~]{{0,60}}?[A-Za-z])"
                rf"(?=[!-~]{{0,60}}?[A-Za-z][!-~]{{0,60}}?[0-9]){KEY_CHARS}{{8,{VALUE_MAX}}}(?<![.:]))"
                rf"(?:(?![A-Za-z0-9(\[])|{CUT})"
            ),
            (
                rf"--[a-z-]{{0,24}}?{KEYS}[ =](?P<value>"
                rf"(?!-){NO_NAME}{DIGIT_IN}{LETTER_IN}{KEY_CHARS}{{6,{VALUE_MAX}}})"
            ),
            # Words in a row, and what is not written in ASCII.
            (
                rf"{PASSWORDS}{CLOSE}{SAID}(?P<value>(?:[A-Za-z]{{3,12}} ){{3,7}}[A-Za-z]{{3,12}})"
                rf"(?=[ \t]?(?:\Z|[\r\n.。；;，！]))"
            ),
            # A quote inside belongs to it; one at an edge stands around it.
            (
                rf"{PASSWORDS}{CLOSE}{SAID}(?P<value>(?![\"'`]){LATIN_IN}"
                rf"(?:[!#-&(-+\--:<-_a-~{LATIN}]|[\"'`](?=[!-+\--:<-~{LATIN}])){{5,64}})"
            ),
            (
                rf"{PASSWORDS}{CLOSE}(?:{SAID})?(?:[“「『‘]|\"{HAN_IN})"
                rf"(?P<value>[ -~{LATIN}{HAN_CHARS}]{{4,{PASSWORD_MAX}}}?)[\"”」』’]"
            ),
            r"[IiWw](?i:(?<=i)dentified by|(?<=w)ith password)[ \t]{1,3}'(?P<value>[ -&(-~]{4,128})'",
        ),
        prefilter=rf"(?i){NAMES}{BETWEEN}|--[a-z-]*(?:passw|pass|pwd|token|secret"
        rf"|key)[a-z-]*[ =][!-~]|identified by[ \t]+'|with password[ \t]+'",
        score=0.8,
        validate=secret,
        canonical=str,
        span_max=VALUE_MAX + 128,
        examples=(
            "password = hunter2",
            '{"password": "hunter2"}',
            '{"password":"hunter2"}',
            "密码是Abc123!",
            "密码：Abc123，别告诉别人",
            "wifi密码12345678",
            "password: correct-horse",
            'password: "correct horse battery staple"',
            f"export API_KEY={MADE}",
            f"app_secret: '{MADE}'",
            "mysql --password x9y8z7 -h db",
            "DB_PASSWORD=S3cr3t;Pw!9",
            "my password is hunter2, do not tell",
            "the password for alice is Tr0ub4dor&3.",
            '{\\"password\\": \\"hunter2\\"}',
            "<password>hunter2</password>",
            "ALTER USER li IDENTIFIED BY 'hunter2'",
            "Server=db;User Id=sa;Password=Pa55w0rd;Encrypt=yes",
            "/login?user=li&password=hunter2&next=home",
            "**Password:** hunter2",
            "口令为qwerty",
            f"访问令牌：{MADE}",
            "db_password: str = 'hunter2'",
            "my password is correct horse battery staple",
            "password: schlüssel99",
            "密码是“龙腾虎跃88”",
            "密码是“abc 123 def”",
            "the password is “龙 tiger 88”",
            'password: "schlüssel99"',
            "登录密码👉Abc123!",
        ),
        counterexamples=(
            "password: required",
            'password = os.environ["DB_PASSWORD"]',
            "token = get_token()",
            "password: ****",
            "password: <password>",
            "password=${PASSWORD}",
            "密码错误",
            "密码是什么",
            "密码：至少8位",
            "密码：“请输入新密码”",
            "password: “is required here”",
            "your password is too short",
            "password: process.env.DB_PASS,",
            "Password: Enter your password",
            "def login(user, password=None):",
            "login(password=password)",
            "const password = req.body.password;",
            '"password": "Password is required"',
            "api_key: YOUR_API_KEY",
            "secret: my-app-tls-v2",
            "max_tokens: 4096",
            "next_page_token: abc123def456",
            "token: string",
            "secretName: db-credentials-2",
            "The secret is out",
            "password reset link",
            "pwd: /home/li/project1",
            "api_key = settings.api_key_2",
        ),
    ),
    Detector(
        id="secret.otp",
        description="one-time code",
        patterns=(
            (
                rf"(?i:{CODES})[^0-9A-Za-z\n]{{0,8}}(?:(?i:is|was"
                rf"|for [a-z]{{1,16}} is)[^0-9A-Za-z\n]{{1,4}})?(?:[A-Z]-)?(?P<value>[0-9]{{4,8}})"
                rf"(?![0-9A-Za-z]|[年月日/]|[.-][0-9])"
            ),
            (
                rf"(?<![0-9A-Za-z./-])(?P<value>[0-9]{{4,8}})(?: is (?:your|the)|[ 是为]{{1,2}}(?:您|你)?"
                rf"|[（(])[^0-9\n]{{0,16}}(?i:{CODES})"
            ),
        ),
        prefilter=f"(?i){CODE_SEEN}",
        score=0.8,
        span_max=80,
        examples=(
            "Your verifiaction code is 618135.",
            "【某某】您的验证码：482913，5分钟内有效",
            "your verification code is 482913.",
            "482913 is your login code",
            "384729（登录验证码）",
            "OTP: 093817",
        ),
        counterexamples=("验证码有效期5分钟", "verification code expired", "error code 404", "验证码接口2026年上线"),
    ),
    Detector(
        id="secret.pin",
        description="PIN by its name",
        patterns=(
            (
                r"(?:(?<![A-Za-z_])(?i:pin)(?:[ _-]?(?i:code|number)|码)?(?:是|为|[\"']?\s?[:：]|\s(?:is|was))"
                r"|(?:取款|支付|解锁|开机|锁屏)(?:密码|码)[^0-9\n]{0,4})\s{0,2}[\"']?(?P<value>[0-9]{4,8})(?![0-9A-Za-z])"
            ),
        ),
        prefilter=r"(?i)(?:pin(?:[ _-]?(?:code|number)|码)?(?:是|为|[\"']?\s?(?::|：)|\s(?:is|was))|(?:取款|支付|解锁|开机"
        r"|锁屏)(?:密码|码)[^0-9\n]{0,12})\s{0,2}[\"']?[0-9]{4}",
        score=0.75,
        span_max=48,
        examples=("my pin is 4821", "PIN码是4821", '"pin": "4821"'),
        counterexamples=("pin 13 is high", "spin: 4821", "pin code 110001 area"),
    ),
)
