"""onebreath: an offline dialogue manager that does all of what was said in one breath."""

__version__ = "0.1.0"
