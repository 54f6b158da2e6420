"""What the order workflow does itself; order.yaml names it as ``warehouse:pack``."""

from __future__ import annotations


def pack(item: str) -> str:
    """Pack what was ordered; this is a sync function, so it runs in a thread."""
    return f"one {item} in a box"
