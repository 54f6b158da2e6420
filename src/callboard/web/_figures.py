"""Figures about requests and the engine, in the text format that Prometheus reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from ..storage import RunQuery

if TYPE_CHECKING:
    from ..engine import Engine
    from ._endpoint import Endpoint

MEDIA: Final = "text/plain; version=0.0.4; charset=utf-8"

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Figures:
    """Counts requests and how long they took."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: Counter[tuple[str, float]] = Counter()
        self._seconds: Counter[str] = Counter()
        self._count: Counter[str] = Counter()

    def count(self, endpoint: Endpoint, status: int, seconds: float) -> None:
        """Count one request."""
        name = endpoint.name
        self._requests[name, endpoint.method, status] += 1
        self._count[name] += 1
        self._seconds[name] += seconds  # type: ignore[assignment]  # a Counter also adds floats
        for bound in _BUCKETS:
            if seconds <= bound:
                self._buckets[name, bound] += 1

    async def text(self, engine: Engine) -> str:
        """Return all figures."""
        return "\n".join([*await _engine(engine), *self._http(), ""])

    def _http(self) -> Iterator[str]:
        yield from _head("callboard_http_requests_total", "counter", "Requests answered.")
        for (name, method, status), number in sorted(self._requests.items()):
            labels = {"endpoint": name, "method": method, "status": str(status)}
            yield _line("callboard_http_requests_total", number, labels)
        base = "callboard_http_request_seconds"
        yield from _head(base, "histogram", "Seconds until a request was answered.")
        for name, number in sorted(self._count.items()):
            for bound in _BUCKETS:
                labels = {"endpoint": name, "le": f"{bound:g}"}
                yield _line(f"{base}_bucket", self._buckets[name, bound], labels)
            yield _line(f"{base}_bucket", number, {"endpoint": name, "le": "+Inf"})
            yield _line(f"{base}_sum", self._seconds[name], {"endpoint": name})
            yield _line(f"{base}_count", number, {"endpoint": name})


async def _engine(engine: Engine) -> list[str]:
    tree = engine.tree
    found: list[str] = []
    found += _head("callboard_runs", "gauge", "Runs in the store, by state.")
    for state, number in sorted((await engine.store.run_counts(RunQuery())).items()):
        found.append(_line("callboard_runs", number, {"state": str(state)}))
    for name, about, value in (
        ("callboard_runs_live", "Runs that this engine supervises.", len(tree.live)),
        ("callboard_runs_aside", "Runs that were set aside.", len(tree.aside)),
        ("callboard_slots", "Attempts that may run at once.", tree.slots.limit),
        ("callboard_slots_used", "Attempts that run now.", tree.slots.in_use),
        ("callboard_board_offers", "Tasks on the board.", len(tree.board.offers)),
        ("callboard_board_claims", "Tasks that workers hold.", len(tree.board.claims)),
    ):
        found += [*_head(name, "gauge", about), _line(name, value)]
    return found


def _head(name: str, kind: str, about: str) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"


def _line(name: str, value: float, labels: Mapping[str, str] | None = None) -> str:
    told = ",".join(f'{key}="{_escaped(text)}"' for key, text in (labels or {}).items())
    return f"{name}{{{told}}} {value:g}" if told else f"{name} {value:g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
