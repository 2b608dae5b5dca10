#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The `rivulet` command as a user types it: answers, complaints and exit codes."""

import contextlib
import json
import os
import re
import signal
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from peers import inhouse, ports, processes, remoting, tree  # noqa: E402
from peers.services import Service  # noqa: E402
from peers.tap import Suite, expect, expect_equal  # noqa: E402

suite = Suite()


def rivulet(*words, **options):
    return processes.run([tree.rivulet(), *words], **options)


def properties(text):
    path = os.path.join(processes.directory("config"), "application.properties")
    with open(path, "w") as file:
        file.write(text)
    return path


@suite.case()
def version_and_help_are_answers(_):
    code, out, _err = rivulet("version")
    expect_equal(code, 0, "exit code")
    expect(re.fullmatch(r"rivulet \d+\.\d+\.\d+\n", out), out)
    code, out, _err = rivulet("help")
    expect_equal(code, 0, "exit code")
    for word in ("broker", "send", "tail", "config", "shutdown"):
        expect(re.search(r"^\s+%s\s" % word, out, re.M), "help does not name '%s':\n%s" % (word, out))
        expect_equal(rivulet("help", word)[0], 0, "exit code of help " + word)


@suite.case()
def wrong_usage_is_exit_code_2_and_a_hint(_):
    for words in (["brokr"], ["send"], ["tail"], ["send", "", "text"], ["tail", ""], ["config", "check", ""], ["broker", "--no-such-option"], ["broker", "--port", "70000"],
                  ["broker", "--role", "king"], ["shutdown", "everything"], ["config"], ["config", "check"]):
        code, out, err = rivulet(*words)
        expect_equal(code, 2, "exit code of rivulet %s (%s)" % (" ".join(words), err))
        expect_equal(out, "", "standard output of rivulet " + " ".join(words))
        expect(err.strip(), "no word about what is wrong with rivulet " + " ".join(words))
    expect("did you mean 'broker'" in rivulet("brokr")[2], "no suggestion for 'brokr'")


@suite.case()
def the_shipped_configurations_are_right(_):
    for service in ("charging", "message"):
        code, out, err = rivulet("config", "check", tree.config(service) + "application.properties")
        expect_equal(code, 0, "exit code for %s: %s%s" % (service, out, err))


@suite.case()
def the_shipped_profiles_are_right(_):
    for binder in ("kafka", "redis"):
        file = os.path.join(tree.BUILD, "binder", binder, "rivulet-binder-%s.so" % binder)
        module = {"RIVULET_BINDER_PATH": os.path.dirname(file)}
        for service in ("charging", "message"):
            path = tree.config(service) + "application-%s.properties" % binder
            code, out, err = processes.run([tree.rivulet(), "config", "check", path], env=module)
            expect_equal(code, 0, "exit code for %s: %s%s" % (path, out, err))
            if os.path.exists(file):
                expect("warning" not in out + err, "a warning for %s: %s%s" % (path, out, err))


@suite.case()
def config_check_names_every_mistake_with_line_key_and_cure(_):
    path = properties("# a comment\n"
                      "spring.cloud.stream.bindings.input.destinaton=orders\n"
                      "server.port=eighty\n"
                      "spring.cloud.stream.bindings.input.consumer.max-attempts=0\n")
    code, out, err = rivulet("config", "check", path)
    text = out + err
    expect_equal(code, 2, "exit code: " + text)
    for line, words in ((2, ("destinaton", "destination")), (3, ("server.port", "eighty")), (4, ("max-attempts", "0"))):
        found = [t for t in text.splitlines() if "%s:%d:" % (os.path.basename(path), line) in t]
        expect(found and all(word in found[0] for word in words), "nothing right about line %d in:\n%s" % (line, text))
    expect(re.search(r"RV\d{4}", text), "no message number in:\n" + text)


@suite.case()
def config_check_reads_nothing_good_into_a_missing_or_broken_file(_):
    code, out, err = rivulet("config", "check", "/nowhere/application.properties")
    expect_equal(code, 2, "exit code for a missing file: " + out + err)
    expect("RV0002" in out, out)
    path = properties("a=\\u12\n=3\nserver.port=1\nserver.port=2\n")
    code, out, err = rivulet("config", "check", path)
    expect_equal(code, 2, "exit code for broken lines: " + out + err)
    for line in (1, 2, 4):
        expect("application.properties:%d:" % line in out, "nothing about line %d in:\n%s" % (line, out))


@suite.case()
def config_check_finds_a_binder_that_does_not_exist(_):
    path = properties("spring.cloud.stream.default-binder=rokcetmq\n"
                      "spring.cloud.stream.bindings.input.binder=Parkng\n"
                      "spring.cloud.stream.bindings.output.binder=PARKING\n"
                      "spring.cloud.stream.binders.parking.type=memry\n"
                      "spring.cloud.stream.bindings.output1.binder=somebody-elses\n")
    code, out, err = rivulet("config", "check", path)
    expect_equal(code, 2, "exit code: " + out + err)
    for line, near in ((1, "rocketmq"), (2, "parking"), (4, "memory")):
        expect(re.search(r"^\S+:%d: .*did you mean '%s'" % (line, near), out, re.M), "line %d in:\n%s" % (line, out))
    expect(re.search(r"^warning: \S+:5: .*somebody-elses", out, re.M), out)
    expect("properties:3:" not in out, out)


@suite.case()
def config_check_finds_an_address_that_is_none_and_a_level_that_is_none(_):
    path = properties("spring.cloud.stream.rocketmq.binder.name-server=127.0.0.1:9876;127.0.0.1:98765\n"
                      "logging.level.http=loud\n")
    code, out, err = rivulet("config", "check", path)
    expect_equal(code, 2, "exit code: " + out + err)
    expect(re.search(r"^\S+:1: .*name-server: .*98765.*host:port", out, re.M), out)
    expect(re.search(r"^warning: \S+:2: logging.level.http: 'loud'", out, re.M), out)


@suite.case()
def config_check_takes_any_name_of_a_file(_):
    path = os.path.join(processes.directory("config"), "a,b;c d.properties")
    with open(path, "w") as file:
        file.write("server.port=8123\n")
    code, out, err = rivulet("config", "check", path)
    expect_equal(code, 0, "exit code: " + out + err)
    expect("%s: OK (1 key)" % path in out, out)


@suite.case()
def an_answer_that_could_not_be_written_is_a_failure(_):
    code, _out, err = processes.run(["sh", "-c", '"$0" config show --server.port=1 >/dev/full', tree.rivulet()])
    expect_equal(code, 1, "exit code: " + err)
    expect("No space left" in err, err)


@suite.case()
def config_check_judges_yaml_and_all_its_profiles(_):
    path = os.path.join(processes.directory("config"), "application.yml")
    with open(path, "w") as file:
        file.write("spring.cloud.stream.bindings:\n  input: {destination: orders}\n"
                   "---\nspring.config.activate.on-profile: prod\nserver.port: 80000\n")
    code, out, err = rivulet("config", "check", path)
    expect_equal(code, 2, "exit code: " + out + err)
    expect("application.yml:5: server.port" in out, out)


@suite.case()
def config_check_judges_each_file_alone(_):
    good = properties("spring.cloud.stream.bindings.input.destination=orders\n")
    bad = os.path.join(processes.directory("config"), "second.properties")
    with open(bad, "w") as file:
        file.write("rivulet.no.such.key=1\n")
    code, out, _err = rivulet("config", "check", good, bad)
    expect_equal(code, 2, "exit code: " + out)
    expect("%s: OK (1 key)" % good in out and "%s: 1 mistake" % bad in out, out)


@suite.case()
def config_show_tells_origins_and_hides_secrets(_):
    path = properties("spring.cloud.stream.rocketmq.binder.secret-key=tell-nobody\n"
                      "spring.cloud.stream.rocketmq.binder.access-key=somebody\n"
                      "spring.cloud.stream.bindings.input.destination=orders\n"
                      "server.port=8123\n")
    code, out, err = rivulet("config", "show", path)
    expect_equal(code, 0, "exit code: " + err)
    expect("tell-nobody" not in out + err, "a secret was printed")
    line = [t for t in out.splitlines() if "8123" in t]
    expect(line and "application.properties:4" in line[0], "no origin of server.port in:\n" + out)


@suite.case()
def a_service_with_a_mistake_in_its_properties_ends_with_2(_):
    service = Service("message", "127.0.0.1:1", ["--server.prot=1", "--rivulet.no.such.key=1"])
    service.start(wait=False)
    expect_equal(service.process.wait(), 2, "exit code: " + service.process.tail())
    expect("rivulet.no.such.key" in service.process.output(), service.process.tail())


@suite.case()
def a_service_whose_port_is_taken_ends_with_1(broker):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        service = Service("charging", broker.name_server)
        service.command.append("--server.port=%d" % taken.getsockname()[1])
        service.start(wait=False)
        expect_equal(service.process.wait(), 1, "exit code: " + service.process.tail())
        expect(str(taken.getsockname()[1]) in service.process.output(), "the port is not named")


@suite.case()
def send_and_tail_show_a_message(broker):
    code, out, err = rivulet("send", "cli-topic", "hello 世界", "-n", broker.name_server)
    expect_equal(code, 0, "exit code of send: " + err)
    message_id = re.search("[0-9A-F]{32}", out)
    expect(message_id, "send tells no message id: " + out)
    code, out, err = rivulet("tail", "cli-topic", "-n", broker.name_server, "--from-beginning", "--count", "1")
    expect_equal(code, 0, "exit code of tail: " + err)
    expect("hello 世界" in out, "no payload in: " + out)
    code, out, err = rivulet("tail", "cli-topic", "-n", broker.name_server, "--from-beginning", "--count", "1",
                             "--json")
    expect_equal(code, 0, "exit code of tail --json: " + err)
    line = json.loads(out)
    expect("hello 世界" in line.values() and message_id.group(0) in out, out)


@suite.case()
def tail_follows_from_now_on_until_interrupted(broker):
    rivulet("send", "follow-topic", "before", "-n", broker.name_server)
    tail = processes.Process("tail", [tree.rivulet(), "tail", "follow-topic", "-n", broker.name_server])

    def seen():
        rivulet("send", "follow-topic", "after", "-n", broker.name_server)
        return "after" in tail.output()

    processes.wait_for(seen, 45, "a message in tail", every=0.1)
    expect("before" not in tail.output(), "an old message was shown: " + tail.output())
    tail.signal(signal.SIGINT)
    expect_equal(tail.wait(), 0, "exit code after Ctrl-C")


@suite.case()
def send_without_a_broker_is_exit_code_1_and_one_sentence(_):
    code, out, err = rivulet("send", "t", "x", "-n", "127.0.0.1:%d" % ports.reserve())
    expect_equal(code, 1, "exit code")
    expect_equal(out, "", "standard output")
    expect(err.strip(), "no reason given")


@suite.case()
def a_second_broker_on_the_same_store_is_refused(broker):
    base = ports.reserve()
    code, _out, err = rivulet("broker", "--store", broker.store, "--port", str(base + 4), "--name-server-port", str(base))
    expect_equal(code, 1, "exit code: " + err)
    expect(broker.store in err, "the store is not named: " + err)
    expect(str(broker.broker_process.pid) in err, "the holder's pid is not named: " + err)
    expect(remoting.answers(broker.address), "the first broker suffered")


@suite.case()
def a_broker_whose_port_is_taken_ends_with_1(broker):
    base = ports.reserve()
    for option, port in (("--port", broker.port), ("--name-server-port", broker.namesrv_port)):
        free = {"--port": base + 4, "--name-server-port": base, option: port}
        words = [w for pair in free.items() for w in map(str, pair)]
        code, _out, err = rivulet("broker", "--store", processes.directory("store"), *words)
        expect_equal(code, 1, "exit code: " + err)
        expect(str(port) in err, "the port is not named: " + err)


@suite.case()
def a_broker_that_everybody_could_reach_is_refused(_):
    path = os.path.join(processes.directory("config"), "broker.conf")
    with open(path, "w") as file:
        file.write("listenAddress=0.0.0.0\n")
    base = ports.reserve()
    code, _out, err = rivulet("broker", "--config", path, "--store", processes.directory("store"), "--port",
                              str(base + 4), "--name-server-port", str(base))
    expect_equal(code, 2, "exit code: " + err)
    expect("0.0.0.0" in err, "the address is not named: " + err)


@suite.case()
def a_broker_configuration_with_a_mistake_is_exit_code_2(_):
    path = os.path.join(processes.directory("config"), "broker.conf")
    with open(path, "w") as file:
        file.write("brokerName=broker-a\nflushDiskType=SOMETIMES\n")
    code, _out, err = rivulet("broker", "--config", path, "--store", processes.directory("store"))
    expect_equal(code, 2, "exit code: " + err)
    expect("broker.conf:2" in err and "SYNC_FLUSH" in err, err)


@suite.case()
def shutdown_ends_the_broker_that_holds_the_store(_):
    with inhouse.Broker() as broker:
        code, out, err = rivulet("shutdown", "broker", "--store", broker.store)
        expect_equal(code, 0, "exit code: " + out + err)
        expect_equal(broker.broker_process.wait(), 0, "exit code of the broker: " + broker.broker_process.tail())


@suite.case()
def the_embedded_broker_serves_its_service(_):
    base = ports.reserve()
    name_server = "127.0.0.1:%d" % base
    service = Service("charging", name_server, [
        "--rivulet.broker.embedded=true", "--rivulet.broker.name-server-port=%d" % base,
        "--rivulet.broker.listen-port=%d" % (base + 4), "--rivulet.broker.store-path-root-dir=" + processes.directory("embedded")])
    with service:
        service.send_test_message()
        with Service("message", name_server) as message:
            message.wait_consumed(service.send_test_message())
            message.stop()
        service.stop()


@contextlib.contextmanager
def setup():
    with inhouse.Broker() as broker:
        yield broker


if __name__ == "__main__":
    suite.run(setup)
