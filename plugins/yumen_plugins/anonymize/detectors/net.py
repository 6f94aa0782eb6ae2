"""Detectors of e-mail, IP and hardware addresses."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, ip_address

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.near import compact, either, named

# Letters of other scripts that separate words with blanks, so that an address does not swallow what stands before it.
LETTERS = r"\u00c0-\u024f\u0370-\u03ff\u0400-\u04ff"
LOCAL, HAN = rf"A-Za-z0-9._%+\-{LETTERS}", r"\u4e00-\u9fff"
# A domain in Latin letters, or one with Han characters. Prose follows a Han ending without a blank, so those are listed.
LABEL = rf"[A-Za-z0-9{LETTERS}](?:[A-Za-z0-9\-{LETTERS}]{{0,61}}[A-Za-z0-9{LETTERS}])?"
HAN_LABEL = rf"[A-Za-z0-9{HAN}](?:[A-Za-z0-9\-{HAN}]{{0,18}}[A-Za-z0-9{HAN}])?"
HAN_ENDING = (
    "中国|中國|公司|网络|網絡|香港|台湾|台灣|新加坡|企业|商城|网址|网店|在线|中文网|我爱你|集团|政务|公益|机构|"
    "手机|移动|信息|商标|游戏|娱乐|时尚|健康|购物|餐厅|世界|招聘|慈善|组织机构"
)
# In characters; a longer domain is none that anybody writes mail to.
DOMAIN_MAX = 90
# Not a version (`core@1.2.3`), nor the picture of a dense screen (`icon@2x.png`).
DOMAIN = (
    rf"(?![0-9]{{1,4}}\.[0-9]|[0-9]x\.)(?:(?=[A-Za-z0-9.\-{LETTERS}]{{3,{DOMAIN_MAX}}}+(?![A-Za-z0-9\-{LETTERS}]))(?:{LABEL}\.){{1,8}}(?:[A-Za-z]{{2,24}}|[\u0400-\u04ff]{{2,12}}"
    rf"|xn--[a-z0-9]{{2,59}})"
    rf"(?![A-Za-z0-9])|(?:{HAN_LABEL}\.){{1,3}}(?:{HAN_ENDING}|[A-Za-z]{{2,24}}(?![A-Za-z0-9])))"
)
# What an address may hold, in bytes.
NO_SIGN = r"[^\x00-\x20\"'(),:;<>@\[\]]"
# Han characters that stand before an address more often than in it.
BEFORE = "是为到给：发送箱件址系至向或和与及在用"

OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
# Words and signs before four numbers that are a version or a section.
VERSIONS = (
    "release", "version", "ver", "ver.", "build", "firmware", "section", "chapter", "clause", "driver", "sdk", "kernel",
    "rev",
    "版本", "版本号", "固件", "章节", "章", "节", "§", "第", "升级到", "升级至", "更新到", "更新至",
)  # fmt: skip
SIGNS = ("", " ", ":", ": ", "=", '": "', '":"', "：", " v")


def _not_behind(phrases: list[str]) -> str:
    """Lookbehinds against all phrases, one for each length, as `re` wants them."""
    by_length: dict[int, list[str]] = {}
    for phrase in phrases:
        by_length.setdefault(len(phrase), []).append(phrase)
    return "".join(rf"(?<!(?i:{either(same)}))" for same in by_length.values())


V4 = r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]"
NO_VERSION = _not_behind([word + sign for word in VERSIONS for sign in SIGNS])
# This machine, no address yet, everybody, and masks of networks: nobody's address.
NOBODY = (IPv4Network("127.0.0.0/8"), IPv4Network("0.0.0.0/8"), IPv4Network("255.0.0.0/8"))


def ip(value: str) -> bool:
    """An address that could be somebody's: no loopback, no mask, and of IPv6 none as short as a slice in code (`1::2`)."""
    try:
        address = ip_address(value)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        groups = [group for group in value.split(":") if group]
        long = any(len(group) > 3 for group in groups) and any(char.isdigit() for char in value)
        return "." in value or len(groups) > 4 or long
    return not any(address in network for network in NOBODY)


def mac(value: str) -> bool:
    """A hardware address that is one card's. Without a hexadecimal letter only colons say that it is an address at all."""
    number = compact(value)
    return number not in ("F" * 12, "0" * 12) and (":" in value or not number.isdigit())


NET = (
    Detector(
        id="email",
        description="e-mail address",
        patterns=(
            rf"(?<![{LOCAL}])(?!git@)(?:[{LOCAL}]|(?<=[OoDd])'(?=[A-Za-z])){{1,64}}+@{DOMAIN}",
            rf"(?<![{HAN}])[{HAN}](?:(?![{BEFORE}])[{HAN}]){{0,7}}@{DOMAIN}",
            rf"(?:(?![{BEFORE}])[{HAN}]){{1,4}}@{DOMAIN}",
        ),
        prefilter=(f"{NO_SIGN}@{NO_SIGN}+\\.", *(f"[\\x80-\\xbf]@{NO_SIGN}+\\.",) * 2),
        span_max=160,
        score=1.0,
        context=("邮箱", "邮件", "mail"),
        examples=(
            "我的邮箱a@b.com谢谢",
            "write to li.na+shop@mail.example.co.uk.",
            "li.na＠example.com",
            "<zhang.wei@example.com>",
            "mailto:li.na@example.com",
            "张伟@example.com",
            "请联系张伟@example.com。",
            "发到user@例子.中国谢谢",
            "müller@köln.de",
            "иван@пример.рф",
            "Sean.O'Brien@example.com",
            "li.na@163.com",
        ),
        counterexamples=(
            "a@b",
            "@example.com",
            "user@",
            "a@b.c1",
            "x @ example.com",
            "npm i @angular/core@1.2.3",
            "lodash@4.17.21-rc.next",
            "git@github.com:org/repo.git",
            "icon@2x.png",
            "root@localhost:~",
        ),
    ),
    Detector(
        id="ip",
        description="IP address",
        patterns=(
            (
                rf"(?<![0-9.vV])(?<![A-Za-z]/)(?=[0-9]{{1,3}}\.[0-9]{{1,3}}\.[0-9]{{1,3}}\.[0-9]){NO_VERSION}"
                rf"(?:{OCTET}\.){{3}}{OCTET}(?![0-9]|\.[0-9])"
            ),
            r"(?<![0-9A-Za-z:.])(?:[0-9A-Fa-f]{1,4}:){1,7}(?::?[0-9A-Fa-f]{1,4}){0,7}(?:::)?(?![0-9A-Za-z:]|\.[0-9])",
            r"(?<![0-9A-Za-z:.])::(?:[0-9A-Fa-f]{1,4}:){0,6}[0-9A-Fa-f]{1,4}(?![0-9A-Za-z:]|\.[0-9])",
            # An IPv6 address that ends in an IPv4 one.
            rf"(?<![0-9A-Za-z:.])(?:[0-9A-Fa-f]{{0,4}}:){{2,7}}(?:{OCTET}\.){{3}}{OCTET}(?![0-9]|\.[0-9])",
        ),
        prefilter=(
            V4,
            "::[0-9A-Fa-f]|[0-9A-Fa-f]::|[0-9A-Fa-f]:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:",
            "::[0-9A-Fa-f]",
            f":{V4}|:[0-9]{V4}|:[0-9]{{2}}{V4}",
        ),
        score=0.8,
        validate=ip,
        span_max=72,
        tight=True,
        examples=(
            "地址192.168.1.1，",
            "1.2.3.4:80",
            "http://93.184.216.34/x",
            "子网10.20.0.0/16",
            "from 10.0.0.255:8080",
            "2001:db8::ff00:42:8329",
            "fe80::1 is up",
            "IP192.168.10.24",
            "db:192.168.1.5",
            "12:30:10.0.0.1",
            "::ffff:192.168.1.1",
            "64:ff9b::192.0.2.33",
        ),
        counterexamples=(
            "version 1.2.3.4.5",
            "v1.2.3.4",
            "256.1.1.1",
            "12:30:45",
            "std::vector",
            "a :: b",
            "1.2.3",
            "release 10.2.0.1",
            "版本号：10.2.0.1",
            '"version": "10.2.0.1"',
            "Chrome/120.0.0.0",
            "127.0.0.1",
            "0.0.0.0:8080",
            "::1",
            "255.255.255.0",
            "x[10::20]",
            "face::add",
        ),
    ),
    Detector(
        id="net.mac",
        description="hardware address of a network card",
        patterns=(
            r"(?<![0-9A-Za-z:])(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}(?![0-9A-Za-z:])",
            r"(?<![0-9A-Za-z\-])(?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}(?![0-9A-Za-z\-])",
            r"(?<![0-9A-Za-z.])(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}(?![0-9A-Za-z]|\.[0-9])",
            named("mac(?:[ _]?addr(?:ess)?)?|物理地址|mac地址", "[0-9A-Fa-f]{12}(?![0-9A-Za-z])"),
        ),
        prefilter=(
            r"[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:"
            r"|[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-"
            r"|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}"
            r"|(?:[Mm][Aa][Cc]|物理地址)[^\x00]{0,40}[0-9A-Fa-f]{12}"
        ),
        score=0.9,
        validate=mac,
        canonical=compact,
        context=("mac", "物理地址", "硬件地址", "ethernet", "bssid"),
        span_max=64,
        examples=(
            "00:1B:44:11:3A:B7",
            "MAC地址 00-1b-44-11-3a-b7，",
            "001b.4411.3ab7",
            "mac: 001b44113ab7",
            "网卡物理地址：10-20-30-40-50-60",
        ),
        counterexamples=(
            "12:30:45",
            "ff:ff:ff:ff:ff:ff",
            "10-20-30-40-50-60",
            "1234.5678.9012",
            "00:11:22:33:44:55:66:77",
            "550e8400-e29b-41d4-a716-446655440000",
        ),
    ),
)
