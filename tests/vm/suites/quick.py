"""The short one: install, create, reboot, still there."""

import install
import reboot

LIMIT_SECONDS = 480


def run(bed):
    bed.start_bare()
    bed.say("booted")
    bed.fleet.install(bed.package)
    bed.say("installed and joined")
    reboot.reboot_with_nodes(bed, ["a"])
