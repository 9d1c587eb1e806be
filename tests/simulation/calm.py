"""Plans without what is known to break promises (`test_found`)."""

from __future__ import annotations

from everywire.simulation.plan import Plan


def calm(plan: Plan) -> Plan:
    """The plan as it is; a place to leave acts out while a fault that was found is open."""
    return plan.only([step for step in plan.steps if step.act != "deliver_fails"])
