"""Another mount namespace holds on to a node's disk while it is upgraded and deleted."""

from machine import Failed

LIMIT_SECONDS = 900


def run(bed):
    bed.start()
    fleet, machine = bed.fleet, bed.machine
    fleet.create("a", "1.0.0")
    fleet.create("b", "1.0.0")
    fleet.check()
    for name in ("a", "b"):
        fleet.await_counting(name)
    hold(machine, "first")
    bed.say("held by another mount namespace")
    # Another size: the file system has to be unmounted, checked and made larger.
    fleet.upgrade("a", "2.0.0")
    expect_settled(fleet, "a")
    fleet.check()
    fleet.await_counting("a")
    hold(machine, "second")
    fleet.upgrade("a", "1.0.0")
    expect_settled(fleet, "a")
    fleet.check()
    bed.say("upgraded there and back")
    fleet.delete("b")
    fleet.check()
    machine.must("systemctl restart tallyman-agent")
    fleet.await_agent()
    hold(machine, "third")
    fleet.upgrade("a", "2.0.0")
    expect_settled(fleet, "a")
    fleet.check()


def hold(machine, name):
    """As a monitoring container does: all mounts of now, kept for as long as it lives."""
    machine.must(f"systemd-run -q --unit holder-{name} unshare --mount --propagation private "
                 "sleep infinity")
    machine.await_that("the namespace is there", lambda: machine.must(
        f"pid=$(systemctl show -p MainPID --value holder-{name}); "
        "test \"$(readlink /proc/$pid/ns/mnt)\" != \"$(readlink /proc/1/ns/mnt)\" && "
        "grep -c nodes/ /proc/$pid/mountinfo") is not None, 60)


def expect_settled(fleet, name):
    state = fleet.last_command(name)["state"]
    if not state.endswith("SETTLED"):
        raise Failed(f"the upgrade of {name} is {state}")
