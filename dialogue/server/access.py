"""Who may come in: names of this machine, tokens with a prefix of conversations each, and how often.

Nothing here keeps a token itself: only digests are compared, all of them, in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import stat
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dialogue.errors import ConfigurationError
from dialogue.server.limits import Limits
from dialogue.server.refusals import RefusedError

SHORTEST_TOKEN = 16
_PREFIX = re.compile(r"[A-Za-z0-9._@-]{0,100}")


@dataclass(frozen=True, slots=True)
class Token:
    """A secret that opens the conversations whose names begin with ``prefix``."""

    digest: bytes
    prefix: str = ""


@dataclass(slots=True)
class Visitor:
    """Whoever shows one token, or anybody on this machine where none is asked for."""

    prefix: str = ""
    left: float = 0.0
    seen: float = 0.0

    def may_use(self, conversation: str) -> bool:
        return conversation.startswith(self.prefix)


def read_tokens(path: Path) -> tuple[Token, ...]:
    """The tokens of a file: one a line, after it the prefix of the conversations it opens (none: all).

    Raises:
        ConfigurationError: the file cannot be read, others may read it, or a line is no token.
    """
    try:
        if sys.platform != "win32" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigurationError(f"{path}: other users may read the tokens; chmod 600 {path}")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path}: the tokens cannot be read ({error}); name a readable text file"
        ) from None
    numbered = [
        (number, line.split()) for number, line in enumerate(lines, 1) if not line.lstrip().startswith("#")
    ]
    found = tuple(_token(words, f"{path}:{number}") for number, words in numbered if words)
    if not found:
        raise ConfigurationError(
            f"{path}: holds no token; write one a line, such as the output of: openssl rand -hex 24"
        )
    return found


def _token(words: list[str], place: str) -> Token:
    secret, prefix = words[0], words[1] if len(words) > 1 else ""
    if len(words) > 2 or not _PREFIX.fullmatch(prefix):
        raise ConfigurationError(f"{place}: not a token and a prefix; write, for example: TOKEN kitchen-")
    if len(secret) < SHORTEST_TOKEN or not secret.isascii():
        raise ConfigurationError(
            f"{place}: the token is shorter than {SHORTEST_TOKEN} characters; make one with: openssl rand -hex 24"
        )
    return Token(_digest(secret), prefix)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


@dataclass(slots=True)
class Gate:
    """Lets requests in. ``names`` are those the server may be addressed as; none means any."""

    tokens: tuple[Token, ...] = ()
    names: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    now: Callable[[], float] = time.monotonic
    _visitors: dict[bytes, Visitor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for token in self.tokens:
            self._visitors[token.digest] = Visitor(token.prefix, 2 * self.limits.rate, self.now())
        if not self.tokens:
            self._visitors[b""] = Visitor()

    def enter(
        self,
        headers: Mapping[str, str],
    ) -> Visitor:
        """The visitor that sends these headers.

        Raises:
            RefusedError: another name or page (403), no known token (401), or too often (429).
        """
        self.need_name(headers)
        _need_own_page(headers)
        visitor = self._known(headers)
        if self.tokens:
            self._count(visitor)
        return visitor

    def need_name(self, headers: Mapping[str, str]) -> None:
        """Refuse a name that a web page may have made to point here (DNS rebinding)."""
        name = re.sub(r":\d+$", "", headers.get("host", "")).lower()
        if self.names and name not in self.names:
            how = f"address it as {min(self.names)}"
            raise RefusedError(403, f"this server is not {name!r}", "header host", how)

    def _known(self, headers: Mapping[str, str]) -> Visitor:
        if not self.tokens:
            return self._visitors[b""]
        kind, _, shown = headers.get("authorization", "").partition(" ")
        given = _digest(shown.strip() if kind.lower() == "bearer" else "")
        found = [token for token in self.tokens if hmac.compare_digest(token.digest, given)]
        if not found:
            raise RefusedError(
                401,
                "this server wants a token" if not shown else "this token is not known here",
                "header authorization",
                "send the header Authorization: Bearer TOKEN with one from the server's token file",
                {"www-authenticate": "Bearer"},
            )
        return self._visitors[found[0].digest]

    def _count(self, visitor: Visitor) -> None:
        now, rate = self.now(), self.limits.rate
        visitor.left = min(2 * rate, visitor.left + (now - visitor.seen) * rate)
        visitor.seen = now
        if visitor.left < 1:
            raise RefusedError(
                429,
                f"more than {rate:g} requests a second with this token",
                "header authorization",
                "wait a second, then send fewer at a time",
                {"retry-after": "1"},
            )
        visitor.left -= 1


def need_conversation(visitor: Visitor, conversation: str) -> None:
    """Refuse (403) a conversation that the visitor's token does not open."""
    if not visitor.may_use(conversation):
        how = f"use one whose name begins with {visitor.prefix!r}"
        raise RefusedError(403, "this token does not open that conversation", "path, id", how)


def _need_own_page(headers: Mapping[str, str]) -> None:
    """Refuse what a page of another site sends: browsers ask before some requests only, and never for sockets."""
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != headers.get("host", ""):
        how = "send it from a program, or from a page of this server"
        raise RefusedError(403, "pages of other sites are not served", "header origin", how)
