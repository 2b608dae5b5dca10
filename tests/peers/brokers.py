# SPDX-License-Identifier: Apache-2.0
"""
A broker by its kind, so that one suite runs over all of them. Whatever the kind, it has: start, stop_broker,
start_broker(wait=True), kill_broker, broker_alive and wait_ready; `binder`, the type of binder that a service needs
for it, and `label`, by which that binder calls it; and properties(), with which a service reaches it.
"""

from . import apache, inhouse, kafka, redis

KINDS = {"apache": apache.Apache, "inhouse": inhouse.Broker, "kafka": kafka.Kafka, "redis": redis.Single,
         "redis-sentinel": redis.Sentinel, "redis-cluster": redis.Cluster}


def create(kind, **options):
    return KINDS[kind](**options)


def place(broker):
    """What clients of this kind of broker are told: a name server, or the addresses of its nodes."""
    return getattr(broker, "name_server", None) or broker.address
