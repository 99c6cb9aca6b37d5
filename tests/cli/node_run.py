#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What "blixard node run" tells systemd, and how it ends: a member that is a cluster by itself,
and this program in systemd's place. Argument: the command."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

BLIXARD = sys.argv[1]
# Far above what is needed: it only ends a test that would hang.
PATIENCE_S = 60


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Member:
    """A running member, and the socket that it tells its state to."""

    def __init__(self, directory, abstract=False, watchdog_us=None, arguments=()):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(PATIENCE_S)
        name = "@blx-%d-%d" % (os.getpid(), id(self)) if abstract else directory + "/notify"
        if not abstract and os.path.exists(name):
            os.unlink(name)
        self.socket.bind("\0" + name[1:] if abstract else name)
        env = {k: v for k, v in os.environ.items() if not k.startswith("BLIXARD_")}
        env["NOTIFY_SOCKET"] = name
        env.pop("JOURNAL_STREAM", None)
        if watchdog_us:
            env["WATCHDOG_USEC"] = str(watchdog_us)
        self.log = open(directory + "/log", "w+")
        self.process = subprocess.Popen(
            [BLIXARD, "node", "run", "--data-dir", directory + "/data", "--socket",
             directory + "/sock", *arguments], env=env, stderr=self.log)

    def told(self):
        return self.socket.recv(4096).decode()

    def told_until(self, want):
        """All that is told up to the first message that holds the line."""
        seen = []
        while True:
            seen.append(self.told())
            if want in seen[-1].split("\n"):
                return seen

    def end(self):
        code = self.process.wait(PATIENCE_S)
        self.socket.close()
        self.log.seek(0)
        return code, self.log.read()


def found(directory):
    subprocess.run([BLIXARD, "cluster", "init", "--data-dir", directory + "/data", "--name", "n1",
                    "--member", "n1=127.0.0.1:%d" % free_port()], check=True,
                   stdout=subprocess.DEVNULL)


def ready_then_stopping(directory):
    """says that it recovers, is ready with its role, and stops when it is told to"""
    found(directory)
    member = Member(directory)
    before = member.told_until("READY=1")
    assert before[0].startswith("STATUS=recovering\nEXTEND_TIMEOUT_USEC="), before
    while not member.told().startswith("STATUS=leader of term "):
        pass
    member.process.send_signal(signal.SIGTERM)
    member.told_until("STOPPING=1")
    code, log = member.end()
    assert code == 0, (code, log)
    assert "member n1 ready" in log, log


def abstract_name_and_interrupt(directory):
    """an abstract name serves as well, and SIGINT stops, too"""
    found(directory)
    member = Member(directory, abstract=True)
    member.told_until("READY=1")
    member.process.send_signal(signal.SIGINT)
    member.told_until("STOPPING=1")
    assert member.end()[0] == 0


def watchdog(directory):
    """the watchdog is fed again and again, and not before the loop runs"""
    found(directory)
    member = Member(directory, watchdog_us=300000)
    assert "WATCHDOG=1" not in member.told()
    for _ in range(5):
        member.told_until("WATCHDOG=1")
    member.process.send_signal(signal.SIGTERM)
    assert member.end()[0] == 0


def no_watchdog(directory):
    """a watchdog that nobody asked for is not fed"""
    found(directory)
    member = Member(directory)
    seen = member.told_until("READY=1")
    member.process.send_signal(signal.SIGTERM)
    seen += member.told_until("STOPPING=1")
    assert not any("WATCHDOG=1" in message for message in seen), seen
    assert member.end()[0] == 0


def not_ready(directory):
    """a member of three that is alone asks for time and never says that it is ready"""
    subprocess.run([BLIXARD, "cluster", "init", "--data-dir", directory + "/data", "--name", "n1"] +
                   ["n%d=127.0.0.1:%d" % (i, free_port()) for i in (1, 2, 3)], check=True,
                   stdout=subprocess.DEVNULL)
    member = Member(directory)
    seen = [member.told()]
    while sum("EXTEND_TIMEOUT_USEC=" in message for message in seen) < 3:
        seen.append(member.told())
    member.process.send_signal(signal.SIGTERM)
    seen += member.told_until("STOPPING=1")
    assert not any("READY=1" in message for message in seen), seen
    assert member.end()[0] == 0


def log_lines(directory):
    """the log has a time and a level on each line, and keeps to the level asked for"""
    found(directory)
    member = Member(directory, arguments=["--log-level", "error"])
    member.told_until("READY=1")
    member.process.send_signal(signal.SIGTERM)
    code, log = member.end()
    assert code == 0 and log == "", (code, log)
    member = Member(directory)
    member.told_until("READY=1")
    member.process.send_signal(signal.SIGTERM)
    _, log = member.end()
    for line in log.splitlines():
        assert line[4] == "-" and line[23] == "Z" and line.split()[1] in ("info", "warn"), line


def main():
    failed = 0
    for test in (ready_then_stopping, abstract_name_and_interrupt, watchdog, no_watchdog,
                 not_ready, log_lines):
        directory = tempfile.mkdtemp(prefix="blx-")
        try:
            test(directory)
            print("ok:", test.__doc__)
        except Exception as error:  # a test that ends by any error has failed
            failed += 1
            print("FAILED:", test.__doc__, "\n ", repr(error))
        finally:
            shutil.rmtree(directory)
    return failed > 0


sys.exit(main())
