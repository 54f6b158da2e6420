"""Writes the table of moves into ``concepts/lifecycle.md``: ``python docs/make_lifecycle.py``.

The page between its marks is drawn from the kernel's own table, so that it cannot be out of date;
a test
compares the two.
"""

from __future__ import annotations

from pathlib import Path

from callboard.workflow import SETTLED, TASK_MOVES, TaskState

PAGE = Path(__file__).parent / "concepts" / "lifecycle.md"
BEGIN, END = "<!-- drawn from the table: begin -->\n", "<!-- drawn from the table: end -->\n"


def drawing() -> str:
    """Return the moves as a Mermaid state diagram and a table."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> pending"]
    lines += [
        f"    {old} --> {new}" for old in TaskState for new in TaskState if new in TASK_MOVES[old]
    ]
    lines += [f"    {state} --> [*]" for state in TaskState if state in SETTLED]
    lines += ["```", "", "| from | to |", "|---|---|"]
    for old in TaskState:
        moves = [str(new) for new in TaskState if new in TASK_MOVES[old]]
        lines.append(f"| {old} | {', '.join(moves) or 'nothing, within this generation'} |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """Return the page with its drawing made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{drawing()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
