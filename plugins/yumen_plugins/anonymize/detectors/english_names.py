"""Names in English text, without a model: an honorific, a label or phrase before it, or a frequent given name."""

from __future__ import annotations

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.english_words import (
    GIVEN_NAMES,
    LABELS,
    NO_NAMES,
    PHRASES,
    PINYIN_SURNAMES,
    SURNAMES,
    VERBS,
    WORDS_TOO,
)
from yumen_plugins.anonymize.detectors.literals import trie

LETTER = "a-zß-öø-ÿ"
CAPITAL = "A-ZÀ-ÖØ-Þ"
STOP = rf"(?!{trie(NO_NAMES)}(?![A-Za-z'’-]))"
WORD = (
    rf"{STOP}(?:(?:Mc|Mac|O['’]|D['’]|Le|De|Di|Van|Fitz)?[{CAPITAL}][{LETTER}]{{1,20}}"
    rf"(?:[-'’](?:O['’]|Mc)?[{CAPITAL}][{LETTER}]{{1,20}})?(?![A-Za-z]))"
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
SYLLABLE = (
    "(?:[bpmfdtnlgkhjqxrzcsyw]|zh|ch|sh)?(?:iang|iong|uang|ang|eng|ing|ong|ian|iao|uai|uan|ai|an|ao|ei|en|er|ia|"
    "ie|in|iu|ou|ua|ui|un|uo|ue|a|e|i|o|u)"
)
PINYIN = rf"(?:{SYLLABLE}){{1,2}}(?![a-z])"
PINYIN_GIVEN = rf"(?=[A-Z])(?i:{PINYIN})(?![A-Za-z])"


def _capital(pattern: str, edge: str = "A-Za-z", before: str = "") -> str:
    """A pattern that begins with a capital and not behind `edge`: `re` then looks for capitals alone."""
    return rf"[{CAPITAL}](?<![{edge}].){before}(?<=(?={pattern}).)"


def _behind(words: tuple[str, ...], gaps: tuple[str, ...]) -> str:
    """That one of some words stands before, whatever its case: those of one length each time, since `re` looks back so."""
    lengths: dict[int, list[str]] = {}
    for word in words:
        lengths.setdefault(len(word), []).append(word)
    # How any of them ends is asked once for all lengths.
    ends = trie({word[-2:] for word in words})
    tries = [trie(group) for group in lengths.values()]
    whole = (rf"(?<=(?i:{ends}){gap}.)(?:" + "|".join(rf"(?<=(?i:{one}){gap}.)" for one in tries) + ")" for gap in gaps)
    return f"(?:{'|'.join(whole)})"


_QUOTES = r"[ \t]{0,3}[\"'\\<(]{0,3}"
_SIGN = rf"[:=](?=[ \t\"'\\<({CAPITAL}])(?={_QUOTES}[{CAPITAL}]|{_QUOTES}(?:van|von|de|du|di|da|al|el|bin|la|le) )"
_GAPS = ("", "[\"' ]", "[\"'\\\\][\"' ]")
LABEL = rf"{_SIGN}{_behind(LABELS, _GAPS)}{_QUOTES}"
NAME_LABEL = rf"{_SIGN}(?:(?<=[^A-Za-z_.-][nN]ame[:=])|(?<=[^A-Za-z_.-][nN]ame[\"' ][:=])|(?<=^[nN]ame[:=])){_QUOTES}"
# What may not follow: a call, an assignment, a part of a path.
AFTER = rf"(?=[^A-Za-z]|$)(?![(=/\\]|[ ]=|[ ][{LETTER}]{{2,15}}[ ]?[(=]|[.:@_][A-Za-z0-9])"
# In logs the next member follows: name=Tom Baker phone=…
MEMBER = r"(?=[ ][A-Za-z_.]{2,20}=[^ =])"
REVERSED = rf"(?:{WORD}, {WORD}(?: [A-Z]\.)?(?=[\n\"'|;<(]|$)|[A-Z]{{2,20}}, [A-Z]{{2,20}}(?![A-Za-z]))"
_GIVEN = trie(GIVEN_NAMES)
_GIVEN_PAIR = rf"{_GIVEN}(?:-[{CAPITAL}][{LETTER}]{{1,12}})?"
_FAMILY = trie(PINYIN_SURNAMES)
_GREETINGS = ("dear", "hi", "hello", "hey", "hiya", "morning", "afternoon", "evening", "thanks", "thank you")
CLOSING = (
    r"(?:Best|Kind|Warm|Warmly|Warmest|Kindest|Regards|Sincerely|Yours|Cheers|Many thanks|Thanks|Thank you|All the best|"
    r"Love|Respectfully|Cordially|Take care|Talk soon|\n(?:regards|thanks|cheers|best))(?![a-z])"
)
# A family name that says by its ending that it is one.
_FAMILY_END = (
    r"[A-Z][a-z]{2,12}(?:ski|ska|sson|enko|escu|opoulos|idze|shvili|ovic|czyk|wicz|guez|ndez|nez|ullah|inen)(?![a-z])"
)
KIN = "brother|sister|wife|husband|mother|father|son|daughter|spouse|partner|friend|parent|guardian"
# What follows places, companies and calls.
_NO_PLACE = (
    rf"(?!\(|[ ]\((?!{KIN})[a-z]*\)|[ ]?=|"
    r"[ ](?:Bridge|University|Street|St|Avenue|Ave|Road|Rd|Drive|Lane|Boulevard|School|College|"
    r"Hospital|Foundation|Inc|Ltd|LLC|Corp|Co|Company|Airport|Stadium|Award|Prize|Museum|Library|Park|Center|Centre|"
    r"Institute|Theorem|Act|Group|Hotel|Bank|Building|Tower|Square|Station)(?![a-z]))"
)
_NO_PAIR = (
    r"(?!Jack Daniel|Martin Marietta|Ben Jerry|Philip Morris|Baker Hughes|Hello Kitty|George Washington B|James Madison U|"
    r"Calvin Klein|Tommy Hilfiger)"
)
_PHONE = r"(?:\+[0-9]{1,3}[ (-]?[0-9(]|\([0-9]{3}\)|[0-9]{3}[-. ][0-9]{3}[-. ][0-9]{4})"
# Behind any two words that may be a name: mail, a phone, an age, a role in a contract.
_SURE = (
    r"(?:[ ]?[,;|\t:-]?[ ]{0,2}[<(\[\"']{0,2}(?:[A-Za-z0-9._%+-]{1,64}@|"
    rf"(?:(?:[Tt]el|[Pp]hone|[Mm]obile|[Cc]ell|at|on)[.:]?[ ])?{_PHONE})|[ ]wrote:|"
    r"[ ](?:said|told|asked (?:me|us|him|her|them|for|if|to)|wrote|e?mailed|phoned|lives|signed|resigned|testified"
    r"|replied|pleaded|alleges|is (?:out|sick|away|on leave)|was (?:admitted|discharged|seen|diagnosed|hired|born))(?![a-z])"
    r"|, (?:MD|M\.D\.|RN|PhD|Ph\.D|Esq|DDS|NP|CPA|PA-C|JD)(?![A-Za-z])| \((?:born|b\. |DOB)"
    r"|,? \(?(?:aged? )?[0-9]{1,3}(?:-year|[ -]?y/?o|[ ]?[MF]\)| years? old)|[ ]\((?:hereinafter|the [\"“]|[\"“]))"
)
_LONGER = rf"(?:[A-Z]\.[ ]|{WORD}[ ]){{1,2}}?{PARTICLE}?{WORD}{MORE}?"
_PAIR = rf"(?=[A-Za-zÀ-ÿ.'’-]{{2,40}}+ (?:[{CAPITAL}]|{PARTICLE}))"
BARE = (
    rf"{_PAIR}{_NO_PAIR}(?P<value>{_GIVEN_PAIR}(?![A-Za-z'’-]){MORE}{{1,2}}(?:,? (?:Jr|Sr|III?)\.?(?![A-Za-z]))?{_NO_PLACE}"
    rf"|{_FAMILY}[ ]{STOP}{PINYIN_GIVEN}(?:[ -](?=[A-Z])(?i:{PINYIN})(?![A-Za-z])|-(?i:{PINYIN})(?![A-Za-z]))?(?!\(|[ ]=)"
    rf"|{STOP}(?i:{PINYIN})(?:-(?i:{PINYIN}))?[ ]{_FAMILY}(?![A-Za-z(=])"
    rf"|{trie(WORDS_TOO)} (?:[A-Z]\. )?{trie(SURNAMES)}(?![A-Za-z'’]){_NO_PLACE}"
    rf"|{WORD}(?: [A-Z]\.)? {_FAMILY_END}{_NO_PLACE}|{_LONGER}(?={_SURE}))"
)
# One given name: who does something, or whom somebody does something.
_DOES = r"(?=[ ](?:said|says|told|asked|wrote|called|mentioned|confirmed|replied|agreed|left|joined)(?![a-z]))"
_ALONE = r"(?![A-Za-z’'-]|[ ]&|[ ](?:[A-Z]|van |von |de )|[.:_][A-Za-z0-9])"
# Asked first, since it is cheap: that a word in lower case or a sign stands before.
_SPACED = r"(?<=[A-Za-z/,:] .)"
_BEHIND = r"[a-z\x80-\xbf,:/] [A-Z\xc3]"
# Inside two words that may be a name; not where a sentence ends.
_WITHIN = r"[a-z\x80-\xbf'] (?:[A-Z\xc3]|van |von |de |du |di |da |al |el |bin |le |la |del |of )|[A-Z]\. [A-Za-z\xc3]"
# Each pattern with what hyperscan looks for in its place.
_FORMS: tuple[tuple[str, str], ...] = (
    (_capital(rf"{HONORIFIC}\.?[ ](?P<value>{NAME})"), rf"{HONORIFIC}\.? [^0-9 ]"),
    (
        rf"{LABEL}(?:{HONORIFIC}\.? )?(?P<value>{REVERSED}|{NAME}|{UPPER})(?:{AFTER}|{MEMBER})",
        r"[:=][ \t]*[\"'\\<(]*(?:[A-Z\xc3]|van |von |de |du |di |da |al |el |bin |le |la )",
    ),
    # `name` alone names everything: two words that are no words, or a given name that is known.
    (
        rf"{NAME_LABEL}(?P<value>{REVERSED}|{_GIVEN}(?![A-Za-z'])(?>{MORE}{{0,2}})|{WORD}{MORE}{{1,2}}|{UPPER})"
        rf"(?:{AFTER}(?=[\"'\\,;.\n<|)]|\s*$)|{MEMBER})",
        r"[nN]ame[\"']* ?[:=][ \t]*[\"'\\<(]*[A-Z\xc3]",
    ),
    (
        _capital(rf"(?P<value>{LONG}|{_GIVEN}(?![A-Za-z’']))", before=_SPACED + _behind(PHRASES, (" ", "[,:] "))),
        _BEHIND,
    ),
    (
        rf"[nN]ame(?: is|'s)[ ]{{1,2}}(?P<value>{NAME}|"
        rf"(?!not|the|a|an|in|on|is|wrong|spelled|misspelled|now|still|my|your|too|different|later|back|when|"
        rf"at|if|asap|for|and|already|required|missing|invalid|empty|taken|unique)[a-z]{{3,15}}(?: (?!and|but|"
        rf"from|i|my|the|at|with|in)[a-z]{{2,15}})?(?=[,.!\n]|$| and| from| but))",
        "[nN]ame(?: is|'s) ",
    ),
    (
        _capital(
            rf"(?P<value>{WORD}{MORE}{{0,2}})(?=[ ]?[,!:.\n\"']|\s*$|[ ]?-)",
            before=_SPACED + _behind(_GREETINGS, (" ", ", ")),
        ),
        r"(?:ear|[hH]i|ello|ey|iya|orning|fternoon|vening|hanks|you),? [A-Z\xc3]",
    ),
    (
        rf"{CLOSING}(?:[ ][a-zA-Z]{{2,12}}){{0,3}}[ ]?[,.!-]{{0,2}}[ ]?\n[ \t]{{0,4}}(?:\n[ \t]{{0,4}})?(?P<value>{NAME})"
        rf"(?=[ \t]*(?:$|\n|[,|(]))",
        r"(?:egards|erely|ruly|fully|eers|ishes|anks|gain|ou|est|ove|ours|ially|are|oon|uch|rmly|ind|arm)[ ,.!-]*\n",
    ),
    (
        _capital(BARE, "A-Za-z@/_."),
        _WITHIN,
    ),
    (
        _capital(rf"(?P<value>{_GIVEN}{_ALONE}){_DOES}", "A-Za-z@/_.-"),
        " said| says| told| asked| wrote| called| mentioned| confirmed| replied| agreed| left| joined",
    ),
    (_capital(rf"(?P<value>{_GIVEN}{_ALONE})", "A-Za-z@/_.-", _SPACED + _behind(VERBS, (" ",))), _BEHIND),
    (_capital(rf"(?P<value>{_GIVEN})(?=['’]s )", "A-Za-z@/_.-") + r"(?<!Jack .)(?<!& .)", r"[a-z](?:'|’)s "),
)


def named(value: str) -> bool:
    """Whether it is more than words that are no names. Pinyin in two halves may be a place: `Xi An`."""
    return (
        value not in {"Xi An", "Li On", "Hu Nan", "Yun Nan", "He Nan", "Wang Yi"} and value.split()[-1] not in NO_NAMES
    )


ENGLISH_NAME = Detector(
    id="en.name",
    description="name of a person in English text",
    patterns=tuple(pattern for pattern, _ in _FORMS),
    prefilter=tuple(prefilter for _, prefilter in _FORMS),
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
        "Reviewed by Thandiwe Nkosi",
        "Emergency contact Tom Baker (brother)",
        "Jean-Luc Moreau will join",
        "Desmond Achebe lives in Leeds",
        "level=info name=Tom Baker phone=none",
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
        "Owner: Platform Team",
        "paid by Bank Transfer",
        "level=info name=Docker Image tag=3",
    ),
)
