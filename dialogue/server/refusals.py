"""Requests that are answered with an error: what is wrong, where, and how to mend it."""

from __future__ import annotations

import logging

from dialogue.errors import OnebreathError, SoundError, StoreError

_LOG = logging.getLogger("onebreath")


class RefusedError(Exception):
    """A request that is answered with an error: its status, and what, where and how.

    ``headers`` go with the answer, such as when to try again.
    """

    def __init__(
        self, status: int, what: str, where: str, how: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(what)
        self.status = status
        self.problem = {"what": what, "where": where, "how": how}
        self.headers = headers or {}


def refused(error: Exception, place: str) -> RefusedError:
    """Any error as the refusal to answer with; what only the server's owner can mend is logged.

    The words of an unforeseen error may hold what a user said: they are logged at the lowest level only.
    """
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, OnebreathError):
        return _told(error)
    _LOG.error("a request to %s could not be served: %s", place, type(error).__name__)
    _LOG.debug("the request could not be served", exc_info=error)
    return RefusedError(500, "the server broke on this request", place, "please report it")


def _told(error: OnebreathError) -> RefusedError:
    """An error of a step: the message is written as "where: what; how"."""
    where, _, rest = str(error).partition(": ")
    what, _, how = rest.partition("; ")
    if isinstance(error, SoundError):
        return RefusedError(422, what or str(error), where, how or "send a WAV file")
    _LOG.error("%s", error)
    if isinstance(error, StoreError):
        return RefusedError(503, "the journal cannot be used", "server", "try again; the server's log says more")
    return RefusedError(500, "the server is not set up right", "server", "look into the server's log")
