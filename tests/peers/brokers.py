# SPDX-License-Identifier: Apache-2.0
"""A broker by name, so that a suite runs unchanged over our own and over Apache's."""

from . import apache, inhouse


def create(kind, **options):
    return {"apache": apache.Apache, "inhouse": inhouse.Broker}[kind](**options)
