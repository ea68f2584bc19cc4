"""Cutting text into tokens, the units that spans are counted in."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PIECES = re.compile(
    r"(?P<number>\d+(?:[.,:/]\d+)*)"
    r"|(?P<pause>[,;.!?…。，！？；、]+)"
    r"|(?P<mark>[%°]c?)"
    r"|(?P<possessive>'s\b)"
    r"|(?P<han>[\u3400-\u9fff])"
    r"|(?P<word>[^\W\d_\u3400-\u9fff]+(?:'(?!s\b)[^\W\d_]+)*)"
    r"|(?P<other>[^\s\-_\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufe0f\ufeff])"
)
_GLUED = {"mark", "possessive", "han"}


@dataclass(frozen=True, slots=True)
class Token:
    """One token. ``key`` is its folded text, with a leading space where a space came before it.

    ``pause`` is the weight of a break heard or written before the token (a comma counts as 1.0);
    ``heard_for`` holds keys of words that speech recognition may have taken it for.
    """

    text: str
    key: str
    pause: float = 0.0
    heard_for: tuple[str, ...] = ()

    @property
    def spaced(self) -> bool:
        return self.key.startswith(" ")


def tokenize(text: str) -> list[Token]:
    """Cut text of any script into tokens; punctuation becomes pauses, hyphens become spaces."""
    tokens: list[Token] = []
    pause = 0.0
    previous_end = -1
    previous_kind = ""
    for match in _PIECES.finditer(text.replace("\u2019", "'")):
        kind = match.lastgroup or "other"
        if kind == "pause":
            pause = 1.0
            continue
        glued = kind in _GLUED or (match.start() == previous_end and previous_kind in ("number", "han"))
        piece = match.group()
        tokens.append(Token(piece, piece.casefold() if glued else f" {piece.casefold()}", pause))
        pause, previous_end, previous_kind = 0.0, match.end(), kind
    return tokens
