"""Phones, accounts and post codes of mainland China."""

from __future__ import annotations

import re

from yumen_plugins.anonymize.detector import Detector, digits
from yumen_plugins.anonymize.detectors.near import named

# Area codes without the leading 0, by the numbering plan of China: 10, 2x, and three digits of each province.
AREA = (
    r"(?:10|2[0-57-9]|31[0-9]|33[5]|34[9]|35[0-9]|37[0-79]|39[1-68]|41[1-9]|42[1-9]|43[1-9]|44[0]|45[1-9]|"
    r"46[4789]|47[0-9]|48[23]|"
    r"51[0-9]|52[37]|53[0-9]|54[36]|55[0-9]|56[1-6]|57[0-9]|580|59[1-9]|63[1-5]|66[0238]|69[12]|70[1]|71[0-9]|"
    r"72[248]|73[0-9]|74[3-6]|"
    r"75[0-9]|76[02368]|77[0-9]|79[0-9]|81[2-9]|82[5-7]|83[0-9]|85[1-9]|87[0-9]|88[3678]|89[1-8]|90[1-9]|"
    r"91[1-79]|93[0-9]|94[13]|95[1-5]|97[0-79]|99[0-9])"
)
EXTENSION = r"(?:(?:[ ]?(?:转|轉|分机|分機|ext\.?|x|#)[ :：]?|-)[0-9]{1,5}(?![0-9]))?"
SUBSCRIBER = r"[2-8][0-9]{2,3}[- ]?[0-9]{4}"
_ACCOUNTS = r"[A-Za-z][A-Za-z0-9_-]{5,19}"


def mobile(value: str) -> str:
    """The eleven digits, whatever country code stands before them."""
    return digits(value)[-11:]


def _digits(value: str) -> str:
    return "".join(char for char in value if char.isdigit())


CONTACT: tuple[Detector, ...] = (
    Detector(
        id="cn.mobile",
        description="mobile phone number of mainland China",
        patterns=(
            re.compile(
                r"(?<![0-9])(?:(?:\(?\+|00)?86\)?[- ]?)?1(?:[3578][0-9]|4[05-9]|6[25-7]|9[0-9])"
                r"(?:[- ]?[0-9]{4}[- ]?[0-9]{4}|[0-9][- ][0-9]{3}[- ][0-9]{4}|[0-9]{3}[- ][0-9]{5})(?![0-9])"
            ),
        ),
        prefilter=r"1[3-9][0-9](?:[- ]?[0-9]{4}[- ]?[0-9]{4}|[0-9][- ][0-9]{3}[- ][0-9]{4}|[0-9]{3}[- ][0-9]{5})",
        score=0.9,
        canonical=mobile,
        context=("电话", "電話", "手机", "手機", "phone", "mobile", "call", "tel"),
        examples=(
            "我的电话是13812345678，谢谢",
            "call +86 138-1234-5678",
            "8613812345678",
            "008613912345678",
            "手机１３８１２３４５６７８",
            "138 1234 5678",
            "138\u200b1234\u200b5678",
            "19212345678",
            "(+86)19712345678",
        ),
        counterexamples=("23812345678", "1381234567", "138123456789", "12345678901", "1.13812345"),
    ),
    Detector(
        id="cn.landline",
        description="landline phone number of mainland China with its area code",
        patterns=(
            re.compile(rf"(?<![0-9.-])0{AREA}[- ]{SUBSCRIBER}(?![0-9]){EXTENSION}(?![0-9]|\.[0-9]|-[0-9])"),
            re.compile(rf"(?<![0-9])[(（]0{AREA}[)）][- ]?{SUBSCRIBER}(?![0-9]){EXTENSION}(?![0-9])"),
            re.compile(rf"(?<![0-9])(?:\+|00)86[- ]?(?:\(0\))?0?{AREA}[- ]?{SUBSCRIBER}(?![0-9]){EXTENSION}(?![0-9])"),
            named(
                r"电话(?:号码?)?|電話|座机(?:号码?)?|固话|固定电话|传真|傳真|热线|tel(?:ephone)?\.?|"
                r"phone(?: number)?|fax|landline",
                rf"0{AREA}{SUBSCRIBER}(?![0-9]){EXTENSION}",
            ),
            named(
                r"座机(?:号码?)?|固话|固定电话|办公电话|公司电话", rf"[2-8][0-9]{{2,3}}-?[0-9]{{4}}(?![0-9]){EXTENSION}"
            ),
        ),
        prefilter=(
            r"0[1-9][0-9]{1,2}[- ][2-8][0-9]{2,3}[- ]?[0-9]{4}|(?:\(|（)0[1-9][0-9]{1,2}(?:\)|）)[- ]?[2-8][0-9]{2}"
            r"|(?:\+|00)86[- ]?(?:\(0\))?0?[1-9][0-9]{1,2}[- ]?[2-8][0-9]{2,3}[- ]?[0-9]{4}"
            r"|(?:[^0-9]|^)0[1-9][0-9]{8,10}(?:[^0-9]|$)|(?:座机|固话|固定电话|办公电话|公司电话)"
            r"[^0-9]{0,24}[2-8][0-9]{2,3}-?[0-9]{4}"
        ),
        score=0.85,
        canonical=_digits,
        span_max=80,
        examples=(
            "电话：010-62345678",
            "(021) 6234 5678转123",
            "+86 21 6234 5678",
            "传真 0755-83123456-801",
            "座机62345678",
            "tel: 02162345678",
        ),
        counterexamples=("2026-03-12", "0800-1234567890", "01-62345678", "0.10-62345678", "020-123", "09012345678"),
    ),
    Detector(
        id="cn.service_phone",
        description="service number of a company in China: 400 or 800",
        patterns=(
            re.compile(rf"(?<![0-9.-])[48]00[- ][0-9]{{3,4}}[- ][0-9]{{3,4}}(?![0-9]){EXTENSION}(?![0-9.-])"),
            named(r"电话(?:号码?)?|热线|客服|hotline|call|phone|tel", r"[48]00(?:[0-9]{7}|-[0-9]{7})(?![0-9])"),
        ),
        prefilter=(
            r"[48]00[- ][0-9]{3,4}[- ][0-9]{3,4}|(?:热线|电话|客服|[lL][lL]|[eE]|[lL])"
            r"[^0-9]{0,12}[48]00-?[0-9]{7}"
        ),
        score=0.7,
        validate=lambda value: len(_digits(value)) >= 10,
        canonical=_digits,
        span_max=64,
        examples=("客服热线400-820-8820", "请拨打 400 123 4567", "电话：4008208820"),
        counterexamples=("400-820", "1400-820-8820", "800 x 600", "order 4008208820"),
    ),
    Detector(
        id="cn.wechat",
        description="WeChat account",
        patterns=(
            re.compile(r"(?<![A-Za-z0-9_-])wxid_[A-Za-z0-9]{8,24}(?![A-Za-z0-9_-])"),
            named(
                r"微信号?码?|微信账号|微信帳號|微信id|加微信?|微信/手机|v信|薇信|威信|wechat(?:[ _]?(?:id|"
                r"account|no\.?|number))?|weixin(?:[ _]?(?:id|号))?|wx(?:号|id)?|vx",
                rf"(?![A-Za-z_-]{{1,20}}(?![A-Za-z0-9_-])(?<!_.)){_ACCOUNTS}(?![A-Za-z0-9_@.-])",
            ),
            named(r"微信号|微信账号|wechat[ _]?(?:id|account)|wxid|wx号", rf"{_ACCOUNTS}(?![A-Za-z0-9_@-]|\.[A-Za-z])"),
        ),
        prefilter=(
            r"wxid_|(?:微信|v信|V信|薇信|威信|[wW][eE][cC][hH][aA][tT]|[wW][eE][iI][xX][iI][nN]|加微|"
            r"[wW][xX](?:号|[iI][dD])?|[vV][xX])[^\n]{0,24}[A-Za-z][A-Za-z0-9_-]{5}"
        ),
        score=0.8,
        validate=lambda value: value.lower() not in {"wechat", "weixin", "number", "account", "official", "payment"},
        canonical=str.lower,
        span_max=96,
        examples=("微信号：zhangwei_1990", "加我微信 lina2020abc", "WeChat ID: wang-xm88", "wxid_a1b2c3d4e5f6g7"),
        counterexamples=("用微信支付", "WeChat Pay is here", "微信小程序开发", "微信：13812345678"),
    ),
    Detector(
        id="cn.qq",
        description="QQ account",
        patterns=(
            named(
                r"qq(?:号|号码|號|账号|群|群号|邮箱)?|扣扣号?|企鹅号|腾讯qq|q号|加q|tencent qq",
                r"[1-9][0-9]{4,10}(?![0-9A-Za-z@.]|-[0-9])",
            ),
        ),
        prefilter=r"(?:[qQ][qQ]|扣扣|企鹅号|[qQ]号|加[qQ])[^\n0-9]{0,24}[1-9][0-9]{4}",
        score=0.8,
        canonical=_digits,
        span_max=64,
        examples=("QQ：123456789", "加我扣扣 87654321", "qq号是10001", '{"qq": "123456789"}'),
        counterexamples=("QQ浏览器2026", "qq 群聊", "123456789", "qqmusic 12345"),
    ),
    Detector(
        id="cn.bank_account",
        description="bank account number by its context",
        patterns=(
            named(
                r"(?:银行|對公|对公|收款|付款|开户|基本户|公司|还款|結算|结算)?(?:账号|帐号|賬號|帳號|账户|"
                r"帐户|賬戶|帳戶|户号)|开户账号|(?:bank |beneficiary )?(?:account|acct|a/c)[ _]?(?:number|"
                r"no\.?|num|#)|bank account",
                r"[0-9]{4}[ -]?[0-9]{4}(?:[ -]?[0-9]{1,4}){1,4}(?![0-9A-Za-z@])",
            ),
        ),
        prefilter=(
            r"(?:账号|帐号|賬號|帳號|账户|帐户|賬戶|帳戶|户号|[aA][cC][cC][oO][uU][nN][tT]|[aA][cC][cC][tT]|"
            r"[aA]/[cC])[^\n0-9]{0,24}[0-9]{4}"
        ),
        score=0.7,
        validate=lambda value: 9 <= len(_digits(value)) <= 25,
        canonical=_digits,
        span_max=120,
        examples=("收款账号：1100 1234 5678 9012 345", "账户 44001583404050001234", "account no. 123456789012"),
        counterexamples=("账号：zhangwei", "账户余额12.50元", "account opened 2026"),
    ),
    Detector(
        id="cn.postcode",
        description="post code of China by its context",
        patterns=(
            named(
                r"邮编|郵編|邮政编码|郵政編碼|(?:china )?(?:postal|zip|post)[ _]?code|zip|postcode",
                r"[0-8][0-9]{5}(?![0-9A-Za-z]|-[0-9])",
            ),
        ),
        prefilter=r"(?:邮编|郵編|编码|編碼|[cC]ode|CODE|[zZ][iI][pP])[^\n0-9]{0,16}[0-8][0-9]{5}",
        score=0.6,
        canonical=str,
        span_max=64,
        examples=("邮编：100020", "郵編 510000", "postal code: 200030"),
        counterexamples=("编码100020", "zip file 1000200", "100020"),
    ),
)
