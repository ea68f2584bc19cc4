"""Errors a person can act on: each says what is wrong, where, and what to do or type next."""

from __future__ import annotations


class OnebreathError(Exception):
    """Base of every error that a door turns into a message and exit code 2, or a 4xx answer."""


class SoundError(OnebreathError):
    """A sound file or device cannot be used."""


class SpeechModelError(OnebreathError):
    """A speech model is missing, unknown or damaged."""


class GrammarError(OnebreathError):
    """A sentence file has a mistake; the message starts with ``file:line``."""


class HomeError(OnebreathError):
    """A home file has a mistake."""


class ConfigurationError(OnebreathError):
    """A configuration file or command-line value has a mistake."""


class StoreError(OnebreathError):
    """The journal cannot be read or written."""
