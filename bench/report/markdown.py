"""A run as Markdown, in GitHub's dialect: for a file, an issue or a pull request."""

from __future__ import annotations

import re

from ..results import Results
from ..totals import totals
from . import tables
from .tables import Cell, Table

# Underscores inside words are left alone, as GitHub's dialect does: names of layers are full of them.
_SPECIAL = re.compile(r"([\\`*\[\]|~#]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z]))")


def render(results: Results) -> str:
    sums = totals(results)
    notes = tables.notes(results)
    parts = ["# tapwise bench"]
    if notes:
        parts.append("\n".join(f"- **{escape(note)}**" for note in notes))
    parts += [_section(t) for t in (tables.totals(sums), tables.each_peer(sums), tables.networks(sums))]
    rows = [_section(t, 3) for t in tables.rows(results)]
    if rows:
        parts += ["## Rows", escape(tables.LEGEND) + " Ratios below 1 are bold.", *rows]
    parts += [_section(of(results)) for of in (tables.peers, tables.machine, tables.peaks, tables.run)]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(of: Table) -> str:
    """The table alone, without its title."""
    head = "| " + " | ".join(escape(column.head) or " " for column in of.columns) + " |"
    rule = "| " + " | ".join("---:" if column.number else "---" for column in of.columns) + " |"
    return "\n".join([head, rule, *("| " + " | ".join(map(_cell, row)) + " |" for row in of.rows)])


def escape(text: str) -> str:
    """Text that shows as it is, on one line, in a paragraph or a cell."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", text)


def _section(of: Table, level: int = 2) -> str:
    if not of.rows:
        return ""
    parts = [f"{'#' * level} {escape(of.title)}", table(of), escape(of.note)]
    return "\n\n".join(part for part in parts if part)


def _cell(cell: Cell) -> str:
    if cell.code and not re.search(r"[`|\\]", cell.text):
        return f"`{' '.join(cell.text.split())}`"
    text = escape(cell.text)
    return f"**{text}**" if cell.mark in ("below", "bad") and text else text
