"""Clusters: pods and what they serve (`plan`), then how nodes reach each other's pods and Services (`finish`).

`finish` comes after everybody who adds pods (`pods.add`): doors, edges.  Counterparts: `plan.doors`, whose gateways are
pods too; `plan.policies`, which comes last.
"""

from gatewright.rehearsal.plan.clusters.finish import finish
from gatewright.rehearsal.plan.clusters.pods import NewPod, plan
from gatewright.rehearsal.plan.clusters.pods import add as add_pod

__all__ = ["NewPod", "add_pod", "finish", "plan"]
