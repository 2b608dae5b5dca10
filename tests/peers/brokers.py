# SPDX-License-Identifier: Apache-2.0
"""A broker by name, so that a suite runs unchanged over our own and over Apache's."""

from . import apache, inhouse, kafka


def create(kind, **options):
    return {"apache": apache.Apache, "inhouse": inhouse.Broker, "kafka": kafka.Kafka}[kind](**options)


def place(broker):
    """What clients of this kind of broker are told: a name server, or the addresses of its nodes."""
    return getattr(broker, "name_server", None) or broker.address
