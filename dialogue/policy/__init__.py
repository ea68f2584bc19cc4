"""Deciding: requests, and answers to open questions, become steps and changes of earlier steps."""

from dialogue.policy.plan import RulePolicy

__all__ = ["RulePolicy"]
