"""The steps of the loan process that run in the engine's own process."""

from __future__ import annotations

from typing import Any

SCORE_MIN = 600


def open_application(applicant: str, amount: float) -> dict[str, Any]:
    """Write down who asks for how much."""
    return {"applicant": applicant, "amount": amount}


def send_email(application: dict[str, Any], score: int, assets: str, house: float) -> str:
    """Decide, and return the text of the letter."""
    worth = float(assets) + house
    granted = score >= SCORE_MIN and worth >= application["amount"]
    answer = "We grant you" if granted else "We cannot grant you"
    return f"Dear {application['applicant']}, {answer} the loan of {application['amount']:,.0f}."
