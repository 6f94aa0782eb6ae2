"""How a report looks, on a screen and on paper (A4). No colour says anything that words do not say as well."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light; --line: #c9ced6; --soft: #f4f6f8; --text: #1a2027; --red: #a4111b; --blue: #1f4e8c; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.5rem; color: var(--text); background: #fff;
  font: 15px/1.5 system-ui, "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; border-bottom: 2px solid var(--line); padding-bottom: .2rem; }
h3 { font-size: 1.02rem; margin: 1.4rem 0 .3rem; }
p, ul { margin: .35rem 0; }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .88em; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .8rem 0; }
dt { color: #4a5563; } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: .8rem 0 1.2rem; font-size: .9rem; }
caption { text-align: left; font-weight: 600; padding: .2rem 0; }
th, td { text-align: left; vertical-align: top; padding: .28rem .5rem; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
thead th { background: var(--soft); overflow-wrap: normal; } tbody th { font-weight: 500; min-width: 8.5rem; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.none { color: #4a5563; font-style: italic; }
.official { color: #4a5563; }
.note { color: #4a5563; }
.state { font-weight: 600; white-space: nowrap; } .look { color: var(--red); }
.wrong { border: 3px solid var(--red); color: var(--red); padding: .6rem 1rem; margin: 1rem 0; }
.holds { border: 2px solid var(--line); padding: .6rem 1rem; margin: 1rem 0; background: var(--soft); }
.bar { fill: var(--blue); } svg { background: var(--soft); vertical-align: middle; }
@page { size: A4; margin: 20mm 15mm 18mm; @bottom-right { content: counter(page) " / " counter(pages); font-size: 8pt; } }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2, h3, caption { break-after: avoid; } tr, section.control, .wrong, .holds { break-inside: avoid; }
  thead { display: table-header-group; } h2.page { break-before: page; }
  .bar { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def with_running_head(text: str) -> str:
    """The style, with a line at the top of every printed page.

    The line stands in a style sheet, where escaping is another matter than in HTML, so whatever is no plain letter, digit or
    one of ` -:.` becomes a `?`.
    """
    plain = "".join(one if one.isascii() and (one.isalnum() or one in " -:.") else "?" for one in text)
    return STYLE + f'@page {{ @top-left {{ content: "{plain}"; font-size: 8pt; }} }}\n'
