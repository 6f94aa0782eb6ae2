"""Detectors of documents of the United Kingdom, the European Union, and the countries whose modules stand beside this one.

What a number must fulfil is in python-stdnum. A number whose check is one digit needs a word beside it: of numbers at random
one in ten passes.
"""

from __future__ import annotations

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.americas import AMERICAS
from yumen_plugins.anonymize.detectors.asia import ASIA
from yumen_plugins.anonymize.detectors.near import CODE_RUN, compact, document, stdnum
from yumen_plugins.anonymize.detectors.north import EAST, NORTH
from yumen_plugins.anonymize.detectors.uk import UK

# What follows the country code of a VAT number, by country; `XI` is Northern Ireland.
VAT = (
    "ATU[0-9]{8}", "BE ?[01][0-9]{9}", "BG ?[0-9]{9,10}", "CY ?[0-9]{8}[A-Z]", "CZ ?[0-9]{8,10}", "DE ?[0-9]{9}",
    "DK ?[0-9]{8}",
    "EE ?[0-9]{9}", "EL ?[0-9]{9}", "ES ?[A-Z0-9][0-9]{7}[A-Z0-9]", "FI ?[0-9]{8}", "FR ?[A-HJ-NP-Z0-9]{2} ?[0-9]{9}",
    "(?:GB|XI) ?[0-9]{9}(?:[0-9]{3})?", "HR ?[0-9]{11}", "HU ?[0-9]{8}", "IE ?[0-9][0-9A-Z][0-9]{5}[A-Z]{1,2}",
    "IT ?[0-9]{11}",
    "LT ?(?:[0-9]{12}|[0-9]{9})", "LU ?[0-9]{8}", "LV ?[0-9]{11}", "MT ?[0-9]{8}", "NL ?[0-9]{9}B[0-9]{2}", "PL ?[0-9]{10}",
    "PT ?[0-9]{9}", "RO ?[0-9]{6,10}", "SE ?[0-9]{12}", "SI ?[0-9]{8}", "SK ?[0-9]{10}",
    # With the blanks and dots that national rules of writing put between.
    "DE ?[0-9]{3} [0-9]{3} [0-9]{3}", "GB ?[0-9]{3} [0-9]{4} [0-9]{2}", r"BE ?[01][0-9]{3}[. ][0-9]{3}[. ][0-9]{3}",
    r"NL ?[0-9]{4}\.[0-9]{2}\.[0-9]{3}\.B[0-9]{2}", "FR ?[A-HJ-NP-Z0-9]{2} [0-9]{3} [0-9]{3} [0-9]{3}",
)  # fmt: skip
_member, _british = stdnum("eu.vat"), stdnum("gb.vat")


def vat(value: str) -> bool:
    """The check of the country that its first two letters name."""
    number = compact(value)
    return _british(number[2:]) if number[:2] in ("GB", "XI") else _member(number)


EU = (
    Detector(
        id="eu.vat",
        description="VAT number of the European Union or the United Kingdom",
        patterns=(rf"(?<![0-9A-Za-z])(?=[A-Z]{{2}})(?:{'|'.join(VAT)})(?![0-9A-Za-z])",),
        # Its digits: from the country code on, the pass would be slow.
        prefilter=r"[0-9]{7}|[0-9]{3}[. ][0-9]{3,4}[. ][0-9]{2}|[0-9]{4}\.[0-9]{2}\."
        "|[0-9][0-9A-Z][0-9]{5}[A-Z]|RO ?[0-9]{6}",
        score=0.9,
        validate=vat,
        canonical=compact,
        context=("vat", "ust", "tva", "iva", "btw", "mwst", "增值税", "税号", "moms", "partita"),
        span_max=20,
        examples=(
            "VAT DE338275067",
            "USt-IdNr. DE 338 275 067",
            "税号GB501084637",
            "FR92161281183",
            "ATU82378614",
            "VAT number DE338275068",
        ),
        counterexamples=("DE338275068", "DE33827506", "ADE338275067"),
    ),
    document(
        "eu.de_id",
        "tax identification number of Germany",
        "[1-9][0-9](?: ?[0-9]{3}){3}",
        words=("steuer-id", "steuerid", "identifikationsnummer",
               "steueridentifikation", "steuer-identifikation", "steuernummer", "idnr",
               "steuerliche id",
               "german tax", "德国税号"),
        check=stdnum("de.idnr"),
        examples=("Steuer-ID 32 215 672 841", "IdNr.: 32215672841", "德国税号32215672841"),
        counterexamples=("32215672841", "order 32215672841"),
    ),
    document(
        "eu.de_id_card",
        "identity card number of Germany",
        "[CFGHJKLMNPRTVWXYZ][CFGHJKLMNPRTVWXYZ0-9]{8}[0-9]?|[0-9]{9,10}D?",
        words=("personalausweis", "ausweisnummer", "ausweisnr", "ausweis-nr", "german id", "德国身份证"),
        canonical=compact,
        examples=("Personalausweis L01X00T471", "Ausweisnummer: T220001293", "德国身份证L01X00T47"),
        counterexamples=("L01X00T471", "Ausweis 12"),
    ),
    document(
        "eu.de_passport",
        "passport number of Germany",
        "[CFGHJK][CFGHJKLMNPRTVWXYZ0-9]{8}[0-9]?",
        words=("reisepass", "passnummer", "german passport", "德国护照"),
        canonical=compact,
        examples=("Reisepass C01X00T478", "德国护照号C01X00T47"),
        counterexamples=("C01X00T478",),
    ),
    document(
        "eu.fr_nir",
        "social security number of France (NIR)",
        r"[1-478]( ?)[0-9]{2}\1(?:0[1-9]|1[0-2]|[2-9][0-9])\1(?:[0-9]{2}|2[AB])\1[0-9]{3}\1[0-9]{3} ?[0-9]{2}",
        words=("nir", "sécurité sociale", "securite sociale", "sécu", "insee", "法国社保"),
        check=stdnum("fr.nir"),
        sure="[1-478] [0-9]{2} [0-9]{2} [0-9]|[1-478][0-9]{5}[0-9AB][0-9]{6}",
        canonical=compact,
        examples=("2 95 10 99 126 111 93", "numéro de sécurité sociale 295109912611193", "法国社保号 295109912611194"),
        counterexamples=("295109912611194", "order 295109912611192"),
    ),
    document(
        "eu.es_dni",
        "identity number of Spain (DNI, NIE)",
        r"[0-9]{8}[ \-]?[A-Z]|[XYZ][ \-]?[0-9]{7}[ \-]?[A-Z]|[0-9]{2}\.[0-9]{3}\.[0-9]{3}-?[A-Z]",
        words=("dni", "nie", "nif", "documento nacional", "identidad", "西班牙身份证"),
        check=stdnum("es.dni", "es.nie"),
        sure=r"[0-9]{7}[ \-]?[A-Z]|[0-9]\.[0-9]{3}\.[0-9]{3}-?[A-Z]",
        canonical=compact,
        examples=("54362315K", "DNI 54362315-K", "NIE: X2482300W", "西班牙身份证54362315L"),
        counterexamples=("54362315L", "20261123T101500Z", "X2482300A"),
    ),
    document(
        "eu.it_codice_fiscale",
        "tax code of Italy (codice fiscale)",
        "[A-Z]{6}[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]",
        words=("codice fiscale", "cod. fiscale", "italian tax", "意大利税号"),
        check=stdnum("it.codicefiscale"),
        sure=CODE_RUN,
        canonical=compact,
        examples=("RCCMNL83S18D969H", "codice fiscale: RCCMNL83S18D969A"),
        counterexamples=("RCCMNL83S18D969A", "RCCMNL83S18D969HX"),
    ),
    document(
        "eu.nl_bsn",
        "citizen service number of the Netherlands (BSN)",
        r"[0-9]{9}|[0-9]{4}[. ][0-9]{2}[. ][0-9]{3}|[0-9]{3} [0-9]{3} [0-9]{3}",
        words=("bsn", "burgerservice", "sofinummer", "sofi-nummer", "dutch citizen", "荷兰公民"),
        check=stdnum("nl.bsn"),
        examples=("BSN 363893477", "burgerservicenummer: 3638.93.477", "荷兰公民号码363893477"),
        counterexamples=("363893477", "absent 363893477"),
    ),
    document(
        "eu.be_nn",
        "national number of Belgium",
        r"[0-9]{2}([. ]?)[01][0-9]\1[0-3][0-9][\- ]?[0-9]{3}[. ]?[0-9]{2}",
        words=("rijksregister", "registre national", "numéro national", "insz", "niss", "belgian national", "比利时"),
        check=stdnum("be.nn"),
        sure=r"[0-9]{2}[. ][01][0-9][. ][0-3][0-9][\- ]?[0-9]{3}|[0-9]{2}[01][0-9][0-3][0-9][\- ]?[0-9]{3}[. ]?[0-9]{2}",
        examples=("68.12.15-432.48", "rijksregisternummer 68121543248", "比利时国民号 68121543249"),
        counterexamples=("68121543249", "68.12.15-432.49"),
    ),
    document(
        "eu.pt_nif",
        "tax number of Portugal (NIF)",
        "[1-9][0-9]{2} ?[0-9]{3} ?[0-9]{3}",
        words=("nif", "contribuinte", "portuguese tax", "葡萄牙税号"),
        check=stdnum("pt.nif"),
        examples=("NIF 298518007", "contribuinte n.º 298 518 007", "葡萄牙税号298518007"),
        counterexamples=("298518007",),
    ),
    document(
        "eu.at_svnr",
        "social insurance number of Austria",
        r"[1-9][0-9]{3}[ \-/]?(?:[0-2][0-9]|3[01])[01][0-9]{3}",
        words=("svnr", "sv-nr", "sv-nummer", "sozialversicherung", "versicherungsnummer", "austrian social", "奥地利"),
        check=stdnum("at.vnr"),
        examples=("SVNR 3501 111271", "Sozialversicherungsnummer: 3501111271", "奥地利社保号3501 111271"),
        counterexamples=("3501 111271", "3501111271"),
    ),
    document(
        "eu.ie_pps",
        "personal public service number of Ireland",
        "[0-9]{7}[A-W][A-IW]?",
        words=("pps", "ppsn", "personal public service", "爱尔兰"),
        check=stdnum("ie.pps"),
        canonical=compact,
        examples=("PPS number 6264213T", "PPSN: 6264213T", "爱尔兰公共服务号6264213T"),
        counterexamples=("6264213T",),
    ),
    document(
        "eu.ch_ahv",
        "social insurance number of Switzerland (AHV)",
        r"756([. ]?)[0-9]{4}\1[0-9]{4}\1[0-9]{2}",
        words=("ahv", "avs", "sozialversicherung", "swiss social", "瑞士"),
        check=stdnum("ch.ssn"),
        sure="756[. ]?[0-9]{4}[. ]?[0-9]{4}[. ]?[0-9]{2}",
        examples=("756.5571.5571.91", "AHV-Nr. 7565571557191", "瑞士社保号756.5571.5571.92"),
        counterexamples=("756.5571.5571.92", "7565571557192"),
    ),
)  # fmt: skip

EUROPE: tuple[Detector, ...] = (*UK, *EU, *NORTH, *EAST, *ASIA, *AMERICAS)
