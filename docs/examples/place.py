#!/usr/bin/env python3
"""Asks a Truce controller for a host, starts nothing there, and gives the reservation back.

  protoc -I proto --python_out=gen --grpc_python_out=gen \\
      --plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin proto/truce/v1/*.proto
  PYTHONPATH=gen docs/examples/place.py truce.example.org:7443 --ca ca.crt --cert scheduler.crt --key scheduler.key

On Debian: apt install python3-grpcio python3-protobuf protobuf-compiler-grpc. Exit codes: 0 done, 1 no host or no answer.
"""
import argparse
import sys
import uuid

import grpc
from truce.v1 import scheduler_pb2, scheduler_pb2_grpc, types_pb2


def channel_of(arguments):
    if arguments.plaintext:
        return grpc.insecure_channel(arguments.server)
    files = [open(name, "rb").read() for name in (arguments.ca, arguments.key, arguments.cert)]
    return grpc.secure_channel(arguments.server, grpc.ssl_channel_credentials(*files))


def main():
    parser = argparse.ArgumentParser(description="Asks a Truce controller for a host.")
    parser.add_argument("server", help="HOST:PORT")
    parser.add_argument("--ca", default="/etc/truce/pki/ca.crt")
    parser.add_argument("--cert", default="/etc/truce/pki/scheduler.crt")
    parser.add_argument("--key", default="/etc/truce/pki/scheduler.key")
    parser.add_argument("--plaintext", action="store_true", help="no TLS; on loopback only")
    arguments = parser.parse_args()
    scheduler = scheduler_pb2_grpc.SchedulerServiceStub(channel_of(arguments))
    request = scheduler_pb2.PlaceRequest(
        workload=scheduler_pb2.WorkloadDescription(
            application="shop-db",
            workload_class=types_pb2.WORKLOAD_CLASS_CRITICAL,
            cpu_cores=1,
            memory_bytes=1 << 30,
            rules=scheduler_pb2.PlacementRules(most_per_host=1),
        ),
        # The same id after a lost connection gets the same answer and reserves nothing twice.
        request_id=str(uuid.uuid4()),
    )
    try:
        placed = scheduler.Place(request, timeout=2)
        print(f"{placed.chosen.host}: {placed.chosen.reason}")
        for other in placed.alternatives:
            print(f"  next {other.host} ({other.score:.1f})")
        # Here a scheduler starts the workload on the host. This one changes its mind.
        scheduler.Release(scheduler_pb2.ReleaseRequest(reservation_id=placed.reservation_id), timeout=2)
    except grpc.RpcError as error:
        # RESOURCE_EXHAUSTED: no host has room, and details() says which comes nearest and what it lacks.
        print(f"{error.code().name}: {error.details()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
