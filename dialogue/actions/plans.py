"""Cancelling what is planned: the plan lives with the assistant, the effect is reported like any other."""

from __future__ import annotations

from dialogue.actions.step import Call, StepAction


class ActionCancelPlan(StepAction):
    """Reports that the planned changes of ``targets`` will not happen."""

    def name(self) -> str:
        return "action_cancel_plan"

    def act(self, call: Call) -> None:
        for target in call.several("targets"):
            call.do("schedule", {"cancelled": target})
