"""Kills of agent and server and power cuts in random order, for TALLYMAN_VM_MINUTES (60)."""

import collections
import os
import random
import time

MINUTES = int(os.environ.get("TALLYMAN_VM_MINUTES", "60"))
LIMIT_SECONDS = MINUTES * 60 + 3600
NODES_MAX = 6
# 3.0.0 ends at once, so an upgrade to it is taken back.
VERSIONS = ("1.0.0", "2.0.0", "3.0.0")


def run(bed):
    seed = int(os.environ.get("TALLYMAN_SEED", random.SystemRandom().randrange(1_000_000)))
    bed.say(f"TALLYMAN_SEED={seed}")
    night = Night(bed, random.Random(seed))
    bed.start()
    deadline = time.monotonic() + MINUTES * 60
    while time.monotonic() < deadline:
        night.round()
    bed.say(night.told())


class Night:
    """Each round makes requests, strikes in the middle of them, and checks everything afterwards."""

    def __init__(self, bed, chance):
        self.bed = bed
        self.chance = chance
        self.counts = collections.Counter()
        self.created = 0

    def round(self):
        fleet = self.bed.fleet
        for name in self.chance.sample(sorted(fleet.promised), min(2, len(fleet.promised))):
            self.wish(name)
        if len(fleet.promised) < NODES_MAX:
            self.created += 1
            fleet.create(f"n{self.created}", self.chance.choice(("1.0.0", "2.0.0")), wait=False)
            self.counts["create"] += 1
        time.sleep(self.chance.choice((0, 1, 2, 4, 8, 15)))
        fleet.note_synced()
        blow = self.chance.choice(("agent", "server", "both", "power", "power while it starts"))
        self.counts["kill of " + blow if "power" not in blow else blow] += 1
        self.strike(blow)
        fleet.check(600)
        # What has settled may no longer be the version before.
        for name in fleet.promised:
            fleet.promised[name] = [fleet.version(name)]
        self.counts["round"] += 1
        self.bed.say(f"round {self.counts['round']}, {blow}: {len(fleet.promised)} nodes as promised")

    def wish(self, name):
        fleet = self.bed.fleet
        if self.chance.random() < 0.25:
            fleet.delete(name, wait=False)
            self.counts["delete"] += 1
            return
        version = self.chance.choice([v for v in VERSIONS if v not in fleet.promised[name]])
        before = fleet.promised[name]
        fleet.upgrade(name, version, wait=False)
        if version == "3.0.0":
            fleet.promised[name] = before
        self.counts["upgrade"] += 1

    def strike(self, blow):
        machine = self.bed.machine
        if blow == "power":
            self.bed.cut_and_boot()
        elif blow == "power while it starts":
            self.bed.cut_and_boot_again_early(self.chance.choice((0, 2, 5, 10)))
        else:
            units = {"both": ("agent", "server")}.get(blow, (blow,))
            machine.must("systemctl kill -s KILL " + " ".join(f"tallyman-{unit}" for unit in units))
            self.bed.await_fleet()

    def told(self):
        return ", ".join(f"{count} x {what}" for what, count in sorted(self.counts.items()))
