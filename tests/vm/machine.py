"""The machine under test: started, cut off and asked by way of scripts/vm and ssh."""

import os
import subprocess
import time

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Failed(Exception):
    """What a suite expected did not happen; the text says what was seen instead."""


class Machine:
    """One emulated machine; at most one runs at a time. Not thread-safe."""

    def __init__(self, directory):
        self.directory = os.path.abspath(directory)
        self.ssh_config = os.path.join(self.directory, "ssh_config")

    def path(self, name):
        return os.path.join(self.directory, name)

    def _vm(self, *words):
        ran = subprocess.run([os.path.join(REPOSITORY, "scripts/vm"), *words], text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
        if ran.returncode != 0:
            raise Failed(f"scripts/vm {' '.join(words)}: {ran.stdout.strip()}")

    def new_disk(self, name, backing):
        """A disk that begins as `backing` and keeps what is written to itself."""
        disk = self.path(name)
        kind = "raw" if backing.endswith(".img") else "qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", os.path.realpath(backing),
                        "-F", kind, disk], check=True)
        return disk

    def boot(self, disk):
        self._vm("boot", disk)

    def cut(self):
        """Power cut: what the machine has not synced is lost."""
        self._vm("cut")

    def off(self):
        self._vm("off")

    def running(self):
        try:
            with open(self.path("pid"), encoding="ascii") as file:
                pid = int(file.read())
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                return self.path("pid") in file.read()
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return False

    def run(self, command, timeout=120, stdin=""):
        """Runs a shell command as root; returns (status, output), both streams together."""
        attempts_left = 3
        while True:
            attempts_left -= 1
            try:
                ran = subprocess.run(["ssh", "-F", self.ssh_config, "vm", command], text=True,
                                     input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                     timeout=timeout, errors="replace")
            except subprocess.TimeoutExpired as late:
                raise Failed(f"no end of \"{command}\" after {timeout} s: {late.output}") from late
            # On a busy host ssh itself may come too late; then nothing was begun.
            if ran.returncode != 255 or "banner exchange" not in ran.stdout or not attempts_left:
                return ran.returncode, ran.stdout

    def must(self, command, timeout=120, stdin=""):
        status, output = self.run(command, timeout, stdin)
        if status != 0:
            raise Failed(f"\"{command}\" ended with {status}: {output.strip()}")
        return output

    def copy_in(self, source, target):
        subprocess.run(["scp", "-q", "-F", self.ssh_config, source, "vm:" + target], check=True)

    def await_that(self, what, condition, seconds=180, pause=1.0):
        """Waits until condition() is true; its last exception or `what` says what was missing."""
        deadline = time.monotonic() + seconds
        last = ""
        while True:
            try:
                seen = condition()
                if seen:
                    return seen
                last = ""
            except Failed as why:
                last = f": {why}"
            if time.monotonic() > deadline:
                raise Failed(f"not within {seconds} s: {what}{last}")
            time.sleep(pause)
