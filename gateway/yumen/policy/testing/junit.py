"""A report in the form that CI systems read."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from yumen.policy.testing.report import Report, Result

# What XML 1.0 cannot hold, not even as a reference.
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> bytes:
    """One suite per file. A case with `todo:` is a skipped one, whatever came of it."""
    root = ElementTree.Element("testsuites", _counts(report.bundle, report.cases))
    for file in dict.fromkeys(case.file for case in report.cases):
        cases = [case for case in report.cases if case.file == file]
        suite = ElementTree.SubElement(root, "testsuite", _counts(file, cases))
        for case in cases:
            _add(suite, case)
    ElementTree.indent(root)
    text: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _add(suite: ElementTree.Element, case: Result) -> None:
    element = ElementTree.SubElement(
        suite,
        "testcase",
        name=clean(case.name),
        classname=clean(case.owner or case.file),
        file=clean(case.file),
        line=str(case.line),
        time=f"{case.seconds:.6f}",
    )
    if case.todo:
        ElementTree.SubElement(element, "skipped", message=clean(case.todo))
    elif case.status == "failed":
        lines = [f"{case.place}: {condition}" for condition in case.conditions]
        for condition in case.conditions:
            if condition.expected or condition.actual:
                lines += [
                    f"  {condition.name}",
                    f"    expected: {condition.expected}",
                    f"    actual:   {condition.actual}",
                ]
        failure = ElementTree.SubElement(element, "failure", message=clean(str(case.conditions[0])))
        failure.text = clean("\n".join(lines))


def _counts(name: str, cases: list[Result]) -> dict[str, str]:
    return {
        "name": clean(name),
        "tests": str(len(cases)),
        "failures": str(sum(case.status == "failed" for case in cases)),
        "skipped": str(sum(bool(case.todo) for case in cases)),
        "time": f"{sum(case.seconds for case in cases):.6f}",
    }


def clean(text: str) -> str:
    """A text as XML can hold it."""
    return FORBIDDEN.sub("\ufffd", text)
