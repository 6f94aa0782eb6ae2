"""Names in English text, without a model: an honorific, a label or phrase before it, or a frequent given name."""

from __future__ import annotations

import re

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.english_words import GIVEN_NAMES, NO_NAMES, PINYIN_SURNAMES

LETTER = "a-zß-öø-ÿ"
CAPITAL = "A-ZÀ-ÖØ-Þ"
STOP = rf"(?!(?:{'|'.join(sorted(NO_NAMES))})(?![A-Za-z'’-]))"
WORD = (
    rf"{STOP}(?:(?:Mc|Mac|O['’]|D['’]|Le|De|Di|Van|"
    rf"Fitz)?[{CAPITAL}][{LETTER}]{{1,20}}(?:[-'’][{CAPITAL}][{LETTER}]{{1,20}})?(?![A-Za-z]))"
)
INITIAL = r"(?:[A-Z]\.(?:[ ]?[A-Z]\.)?|[A-Z](?= [A-Z][a-z]))"
PARTICLE = r"(?:(?:van der|van den|van de|van|von der|von|de la|de los|del|de|di|da|dos|du|al|el|bin|ibn|le|la|ter)[ ])"
MORE = rf"(?>[ ](?:{INITIAL}[ ])?{PARTICLE}?{WORD})"
NAME = rf"(?:{INITIAL}[ ])?{PARTICLE}?{WORD}{MORE}{{0,3}}(?:,? (?:Jr|Sr|II|III|IV)(?![A-Za-z])\.?)?"
LONG = rf"(?:{INITIAL}[ ]|{WORD}(?=[ ])[ ]?){{1,2}}?{PARTICLE}?{WORD}{MORE}{{0,2}}"
# A family name in capitals, as in forms: Jane DOE.
UPPER = r"[A-Z][A-Z'’-]{1,20}(?:,? [A-Z][A-Z'’-]{1,20}){1,3}(?![A-Za-z])"
HONORIFIC = (
    r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Madam|Dame|Rev|Reverend|Hon|Capt|Captain|Sgt|Sergeant|Lt|Col|"
    r"Judge|Justice|Senator|Mister|Messrs|Mme|Herr|Frau|Señor|Monsieur|Doctor|Nurse|Officer|Detective|Inspector|"
    r"Father|Sister|Uncle|Aunt)"
)
LABELS = (
    "full[ _-]?name|first[ _-]?name|last[ _-]?name|family[ _-]?name|given[ _-]?name|middle[ _-]?name|surname|"
    "maiden[ _-]?name|legal[ _-]?name|real[ _-]?name|"
    "(?:customer|client|patient|contact|employee|recipient|sender|user|student|applicant|cardholder|"
    "card[ _]?holder|account[ _]?holder|owner|beneficiary|passenger|"
    "guest|guardian|parent|emergency contact|buyer|seller|tenant|landlord|borrower|insured|author|manager|"
    "doctor|physician|driver|reporter|assignee|consignee|payee|"
    "payer|debtor|creditor|member|subscriber|host|caller|agent|representative|holder|witness|spouse|person|"
    "candidate|nurse|teacher|supervisor|lessee|lessor|plaintiff|defendant|billing|shipping)"
    "[ _-]?(?:s[ _-]?)?(?:full[ _-]?)?(?:name)?|"
    "attn|attention|signed(?: by)?|signature|prepared by|approved by|reviewed by|submitted by|requested by|"
    "reported by|assigned to|created by|written by|authorized by|"
    "issued to|bill to|ship to|sold to|deliver to|from|cc|to|regards|sincerely|name on card|"
    "name of [a-z]{3,15}|point of contact|poc|contact person|next of kin|requester"
)
SEPARATOR = r"[\"'\\]{0,3}[ \t]{0,3}[:=][ \t]{0,3}[\"'\\<(]{0,3}"
# Cheap to ask first: a label is a few words before a sign.
KEY = r"(?<![A-Za-z])(?=[A-Za-z][A-Za-z '_.-]{1,40}+[\"\\]{0,3}[ \t]{0,3}[:=])"
AFTER = rf"(?=[^A-Za-z]|$)(?![ ]?[(=/\\]|[ ][{LETTER}]{{2,15}}[ ]?[(=]|[.:@_][A-Za-z0-9])"
PHRASES = (
    r"(?i:my name is|my name's|name is|i am called|call me|this is|i am|i'm|i’m|speaking (?:with|to)|"
    r"spoke (?:with|to)|talk(?:ed)? (?:with|to)|met with|meeting with|"
    r"signed by|sincerely yours|on behalf of|addressed to|contact person is|ask for|named|known as|"
    r"reach out to|reported by|prepared by|approved by|assigned to|"
    r"behalf of|colleague|wife|husband|brother|sister|daughter|son|friend|neighbou?r|boss|manager|patient|"
    r"customer|client|employee|defendant|plaintiff|tenant|landlord|passenger|student|author)"
)
# How these phrases end, in both cases.
_SPEECH = (
    "[tT]his is|[iI] am|[iI]'m|[iI]’m|ing with|ing to|oke with|oke to|alk with|alk to|alked to|alked with|"
    "et with|ned by|behalf of|essed to|son is|[sS]k for|[nN]amed|nown as|out to|"
    "ted by|red by|ved by|ned to|olleague|ife|usband|rother|ister|aughter|[sS]on|riend|ighbor|ighbour|oss|"
    "anager|atient|ustomer|lient|mployee|efendant|laintiff|enant|andlord|assenger|tudent|uthor|ours"
)
_GIVEN = "|".join(sorted(GIVEN_NAMES))
_FAMILY = "|".join(sorted(PINYIN_SURNAMES))
SYLLABLE = (
    "(?:[bpmfdtnlgkhjqxrzcsyw]|zh|ch|sh)?(?:iang|iong|uang|ang|eng|ing|ong|ian|iao|uai|uan|ai|an|ao|ei|en|er|ia|"
    "ie|in|iu|ou|ua|ui|un|uo|ue|a|e|i|o|u)"
)
PINYIN = rf"(?:{SYLLABLE}){{1,2}}(?![a-z])"
PINYIN_GIVEN = rf"(?=[A-Z])(?i:{PINYIN})(?![A-Za-z])"
GREETING = r"(?:(?<![A-Za-z])(?:Dear|Hi|Hello|Hey|Hiya|Good morning|Good afternoon|Good evening|Thanks|Thank you),?)"
CLOSING = (
    r"(?i:(?:best |kind |warm |kindest |warmest )?regards|sincerely|yours (?:truly|sincerely|faithfully)|"
    r"sincerely yours|cheers|best wishes|many thanks|thanks(?: again)?|thank you|"
    r"all the best|respectfully|cordially|best|love|yours)"
)
PATTERNS = (
    re.compile(rf"(?<![A-Za-z])(?=[A-Z]){HONORIFIC}\.?[ ](?P<value>{NAME})"),
    re.compile(rf"{KEY}(?i:{LABELS}){SEPARATOR}(?:{HONORIFIC}\.? )?(?P<value>{NAME}|{UPPER}){AFTER}"),
    # `name` alone names everything: two words that are no words, or a given name that is known.
    re.compile(
        rf"(?<![A-Za-z_.-])(?i:name){SEPARATOR}(?P<value>(?:{_GIVEN})(?![A-Za-z'])(?>{MORE}{{0,2}})"
        rf"|{WORD}{MORE}{{1,2}}){AFTER}(?=[\"'\\,;.\n<|)]|\s*$)"
    ),
    re.compile(
        rf"(?<![A-Za-z])"
        rf"(?=[A-Za-z][A-Za-z'’ ]{{1,26}}[:,]?[ ][A-ZÀ-Þ]){PHRASES}[:,]?[ ]{{1,2}}(?P<value>{LONG}|"
        rf"(?:{_GIVEN})(?![A-Za-z'’]))"
    ),
    re.compile(
        rf"(?<![A-Za-z])(?i:my name is|my name's|name is|call me|i am called)[ ]{{1,2}}(?P<value>{NAME}|"
        rf"(?!not|the|a|an|in|on|is|wrong|spelled|misspelled|now|still|my|your|too|different|later|back|when|"
        rf"at|if|asap|for|and|already|required|missing|invalid|empty|taken|unique)[a-z]{{3,15}}(?: (?!and|but|"
        rf"from|i|my|the|at|with|in)[a-z]{{2,15}})?(?=[,.!\n]|$| and| from| but))"
    ),
    re.compile(rf"{GREETING}[ ](?P<value>{WORD}{MORE}{{0,2}})(?=[ ]?[,!:.\n]|\s*$|[ ]?-)"),
    re.compile(
        rf"(?:^|\n|[.!] )"
        rf"[ \t]{{0,4}}{CLOSING}[ ]?[,.!-]{{0,2}}[ ]?\n[ \t]{{0,4}}(?:\n[ \t]{{0,4}})?(?P<value>{NAME})"
        rf"(?=[ \t]*(?:$|\n|[,|(]))"
    ),
    # A given name that is known, and a family name.
    re.compile(
        rf"(?<![A-Za-z@/_.'’-])(?=[A-Z])(?P<value>(?:{_GIVEN})(?![A-Za-z'’]){MORE}{{1,2}}(?:,? (?:Jr|Sr|III?)"
        rf"\.?(?![A-Za-z]))?)(?![ ]?[(=])"
    ),
    # Chinese names in Latin letters, in either order.
    re.compile(
        rf"(?<![A-Za-z@/_.-])(?=[A-Z])(?P<value>(?:{_FAMILY})[ ]{STOP}(?:{PINYIN_GIVEN}(?:[ -](?i:{PINYIN})(?![A-Za-z])"
        rf")?))(?![ ]?[(=])"
    ),
    re.compile(
        rf"(?<![A-Za-z@/_.-])(?=[A-Z][a-z]{{1,11}} [A-Z])(?P<value>{STOP}(?i:{PINYIN})[ ](?:{_FAMILY}))(?![A-Za-z(=])"
    ),
    re.compile(rf"(?<![A-Za-z])(?=[A-Z])(?P<value>{WORD}{MORE}{{1,2}}) (?:wrote:|<[A-Za-z0-9._%+-]{{1,64}}@)"),
)


def named(value: str) -> bool:
    """Whether it is more than words that are no names. Pinyin in two halves may be a place: `Xi An`."""
    return (
        value not in {"Xi An", "Li On", "Hu Nan", "Yun Nan", "He Nan", "Wang Yi"} and value.split()[-1] not in NO_NAMES
    )


PREFILTER = "|".join(
    (
        rf"{HONORIFIC}\.? [^0-9 ]",
        r"[a-zA-Z][\"'\\]*[ \t]*[:=][ \t]*[\"'\\<(]*(?:[A-Z\xc3]|van |von |de |du |di |da |al |el |bin |le |la )",
        # Literals alone: a set behind so many of them takes hyperscan minutes to compile.
        *(f"{name} " for name in sorted({*GIVEN_NAMES, *PINYIN_SURNAMES})),
        *(f" {name}" for name in sorted(PINYIN_SURNAMES)),
        r"(?:Dear|Hi|Hello|Hey|Hiya|morning|afternoon|evening|Thanks|you),? [A-Z\xc3]",
        r"(?:[rR]egards|[sS]incerely|[tT]ruly|[fF]aithfully|[cC]heers|[wW]ishes|[tT]hanks|[aA]gain|[yY]ou|"
        r"[bB]est|[lL]ove|[yY]ours|[rR]espectfully|[cC]ordially) ?[,.!-]* ?\n",
        r"(?:[nN]ame is|[nN]ame's|[cC]all me|called) ",
        rf"(?:{_SPEECH})[:,]? +[A-Z\xc3]",
        r"[a-z] (?:wrote:|<[A-Za-z0-9._%+-]+@)",
    )
)
ENGLISH_NAME = Detector(
    id="en.name",
    description="name of a person in English text",
    patterns=PATTERNS,
    prefilter=PREFILTER,
    score=0.8,
    validate=named,
    canonical=lambda value: " ".join(value.lower().split()),
    span_max=160,
    examples=(
        "Please call Mr. Smith back",
        "Dr. Maria van der Berg will see you",
        "My name is Sarah O'Connor.",
        "Customer name: John A. McDonald, order 42",
        '{"full_name": "Wei Zhang"}',
        "Kind regards,\nEmily Clark",
        "Dear Thomas,",
        "Contact: Priya Sharma",
        "I spoke to Jean-Luc Picard yesterday",
        "hi, my name is john smith and I need help",
        "Zhang Wei approved it",
    ),
    counterexamples=(
        "Dear Customer,",
        "Dear Sir or Madam,",
        'name: "Build and Test"',
        '{"name": "Docker Image"}',
        "Kind regards,\nThe Support Team",
        "This is Python 3.11",
        "I am German",
        "Contact: Customer Support",
        "From: 2026-01-01",
        "Hello World",
        "my name is not on the list",
    ),
)
