"""Kinds of what runs in clusters: cert-manager, external-dns, MetalLB, Cilium, hosted control planes."""
