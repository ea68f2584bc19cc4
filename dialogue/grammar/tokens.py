"""Cutting text into tokens, the units that spans are counted in."""

from __future__ import annotations

import re
from typing import NamedTuple

_PIECES = re.compile(
    r"(?P<number>\d+(?:[.,:/]\d+)*)"
    r"|(?P<pause>[,;.!?…。，！？；、]+)"
    r"|(?P<mark>[%°]c?)"
    r"|(?P<possessive>'s\b)"
    r"|(?P<han>[\u3400-\u9fff])"
    r"|(?P<word>[^\W\d_\u3400-\u9fff]+(?:'(?!s\b)[^\W\d_]+)*)"
    r"|(?P<other>[^\s\-_])"
)
_GLUED = {"mark", "possessive", "han"}


class Token(NamedTuple):
    """One token: its folded ``word``, and whether a space came before it.

    ``key`` is both in one: the word, with a leading space where a space came before it. ``pause`` is the weight of
    a break heard or written before the token (a comma counts as 1.0); ``heard_for`` holds keys of words that
    speech recognition may have taken it for.
    """

    text: str
    word: str
    spaced: bool
    key: str
    pause: float = 0.0
    heard_for: tuple[str, ...] = ()


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
        word = piece.casefold()
        tokens.append(Token(piece, word, not glued, word if glued else f" {word}", pause))
        pause, previous_end, previous_kind = 0.0, match.end(), kind
    return tokens
