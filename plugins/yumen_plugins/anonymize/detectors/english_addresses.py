"""English addresses, without a model: number, street, unit, city, state and post code, in the order people write them."""

from __future__ import annotations

from yumen_plugins.anonymize.detector import Detector

# Streets by words that hardly stand behind a number and a capital otherwise, and by words that do (`2023 Supreme Court`).
STREETS = (
    "Street|St|Avenue|Ave|Av|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Highway|Hwy|Parkway|Pkwy|Terrace|"
    "Crescent|Close|Mews|"
    "Expressway|Freeway|Turnpike|Alley|Broadway|Wharf|Esplanade|Causeway|Cres|Ter"
)
WEAK_STREETS = (
    "Way|Court|Ct|Place|Pl|Park|Square|Sq|Circle|Cir|Row|Gate|Plaza|Hill|Hills|Green|Loop|Trail|Path|Gardens|"
    "Grove|Walk|Quay|"
    "Bridge|Rise|View|Point|Pass|Ridge|Run|Crossing|Landing|Heights|Station|Village|Parade|Mall|Cove|Bend|"
    "Junction|Estate|"
    "Fields|Meadows|Springs|Valley|Islands?|Harbors?|Camp|Corners?|Creek|Forge|Key|Knolls?|Manor|Orchard|"
    "Ports?|Shores?|"
    "Squares|Track|Viaduct|Vista|Well|Wells|Common|Commons|Yard"
)
STATES = (
    "A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|"
    "V[AIT]|W[AIVY]|"
    "AB|BC|MB|N[BLS]|ON|PE|QC|SK|YT|NSW|VIC|QLD|TAS|ACT|NT|SA"
)
US_ZIP = r"[0-9]{5}(?:-[0-9]{4})?(?![0-9])"
UK_POSTCODE = r"[A-Z]{1,2}[0-9][0-9A-Z]?[ ]?[0-9][A-Z]{2}(?![0-9A-Za-z])"
CANADA_POSTCODE = r"[A-Z][0-9][A-Z][ ]?[0-9][A-Z][0-9](?![0-9A-Za-z])"
COUNTRIES = (
    "USA|U\\.S\\.A\\.|United States|UK|United Kingdom|England|Scotland|Wales|Ireland|Canada|Australia|China|"
    "P\\.?R\\.? ?China|"
    "Hong Kong|Singapore|New Zealand|India"
)
NUMBER = r"(?:[0-9]{1,6}[A-Za-z]?(?:[-/][0-9]{1,5}[A-Za-z]?)?|(?:One|Two|Three|Four|Five|Ten)(?= [A-Z]))"
WORD = r"(?:[A-Z][A-Za-z'’.-]{0,20}|[0-9]{1,3}(?:st|nd|rd|th|ST|ND|RD|TH)|of|the|de|la|du|del|van|upon|le)"
UNIT = (
    r"(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Fl|Room|Rm|Building|Bldg|Block|Tower|Lot|Trailer|Level|Shop|No|#)"
    r"\.?[ ]?#?[ ]?[0-9A-Za-z]{1,5}(?:-[0-9A-Za-z]{1,4})?(?![0-9A-Za-z])"
)
BEFORE = (
    rf"(?:(?:{UNIT}|[0-9]{{1,3}}(?:/F|F|st Floor|nd Floor|rd Floor|th Floor)|[A-Z][a-z]{{2,15}} (?:House|"
    rf"Building|Tower|Court|Plaza))"
    r",?[ ]){0,3}"
)
# Not within a number, a time, a price, a path.
EDGE = (
    r"(?<![0-9A-Za-z.,:$€£¥#/_-])(?<![Tt]op )(?<![Ss]ection )(?<![Cc]hapter )(?<![Pp]age )"
    r"(?<!iPhone )(?<!Galaxy )(?<!Pixel )(?<!Windows )"
)
# What makes a street's name the beginning of something else.
NO_STREET = (
    r"(?! (?:Banks?|Journal|Analysts?|Traders?|Firms?|Capital|Fighter|View|Maps?|Style|Food|Trips?|Tests?|"
    r"Warriors?|Bikes?|Show|Band|Race|Closures?|Projects?|Works))"
)
STOP = (
    r"(?!(?:Thanks?|Please|Regards|Best|Cheers|And|But|The|Then|We|You|They|He|She|It|If|My|Our|Your|This|That|"
    r"Dear|Phone|Tel|Email|Mobile|Attn)(?![A-Za-z]))"
)
PLACE = rf"{STOP}(?:St\.|[A-Z][A-Za-z'’-]{{1,20}})"
CITY = rf"{PLACE}(?:[ ](?:(?:upon|on|of|de|del|la)[ -])?{PLACE}){{0,3}}"
CODE = rf"(?:{US_ZIP}|{UK_POSTCODE}|{CANADA_POSTCODE}|[0-9]{{4,6}}(?![0-9]))"
STATE = rf"(?:(?:{STATES})(?![A-Za-z])\.?)"
REGION = rf"(?:,?\s{{1,2}}(?:{STATE}(?:,?[ ]{CODE})?|{CODE}(?:[ ](?=[A-Z])[A-Z][a-z]{{2,15}})?))"
# Parts of a place end at a sign, so that a sentence that goes on is not taken: `12 Baker Street, John will come`.
PART = rf"(?:(?:,[ ]?\n?|\n)[ ]{{0,2}}(?:{UNIT}|{CITY})(?=[,.;)\"'<|\n]|\s?$|[ ]{{1,2}}(?:{STATE}|{CODE})))"
TAIL = (
    rf"(?>(?:,?[ ]|,?\n){UNIT}){{0,2}}(?>,[ ]?[0-9]{{1,2}}(?:st|nd|rd|th) Floor)?(?>{PART}(?!\n[A-Z][a-z]+:)){{0,5}}"
    rf"(?>[ ]{CITY}(?=,? (?:{STATE})[ ,]))?(?>{REGION}){{0,2}}(?>,?[ ](?:{COUNTRIES})(?![A-Za-z]))?"
)
STREET = rf"{NUMBER},?[ ](?:(?:[NSEW]|[NS][EW]|North|South|East|West)\.?[ ])?(?:{WORD}[ ]){{1,4}}?"
DIRECTION = r"(?:[ ](?:N|S|E|W|NE|NW|SE|SW|North|South|East|West)(?![A-Za-z])\.?)?"
PATTERNS = (
    rf"{EDGE}{BEFORE}(?:No\.? ?)?{STREET}(?:{STREETS})(?![A-Za-z'’]|-[a-z]){NO_STREET}\.?{DIRECTION}{TAIL}",
    # A weak word needs something of an address behind it.
    (
        rf"{EDGE}{BEFORE}(?:No\.? ?)?{STREET}(?:{WEAK_STREETS})(?![A-Za-z'’]|-[a-z])\.?{DIRECTION}"
        rf"(?=(?:,?[ ]|,?\n){UNIT}|(?:,[ ]?|\n){CITY},?[ ](?:{STATE}|{CODE})|,? {CODE}|{REGION}|"
        rf",[ ]{CITY}(?:[.,\n]|$)){TAIL}"
    ),
    # No word for a street at all, but a state and code, or a post code, at the end.
    (
        rf"{EDGE}{BEFORE}{NUMBER},?[ ](?:{WORD}[ ,]{{1,2}}){{1,5}}?(?:{UNIT},?[ ])?(?:{CITY},[ ]){{0,2}}"
        rf"(?:{STATE}[ ]{US_ZIP}|{CITY},?[ ]{UK_POSTCODE}|{UK_POSTCODE}|{STATE}[ ]{CANADA_POSTCODE})"
        rf"(?:,?[ ](?:{COUNTRIES}))?"
    ),
    rf"(?<![A-Za-z])[Pp]\.?[ ]?[Oo]\.?[ ]?(?:[Bb]ox|BOX)[ ]?#?[0-9]{{1,6}}(?![0-9A-Za-z]){TAIL}",
    # Lower case, as people chat, where words before or behind say that it is an address.
    (
        r"(?i:(?:live[sd]?|living|reside[sd]?|located|deliver(?:ed)?|ship(?:ped)?|moved|address(?: is)?|home|"
        r"sent?|stay(?:ing)?)[: ]{1,2}"
        r"(?:(?:at|to|on|it to|is)[: ]{1,2})?)"
        r"(?P<value>(?i:[0-9]{1,6}[a-z]? (?:[nsew]\.? )?(?:[a-z0-9'-]{2,15} ){1,3}?(?:street|st|avenue|ave|"
        r"road|rd|lane|ln|drive|dr|boulevard|blvd|way|court|ct|place)"
        r"(?![a-z])\.?(?:,? (?:apt|unit|suite|#) ?[0-9a-z]{1,5}(?![0-9a-z])"
        r")?(?:,? [a-z]{3,15}(?: [a-z]{3,15})?,? [a-z]{2} [0-9]{5}(?![0-9])|"
        r", [a-z]{3,15}(?: [a-z]{3,15})?(?=[,.\n]|$))?))"
    ),
    # Behind a label, to the end of the line.
    (
        r"(?i:(?<!mail )(?<!ip )(?<!mac )(?<!e-mail )(?<!email_)(?<!ip_)(?:street|billing|shipping|home|"
        r"mailing|delivery|postal|residential|office)?[ _]?address)[\"'\\]{0,2}[ ]?[:=][ \"'\\]{0,4}"
        r"(?P<value>[0-9]{1,6}[A-Za-z]?[ ][A-Za-z][A-Za-z0-9 .'’#-]{2,40},[ ]?[A-Za-z0-9 ,.'’#-]{2,80}(?<![ ,.]))"
    ),
)
_S = f"(?:{STREETS}|{WEAK_STREETS})"
_NUMBERED = (
    rf"(?:[0-9][A-Za-z]?,?|One|Two|Three|Four|Five|Ten) [A-Z0-9][A-Za-z0-9'.\x80-\xff-]* (?:[A-Za-z0-9'.\x80-\xff-]+ )*"
    rf"{_S}(?:[^A-Za-z]|$)"
)
PREFILTERS = (
    _NUMBERED,
    _NUMBERED,
    r"[A-Z][A-Z]\.? [0-9]{5}|[ ,\n][A-Z][A-Z]?[0-9][0-9A-Z]? ?[0-9][A-Z][A-Z]|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]",
    r"[Pp]\.? ?[Oo]\.? ?[Bb][Oo][Xx] ?#?[0-9]",
    r"(?i)[: ][0-9]+[a-z]? [a-z0-9'. -]+ "
    r"(?:street|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|way|court|ct|place)(?:[^a-z]|$)",
    r"[Aa][Dd][Dd][Rr][Ee][Ss][Ss][\"'\\]* ?[:=][ \"'\\]*[0-9]+[A-Za-z]? [A-Za-z]",
)
ENGLISH_ADDRESS = Detector(
    id="en.address",
    description="street address in English",
    patterns=PATTERNS,
    prefilter=PREFILTERS,
    score=0.85,
    canonical=lambda value: " ".join(value.lower().split()),
    span_max=300,
    examples=(
        "Ship it to 742 Evergreen Terrace, Springfield, IL 62704.",
        "221B Baker Street, London NW1 6XE",
        "350 Fifth Ave Suite 3300, New York, NY 10118, USA",
        "Room 1203, Building 2, No. 88 Jianguo Road, Chaoyang District, Beijing 100020",
        "P.O. Box 1234, Austin, TX 78701",
        "I live at 123 main street, springfield",
        "One Microsoft Way, Redmond, WA 98052",
        '{"address": "12 The Grove, Leeds"}',
    ),
    counterexamples=(
        "the top 10 Wall Street banks",
        "In 2023 Supreme Court rulings changed",
        "12 people on the road",
        "version 3 Road map",
        "10:30 Baker Street station",
        "a 5 lane road",
        "I work in London",
        "Paris, France",
        "error 404 in Drive C",
        "Section 5 Green Lane",
        "iPhone 15 Pro Drive",
    ),
)
