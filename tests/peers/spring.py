# SPDX-License-Identifier: Apache-2.0
"""The Python side of the Spring Cloud Stream service (spring/): bindings by properties, messages both ways."""

from . import lines, maven, tap


class Spring(lines.Lines):
    """One JVM. `functions` names the listeners that run, `options` are properties as key=value strings."""

    def __init__(self, kafka, functions, options=(), name="spring"):
        why = maven.missing("spring")
        if why:
            raise tap.Skipped(why)
        words = ["--spring.cloud.stream.kafka.binder.brokers=" + kafka.address,
                 "--spring.cloud.function.definition=" + ";".join(functions)]
        super().__init__(name, maven.java("spring", "peer.Spring", words + ["--" + option for option in options],
                                          "256m"), by="function")

    def send(self, binding, payload, headers=None, deadline=60):
        """
        Sends through a binding and waits until Java says that it did. Payload and headers are pairs (type, value) as
        Values.java has them; text alone is text. Raises RuntimeError with Java's exception.
        """
        def typed(value):
            return dict(zip(("type", "value"), value if isinstance(value, tuple) else ("text", value)))

        answer = self.ask({"binding": binding, "payload": typed(payload),
                           "headers": {name: typed(value) for name, value in (headers or {}).items()}}, deadline)
        if not answer.get("ok"):
            raise RuntimeError("Java could not send to %s: %s" % (binding, answer))
