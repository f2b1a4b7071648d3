"""The parts of running Envoy that need no Envoy: finding it, its bootstrap, its messages."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap as BootstrapMessage
from envoy.extensions.resource_monitors.downstream_connections.v3 import downstream_connections_pb2
from envoy.extensions.resource_monitors.fixed_heap.v3 import fixed_heap_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from google.protobuf import json_format

from gatewright.base.errors import EngineError
from gatewright.engines.envoy.bootstrap import Bootstrap, bootstrap, bootstrap_json
from gatewright.engines.envoy.on_demand_secret import certificate_selector
from gatewright.engines.envoy.process import (
    StateFolder,
    backoff,
    envoy_binary,
    find_running,
)
from gatewright.engines.envoy.types import CLUSTER, short_name
from gatewright.system.processes import ProcessId, start_time_of

REGISTERED = (fixed_heap_pb2, downstream_connections_pb2, http_protocol_options_pb2)
"""The messages that the bootstrap's JSON names have to be imported to be read."""

OPTIONS = Bootstrap(node_id="edge", xds_socket="/run/x/xds.sock", admin_socket="/run/x/admin.sock")


def test_back_off_doubles_up_to_a_bound() -> None:
    assert [backoff(failures) for failures in (1, 2, 3, 50)] == [0.1, 0.2, 0.4, 10.0]


def test_the_binary_is_found_beside_the_protos_of_the_same_package() -> None:
    assert os.access(envoy_binary(), os.X_OK)


def test_a_process_that_is_not_our_envoy_is_not_taken_over(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    assert find_running(folder) is None
    start = start_time_of(os.getpid())
    assert start is not None
    folder.pid.write_bytes(msgspec.json.encode(ProcessId(os.getpid(), start)))
    assert find_running(folder) is None, "its command line does not name our bootstrap"
    folder.pid.write_bytes(b"{garbage")
    assert find_running(folder) is None


def test_a_state_folder_too_deep_for_sockets_is_refused_plainly(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="choose a shorter state folder"):
        StateFolder(tmp_path / ("x" * 100)).prepare()


def test_the_bootstrap_is_one_that_the_api_knows() -> None:
    message = json_format.Parse(bootstrap_json(OPTIONS), BootstrapMessage())
    assert message.node.id == "edge"
    assert message.admin.address.pipe.mode == 0o600
    assert message.dynamic_resources.ads_config.api_type == message.dynamic_resources.ads_config.DELTA_GRPC


def test_every_listening_address_of_the_bootstrap_is_a_unix_socket() -> None:
    assert b"socket_address" not in bootstrap_json(OPTIONS)
    assert set(bootstrap(OPTIONS)["admin"]["address"]) == {"pipe"}


def test_the_certificate_selector_names_envoys_messages() -> None:
    selector = certificate_selector("default")
    assert selector.typed_config.type_url.endswith("cert_selectors.on_demand_secret.v3.Config")
    assert b"cert_mappers.sni.v3.SNI" in selector.typed_config.value
    assert selector == certificate_selector("default")


def test_short_names_label_metrics() -> None:
    assert short_name(CLUSTER) == "Cluster"
