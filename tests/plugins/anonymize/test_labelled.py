"""The labelled sets are what they are said to be, are read in every form, and are scored as documented."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.labelled import checks, make

from yumen.cli import main
from yumen_plugins.anonymize.detectors import CATALOGUE, select
from yumen_plugins.anonymize.labelled import SHIPPED
from yumen_plugins.anonymize.labelled.labels import KINDS, PUBLIC, Labels
from yumen_plugins.anonymize.labelled.read import BadSet, Item, Span, read, read_labels
from yumen_plugins.anonymize.labelled.score import Score, score
from yumen_plugins.anonymize.scan import Scanner

PHONE, MAIL = "13812345678", "li.na@example.com"
WANTED = [
    "cn.mobile", "cn.landline", "cn.id_card", "cn.residence_permit", "cn.uscc", "cn.passport", "cn.hkmo_permit",
    "cn.tw_permit", "cn.military_id", "cn.social_security", "cn.driving_licence", "cn.plate", "cn.vin", "cn.wechat",
    "cn.qq", "cn.bank_account", "cn.name", "cn.address", "cn.hkid", "cn.twid", "en.name", "en.address", "email",
    "phone", "bank_card", "finance.iban", "finance.swift", "finance.crypto", "finance.cvv", "finance.card_expiry",
    "ip", "net.mac", "person.birth_date", "us.ssn", "us.itin", "us.passport", "us.driver_licence", "us.routing",
    "us.bank_account", "us.ein", "uk.nhs", "uk.nino", "eu.vat", "eu.national_id", "health.mrn",
    "secret.url_credentials", "secret.private_key", "secret.jwt", "secret.assignment", "secret.otp",
]  # fmt: skip
SETS: dict[str, list[dict[str, Any]]] = {
    path.stem: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] for path in SHIPPED
}


def run(*arguments: str) -> Result:
    """The command, with a few detectors where none are named: all of them take a second to compile."""
    few = () if "--detect" in arguments else ("--detect", "cn.mobile", "--detect", "email", "--detect", "ip")
    return CliRunner().invoke(main, ["bench", "detect", *arguments, *few])


def written(folder: Path, *items: Any, array: bool = False) -> Path:
    """A set as a file."""
    path = folder / ("set.json" if array else "set.jsonl")
    path.write_text(json.dumps(items, indent=1) if array else "".join(json.dumps(item) + "\n" for item in items))
    return path


def item(text: str, *values: tuple[str, str]) -> dict[str, Any]:
    """An item whose spans are these values, each with its label."""
    spans = [
        {"start": text.index(value), "end": text.index(value) + len(value), "label": label} for value, label in values
    ]
    return {"text": text, "spans": spans}


def scored(*items: dict[str, Any], globs: tuple[str, ...] = ("cn.mobile", "email", "ip")) -> Score:
    chosen = select(list(globs))
    gold = [Item("f:1", one["text"], tuple(Span(**span) for span in one["spans"])) for one in items]
    return score("set", gold, Scanner(chosen), Labels({}, [one.id for one in CATALOGUE]))


def test_the_sets_are_what_their_templates_make(tmp_path: Path) -> None:
    """Both files come from the templates byte for byte, so that nobody can tune one by hand."""
    make.main(tmp_path)
    for path in SHIPPED:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("half", SETS)
def test_spans_hold_their_values(half: str) -> None:
    """Every span is exactly the value that was drawn, and no two overlap."""
    for one in SETS[half]:
        end = 0
        for span in one["spans"]:
            assert one["text"][span["start"] : span["end"]] == span["value"], one["id"]
            assert span["start"] >= end, one["id"]
            end = span["end"]


def test_the_halves_share_nothing() -> None:
    """The second half measures what was never looked at: no template, text, name, place or product is in both."""
    seen, unseen = (
        {text for lang in make.LANGUAGES for _, _, text in make.templates(half, lang)} for half in make.HALVES
    )
    assert not seen & unseen
    assert not {one["text"] for one in SETS["seen"]} & {one["text"] for one in SETS["unseen"]}
    words = [make.words(half) for half in make.HALVES]
    for kind, values in words[0].items():
        if isinstance(values, list):
            assert not set(values) & set(words[1][kind]), kind


@pytest.mark.parametrize("half", SETS)
def test_the_sets_are_large_and_balanced(half: str) -> None:
    """Each half has enough texts in either language, hard negatives, spoilt spellings and values of every kind."""
    items = SETS[half]
    assert len(items) >= 1500
    languages = Counter(one["language"] for one in items)
    assert min(languages.values()) >= 0.45 * len(items)
    assert sum(not one["spans"] for one in items) >= 0.3 * len(items)
    assert sum(bool(one["noise"]) for one in items) >= 0.1 * len(items)
    labels = Counter(span["label"] for one in items for span in one["spans"])
    assert [label for label in WANTED if labels[label] < 5] == []
    assert len([label for label in labels if label.startswith("secret.")]) >= 15


def test_every_label_of_the_sets_is_looked_for() -> None:
    """A label that meant nothing would take its misses out of the recall."""
    labels = Labels({}, [one.id for one in CATALOGUE])
    used = {span["label"] for items in SETS.values() for one in items for span in one["spans"]}
    assert [label for label in sorted(used) if labels.kind(label) is None] == []
    assert set(PUBLIC.values()) <= {kind.name for kind in KINDS}


def test_check_digits_are_right() -> None:
    """The generator's own checksums agree with numbers that are published as examples."""
    assert checks.luhn("411111111111111") == "1"
    assert checks.mod11_2("11010519491231002") == "X"
    assert checks.vin("1M8GDM9A0KP042788") == "1M8GDM9AXKP042788"
    assert checks.hkid("A", "123456") == "3"
    assert checks.twid("A", "12345678") == "9"
    assert checks.iban("DE", "370400440532013000") == "DE89370400440532013000"
    assert checks.iban("GB", "WEST12345698765432") == "GB82WEST12345698765432"
    assert checks.routing("02100002") == "1"
    assert checks.nhs("943476591") == "9"
    payload = bytes.fromhex("751e76e8199196d454941c45d1b3a323f1433bd6")
    assert checks.bech32("bc", payload) == "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
    assert checks.base58check(0, payload) == "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH"


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize(
    "one",
    [
        {"text": "I am Li", "spans": [{"start": 5, "end": 7, "label": "PERSON"}]},
        {"full_text": "I am Li", "spans": [{"start_position": 5, "end_position": 7, "entity_type": "PERSON"}]},
        {"source_text": "I am Li", "privacy_mask": [{"start": 5, "end": 7, "label": "PERSON", "value": "Li"}]},
        {"source_text": "I am Li", "privacy_mask": '[{"start": 5, "end": 7, "label": "PERSON"}]'},
        {"tokenless": "I am Li", "entities": [{"begin": 5, "end": 7, "type": "PERSON"}]},
        {"text": "I am Li", "entities": [[5, 7, "PERSON"]]},
        {"text": "I am Li", "label": [[5, 7, "PERSON"]]},
    ],
)  # fmt: skip
def test_public_forms_are_read(tmp_path: Path, one: dict[str, Any], array: bool) -> None:
    """A public set is read as it is, whatever its names for text and spans, on lines or in an array."""
    (found,) = read(written(tmp_path, one, array=array))
    assert (found.text, found.spans) == ("I am Li", (Span(5, 7, "PERSON"),))


def test_places_are_lines(tmp_path: Path) -> None:
    """A miss is found again by its line, in either form, with or without a byte order mark."""
    lines = tmp_path / "a.jsonl"
    lines.write_bytes(b'\xef\xbb\xbf{"text": "a", "spans": []}\n\n{"text": "b", "spans": null}\n')
    assert [one.place for one in read(lines)] == [f"{lines}:1", f"{lines}:3"]
    array = tmp_path / "a.json"
    array.write_text('[\n {"text": "a",\n  "spans": []},\n {"text": "b", "spans": []}\n]')
    assert [one.place for one in read(array)] == [f"{array}:2", f"{array}:4"]


@pytest.mark.parametrize(
    ("data", "line", "code"),
    [
        (b'{"text": "a", "spans": []}\n{"text": "secret \n', 2, "syntax"),
        (b'{"text": "a", "spans": []} {"text": "secret"}\n', 1, "syntax"),
        (b'[{"text": "secret", "spans": []}', 1, "syntax"),
        (b'["secret"]', 1, "item"),
        (b'{"spans": [], "body": "secret"}', 1, "item"),
        (b'{"text": "secret"}', 1, "item"),
        (b'{"text": "secret", "spans": 3}', 1, "item"),
        (b'{"text": "secret", "spans": [{"start": 0, "end": 7, "label": "A"}]}', 1, "span"),
        (b'{"text": "secret", "spans": [{"start": 0.0, "end": 2, "label": "A"}]}', 1, "span"),
        (b'{"text": "secret", "spans": [{"start": true, "end": 2, "label": "A"}]}', 1, "span"),
        (b'{"text": "secret", "spans": [{"start": 0, "end": 2}]}', 1, "span"),
        (b'{"text": "secret", "spans": [{"start": 0, "end": 2, "label": "a\\u001b[2J"}]}', 1, "span"),
        (b'{"text": "secret \xff", "spans": []}', 1, "encoding"),
        (b'{"text": ' + b"[" * 200_000, 1, "syntax"),
    ],
)
def test_what_cannot_be_read_has_a_place(tmp_path: Path, data: bytes, line: int, code: str) -> None:
    """An error names file, line and code, says what to do, and shows nothing of the text."""
    path = tmp_path / "bad.jsonl"
    path.write_bytes(data)
    result = run(str(path))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{path}:{line}: bench.{code}: ")
    assert "; " in result.stderr
    assert "secret" not in result.output
    assert "Traceback" not in result.output


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    """A file that is not there is named, with a code."""
    result = run(str(tmp_path / "none.jsonl"))
    assert result.exit_code == 1
    assert "bench.unreadable" in result.stderr


@pytest.mark.parametrize("text", ["", "- a", "A: 3", "A: []", "1: email", "A: [", "a: &x [*x]"])
def test_a_map_of_labels_is_checked(tmp_path: Path, text: str) -> None:
    """A map that is none is refused with its place."""
    path = tmp_path / "map.yaml"
    path.write_text(text)
    with pytest.raises(BadSet, match=r"map\.yaml:[0-9]+: bench\.labels: "):
        read_labels(path)


def test_counts_are_as_documented() -> None:
    """Found is masked as a whole, by whatever kind; spurious touches no label; F2 counts a miss for more."""
    made = scored(
        item(f"call {PHONE} or {MAIL}", (PHONE, "cn.mobile"), (MAIL, "EMAIL_ADDRESS")),
        item(f"code {PHONE}, office 0571", (PHONE, "cn.qq"), ("0571", "cn.landline")),
        item(f"half: x{MAIL}", (f"half: x{MAIL}", "email")),
        item("ping 10.20.30.40 now"),
    )
    assert (made.rows["cn.mobile"].gold, made.rows["cn.mobile"].found) == (1, 1)
    assert made.rows["EMAIL_ADDRESS"].right == 1
    assert (made.rows["cn.qq"].found, made.rows["cn.qq"].right) == (1, 0)
    assert made.misread == Counter({("cn.qq", "cn.mobile"): 1})
    assert (made.rows["cn.landline"].missed, made.rows["email"].missed) == (1, 1)
    assert [(case.name, case.note) for case in made.misses] == [("cn.landline", ""), ("email", "in part")]
    assert made.rows["ip"].spurious == 1
    assert [case.text for case in made.extras] == ["ping |10.20.30.40| now"]
    total = made.total()
    assert (total.gold, total.found, total.spurious) == (5, 3, 1)
    assert (total.recall, total.precision) == (3 / 5, 3 / 4)
    assert total.f2 == pytest.approx(5 * 0.75 * 0.6 / (4 * 0.75 + 0.6))
    assert made.outside == len("10.20.30.40")
    assert made.outside_per_1000 == pytest.approx(1000 * made.outside / made.chars)


def test_signs_within_a_value_need_no_mask() -> None:
    """Brackets and blanks around what says something are not counted as leaked."""
    made = scored(item(f"tel ({PHONE})!", (f"({PHONE})", "phone")))
    assert made.rows["phone"].right == 1


def test_unknown_labels_stand_apart() -> None:
    """A label that nothing looks for is no miss, and what is found in it is not spurious."""
    made = scored(item(f"site {MAIL}", (MAIL, "ORGANIZATION")))
    assert made.strange == Counter(ORGANIZATION=1)
    assert made.total().gold == made.total().spurious == 0
    assert made.outside == 0


@pytest.mark.parametrize(
    ("label", "rule", "right"),
    [
        ("PHONE_NUMBER", "cn.landline", True), ("phone", "cn.mobile", True), ("US_SSN", "us.ssn", True),
        ("GIVENNAME1", "en.name", True), ("CREDIT_CARD", "bank_card", True), ("PASSWORD", "secret.assignment", True),
        ("secret.aws", "secret.google_api_key", True), ("eu.national_id", "eu.de_idnr", True),
        ("DATE_OF_BIRTH", "phone", False),
        ("cn.passport", "us.passport", True), ("email", "cn.name", False), ("Date of Birth", "person.birth_date", True),
    ],
)  # fmt: skip
def test_labels_mean_kinds(label: str, rule: str, right: bool) -> None:
    """A label takes the findings of its kind, and no others."""
    kind = Labels({}, [one.id for one in CATALOGUE]).kind(label)
    assert kind is not None
    assert kind.takes(rule) is right


def test_texts_of_others_are_not_printed(tmp_path: Path) -> None:
    """Of somebody's own file only places are shown, in every form, unless he asks for more."""
    path = written(tmp_path, item(f"Fax 99-77 of {MAIL}", ("99-77", "PHONE_NUMBER")), item("lone \ud800 10.20.30.40"))
    for form in ((), ("--json",), ("--markdown",)):
        result = run(str(path), *form)
        assert result.exit_code == 0, result.output
        assert "99-77" not in result.output
        assert MAIL not in result.output
    assert "|99-77|" in run(str(path), "--show-text").stdout
    assert MAIL in run(str(path), "--show-text", "--json").stdout


def test_json_has_all_figures(tmp_path: Path) -> None:
    """A program reads the same numbers: labels, groups with their aims, misses and what nothing looks for."""
    path = written(tmp_path, item(f"{PHONE} 0571 at noon", (PHONE, "TEL"), ("0571", "TEL"), ("noon", "TIME")))
    (found,) = json.loads(run(str(path), "--json", "--misses", "5").stdout)["sets"]
    assert found["labels"]["TEL"] == {
        "group": "structured", "gold": 2, "found": 1, "missed": 1, "right_kind": 1, "spurious": 0,
        "precision": 1.0, "recall": 0.5, "f2": 0.5556,
    }  # fmt: skip
    assert found["groups"]["structured"]["aim"] == {"recall": 0.97, "precision": 0.95}
    assert found["not_looked_for"] == {"TIME": 1}
    assert [(case["name"], case["start"], case["end"]) for case in found["missed"]] == [("TEL", 12, 16)]
    assert found["aims_missed"] == ["structured: recall 0.500, the aim is 0.97"]


def test_check_fails_where_an_aim_is_missed(tmp_path: Path) -> None:
    """A script learns by the exit status whether the aims are reached."""
    good = written(tmp_path, item(PHONE, (PHONE, "phone")))
    assert run(str(good), "--check").exit_code == 0
    bad = written(tmp_path, item("0571", ("0571", "phone")))
    result = run(str(bad), "--check")
    assert result.exit_code == 2
    assert "recall 0.000, the aim is 0.97" in result.stderr
    assert run(str(bad)).exit_code == 0


def test_labels_of_ones_own(tmp_path: Path) -> None:
    """A map says what a set's labels mean: ids, globs of them, or labels that are known."""
    path = written(tmp_path, item(f"{PHONE} {MAIL}", (PHONE, "HANDY"), (MAIL, "POST")))
    labels = tmp_path / "map.yaml"
    labels.write_text("HANDY: [cn.*]\nPOST: EMAIL_ADDRESS\n")
    (found,) = json.loads(run(str(path), "--json", "--labels", str(labels)).stdout)["sets"]
    assert found["not_looked_for"] == {}
    assert {name: one["right_kind"] for name, one in found["labels"].items()} == {"HANDY": 1, "POST": 1}


def test_chosen_detectors_are_asked_for_theirs_only(tmp_path: Path) -> None:
    """With `--detect`, a label that none of the chosen finds is not counted as missed."""
    path = written(tmp_path, item(f"{PHONE} {MAIL}", (PHONE, "cn.mobile"), (MAIL, "email")))
    (found,) = json.loads(run(str(path), "--json", "--detect", "email").stdout)["sets"]
    assert list(found["labels"]) == ["email"]
    assert found["not_looked_for"] == {"cn.mobile": 1}
    assert run(str(path), "--detect", "nothing.*").exit_code == 1


def test_other_units_are_noticed(tmp_path: Path) -> None:
    """A set that counts in bytes or UTF-16 units is scored, and said to be odd."""
    odd = {"text": f"🙏 {MAIL}", "spans": [{"start": 3, "end": 3 + len(MAIL) - 1, "label": "email", "value": MAIL}]}
    result = run(str(written(tmp_path, odd)))
    assert result.exit_code == 0
    assert "bench.other-value: 1 spans" in result.stderr
