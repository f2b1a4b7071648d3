"""The rules, in the order in which `gatewright explain` lists them.  One file each; this tuple is the only register."""

from __future__ import annotations

from gatewright.check.rule import Rule
from gatewright.check.rules import (
    address_unavailable,
    annotation_unknown,
    annotation_unsupported,
    assumption,
    certificate_missing,
    cidr_overlap,
    configuration_file,
    dataplane_limits,
    duplicate_object,
    external_name_refused,
    file_not_manifests,
    filter_changes,
    filter_unusable,
    host_port_surge,
    invalid_document,
    kustomization_not_followed,
    listener_conflict,
    no_effect,
    not_in_effect,
    pool_overlap,
    pool_sizes_differ,
    route_conflict,
    route_not_attached,
    split_view_one_family,
    traefik_rule,
    unreadable_file,
    unresolved_variable,
    unsupported,
)

RULES: tuple[Rule, ...] = (
    # addresses
    cidr_overlap.RULE,
    pool_overlap.RULE,
    pool_sizes_differ.RULE,
    # names
    split_view_one_family.RULE,
    # workloads
    host_port_surge.RULE,
    # documents
    address_unavailable.RULE,
    annotation_unknown.RULE,
    annotation_unsupported.RULE,
    assumption.RULE,
    certificate_missing.RULE,
    configuration_file.RULE,
    dataplane_limits.RULE,
    duplicate_object.RULE,
    external_name_refused.RULE,
    file_not_manifests.RULE,
    filter_changes.RULE,
    filter_unusable.RULE,
    invalid_document.RULE,
    kustomization_not_followed.RULE,
    listener_conflict.RULE,
    no_effect.RULE,
    not_in_effect.RULE,
    route_conflict.RULE,
    route_not_attached.RULE,
    traefik_rule.RULE,
    unreadable_file.RULE,
    unresolved_variable.RULE,
    unsupported.RULE,
)
