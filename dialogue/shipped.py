"""Where the grammars and the home that come with the program are."""

from __future__ import annotations

from pathlib import Path


def shipped_grammars() -> Path:
    """The folder of the shipped grammars: beside the package, under its own name where it is installed."""
    around = Path(__file__).resolve().parents[1]
    installed = around / "onebreath_grammars"
    return installed if installed.is_dir() else around / "grammars"
