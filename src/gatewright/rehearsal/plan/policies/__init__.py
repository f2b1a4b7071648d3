"""Network policies as nftables in the pods' own spaces: who is meant by labels and addresses, from the policies alone.

    ingress ──► input       established, the node itself ► denials ► permissions ► refused, where a policy isolates
    egress  ──► output      established, names           ► denials ► permissions ► refused, where a policy isolates

Members of the world are told apart by the addresses that they have in it, which is what network plugins do in the end.
What a packet filter cannot see (Cilium's rules for HTTP requests) is let through whole, and said in a note; host
policies are not enforced, and said.  Looking up names is always allowed: nobody's model says otherwise.  Counterpart:
`graph.network.policies`, which judges the same policies by parties and never sees an address of this world.
"""

from gatewright.rehearsal.plan.policies.chains import plan

__all__ = ["plan"]
