"""A run as one HTML page: no scripts, no requests, readable on a phone and in the dark."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path

from .. import stats
from ..results import Results
from ..totals import Group, Total, Totals, grouped, settings, totals
from . import plots, tables
from .tables import Cell, Table

_MACHINE_KEYS = ("cpu", "model", "processor", "name", "host")
_TALL = 30
"""Rows from which on the bars scroll in a box of their own."""


def render(results: Results) -> str:
    of = totals(results)
    body = "\n".join(
        part
        for part in (
            _head(results, of),
            _notes(results),
            _plots(results),
            *(_wide(table) for table in (tables.totals(of), tables.each_peer(of), tables.networks(of))),
            _rows(results),
            _facts(results),
        )
        if part
    )
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>tapwise bench{escape(_after(" ", results.started))}</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def _head(results: Results, of: Totals) -> str:
    facts = " · ".join(fact for fact in (machine_name(results), results.started) if fact)
    tiles = "\n".join(map(_tile, of.directions))
    parts = [f"<h1>tapwise bench</h1>\n<p>{escape(facts)}</p>"]
    parts += [f'<div class="tiles">\n{tiles}\n</div>'] if tiles else []
    return "<header>\n" + "\n".join(parts) + "\n</header>"


def machine_name(results: Results) -> str:
    """What the machine calls its processor, else the first text that it says of itself."""
    said = {key.lower(): value for key, value in results.machine.items() if isinstance(value, str) and value}
    for wanted in _MACHINE_KEYS:
        for key, value in said.items():
            if wanted in key:
                return value
    return next(iter(said.values()), "")


def _tile(total: Total) -> str:
    if math.isnan(total.ratio):
        figure, text = stats.percent(total.share_of_roofline), f"of the roofline, {_counted(total.rows)}; no peer"
    else:
        figure, text = stats.ratio(total.ratio), "as fast as the best peer"
        text += f", {_counted(total.compared)}, {total.below or 'none'} of them below 1.0"
    mark = tables.ratio_cell(total.ratio).mark
    head = f"<h3>{escape(str(total.group))}</h3>"
    return f'<div class="tile">{head}<strong class="{mark}">{figure}</strong><p class="quiet">{text}</p></div>'


def _notes(results: Results) -> str:
    items = "\n".join(f"<li>{escape(note)}</li>" for note in tables.notes(results))
    return f'<ul class="notes">\n{items}\n</ul>' if items else ""


def _plots(results: Results) -> str:
    figures = []
    roofline = plots.roofline(results, "roofline")
    if roofline:
        figures.append(_figure("Roofline", roofline, "Each point is a row, the lines are what this machine can do."))
    scaling = plots.scaling(results, "scaling")
    if scaling:
        caption = "Thin lines are rows, thick ones the geometric mean of a direction."
        figures.append(_figure("Threads", scaling, caption))
    setting = settings(results.rows)
    groups = grouped(results.rows, lambda row: str(Group(row.direction, "", setting(row))))
    for place, (title, rows) in enumerate(groups.items()):
        bars = plots.ratios(rows, f"ratios{place}")
        if bars:
            without = sum(math.isnan(row.ratio) for row in rows)
            caption = "Bars to the right of 1x: faster than every peer."
            caption += f" {_counted(without)} without a ratio." if without else ""
            figures.append(_figure(f"Ratio, {title}", bars, caption, tall=len(rows) > _TALL))
    return '<h2>Plots</h2>\n<div class="plots">\n' + "\n".join(figures) + "\n</div>" if figures else ""


def _figure(title: str, svg: str, caption: str, tall: bool = False) -> str:
    box = f'<div class="tall" tabindex="0" role="region" aria-label="{escape(title)}">{svg}</div>' if tall else svg
    return f"<figure>\n<h3>{escape(title)}</h3>\n{box}\n<figcaption>{escape(caption)}</figcaption>\n</figure>"


def _rows(results: Results) -> str:
    found = tables.rows(results)
    if not found:
        return ""
    return "\n".join([*map(_wide, found), f'<p class="quiet">{escape(tables.LEGEND)}</p>'])


def _facts(results: Results) -> str:
    sections = [
        _section(table, "facts" if table.columns[0].head == "" else "")
        for table in (tables.peers(results), tables.machine(results), tables.peaks(results), tables.run(results))
    ]
    return '<div class="pair">\n' + "\n".join(filter(None, sections)) + "\n</div>"


def _wide(table: Table) -> str:
    return _section(table, "wide")


def _section(table: Table, kind: str) -> str:
    if not table.rows:
        return ""
    title = escape(table.title)
    heads = "".join(f"<th{_class('number' if c.number else '')}>{escape(c.head)}</th>" for c in table.columns)
    head = f"<thead><tr>{heads}</tr></thead>\n" if any(column.head for column in table.columns) else ""
    body = "\n".join(
        "<tr>" + "".join(_cell(cell, column.number) for cell, column in zip(row, table.columns, strict=True)) + "</tr>"
        for row in table.rows
    )
    note = f'<p class="quiet">{escape(table.note)}</p>\n' if table.note else ""
    return (
        f'<section>\n<h2>{title}</h2>\n{note}<div class="scroll" tabindex="0" role="region" aria-label="{title}">\n'
        f"<table{_class(kind)}>\n{head}<tbody>\n{body}\n</tbody>\n</table>\n</div>\n</section>"
    )


def _cell(cell: Cell, number: bool) -> str:
    text = f"<code>{escape(cell.text)}</code>" if cell.code else escape(cell.text)
    hint = f' title="{escape(cell.hint)}"' if cell.hint else ""
    return f"<td{_class(' '.join(filter(None, ('number' if number else '', cell.mark))))}{hint}>{text}</td>"


def _class(names: str) -> str:
    return f' class="{names}"' if names else ""


def _counted(rows: int) -> str:
    return f"{rows} row{'s' * (rows != 1)}"


def _after(gap: str, text: str) -> str:
    return gap + text if text else ""
