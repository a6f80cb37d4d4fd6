"""Runs suites on a machine under test; scripts/vm run calls it.

Prints "ok NAME seconds" or "FAILED NAME: why" for each suite and a last line of plain counts.
Ends with 0 when all have passed.
"""

import argparse
import glob
import importlib
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "suites")]

from bed import Bed  # noqa: E402
from machine import Failed  # noqa: E402

# In this order: the first ones say whether the others have a chance.
SUITES = ["install", "life", "reboot", "package_upgrade", "namespace", "clock", "disk_full",
          "power_cut", "power_cut_upgrade", "isolation"]
# Asked for by name only. "quick" is a short one for every change; what it does is in the others too.
# "bad_night" takes as long as it is told to.
OTHERS = ["quick", "bad_night"]


def keep_evidence(bed, name):
    """What a person wants to see of a machine on which a suite failed."""
    path = bed.machine.path(f"failed-{name}.log")
    commands = ["tm node list", "tm command list", "tm audit", "containers", "df -h / ; mount | tail",
                "systemctl --no-pager status 'tallyman-*'",
                "journalctl --no-pager -o short-precise -u 'tallyman-*' | tail -n 400", "dmesg | tail -n 60"]
    with open(path, "w", encoding="utf-8") as file:
        for command in commands:
            try:
                _, output = bed.machine.run(command, 60)
            except Failed as why:
                output = str(why)
            file.write(f"--- {command}\n{output}\n")
    return path


def run_suite(name, directory, package):
    suite = importlib.import_module(name)
    begun = time.monotonic()

    def say(text):
        print(f"  {name} {time.monotonic() - begun:4.0f} s: {text}", flush=True)

    bed = Bed(directory, package, say)

    def too_late(_signal, _frame):
        raise Failed(f"not done after {suite.LIMIT_SECONDS} s, its limit")

    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(suite.LIMIT_SECONDS)
    try:
        suite.run(bed)
        signal.alarm(0)
        print(f"ok {name} {time.monotonic() - begun:.0f}", flush=True)
        return True
    except (Failed, subprocess.SubprocessError) as why:
        signal.alarm(0)
        where = keep_evidence(bed, name) if bed.machine.running() else bed.machine.path("console.log")
        print(f"FAILED {name}: {why}; see {where}", flush=True)
        return False
    finally:
        signal.alarm(0)
        if bed.machine.running():
            bed.machine.cut()


def main():
    parser = argparse.ArgumentParser(prog="scripts/vm run", description=__doc__)
    parser.add_argument("--dir", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--list", action="store_true", help="list the suites")
    parser.add_argument("suites", nargs="*", help="which (default: all but quick and bad-night)")
    arguments = parser.parse_args()
    known = [*SUITES, *OTHERS]
    names = [name.replace("-", "_") for name in arguments.suites] or SUITES
    if arguments.list:
        for name in known:
            print(f"{name.replace('_', '-'):18} {importlib.import_module(name).__doc__.splitlines()[0]}")
        return 0
    for name in names:
        if name not in known:
            print(f"vm: there is no suite {name}; scripts/vm run --list shows them", file=sys.stderr)
            return 2
    packages = glob.glob("build/release/tallyman_*.deb")
    if len(packages) != 1:
        print("vm: there is no package: run make package", file=sys.stderr)
        return 2
    passed = [run_suite(name, arguments.dir, packages[0]) for name in names]
    print(f"vm: {passed.count(True)} passed, {passed.count(False)} failed")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
