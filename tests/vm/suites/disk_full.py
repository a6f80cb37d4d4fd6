"""The host's disk is full to the last byte: what nodes were given is there, deletes are answered."""

from machine import Failed

LIMIT_SECONDS = 1200


def run(bed):
    bed.start()
    fleet, machine = bed.fleet, bed.machine
    give_server_a_disk(machine)
    fleet.await_server()
    # Writers fill what they were given; "quiet" writes no more than it counts.
    for name, version in (("writer", "5.0.0"), ("quiet", "1.0.0"), ("gone", "1.0.0")):
        fleet.create(name, version)
    fleet.check()
    for name in ("writer", "quiet", "gone"):
        fleet.await_counting(name)
    fill(machine)
    bed.say("full: " + machine.must("df -k --output=avail / | tail -n 1").strip() + " KiB free")

    digest = write_inside(fleet, "writer", 200)
    for name in ("writer", "quiet"):
        fleet.await_counting(name)
    bed.say("200 MiB written and synced inside a node")
    fleet.delete("gone")
    bed.say("a delete was answered")
    fill(machine)
    # There is no room for it: whether it is refused, fails or waits, a delete ends it.
    machine.run("tm -q node create --image p/v@5.0.0 --host ams-1 --name late")
    machine.run("tm -q node delete late --yes")
    fleet.check()
    machine.must("systemctl restart tallyman-agent")
    fleet.await_agent()
    fleet.check()
    bed.cut_and_boot()
    bed.say("power cut while full, booted again")
    fleet.check()
    found = machine.must(f"sha256sum </proc/{fleet.pid('writer')}/root/data/big").split()[0]
    if found != digest:
        raise Failed("what a node has written and synced while the host was full is not there")
    machine.must("rm -rf /var/fill; sync")
    for name in ("writer", "quiet"):
        fleet.await_counting(name)
    fleet.create("after", "1.0.0")
    fleet.check()
    errors = machine.must("dmesg | grep -iE 'EXT4-fs error|remounting filesystem read-only' || true")
    if errors:
        raise Failed("file systems have errors: " + errors)


def give_server_a_disk(machine):
    """The host's disk is filled, the control plane's is another one, as it is where the two are
    different machines. Its blocks are written, so that using them takes nothing of the host's. The
    unit's private /tmp and /var/tmp are made where those are, so these are not on the full disk."""
    machine.must("systemctl stop tallyman-server && "
                 "dd if=/dev/zero of=/var/server.img bs=1M count=128 conv=fsync 2>/dev/null && "
                 "mkfs.ext4 -q -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 /var/server.img && "
                 "mount -o loop /var/server.img /mnt && cp -a /var/lib/tallyman/. /mnt/ && umount /mnt && "
                 "{ echo '/var/server.img /var/lib/tallyman ext4 loop 0 0'; "
                 "  echo 'tmpfs /tmp tmpfs size=64m,mode=1777 0 0'; "
                 "  echo 'tmpfs /var/tmp tmpfs size=64m,mode=1777 0 0'; } >>/etc/fstab && "
                 "systemctl daemon-reload && mount -a && "
                 "chown --reference=/var/lib/tallyman/fleet.db /var/lib/tallyman && "
                 "systemctl start tallyman-server", 300)


def fill(machine):
    """As root, also what is kept for root: nothing is left."""
    machine.must("mkdir -p /var/fill; i=0; while [ -e /var/fill/$i ]; do i=$((i + 1)); done; "
                 "for kib in 1000000 100000 10000 1000 100 4; do "
                 "  while fallocate -l ${kib}KiB /var/fill/$i 2>/dev/null; do i=$((i + 1)); done; "
                 "  rm -f /var/fill/$i; "
                 "done; dd if=/dev/zero of=/var/fill/last bs=4k conv=fsync 2>/dev/null; true", 300)


def write_inside(fleet, name, mebibytes):
    """Writes and syncs on the node's own disk; the digest of what was written."""
    file = f"/proc/{fleet.pid(name)}/root/data/big"
    output = fleet.machine.must(
        f"dd if=/dev/urandom bs=1M count={mebibytes} of={file} conv=fsync 2>/dev/shm/dd || "
        f"{{ cat /dev/shm/dd; exit 1; }}; sha256sum <{file}", 300)
    return output.split()[0]
