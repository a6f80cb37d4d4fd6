"""Nodes are created, upgraded, rolled back, restarted and deleted; limits are in force."""

from machine import Failed

LIMIT_SECONDS = 1200


def run(bed):
    bed.start()
    fleet, machine = bed.fleet, bed.machine
    fleet.create("a", "1.0.0", wait=False)
    fleet.create("b", "1.0.0")
    fleet.check()
    bed.say("two nodes run")
    for name in ("a", "b"):
        fleet.await_counting(name)

    fleet.upgrade("a", "2.0.0")
    fleet.check()
    expect_version(fleet, "a", "2.0.0")
    group = f"/sys/fs/cgroup/tallyman/{fleet.node('a')['id']}"
    for file, limit in (("cpu.max", "200000 100000"), ("memory.max", str(96 << 20))):
        found = machine.must(f"cat {group}/{file}").strip()
        if found != limit:
            raise Failed(f"{file} is {found}, not {limit}")
    fleet.await_counting("a")
    bed.say("upgraded")

    fleet.upgrade("b", "3.0.0")
    state = fleet.last_command("b")["state"]
    if not state.endswith("REVERTED"):
        raise Failed(f"an upgrade to a version that ends at once is {state}")
    fleet.promised["b"] = ["1.0.0"]
    fleet.check()
    fleet.await_counting("b")
    bed.say("rolled back")

    fleet.upgrade("a", "1.0.0")
    fleet.check()
    expect_version(fleet, "a", "1.0.0")
    fleet.delete("a")
    fleet.check()
    left = machine.must("ls /var/lib/tallyman-agent/nodes").split()
    if left != [fleet.node("b")["id"]]:
        raise Failed(f"of deleted nodes there is {left}")
    fleet.delete("b")
    fleet.check()
    # What was made for nodes is gone with them.
    for what, command in (("loop devices", "losetup -n -l | grep -v images.img || true"),
                          ("mounts", "mount | grep nodes/ || true"),
                          ("groups", "find /sys/fs/cgroup/tallyman -mindepth 1 -type d -name '*-*-*-*-*'")):
        found = machine.must(command).strip()
        if found:
            raise Failed(f"{what} are left: {found}")


def expect_version(fleet, name, version):
    if fleet.version(name) != version:
        raise Failed(f"{name} is {fleet.version(name)}, not {version}")
