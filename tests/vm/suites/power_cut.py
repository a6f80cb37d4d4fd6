"""Power is cut 1, 5, 20 and 40 s after a start, and after a pull."""

import time

LIMIT_SECONDS = 2400


def run(bed):
    bed.start()
    fleet = bed.fleet
    fleet.create("old", "1.0.0")
    fleet.check()
    for seconds in (1, 5, 20, 40):
        # A version of its own, so that it has to be pulled.
        publish(bed.machine, f"1.1.{seconds}")
        fleet.create("pulled", f"1.1.{seconds}", wait=False)
        # What follows a create's pull: nothing is there that would have to be stopped.
        fleet.await_stage("pulled", "stop")
        cut_after(bed, seconds, "a pull")
        fleet.create("started", "1.0.0", wait=False)
        fleet.await_stage("started", "await")
        cut_after(bed, seconds, "a start")
        fleet.delete("started")
        fleet.delete("pulled")
        fleet.check()


def publish(machine, version):
    machine.must(f"umoci config --image /srv/images:1.0.0 --tag {version} --config.env TAG={version} && "
                 f"sync && tm -q image create p/v@{version} --uri oci:/srv/images:{version} --cpu 1 "
                 "--memory 64MiB --disk 64MiB")


def cut_after(bed, seconds, what):
    deadline = time.monotonic() + seconds
    # Looks as late as it can at what is promised to be there afterwards.
    while time.monotonic() < deadline - 0.7:
        bed.fleet.note_synced()
    time.sleep(max(0.0, deadline - time.monotonic()))
    bed.cut_and_boot()
    bed.say(f"cut {seconds} s after {what}, booted again")
    bed.fleet.check()
