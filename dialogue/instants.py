"""Points in time behind the clock on the wall, which shows one hour twice in autumn and leaves one out in spring.

Times are local and without a zone throughout; ``fold`` (PEP 495) tells the second showing of an hour from the
first. A time that spring leaves out is the one as long after midnight: 2:30 then comes when clocks show 3:30.
"""

from __future__ import annotations

from datetime import datetime, timedelta


def instant(moment: datetime) -> float:
    """Seconds since 1970 at which the clock on the wall shows ``moment``; without a zone, it is local time."""
    try:
        return moment.timestamp()
    except (OverflowError, ValueError, OSError):  # beyond what the system's zone tables cover
        return (moment.replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds()


def later(moment: datetime, seconds: float) -> datetime:
    """What the clock on the wall shows when so many seconds have passed since ``moment``."""
    plain = moment + timedelta(seconds=seconds)
    if moment.tzinfo is not None:
        return plain
    passed = instant(plain) - instant(moment)
    if abs(passed - seconds) < 1 and not moment.fold:
        return plain  # no change of the clocks between them
    try:
        return datetime.fromtimestamp(instant(moment) + seconds)
    except (OverflowError, ValueError, OSError):
        return plain


def written(moment: datetime) -> str:
    """``moment`` in ISO 8601; with its offset from UTC where it is the second showing of its hour."""
    return moment.astimezone().isoformat() if moment.fold and moment.tzinfo is None else moment.isoformat()
