"""The latest table in benchmarks/README.md: one section for each program, between markers, with machine and date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.support import Row, machine

README = Path(__file__).parent / "README.md"


def line(row: Row) -> str:
    """A row as it is printed while measuring."""
    ratio = "" if row.ratio is None else f"; {row.ratio:.2f} × {row.against}"
    bar = f" [bar: {row.bar}]" if row.bar else ""
    return f"{row.what}, N = {row.size:,}: {row.figure}{ratio}{bar}"


def keep(name: str, rows: Sequence[Row], path: Path = README) -> None:
    """Put the rows in place of the program's earlier ones."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = path.read_text(encoding="utf-8")
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise RuntimeError(f"{path} has no {begin} … {end}")
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    lines = [begin, f"{date}, {machine()}", "", "| what | N | figure | ratio | bar |", "|---|---:|---|---|---|"]
    lines += [_cells(row) for row in rows]
    path.write_text(before + "\n".join(lines) + "\n" + end + after, encoding="utf-8")


def _cells(row: Row) -> str:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f} × {row.against}"
    cells = (row.what, f"{row.size:,}", row.figure, ratio, row.bar)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
