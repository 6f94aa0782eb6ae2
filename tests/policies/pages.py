"""The tables in docs/policies.md and docs/policies/ that are made from the bundles; running this writes them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from yumen import registry
from yumen.policy.bundle import Bundle, Instance, RulePolicy
from yumen.policy.load import load_bundle
from yumen_plugins.anonymize.config import AnonymizeConfig
from yumen_plugins.audit.config import AuditConfig

DOCS = Path(__file__).parents[2] / "docs"
COMMAND = "python -m tests.policies.pages"
BEGIN, END = f"<!-- made by `{COMMAND}` -->\n", "<!-- end of what is made -->\n"
# Which law each bundle is about, in the order of the overview.
ABOUT = {
    "starter": "nothing in particular; to try things out",
    "pipl": "personal information in mainland China",
    "gdpr": "personal data in the European Union",
    "hipaa": "health information in the United States",
    "pci": "payment card data",
}
# Keys and passwords are taken as a whole, by this glob, and stand in one row.
SECRETS = "secret.*"
CITING = tuple(name for name in ABOUT if name != "starter")
ACTIONS = {
    "pseudonym": "replaced by a pseudonym; comes back in the reply",
    "redact": "removed; does not come back",
    "mask": "removed but for the last characters; does not come back",
    "hash": "replaced by a keyed digest; does not come back",
    "block": "the exchange is ended",
    "keep": "reported only",
}
KEPT = {"masked": "masked words", "digest": "keyed digests of words", "none": "no words"}


@cache
def bundle(name: str) -> Bundle:
    """An installed bundle as it is without any variable set. It never changes, and is compiled once for whoever asks."""
    return load_bundle(name, {})


def rules(one: Bundle) -> list[tuple[Instance, RulePolicy | None]]:
    """Every rule in the order of the chain; None stands for an instance that has no rules and works as a whole."""
    out: list[tuple[Instance, RulePolicy | None]] = []
    for instance in one.routes[0].chain:
        out += [(instance, rule) for rule in instance.rules.values()] or [(instance, None)]
    return out


def grouped(one: Bundle) -> list[tuple[str, Instance, RulePolicy | None]]:
    """The rules with the names that people know them by; what is said of all of `secret.*` is said once."""
    found = rules(one)
    said = Counter(rule.description for _, rule in found if rule is not None and rule.id.startswith("secret."))
    out: dict[str, tuple[str, Instance, RulePolicy | None]] = {}
    for instance, rule in found:
        name = instance.name if rule is None else SECRETS if said[rule.description] > 1 else rule.id
        out.setdefault(name, (name, instance, rule))
    return list(out.values())


def table(one: Bundle) -> str:
    """The rules of a bundle, each with what it does and the articles it serves."""
    rows = ["| rule | what it is about | what happens | serves |", "|---|---|---|---|"]
    for name, instance, rule in grouped(one):
        what = "every exchange" if rule is None else rule.description
        cites = instance.cites if rule is None else rule.cites
        rows.append(f"| `{name}` | {what} | {_happens(instance, rule)} | {'<br>'.join(cites)} |")
    return "\n".join(rows) + "\n"


def overview() -> str:
    """All bundles in a table."""
    rows = ["| bundle | about | rules | tests | the ledger keeps |", "|---|---|---|---|---|"]
    for name, about in ABOUT.items():
        one = bundle(name)
        link = f"[`{name}`](policies/{name}.md)" if name in CITING else f"`{name}`"
        count = sum(rule is not None for _, _, rule in grouped(one)) if name in CITING else "all that there are"
        rows.append(f"| {link} | {about} | {count} | {len(one.cases)} | {KEPT[_audit(one).texts]} |")
    return "\n".join(rows) + "\n"


def made(page: str, content: str) -> str:
    """The page with its made part made anew. Error: ValueError where it has none, or more than one."""
    pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
    if len(re.findall(pattern, page, re.DOTALL)) != 1:
        raise ValueError(f"the page needs one part between {BEGIN.strip()} and {END.strip()}")
    return re.sub(pattern, lambda _: f"{BEGIN}\n{content}\n{END}", page, flags=re.DOTALL)


def pages() -> dict[Path, Callable[[], str]]:
    """Each page and what makes a part of it."""
    return {
        DOCS / "policies.md": overview,
        **{DOCS / "policies" / f"{name}.md": partial(_table_of, name) for name in CITING},
    }


def _table_of(name: str) -> str:
    return table(bundle(name))


def _happens(instance: Instance, rule: RulePolicy | None) -> str:
    config: Any = instance.config
    if rule is None:
        return f"recorded; {KEPT[config.texts]}" if isinstance(config, AuditConfig) else "applied"
    if isinstance(config, AnonymizeConfig):
        return ACTIONS[config.action_of(rule.id)]
    return "refused"


def _audit(one: Bundle) -> AuditConfig:
    (config,) = (each.config for each in one.instances.values() if isinstance(each.config, AuditConfig))
    return config


if __name__ == "__main__":
    for path, make in pages().items():
        path.write_text(made(path.read_text(encoding="utf-8"), make()), encoding="utf-8")
        print(f"wrote {path}")
    assert set(ABOUT) == set(registry.names("bundle"))
