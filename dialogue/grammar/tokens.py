"""Cutting text into tokens, the units that spans are counted in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Letters of scripts without spaces between words (Thai, Lao, Burmese, Khmer, kana, Han): a token each."""
_INDIC = "".join(
    rf"\u{block:04x}-\u{block + 0x63:04x}\u{block + 0x70:04x}-\u{block + 0x7F:04x}"
    for block in range(0x900, 0xE00, 0x80)
)
_SIGNS = rf"\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed{_INDIC}"
"""Vowel signs and accents that are characters of their own inside a word."""
_LETTER = rf"(?:[^\W\d_{_UNSPACED}]|[{_SIGNS}])"
ONE_TOKEN = re.compile(rf"{_LETTER}+(?:'{_LETTER}*)*|\d[\d.,:/]*")
"""What the beginning of a word or number looks like."""
_PIECES = (
    r"(?P<number>\d+(?:[.,:/]\d+)*)"
    r"|(?P<pause>[,;.!?…。，！？；、¿¡؟،।]+)"
    r"|(?P<mark>[%°]c?)"
    r"|{words}"
    rf"|(?P<unspaced>[{_UNSPACED}])"
    r"|(?P<other>[^\s\-_\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufe0f\ufeff])"
)
_WHOLE = re.compile(_PIECES.format(words=rf"(?P<possessive>'s\b)|(?P<word>{_LETTER}+(?:'(?!s\b){_LETTER}+)*)"))
_ELIDED = re.compile(_PIECES.format(words=rf"(?P<word>{_LETTER}+'?)"))
_GLUED = {"mark", "possessive", "unspaced"}


@dataclass(frozen=True, slots=True)
class Writing:
    """How a language writes its words; sentence files say it under ``settings``.

    ``elision``: an apostrophe ends a word that leans on the next one ("l'entrée"). ``endings`` are cut off the
    words they end, so that open text may stand before them ("Nudeltimer"). ``unspaced``: spaces mean nothing
    beside letters of a script without spaces.
    """

    elision: bool = False
    endings: tuple[str, ...] = ()
    unspaced: bool = False


class Token(NamedTuple):
    """One token: its folded ``word``, and whether a space came before it.

    ``key`` is both in one: the word, with a leading space where a space came before it. ``pause`` is the weight of
    a break heard or written before the token (a comma counts as 1.0); ``heard_for`` holds keys of words that
    speech recognition may have taken it for; ``start`` and ``end`` are its characters in the `folded` text.
    """

    text: str
    word: str
    spaced: bool
    key: str
    pause: float = 0.0
    heard_for: tuple[str, ...] = ()
    start: int = 0
    end: int = 0


PLAIN = Writing()
_FOLDED = str.maketrans({"\u2019": "'", "\u2044": "/", "\u00ad": "", "\u200b": ""})
"""The apostrophe and the stroke of ½ in one form; soft hyphens and spaces of no width left out."""


def tokenize(text: str, writing: Writing = PLAIN) -> list[Token]:
    """Cut text of any script into tokens; punctuation becomes pauses, hyphens become spaces."""
    tokens: list[Token] = []
    pause = 0.0
    previous_end = -1
    previous_kind = ""
    plain = writing == PLAIN
    for match in (_ELIDED if writing.elision else _WHOLE).finditer(folded(text)):
        kind = match.lastgroup or "other"
        if kind == "pause":
            pause = 1.0
            continue
        glued = kind in _GLUED or (match.start() == previous_end and previous_kind in ("number", "unspaced"))
        piece = match.group()
        if not plain:
            glued = glued or _leans(tokens, pause, previous_kind, writing)
            for beginning in _cut_off(piece, writing.endings):
                cut = match.start() + len(beginning)
                tokens.append(_token(beginning, glued, pause, match.start(), cut))
                piece, pause, glued = piece[len(beginning) :], 0.0, True
        tokens.append(_token(piece, glued, pause, match.end() - len(piece), match.end()))
        pause, previous_end, previous_kind = 0.0, match.end(), kind
    return tokens


def _token(piece: str, glued: bool, pause: float, start: int, end: int) -> Token:
    word = piece.casefold()
    return Token(piece, word, not glued, word if glued else f" {word}", pause, (), start, end)


def folded(text: str) -> str:
    """Text with one form for each character: full-width digits, composed letters, apostrophes, ½ as 1/2."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", text.replace("…", ".")).translate(_FOLDED)


def _leans(tokens: list[Token], pause: float, previous_kind: str, writing: Writing) -> bool:
    """Whether the next token belongs to the one before, spaces or not."""
    if not tokens or pause:
        return False
    if writing.elision and tokens[-1].text.endswith("'"):
        return True
    return writing.unspaced and previous_kind == "unspaced"


def _cut_off(word: str, endings: tuple[str, ...]) -> Iterator[str]:
    """The beginning of a word before the ending that is cut off it, if one is."""
    folded = word.casefold()
    ending = next((one for one in endings if len(word) > len(one) and folded.endswith(one)), "")
    if ending:
        yield word[: -len(ending)]
