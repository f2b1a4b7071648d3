"""Kinds of Kubernetes itself: the core, workloads, Ingress, NetworkPolicy."""
