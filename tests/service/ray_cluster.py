"""Ray on this machine, two replicas of the service with the tests' engine, and a door: python -m tests.service.ray_cluster PORT"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

import msgspec
import ray
from ray import serve
from ray.serve.schema import ServeDeploySchema

from deploy.ray.door import serve_door
from deploy.ray.replica import NAME, Plan, deployed, shared_settings
from models.interface import EngineProtocol
from service.settings import Settings
from tests.fakes import FakeEngine

DELAY_S = 0.1
PLAN = Plan(cpus=0.5, gpus=0.5, least=2, most=2, at_once=2, queued_most=8)
"""Two replicas that share a GPU (as Ray counts; there need be none), two requests in each, and eight that wait."""
CONFIGURATION = Path(__file__).parents[2] / "deploy" / "ray" / "serve.yaml"
STORE_BYTES = 100_000_000


def engine(_: Settings) -> EngineProtocol[Any, Any]:
    """Readiness tells the device: here, which process it is."""
    return FakeEngine(delay_s=DELAY_S, device=f"process {os.getpid()}")


def main() -> None:
    settings = shared_settings()
    (shipped,) = ServeDeploySchema(**msgspec.yaml.decode(CONFIGURATION.read_bytes())).applications
    msgspec.convert(shipped.args, Plan)
    ray.init(num_cpus=1, num_gpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=STORE_BYTES)
    serve.start(proxy_location="Disabled")
    serve.run(deployed(PLAN, engine), name=NAME, route_prefix=None)
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
        serve_door(listener, settings)
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
