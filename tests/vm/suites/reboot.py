"""A reboot stops nodes by their own signal and grace, and starts them again."""

from machine import Failed

LIMIT_SECONDS = 900


def run(bed):
    bed.start()
    reboot_with_nodes(bed, ["a", "b"])


def reboot_with_nodes(bed, names):
    fleet, machine = bed.fleet, bed.machine
    for name in names:
        fleet.create(name, "1.0.0", wait=False)
    fleet.check()
    for name in names:
        fleet.await_counting(name)
    bed.say("nodes run")
    bed.reboot()
    bed.say("booted again")
    fleet.check()
    for name in names:
        ends = fleet.read(name, "ends").splitlines()
        # By its signal, while the network was there, and with time to end.
        if ends != ["stopped by USR1, 1 addresses", "ended in order"]:
            raise Failed(f"{name} was stopped so: {ends}")
        starts = fleet.read(name, "starts").split()
        if len(starts) != 2:
            raise Failed(f"{name} was started {len(starts)} times")
        fleet.await_counting(name)
    log = machine.must("journalctl -b -1 -o cat -u tallyman-nodes -u tallyman-agent")
    if log.find("the agent has stopped; the containers keep running") > log.find("is asked to stop"):
        raise Failed(f"the agent had not ended when nodes were stopped: {log[-600:]}")
    fleet.check()
