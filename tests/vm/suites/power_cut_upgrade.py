"""Power is cut at every stage of an upgrade, and of one that is taken back."""

from power_cut import publish

LIMIT_SECONDS = 2400


def run(bed):
    bed.start()
    fleet = bed.fleet
    fleet.create("quiet", "1.0.0")
    for number, stage in enumerate(("prepare", "stop", "install", "start", "await", "done")):
        fleet.create("a", "1.0.0")
        fleet.await_counting("a")
        publish(bed.machine, f"1.2.{number}")
        fleet.upgrade("a", f"1.2.{number}", wait=False)
        cut_at(bed, "a", stage)
        fleet.delete("a")
    for stage in ("undo_stop", "undo_install", "undo_start"):
        fleet.create("a", "1.0.0")
        fleet.await_counting("a")
        fleet.upgrade("a", "3.0.0", wait=False)
        # It ends at once: whatever happens to the upgrade, it must not count.
        fleet.promised["a"] = ["1.0.0"]
        cut_at(bed, "a", stage)
        fleet.delete("a")
    fleet.check()


def cut_at(bed, name, stage):
    bed.fleet.note_synced()
    reached = bed.fleet.await_stage(name, stage)
    bed.cut_and_boot()
    bed.say(f"cut at {reached} (asked for {stage}), booted again")
    bed.fleet.check()
