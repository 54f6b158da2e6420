"""The speed table: ours beside its limits, in turn, on both backends.

    python benchmarks/run.py [--quick] [--only NAME]... [--markdown FILE]

Prints a line for each row and backend as it is measured.  ``--markdown`` writes the table into a
file, between its marks if it has them; rows that are not measured now stay there as they are.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import (
    bench_actors,
    bench_dag,
    bench_durable,
    bench_growth,
    bench_http,
    bench_processes,
    bench_rest,
    bench_start,
)
from benchmarks._harness import BACKENDS, OURS, Result, Row, amount, machine, measure, sample

ROWS: dict[str, Row] = {
    row.name: row
    for bench in (
        bench_dag,
        bench_durable,
        bench_growth,
        bench_http,
        bench_processes,
        bench_actors,
        bench_rest,
        bench_start,
    )
    for row in bench.ROWS
}
ROWS["dag-million"] = ROWS.pop("dag-million")  # it takes longer than all others together
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
HEADER = """\
| work | on | ours | limits | ours is | must reach | |
|---|---|---|---|---|---|---|
"""


def line(result: Result) -> str:
    """Return a result for people who watch."""
    row, medians = result.row, result.medians
    beside = ", ".join(
        f"{way} {amount(value)} ({ratio(result, way)})"
        for way, value in medians.items()
        if way != OURS
    )
    ours = f"{row.name} {result.size:,} on {result.backend}: {amount(medians[OURS])} {row.unit}"
    notes = "".join(f"\n    {key}: {amount(value)}" for key, value in result.notes.items())
    return f"{ours}{'; ' if beside else ''}{beside}  {verdict(result)}{notes}"


def ratio(result: Result, way: str) -> str:
    """Return ours as a multiple of a limit."""
    return f"{result.medians[OURS] / result.medians[way]:.2f} ×"


def verdict(result: Result) -> str:
    """Say whether the goal is reached."""
    goal = result.row.goal
    if goal is None:
        return ""
    return "reached" if goal.is_reached(result.row, result.medians) else "**short**"


def table_line(result: Result) -> str:
    """Return a result as a line of the table."""
    row, medians = result.row, result.medians
    limits = [way for way in medians if way != OURS]
    notes = "".join(f"; {key} {amount(value)}" for key, value in result.notes.items())
    cells = (
        f"{result.size:,}: {row.title}",
        result.backend if row.backends == BACKENDS else "",
        f"{amount(medians[OURS])} {row.unit}{notes}",
        " · ".join(f"{way} {amount(medians[way])}" for way in limits),
        " · ".join(ratio(result, way) for way in limits),
        "" if row.goal is None else row.goal.text(row),
        verdict(result),
    )
    return f"| {' | '.join(cells)} |\n"


def write_table(path: Path, results: Sequence[Result]) -> None:
    """Write the table into a file; rows that were not measured now stay as they are."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    before, after = "", ""
    lines: dict[tuple[str, str], str] = {}
    if BEGIN in text and END in text:
        before, rest = text.split(BEGIN)
        table, after = rest.split(END)
        lines = {_place(each): each for each in table.splitlines(keepends=True) if _is_row(each)}
        before, after = f"{before}{BEGIN}\n", f"{END}{after}"
    lines.update((_place(each), each) for each in map(table_line, results))
    table = f"{HEADER}{''.join(lines.values())}\n{machine()}\n"
    path.write_text(f"{before}{table}{after}", encoding="utf-8")


def _is_row(line: str) -> bool:
    return line.startswith("| ") and line not in HEADER


def _place(line: str) -> tuple[str, str]:
    """Return what a line of the table is about, whatever the size: its title, and on what."""
    title, backend = line.strip("| \n").split(" | ")[:2]
    return title.partition(": ")[2], backend


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a look: small sizes, one round")
    parser.add_argument("--only", action="append", choices=list(ROWS), help="this row; repeatable")
    parser.add_argument("--backend", action="append", choices=BACKENDS, help="this one alone")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table here")
    parser.add_argument("--sample", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure what was asked for."""
    asked = arguments()
    if asked.sample:
        name, way, backend, size = json.loads(asked.sample)
        figures = sample(ROWS[name], way, backend, size)
        print(json.dumps([figures.value, dict(figures.notes)]))
        return
    results: list[Result] = []
    for row in (ROWS[name] for name in asked.only or ROWS):
        for backend in row.backends:
            if backend in (asked.backend or BACKENDS):
                size, rounds = (row.quick, 1) if asked.quick else (row.size, row.rounds)
                results.append(measure(row, backend, size, rounds))
                print(line(results[-1]), flush=True)
    if asked.markdown is not None:
        write_table(asked.markdown, results)


if __name__ == "__main__":
    main()
