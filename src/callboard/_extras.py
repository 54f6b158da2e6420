"""What is said where an extra of callboard is not installed, the same everywhere."""

from __future__ import annotations

from .workflow import UsageError


def how_to_install(extra: str) -> str:
    """Return the command that brings an extra; no package index has callboard yet."""
    return f"pip install '.[{extra}]' in a clone of callboard"


def lacks_extra(lacking: ModuleNotFoundError, extra: str) -> UsageError:
    """Return the error that a package of an extra is not there."""
    package = str(lacking.name).partition(".")[0]
    return UsageError(f"{package} is not installed: {how_to_install(extra)}")
