"""What a suite is given: a machine that has the package installed and its host joined."""

import hashlib
import os
import time

from fleet import AGENT_CONF, HERE, Fleet
from machine import Failed, Machine

INSTALLED = "installed.qcow2"


class Bed:
    def __init__(self, directory, package, say):
        self.machine = Machine(directory)
        self.fleet = Fleet(self.machine)
        self.package = package
        self.say = say
        self._disk = None

    def start_bare(self):
        """Boots a machine that has never heard of the package."""
        self.machine.off()
        self._disk = self.machine.new_disk("suite.qcow2", self.machine.path("root/disk.img"))
        self.machine.boot(self._disk)

    def start(self):
        """Boots a machine as the suite "install" has left it, without nodes. Each suite has a disk
        of its own above that one."""
        if not self.is_installed():
            self.say("installing first")
            self.start_bare()
            self.fleet.install(self.package)
            self.keep_installed()
        self.machine.off()
        self._disk = self.machine.new_disk("suite.qcow2", self.machine.path(INSTALLED))
        self.machine.boot(self._disk)
        self.fleet.bring_tools()
        self.await_fleet()

    def boot_again(self):
        self.machine.boot(self._disk)
        self.await_fleet()

    def reboot(self):
        self.machine.off()
        self.boot_again()

    def cut_and_boot(self):
        self.machine.cut()
        self.boot_again()

    def cut_and_boot_again_early(self, seconds):
        """A second power cut so many seconds after the machine can be reached again."""
        self.machine.cut()
        self.machine.boot(self._disk)
        time.sleep(seconds)
        self.cut_and_boot()

    def await_fleet(self):
        self.fleet.await_server()
        self.fleet.await_agent()

    # The disk after the installation serves all suites until package or machine are other ones.

    def _mark(self):
        with open(self.package, "rb") as file:
            digest = hashlib.sha256(file.read())
        digest.update((os.path.realpath(self.machine.path("root")) + AGENT_CONF).encode())
        with open(os.path.join(HERE, "guest/make-images"), "rb") as file:
            digest.update(file.read())
        return digest.hexdigest()

    def is_installed(self):
        try:
            with open(self.machine.path("installed.mark"), encoding="ascii") as file:
                return file.read() == self._mark() and os.path.exists(self.machine.path(INSTALLED))
        except FileNotFoundError:
            return False

    def keep_installed(self):
        """Shuts the machine down and keeps its disk for other suites."""
        if self.fleet.promised:
            raise Failed("only a machine without nodes may be kept")
        self.machine.off()
        os.replace(self._disk, self.machine.path(INSTALLED))
        with open(self.machine.path("installed.mark"), "w", encoding="ascii") as file:
            file.write(self._mark())
