"""The table of docs/isolation.md, tried from inside a node on this machine's kernel."""

import os

from machine import REPOSITORY, Failed

LIMIT_SECONDS = 1800
PROGRAMS = os.path.join(REPOSITORY, "build/release/tests/isolation")


def run(bed):
    for name in ("isolation_test", "isolation_probe"):
        if not os.path.exists(os.path.join(PROGRAMS, name)):
            raise Failed(f"there is no {name}: run scripts/build release isolation_test")
    bed.start()
    machine = bed.machine
    # The agent of the package would share control groups and loop devices with the test.
    machine.must("systemctl stop tallyman-agent tallyman-nodes", 120)
    # The program looks for everything where it was when it was built.
    machine.must(f"mkdir -p {REPOSITORY}/build/release && "
                 f"ln -s /usr/libexec/tallyman/tallyman-monitor {REPOSITORY}/build/release/")
    for path in (os.path.join(PROGRAMS, "isolation_test"), os.path.join(PROGRAMS, "isolation_probe"),
                 os.path.join(REPOSITORY, "docs/isolation.md")):
        machine.must(f"mkdir -p {os.path.dirname(path)}")
        machine.copy_in(path, path)
    bed.say("kernel " + machine.must("uname -r").strip())
    status, output = machine.run(f"{PROGRAMS}/isolation_test 2>&1", 1200)
    if status != 0 or "[  SKIPPED ]" in output:
        raise Failed(f"isolation_test ended with {status}: {output[-3000:]}")
    bed.say(output.strip().splitlines()[-1].strip())
