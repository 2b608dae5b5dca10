# SPDX-License-Identifier: Apache-2.0
"""What Maven brings: the jars of the peers and our compiled programs, a folder a module in the user's cache directory."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = ("rocketmq4", "rocketmq5", "kafka", "spring", "springdata")

_LOGBACK = """<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <target>System.err</target>
    <encoder><pattern>%d{HH:mm:ss.SSS} %level %logger{0} - %m%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="out"/></root>
</configuration>
"""


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "rivulet", "peers")


def home(module):
    """Where a module lies: named after what it was made of, so that source trees of different age do not meet there."""
    return os.path.join(cache(), module + "-" + _fingerprint(module)[:12])


def _sources(module):
    """The files that decide what is in a module's folder, in a fixed order."""
    folders = [os.path.join(HERE, module)] + ([os.path.join(HERE, "java")] if module.startswith("rocketmq") else [])
    found = [os.path.join(HERE, "pom.xml")]
    for top in folders:
        for folder, names, files in os.walk(top):
            names.sort()
            found += [os.path.join(folder, name) for name in sorted(files)]
    return found


def _fingerprint(module):
    digest = hashlib.sha256()
    for path in _sources(module):
        digest.update(os.path.relpath(path, HERE).encode())
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def _installed(module):
    return os.path.isdir(home(module))


def missing(*modules):
    """None when everything is there, else one sentence that says what is not and how to get it."""
    if not shutil.which("java"):
        return "java is not installed: apt install openjdk-17-jre-headless, or ./dev setup"
    if all(_installed(module) for module in modules):
        return None
    return "the Java peers are not installed: run tests/peers/install, or ./dev setup"


def install(modules=MODULES, quiet=True):
    """Downloads and compiles what is not there; returns the modules that were not. Raises RuntimeError."""
    os.makedirs(cache(), exist_ok=True)
    with open(os.path.join(cache(), "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = [module for module in modules if not _installed(module)]
        for module in set(modules) - set(wanted):
            os.utime(home(module))  # somebody wants it still
        if wanted:
            for tool, package in (("javac", "openjdk-17-jdk-headless"), ("mvn", "maven")):
                if not shutil.which(tool):
                    raise RuntimeError("%s is not installed: apt install %s" % (tool, package))
            _build(wanted, quiet)
    return wanted


def _build(modules, quiet):
    """In a folder of its own, and put in its place when it is whole."""
    staging = os.path.join(cache(), "staging")
    shutil.rmtree(staging, ignore_errors=True)
    done = subprocess.run(["mvn", "-B", "-q" if quiet else "-e", "-f", os.path.join(HERE, "pom.xml"),
                           "-Dpeers.dir=" + staging, "-pl", ",".join(modules), "compile"],
                          stdout=subprocess.PIPE if quiet else None, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        first = [line for line in (done.stdout or "").splitlines() if "ERROR" in line]
        raise RuntimeError("maven could not fetch or compile the Java peers: "
                           + (first[0] if first else "exit code %d" % done.returncode))
    for module in modules:
        os.rename(os.path.join(staging, module), home(module))
    shutil.rmtree(staging, ignore_errors=True)
    _forget_old()


def _forget_old():
    """Modules that no source tree asked for within a month."""
    for name in os.listdir(cache()):
        path = os.path.join(cache(), name)
        ours = name.startswith(tuple(module + "-" for module in MODULES))
        if ours and os.stat(path).st_mtime < time.time() - 30 * 86400:
            shutil.rmtree(path, ignore_errors=True)


def classpath(module):
    return os.pathsep.join((os.path.join(home(module), "classes"), os.path.join(home(module), "lib", "*")))


def java(module, main, arguments, heap="128m", options=()):
    """The command line of a small JVM that starts quickly rather than running fast."""
    return ["java", "-Xms32m", "-Xmx" + heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
            "-XX:-UsePerfData", *options, "-cp", classpath(module), main, *arguments]


def write_logback(home, *names):
    """The configuration that RocketMQ's programs look for below ROCKETMQ_HOME: warnings, to the console."""
    os.makedirs(os.path.join(home, "conf"), exist_ok=True)
    for name in names:
        with open(os.path.join(home, "conf", "logback_%s.xml" % name), "w") as file:
            file.write(_LOGBACK)
