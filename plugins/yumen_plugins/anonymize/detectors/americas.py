"""Detectors of identity numbers of Canada and Latin America."""

from __future__ import annotations

from yumen_plugins.anonymize.detectors.near import CODE_RUN, compact, document, stdnum

_cpf, _rut = stdnum("br.cpf"), stdnum("cl.rut")
CURP = (
    "[A-Z][AEIOUX][A-Z]{2}[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[HMX][A-Z]{2}"
    "[B-DF-HJ-NP-TV-Z]{3}[0-9A-Z][0-9]"
)


def cpf(value: str) -> bool:
    """Written with dots and a dash, and both check digits are right; a plain number has to be named."""
    return "." in value and _cpf(value)


def rut(value: str) -> bool:
    """Written with dots, and its check digit is right."""
    return "." in value and _rut(value)


AMERICAS = (
    document(
        "america.ca_sin",
        "social insurance number of Canada",
        r"[1-9][0-9]{2}([ \-]?)[0-9]{3}\1[0-9]{3}",
        words=(
            "social insurance",
            "sin:",
            "sin ",
            "sin#",
            "numéro d'assurance sociale",
            "加拿大社会保险",
            "加拿大工卡",
        ),
        check=stdnum("ca.sin"),
        examples=("SIN: 105 920 920", "social insurance number 105-920-920", "加拿大社会保险号105920920"),
        counterexamples=("105 920 920", "105920920"),
    ),
    document(
        "america.br_cpf",
        "taxpayer number of Brazil (CPF)",
        r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}|[0-9]{11}",
        words=("cpf", "cadastro de pessoa", "巴西税号"),
        check=cpf,
        sure=r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}|(?:[Cc][Pp][Ff]|[Cc]adastro|巴西税号)[^0-9\x00]*[0-9]{11}"
        "|[0-9]{11}[^0-9\\x00]*[Cc][Pp][Ff]",
        examples=("704.704.704-29", "CPF 70470470429", "巴西税号704.704.704-28"),
        counterexamples=("704.704.704-28", "70470470429"),
    ),
    document(
        "america.mx_curp",
        "population register code of Mexico (CURP)",
        CURP,
        words=("curp", "墨西哥身份"),
        check=stdnum("mx.curp"),
        sure=CODE_RUN,
        canonical=compact,
        examples=("BOXW310820HNERXN09", "curp: BOXW310820HNERXN08"),
        counterexamples=("BOXW310820HNERXN08", "BOXW311320HNERXN09"),
    ),
    document(
        "america.cl_rut",
        "identity number of Chile (RUT)",
        r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9Kk]|[0-9]{7,8}-[0-9Kk]",
        words=("rut", "chilean id", "智利"),
        check=rut,
        sure=r"[0-9]\.[0-9]{3}\.[0-9]{3}-[0-9Kk]|[0-9]{7}-[0-9Kk]",
        canonical=compact,
        examples=("12.041.041-5", "RUT 12041041-5", "智利身份号12.041.041-6"),
        counterexamples=("12.041.041-6", "12041041-5"),
    ),
    document(
        "america.ar_cuit",
        "tax and identity number of Argentina (CUIT, CUIL)",
        "(?:20|23|24|27|30|33|34)-[0-9]{8}-[0-9]|(?:20|23|24|27)[0-9]{9}",
        words=("cuit", "cuil", "阿根廷"),
        check=stdnum("ar.cuit"),
        examples=("CUIL 20-05536168-2", "阿根廷税号20-05536168-2"),
        counterexamples=("20-05536168-2", "20055361682"),
    ),
)
