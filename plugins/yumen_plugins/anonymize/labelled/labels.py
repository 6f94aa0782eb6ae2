"""Which findings are right for which label: the ids of our detectors and the names that public sets use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

Group = Literal["structured", "secrets", "names", "addresses"]
GROUPS: tuple[Group, ...] = ("structured", "secrets", "names", "addresses")


@dataclass(frozen=True)
class Kind:
    """What means the same: the group whose aims hold for it, and globs of the ids that are right for it."""

    name: str
    ids: tuple[str, ...]
    group: Group = "structured"

    def takes(self, rule: str) -> bool:
        """Whether a finding with this id is right."""
        return any(fnmatchcase(rule, glob) for glob in self.ids)


# An id belongs to the first kind that takes it. Kinds that are only for public names stand at the end.
KINDS = (
    Kind("name", ("cn.name", "en.name", "ner.per*", "ner.name"), "names"),
    Kind("address", ("cn.address", "en.address", "ner.loc*", "ner.address"), "addresses"),
    Kind("secret", ("secret.*",), "secrets"),
    Kind("email", ("email",)),
    Kind("phone", ("phone", "cn.mobile", "cn.landline", "cn.service_phone")),
    # The form is one and the same: a licence and a residence permit bear the number of an ID card.
    Kind("id_card", ("cn.id_card", "cn.residence_permit", "cn.driving_licence", "cn.social_security")),
    Kind("passport", ("*.passport", "eu.de_passport")),
    Kind("permit", ("cn.hkmo_permit", "cn.tw_permit")),
    Kind("hkid", ("cn.hkid",)),
    Kind("twid", ("cn.twid",)),
    Kind("military_id", ("cn.military_id",)),
    Kind("company_code", ("cn.uscc",)),
    Kind("plate", ("cn.plate",)),
    Kind("vin", ("cn.vin",)),
    Kind("wechat", ("cn.wechat",)),
    Kind("qq", ("cn.qq",)),
    Kind("bank_card", ("bank_card",)),
    Kind("bank_account", ("cn.bank_account", "us.bank_account", "bank_card")),
    Kind("routing", ("us.routing", "uk.sort_code")),
    Kind("iban", ("finance.iban",)),
    Kind("swift", ("finance.swift",)),
    Kind("crypto", ("finance.crypto",)),
    Kind("cvv", ("finance.cvv",)),
    Kind("ip", ("ip",)),
    Kind("mac", ("net.mac",)),
    Kind("birth_date", ("person.birth_date",)),
    Kind("us_taxpayer", ("us.ssn", "us.itin", "us.ein")),
    Kind("us_licence", ("us.driver_licence", "uk.driver_licence")),
    Kind("nhs", ("uk.nhs",)),
    Kind("nino", ("uk.nino",)),
    Kind("eu_vat", ("eu.vat",)),
    Kind("eu_national_id", ("eu.*",)),
    Kind("mrn", ("health.mrn",)),
    Kind(
        "national_id",
        (
            "us.ssn",
            "us.itin",
            "uk.nino",
            "uk.nhs",
            "eu.*",
            "asia.*",
            "america.*",
            "cn.id_card",
            "cn.hkid",
            "cn.twid",
            "cn.social_security",
        ),
    ),
    Kind("licence", ("us.driver_licence", "uk.driver_licence", "cn.driving_licence", "cn.id_card")),
    Kind("tax_number", ("eu.*", "asia.*", "america.*", "us.ssn", "us.itin", "us.ein", "cn.uscc")),
)

# Names in public sets, in capitals, without `_`, `-`, blanks and digits at the end. A city or postcode alone is no address,
# and a date no birthday: they are in none, like everything else that nothing here looks for.
PUBLIC_NAMES = {
    "name": (
        "PERSON PER NAME FULLNAME FIRSTNAME LASTNAME MIDDLENAME GIVENNAME SURNAME PERSONNAME NAMEPATIENT PATIENTNAME"
    ),
    "address": "ADDRESS LOCATION LOC STREETADDRESS STREET FULLADDRESS SECONDARYADDRESS LOCATIONADDRESS",
    "email": "EMAIL EMAILADDRESS MAIL",
    "phone": (
        "PHONE PHONENUMBER TELEPHONE TELEPHONENUM TELEPHONENUMBER TEL MOBILE MOBILENUMBER CELLPHONE "
        "FAX FAXNUMBER PHONENUM"
    ),
    "id_card": "IDCARD CNIDCARD IDCARDNUMBER CHINAID",
    "us_taxpayer": "SSN USSSN USITIN ITIN",
    "national_id": (
        "IDCARDNUM NATIONALID SOCIALNUM SOCIALNUMBER SOCIALSECURITYNUMBER IDNUM NATIONALIDNUMBER IDENTITYCARDNUMBER"
    ),
    "passport": "PASSPORT USPASSPORT PASSPORTNUM PASSPORTNUMBER",
    "licence": (
        "DRIVERLICENSE DRIVERSLICENSE USDRIVERLICENSE DRIVERLICENSENUM DRIVERLICENCE DRIVINGLICENCE DRIVERLICENSENUMBER"
    ),
    "bank_card": "CREDITCARD CREDITCARDNUMBER CREDITDEBITCARD BANKCARD CARDNUMBER DEBITCARD",
    "cvv": "CVV CREDITCARDCVV CREDITCARDSECURITYCODE CREDITCARDSECURITYNUMBER",
    "bank_account": "USBANKNUMBER BANKACCOUNT ACCOUNTNUM ACCOUNTNUMBER BANKACCOUNTNUMBER BBAN",
    "routing": "ROUTINGNUMBER ABAROUTINGNUMBER BANKROUTINGNUMBER ABA",
    "iban": "IBAN IBANCODE",
    "swift": "BIC SWIFT SWIFTCODE SWIFTBICCODE SWIFTBIC",
    "crypto": "CRYPTO BITCOINADDRESS ETHEREUMADDRESS LITECOINADDRESS CRYPTOADDRESS",
    "ip": "IP IPADDRESS IPV IPVADDRESS",
    "mac": "MAC MACADDRESS",
    "birth_date": "DATEOFBIRTH DOB BIRTHDATE BIRTHDAY",
    "secret": "PASSWORD PASS SECRET APIKEY TOKEN CREDENTIAL PIN HTTPCOOKIE",
    "nhs": "UKNHS NHS NHSNUMBER",
    "nino": "UKNINO NINO",
    "tax_number": "TAXNUM TAXID TAXNUMBER TAXIDENTIFICATIONNUMBER",
    "vin": "VEHICLEVIN VIN VEHICLEIDENTIFIER",
    "plate": "VEHICLEVRM LICENSEPLATE LICENSEPLATENUMBER PLATE",
    "mrn": "MEDICALRECORDNUMBER MEDICALRECORD MRN",
    "wechat": "WECHAT WECHATID",
    "qq": "QQ QQNUMBER",
}
PUBLIC = {name: kind for kind, names in PUBLIC_NAMES.items() for name in names.split()}
# Secrets of providers and national numbers are one row each; these have their own.
OWN_ROWS = ("secret.url_credentials", "secret.private_key", "secret.jwt", "secret.assignment", "eu.vat")


def kind_of_id(rule: str) -> Kind:
    """The kind of a finding; one of its own where none takes it."""
    return next((kind for kind in KINDS if kind.takes(rule)), Kind(rule, (rule,)))


def row_of_id(rule: str) -> str:
    """The row of the table that a finding or a gold label with an id stands in."""
    if rule in OWN_ROWS:
        return rule
    pack = rule.partition(".")[0]
    return {"secret": "secret.<provider>", "eu": "eu.national_id"}.get(pack, rule) if "." in rule else rule


class Labels:
    """Reads labels. `own` goes first: a label and the ids, globs of ids or known labels that are right for it."""

    def __init__(self, own: Mapping[str, Sequence[str]], ids: Sequence[str], *, chosen: bool = False) -> None:
        self._own = own
        self._ids = frozenset(ids)
        self._chosen = chosen
        self._known: dict[str, Kind | None] = {}

    def kind(self, label: str) -> Kind | None:
        """What a gold label means; None where nothing looks for it."""
        if label not in self._known:
            self._known[label] = self._looked_for(self._read(label))
        return self._known[label]

    def row(self, label: str) -> str:
        """The row that a gold label stands in."""
        return label if label in self._own or self._public(label) else row_of_id(label)

    def _read(self, label: str) -> Kind | None:
        if label in self._own:
            return self._of_own(label, self._own[label])
        if label in self._ids:
            return kind_of_id(label)
        found = next((kind for kind in KINDS if kind.takes(label)), None)
        return found or self._public(label)

    def _of_own(self, label: str, meant: Sequence[str]) -> Kind:
        kinds = [self._public(one) for one in meant]
        ids = tuple(glob for one, kind in zip(meant, kinds, strict=True) for glob in (kind.ids if kind else (one,)))
        first = kinds[0] or next((kind for kind in KINDS if kind.takes(ids[0])), None)
        return Kind(label, ids, first.group if first else "structured")

    def _public(self, label: str) -> Kind | None:
        name = PUBLIC.get(re.sub(r"[_\-\s]|[0-9]+$", "", label).upper())
        return next(kind for kind in KINDS if kind.name == name) if name and label not in self._ids else None

    def _looked_for(self, kind: Kind | None) -> Kind | None:
        """With a choice of detectors, a kind that none of them finds is not looked for."""
        if kind is not None and self._chosen and not any(kind.takes(rule) for rule in self._ids):
            return None
        return kind
