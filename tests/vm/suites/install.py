"""The package is installed on a stock Debian 12, its units start, the host joins."""

from machine import Failed

LIMIT_SECONDS = 900


def run(bed):
    bed.start_bare()
    bed.say("booted")
    bed.fleet.install(bed.package)
    machine = bed.machine
    kind = machine.must("stat -f -c %T /sys/fs/cgroup").strip()
    if kind != "cgroup2fs":
        raise Failed(f"control groups are {kind}, of version 2 only was meant")
    controllers = machine.must("cat /sys/fs/cgroup/tallyman/cgroup.subtree_control").split()
    for needed in ("cpu", "memory", "pids"):
        if needed not in controllers:
            raise Failed(f"{needed} is not enabled for nodes: {controllers}")
    restarts = machine.must("systemctl show -p NRestarts --value tallyman-agent").strip()
    if restarts != "0":
        raise Failed(f"the agent was started {restarts} times again before it worked")
    machine.must("systemctl is-active tallyman-nodes tallyman-agent tallyman-server")
    bed.fleet.check()
    bed.keep_installed()
