"""What the server counts, in the text format of Prometheus. No label holds a word that anybody said."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

__all__ = ["CONTENT_TYPE", "Metrics"]


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "onebreath_requests", "Requests answered.", ["route", "status"], registry=self._registry
        )
        self._turns = Counter("onebreath_turns", "Turns served.", ["heard"], registry=self._registry)
        self._steps = Counter(
            "onebreath_steps", "Steps of turns, by what came of them.", ["status"], registry=self._registry
        )
        self._seconds = Histogram(
            "onebreath_request_seconds", "Time to answer.", ["route"], buckets=_SECONDS, registry=self._registry
        )

    def answered(self, route: str, status: int, seconds: float) -> None:
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def turn(self, heard: str, steps: Iterable[str]) -> None:
        """Count a turn, ``heard`` as text or sound, and its steps by status."""
        self._turns.labels(heard).inc()
        for status in steps:
            self._steps.labels(status).inc()

    def text(self) -> bytes:
        return generate_latest(self._registry)
