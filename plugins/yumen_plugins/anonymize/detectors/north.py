"""Detectors of national identity numbers of northern and eastern Europe, most of which hold a date of birth."""

from __future__ import annotations

from yumen_plugins.anonymize.detector import digits
from yumen_plugins.anonymize.detectors.near import document, stdnum

DAY = r"(?:0[1-9]|[12][0-9]|3[01])"
MONTH = r"(?:0[1-9]|1[0-2])"
_rodne_cislo = stdnum("cz.rc")


def rodne_cislo(value: str) -> bool:
    """Written with its slash, and its check and date hold; a plain number has to be named."""
    return "/" in value and _rodne_cislo(value)


def adoazonosito(value: str) -> bool:
    """Act XX of 1996, annex 1: the digits weighted with their places, modulo 11, give the last."""
    number = digits(value)
    return sum(place * int(digit) for place, digit in enumerate(number[:9], 1)) % 11 == int(number[9])


NORTH = (
    document(
        "eu.se_personnummer",
        "personal identity number of Sweden",
        rf"(?:19|20)?[0-9]{{2}}{MONTH}(?:0[1-9]|[12][0-9]|3[01]|[678][0-9]|9[01])[-+]?[0-9]{{4}}",
        words=("personnummer", "personnr", "pers.nr", "samordningsnummer", "swedish personal", "swedish id", "瑞典"),
        check=stdnum("se.personnummer"),
        examples=("personnummer 820804-2583", "Personnr: 19820804-2583", "瑞典个人号码 820804-2583"),
        counterexamples=("820804-2583", "20260804-2583"),
    ),
    document(
        "eu.dk_cpr",
        "civil registration number of Denmark (CPR)",
        rf"{DAY}{MONTH}[0-9]{{2}}[- ]?[0-9]{{4}}",
        words=("cpr", "personnummer", "danish id", "danish personal", "丹麦"),
        check=stdnum("dk.cpr"),
        examples=("CPR 060899-3886", "cpr-nr. 0608993886", "丹麦身份号 060899-3886"),
        counterexamples=("060899-3886", "0608993886"),
    ),
    document(
        "eu.fi_hetu",
        "personal identity code of Finland",
        rf"{DAY}{MONTH}[0-9]{{2}}[-+A-FU-Y][0-9]{{3}}[0-9A-FHJ-NPR-Y]",
        words=("hetu", "henkilötunnus", "finnish personal", "芬兰"),
        check=stdnum("fi.hetu"),
        sure=r"[0-3][0-9][01][0-9]{3}[-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]",
        canonical=str.upper,
        examples=("131052-308T", "henkilötunnus 131052-308U", "芬兰个人代码131052-308T"),
        counterexamples=("131052-308U", "131352-308T"),
    ),
    document(
        "eu.no_fodselsnummer",
        "national identity number of Norway",
        r"(?:[04][1-9]|[1256][0-9]|[37][01])(?:[04][1-9]|[15][0-2])[0-9]{2} ?[0-9]{5}",
        words=("fødselsnummer", "fodselsnummer", "personnummer", "norwegian", "挪威"),
        check=stdnum("no.fodselsnummer"),
        sure="[0-7][0-9][0145][0-9]{3} ?[0-9]{5}",
        examples=("fødselsnummer 111254 42015", "11125442015", "挪威身份号11125442016"),
        counterexamples=("11125442016", "order 11125442019"),
    ),
    document(
        "eu.is_kennitala",
        "identity number of Iceland",
        rf"{DAY}{MONTH}[0-9]{{2}}-?[0-9]{{3}}[089]",
        words=("kennitala", "icelandic", "冰岛"),
        check=stdnum("is_.kennitala"),
        examples=("kennitala 170686-6759", "冰岛身份号 1706866759"),
        counterexamples=("170686-6759",),
    ),
)
EAST = (
    document(
        "eu.pl_pesel",
        "identity number of Poland (PESEL)",
        "[0-9]{11}",
        words=("pesel", "polish id", "polish national", "波兰"),
        check=stdnum("pl.pesel"),
        examples=("PESEL 69050456506", "pesel: 69050456506", "波兰身份号码69050456506", "PESEL 69050456507"),
        counterexamples=("69050456506", "order 69050456506"),
    ),
    document(
        "eu.cz_rc",
        "birth number of the Czech Republic and Slovakia",
        r"[0-9]{2}(?:[0257][1-9]|[1368][0-2])(?:0[1-9]|[12][0-9]|3[01])/?[0-9]{3,4}",
        words=("rodné číslo", "rodne cislo", "rodného čísla", "r.č.", "czech birth", "捷克", "斯洛伐克"),
        check=rodne_cislo,
        sure=r"(?i)[0-9]{6}/[0-9]{3}|rodn(?:é|É|e|ého|ÉHO|eho) (?:č|Č|c)(?:í|Í|i)s|捷克|斯洛伐克|r\.(?:č|Č)|czech b",
        examples=("rodné číslo 601203/8813", "601203/8813", "捷克出生号码 6012038813"),
        counterexamples=("6012038813", "601203/8814", "2026/601203/8814"),
    ),
    document(
        "eu.ro_cnp",
        "personal code of Romania (CNP)",
        rf"[1-9][0-9]{{2}}{MONTH}{DAY}[0-9]{{6}}",
        words=("cnp", "cod numeric", "romanian", "罗马尼亚"),
        check=stdnum("ro.cnp"),
        examples=("CNP 1700304122871", "cod numeric personal: 1700304122871", "罗马尼亚身份号1700304122871"),
        counterexamples=("1700304122871",),
    ),
    document(
        "eu.bg_egn",
        "unified civil number of Bulgaria",
        "[0-9]{2}[0-5][0-9][0-3][0-9]{5}",
        words=("egn", "егн", "bulgarian", "保加利亚"),
        check=stdnum("bg.egn"),
        examples=("ЕГН 6904216769", "EGN: 6904216769", "保加利亚公民号6904216769"),
        counterexamples=("6904216769",),
    ),
    document(
        "eu.gr_amka",
        "social security number of Greece (AMKA)",
        rf"{DAY}{MONTH}[0-9]{{7}}",
        words=("amka", "αμκα", "α.μ.κ.α", "greek social", "希腊"),
        check=stdnum("gr.amka"),
        examples=("ΑΜΚΑ 09048624366", "AMKA: 09048624366", "希腊社保号09048624366"),
        counterexamples=("09048624366",),
    ),
    document(
        "eu.hr_oib",
        "personal identification number of Croatia (OIB)",
        "[0-9]{11}",
        words=("oib", "identifikacijski", "croatian", "克罗地亚"),
        check=stdnum("hr.oib"),
        examples=("OIB 31866262418", "osobni identifikacijski broj: 31866262418", "克罗地亚个人号31866262418"),
        counterexamples=("31866262418",),
    ),
    document(
        "eu.hu_adoazonosito",
        "tax identification number of Hungary",
        "8[0-9]{9}",
        words=("adóazonosító", "adoazonosito", "hungarian tax", "匈牙利"),
        check=adoazonosito,
        examples=("adóazonosító jel: 8071592153", "匈牙利税号8071592153"),
        counterexamples=("8071592153",),
    ),
    document(
        "eu.lt_asmens",
        "personal code of Lithuania",
        rf"[1-9][0-9]{{2}}{MONTH}{DAY}[0-9]{{4}}",
        words=("asmens kod", "lithuanian", "立陶宛"),
        check=stdnum("lt.asmens"),
        examples=("asmens kodas 39407060948", "立陶宛个人代码39407060948"),
        counterexamples=("39407060948",),
    ),
    document(
        "eu.ee_ik",
        "personal code of Estonia",
        rf"[1-8][0-9]{{2}}{MONTH}{DAY}[0-9]{{4}}",
        words=("isikukood", "estonian", "爱沙尼亚"),
        check=stdnum("ee.ik"),
        examples=("isikukood: 37703136356", "爱沙尼亚个人代码37703136356"),
        counterexamples=("37703136356",),
    ),
    document(
        "eu.lv_pk",
        "personal code of Latvia",
        rf"(?:{DAY}{MONTH}[0-9]{{2}}|32[0-9]{{4}})-?[0-9]{{5}}",
        words=("personas kod", "latvian", "拉脱维亚"),
        check=stdnum("lv.pvn"),
        examples=("personas kods 140678-15763", "拉脱维亚个人代码14067815763"),
        counterexamples=("140678-15763",),
    ),
    document(
        "eu.si_emso",
        "unique master citizen number of Slovenia and its neighbours",
        rf"{DAY}{MONTH}[09][0-9]{{8}}",
        words=("emšo", "emso", "jmbg", "slovenian", "斯洛文尼亚"),
        check=stdnum("si.emso"),
        examples=("EMŠO 0101006500006", "jmbg: 0101006500006", "斯洛文尼亚身份号0101006500006"),
        counterexamples=("0101006500006",),
    ),
    document(
        "eu.tr_kimlik",
        "identity number of Turkey",
        "[1-9][0-9]{10}",
        words=("kimlik", "tckn", "t.c. no", "turkish id", "土耳其"),
        check=stdnum("tr.tckimlik"),
        examples=("TC Kimlik No 24090621150", "土耳其身份号24090621150"),
        counterexamples=("24090621150",),
    ),
    document(
        "eu.ru_inn",
        "taxpayer number or insurance number of Russia (INN, SNILS)",
        "[0-9]{12}|[0-9]{3}-[0-9]{3}-[0-9]{3} [0-9]{2}",
        words=("инн", "снилс", "snils", "russian inn", "russian tax", "俄罗斯"),
        examples=("ИНН 702976473517", "СНИЛС 112-233-445 95", "俄罗斯税号702976473517"),
        counterexamples=("702976473517",),
    ),
)
