# SPDX-License-Identifier: Apache-2.0
"""What Maven brings: the jars of the peers and our compiled driver, in the user's cache directory."""

import fcntl
import hashlib
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))

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


def _fingerprint():
    digest = hashlib.sha256()
    for folder, names, files in os.walk(HERE):
        names[:] = sorted(n for n in names if n != "__pycache__")
        for name in sorted(files):
            if name.endswith((".java", "pom.xml")):
                path = os.path.join(folder, name)
                digest.update(os.path.relpath(path, HERE).encode())
                with open(path, "rb") as file:
                    digest.update(file.read())
    return digest.hexdigest()


def missing():
    """None when everything is there, else one sentence that says what is not and how to get it."""
    if not shutil.which("java"):
        return "java is not installed: apt install openjdk-17-jre-headless, or ./dev setup"
    try:
        with open(os.path.join(cache(), "installed")) as stamp:
            if stamp.read() == _fingerprint():
                return None
    except OSError:
        pass
    return "the Java peers are not installed: run tests/peers/install, or ./dev setup"


def install(quiet=True):
    """Downloads and compiles once; a second call is a comparison of checksums. Raises RuntimeError."""
    os.makedirs(cache(), exist_ok=True)
    with open(os.path.join(cache(), "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if missing() is None:
            return False
        for tool, package in (("javac", "openjdk-17-jdk-headless"), ("mvn", "maven")):
            if not shutil.which(tool):
                raise RuntimeError("%s is not installed: apt install %s" % (tool, package))
        for module in ("rocketmq4", "rocketmq5", "build"):  # no jar of an older version may stay behind
            shutil.rmtree(os.path.join(cache(), module), ignore_errors=True)
        done = subprocess.run(["mvn", "-B", "-q" if quiet else "-e", "-f", os.path.join(HERE, "pom.xml"),
                               "-Dpeers.dir=" + cache(), "compile"],
                              stdout=subprocess.PIPE if quiet else None, stderr=subprocess.STDOUT, text=True,
                              check=False)
        if done.returncode != 0:
            first = [line for line in (done.stdout or "").splitlines() if "ERROR" in line]
            raise RuntimeError("maven could not fetch or compile the Java peers: "
                               + (first[0] if first else "exit code %d" % done.returncode))
        with open(os.path.join(cache(), "installed"), "w") as stamp:
            stamp.write(_fingerprint())
    return True


def classpath(module):
    return os.pathsep.join((os.path.join(cache(), module, "classes"), os.path.join(cache(), module, "lib", "*")))


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
