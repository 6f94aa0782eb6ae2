"""Phones, accounts and post codes of mainland China."""

from __future__ import annotations

from yumen_plugins.anonymize.detector import Detector, digits
from yumen_plugins.anonymize.detectors.near import LINK, named

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
_PARTED = r"0[1-9][0-9]{1,2}[- ][2-8][0-9]{2}|0[1-9][0-9]{1,2}(?:\)|）)[- ]?[2-8][0-9]{2}|(?:\+|00)86[- (0-9]"
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
            (
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
            rf"(?<![0-9.-])0{AREA}[- ]{SUBSCRIBER}(?![0-9]){EXTENSION}(?![0-9]|\.[0-9]|-[0-9])",
            rf"(?<![0-9])[(（]0{AREA}[)）][- ]?{SUBSCRIBER}(?![0-9]){EXTENSION}(?![0-9])",
            rf"(?<![0-9])(?:\+|00)86[- ]?(?:\(0\))?0?{AREA}[- ]?{SUBSCRIBER}(?![0-9]){EXTENSION}(?![0-9])",
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
            *(_PARTED,) * 3,
            "0[1-9][0-9]{8}",
            "(?:座机|固话|固定电话|办公电话|公司电话)[^0-9\\x00]*[0-9]{3}",
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
            rf"(?<![0-9.-])[48]00[- ][0-9]{{3,4}}[- ][0-9]{{3,4}}(?![0-9]){EXTENSION}(?![0-9.-])",
            named(r"电话(?:号码?)?|热线|客服|hotline|call|phone|tel", r"[48]00(?:[0-9]{7}|-[0-9]{7})(?![0-9])"),
        ),
        prefilter=(r"[48]00[- ][0-9]{3,4}[- ][0-9]{3}|[48]00-?[0-9]{7}"),
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
            r"(?<![A-Za-z0-9_-])wxid_[A-Za-z0-9]{8,24}(?![A-Za-z0-9_-])",
            named(
                r"微[ ]?信[号號]?[码馬马]?|微信[账帐帳][号號户]|微信(?:id|名|昵称)|(?:加|我)微信?"
                r"|微信[/／](?:手机|电话|qq)|[v薇威]信[号號]?"
                r"|wechat(?:[ _]?(?:id|account|no\.?|n[umber]{4,6}|handle|user(?:name)?))?|weixin(?:[ _]?(?:id|[号號]))?"
                r"|wx(?:[号號]|id)?|vx[号號]?",
                rf"(?![A-Za-z_-]{{1,20}}(?![A-Za-z0-9_-])(?<!_.)){_ACCOUNTS}(?![A-Za-z0-9_@.-])",
            ),
            named(
                r"微信[号號][码马]?|微信账号|微信id|wechat[ _]?(?:id|account|handle)|wxid|wx[号號]|vx[号號]",
                rf"{_ACCOUNTS}(?![A-Za-z0-9_@-]|\.[A-Za-z])",
            ),
            # Letters in parts, where it is said what they are.
            named(
                "微信|wechat|weixin",
                r"[A-Za-z]{2,16}[_-][A-Za-z]{2,16}(?![A-Za-z0-9_@.-])",
                link=r"[\"'”\s]{0,2}(?:[:=：]|就?是|为|(?i:is))[\"'“\s👉]{0,4}",
            ),
            r"(?<![A-Za-z0-9_@.-])(?P<value>[A-Za-z][A-Za-z0-9_-]{5,19})(?=[ ]?[(（][ ]?(?i:微信|wechat|wx|vx))",
        ),
        prefilter=(
            r"(?i)(?:微信|微 信|v信|薇信|威信|加微|我微|wechat|weixin|wx|vx)[^\n]*[a-z0-9_-]{6}"
            r"|[a-z0-9_-]{6} ?(?:\(|（) ?(?:微信|wechat|wx|vx)"
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
                r"q[ ]?q(?:[号號][码马]?|账号|[帐賬]号|群|群号|邮箱|id)?"
                r"|qq[ ]?[/／][ ]?微信|扣扣号?|企鹅号?|腾讯qq|q号|[加我]q|tencent qq",
                r"[1-9][0-9]{4,10}(?![0-9A-Za-z@]|\.[0-9]|-[0-9])",
            ),
            named(r"qq(?:号码?|群号?)?", r"[1-9][0-9]{2}[ -][0-9]{3}[ -][0-9]{2,4}(?![0-9A-Za-z@]|[.-][0-9])"),
            r"(?<![0-9A-Za-z.@-])(?P<value>[1-9][0-9]{4,10})(?=[ ]?(?i:[(（][ ]?(?:qq|扣扣)|是我的?qq|这个qq))",
        ),
        prefilter=r"(?i)(?:q ?q|扣扣|企鹅|q号|加q|我q)[^\n]*[0-9]{2}|[0-9] ?(?:(?:\(|（) ?(?:qq|扣扣)|是我|这个q)",
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
                r"(?:银行|對公|对公|收款|付款|开户|基本户|公司|还款|結算|结算|汇款|转账|工资|退款)?(?:账号|帐号|賬號|帳號|账户|"
                r"帐户|賬戶|帳戶|户号|账[好码]|帐[好码])|开户账号|"
                r"(?:bank |beneficiary )?(?:account|acct|a/c)[ _]?(?:n[umber]{4,6}|"
                r"no\.?|num|#)|bank account",
                r"[0-9]{4}[ -]?[0-9]{4}(?:[ -]?[0-9]{1,4}){1,4}(?![0-9A-Za-z@])",
                # The bank stands before the number on invoices.
                link=LINK
                + "(?:[\u4e00-\u9fff]{0,20}(?:银行|支行|分行|营业部|信用社|农商行|[工农中建交招]行)[ :：,，]{0,2})?",
            ),
        ),
        prefilter=(
            r"(?i)(?:账号|帐号|賬號|帳號|账户|帐户|賬戶|帳戶|户号|账好|账码|帐好|帐码|account|acct|a/c)[^0-9\x00]*[0-9]{4}"
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
        prefilter=r"(?i)(?:邮编|郵編|编码|編碼|code|zip)[^0-9\x00]*[0-9]{5}",
        score=0.6,
        canonical=str,
        span_max=64,
        examples=("邮编：100020", "郵編 510000", "postal code: 200030"),
        counterexamples=("编码100020", "zip file 1000200", "100020"),
    ),
)
