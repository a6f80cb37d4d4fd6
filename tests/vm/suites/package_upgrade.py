"""The package is installed anew, and the agent restarted and killed, while nodes run."""

from machine import Failed

LIMIT_SECONDS = 900


def run(bed):
    bed.start()
    fleet, machine = bed.fleet, bed.machine
    fleet.create("a", "1.0.0")
    fleet.check()
    fleet.await_counting("a")
    pid = fleet.pid("a")

    def expect_same(what):
        fleet.await_agent()
        fleet.check()
        if fleet.pid("a") != pid:
            raise Failed(f"{what} has started the node again")
        fleet.await_counting("a")
        bed.say(what)

    before = agent_process(machine)
    machine.must("dpkg -i /root/tallyman.deb", 300)
    fleet.await_server()
    if agent_process(machine) == before:
        raise Failed("the agent of the old package runs on")
    expect_same("an upgrade of the package")
    machine.must("systemctl restart tallyman-agent")
    expect_same("a restart of the agent")
    machine.must("systemctl kill --kill-whom=main -s KILL tallyman-agent")
    expect_same("kill -9 of the agent")
    machine.must("systemctl stop tallyman-agent && systemctl start tallyman-agent")
    expect_same("stop and start of the agent")

    # The other way round: this is how a person stops the nodes.
    machine.must("systemctl stop tallyman-nodes", 120)
    if machine.must("containers"):
        raise Failed("nodes run after their unit was stopped")
    machine.must("systemctl start tallyman-agent")
    fleet.await_agent()
    fleet.check()
    if "stopped by USR1, 1 addresses" not in fleet.read("a", "ends"):
        raise Failed("the node was not stopped by its signal: " + fleet.read("a", "ends"))

    # Without the package nodes run on, and it takes them up when it is back.
    pid = fleet.pid("a")
    machine.must("dpkg -r tallyman", 120)
    machine.must("dpkg -i /root/tallyman.deb && systemctl start tallyman-server tallyman-agent", 300)
    fleet.await_server()
    expect_same("removal of the package and its return")


def agent_process(machine):
    return machine.must("systemctl show -p MainPID --value tallyman-agent").strip()
