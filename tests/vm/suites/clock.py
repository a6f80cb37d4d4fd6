"""The clock jumps two hours back and forth while a create waits, while a node crashes."""

import time

from machine import Failed

LIMIT_SECONDS = 1500


def run(bed):
    bed.start()
    fleet, machine = bed.fleet, bed.machine
    fleet.create("steady", "1.0.0")
    fleet.await_counting("steady")
    for step in ("+2 hours", "-2 hours"):
        name = "ahead" if step[0] == "+" else "back"
        # Half a minute until it is healthy; two minutes are allowed.
        fleet.create(name, "4.0.0", wait=False)
        machine.await_that("the create waits for health", lambda n=name: has_started(fleet, n), 120)
        set_clock(machine, step)
        bed.say(f"clock {step} while a create waits for health")
        fleet.await_settled(180)
        state = fleet.last_command(name)["state"]
        if not state.endswith("SETTLED"):
            raise Failed(f"the create that was waiting while the clock went {step} is {state}")
        fleet.check()

        begun = time.monotonic()
        pid = fleet.pid("steady")
        machine.must(f"kill -KILL {pid}; date -s '{step}' >/dev/null")
        machine.await_that("the node that crashed runs again", lambda: runs_anew(fleet, pid), 90)
        bed.say(f"clock {step} while a node crashes: back after {time.monotonic() - begun:.0f} s")
        fleet.check()
        begun = time.monotonic()
        fleet.upgrade("steady", "2.0.0" if step[0] == "+" else "1.0.0")
        if time.monotonic() - begun > 120:
            raise Failed(f"after a clock {step} an upgrade takes {time.monotonic() - begun:.0f} s")
        fleet.check()
        set_clock(machine, "-2 hours" if step[0] == "+" else "+2 hours")
        fleet.check()
    bed.reboot()
    fleet.check()


def set_clock(machine, step):
    machine.must(f"date -s '{step}' >/dev/null")


def has_started(fleet, name):
    return fleet.read(name, "starts", otherwise="") != ""


def runs_anew(fleet, pid):
    return fleet.pid("steady") != pid
