"""The fleet on the machine under test: one server, one host, and what its nodes were promised."""

import json
import os
import re

from machine import Failed

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = "/var/lib/tallyman-agent"

GUEST = ("tm", "containers", "await-stage", "make-images")
AGENT_CONF = ("TALLYMAN_AGENT_OPTIONS=\"--server http://127.0.0.1:8080 --join-token-file "
              "/etc/tallyman/join-token --poll-seconds 5 --status-seconds 3 --settle-seconds 1 "
              "--health-seconds 120\"\n")


class Fleet:
    """Speaks with the control plane as an admin does, and keeps what was promised in `promised`:
    for each node the versions that may run; `synced` has the last number that it said was
    synced, which has to be in its file ever after."""

    def __init__(self, machine):
        self.machine = machine
        self.promised = {}
        self.synced = {}
        self.names = {}

    # Installing.

    def install(self, package):
        """Installs the package, starts both units as they are, and joins."""
        machine = self.machine
        machine.copy_in(package, "/root/tallyman.deb")
        self.bring_tools()
        machine.must("apt-get install -y --no-install-recommends /root/tallyman.deb", 300)
        machine.must("systemctl enable --now tallyman-server", 60)
        self.await_server()
        for words in ("org create acme", "region create eu",
                      "host create ams-1 --region eu --cpu 16 --memory 2GiB --disk 3GB"):
            machine.must("tm " + words)
        machine.must("tm -q token create ams-1 --role join --host ams-1 >/etc/tallyman/join-token")
        machine.must("cat >/etc/tallyman/agent.conf", stdin=AGENT_CONF)
        machine.must("systemctl enable --now tallyman-agent", 60)
        self.await_agent()
        machine.must("make-images", 300)

    def bring_tools(self):
        for name in GUEST:
            self.machine.copy_in(os.path.join(HERE, "guest", name), "/usr/local/bin/" + name)

    def await_server(self):
        self.machine.await_that("the server answers", lambda: self.machine.must(
            "curl -sSf --max-time 10 http://127.0.0.1:8080/readyz && "
            "test -s /var/lib/tallyman/fleet.db.admin-token") is not None, 120)

    def await_agent(self):
        """Its process of this boot says that it works."""
        def works():
            unit = self.machine.must("systemctl show -p ActiveState -p InvocationID tallyman-agent")
            found = re.search(r"InvocationID=(\w+)", unit)
            if "ActiveState=active" not in unit or not found:
                raise Failed(unit.replace("\n", " "))
            log = self.machine.must(f"journalctl -o cat _SYSTEMD_INVOCATION_ID={found[1]}")
            return "the agent of host ams-1 works" in log or self._raise(log[-400:])
        self.machine.await_that("the agent works", works, 180, 2)

    @staticmethod
    def _raise(text):
        raise Failed(text)

    # What people do.

    def ask(self, words, timeout=120):
        """The answer of a command as JSON."""
        output = self.machine.must("tm -o json " + words, timeout)
        return json.loads(output)

    def create(self, name, version, wait=True):
        self.machine.must(f"tm -q node create --image p/v@{version} --host ams-1 --name {name}")
        self.promised[name] = [version]
        node_id = self.node(name)["id"]
        self.names[node_id] = name
        if wait:
            self.await_settled()

    def upgrade(self, name, version, wait=True):
        self.machine.must(f"tm -q node upgrade {name} --image p/v@{version}")
        self.promised[name] = [*self.promised[name][-1:], version]
        if wait:
            self.await_settled()

    def delete(self, name, wait=True):
        self.machine.must(f"tm -q node delete {name} --yes")
        self.promised.pop(name, None)
        self.synced.pop(name, None)
        if wait:
            self.await_settled()

    # What is to be seen.

    def node(self, name):
        answer = self.ask(f"node show {name}")
        return answer.get("node", answer)

    def version(self, name):
        return re.sub(r"^.*@|\+.*$", "", self.node(name)["image"])

    def last_command(self, name):
        answer = self.ask(f"command list --node {name} --order-by 'created_at desc' --limit 1")
        commands = answer.get("commands", [])
        if not commands:
            raise Failed(f"node {name} has no command")
        return commands[0]

    def await_settled(self, seconds=240):
        """No command is open, under way, or of an outcome that its host has yet to tell (as after
        a jump of the clock that the server, too, goes by)."""
        def at_rest():
            for state in ("open", "taken", "unknown"):
                commands = self.ask(f"command list --state {state}").get("commands", [])
                if commands:
                    raise Failed(f"{state}: " + ", ".join(
                        f"{c.get('kind')} of {c.get('node', c.get('node_id'))}" for c in commands))
            return True
        self.machine.await_that("every command has ended", at_rest, seconds)

    def containers(self):
        """For each container its node's id, its first process, the last number it has synced."""
        return [tuple(line.split()) for line in self.machine.must("containers").splitlines()]

    def pid(self, name):
        node_id = self.node(name)["id"]
        pids = [pid for found, pid, _ in self.containers() if found == node_id]
        if len(pids) != 1:
            raise Failed(f"node {name} runs {len(pids)} times")
        return pids[0]

    def read(self, name, file, otherwise=None):
        """A file of the node's /data, as the node itself sees it."""
        path = f"/proc/{self.pid(name)}/root/data/{file}"
        status, output = self.machine.run(f"cat {path}")
        if status != 0 and otherwise is not None:
            return otherwise
        if status != 0:
            raise Failed(f"{file} of {name}: {output.strip()}")
        return output

    def note_synced(self):
        """Keeps the last numbers of which nodes said that they are synced."""
        for node_id, _, number in self.containers():
            name = self.names.get(node_id)
            if name and number != "-":
                self.synced[name] = max(int(number), self.synced.get(name, 0))

    def await_counting(self, name, seconds=120):
        """The node has synced one more number than it had."""
        self.note_synced()
        before = self.synced.get(name, 0)

        def counts():
            self.note_synced()
            return self.synced.get(name, 0) > before
        self.machine.await_that(f"{name} counts", counts, seconds)

    def await_stage(self, name, stage, seconds=180):
        """The node's newest command is at that stage of the agent's journal, or beyond; which."""
        command = self.last_command(name)["id"]
        return self.machine.must(f"await-stage {command} {stage} {seconds}", seconds + 60).strip()

    # What must hold after everything.

    def check(self, seconds=240):
        """Every promised node is there exactly once, in a version that was promised, with what it
        has synced; nothing else runs; the books and the machine agree."""
        self.await_settled(seconds)
        self.machine.await_that("what was promised runs", self._promises_hold, seconds, 2)
        for name, number in self.synced.items():
            chain = self.read(name, "chain").split()
            missing = [n for n in range(1, number + 1) if n > len(chain) or chain[n - 1] != str(n)]
            if missing:
                raise Failed(f"{name} had synced {number}, and {missing[:3]}... is not in its file, "
                             f"which has {len(chain)} lines")
        self.machine.await_that("the audit is clean", self._audit_is_clean, seconds, 3)

    def _promises_hold(self):
        listed = self.ask("node list").get("nodes", [])
        names = sorted(node["name"] for node in listed)
        if names != sorted(self.promised):
            raise Failed(f"the control plane has {names}, promised was {sorted(self.promised)}")
        ids = {}
        for node in listed:
            version = re.sub(r"^.*@|\+.*$", "", node["image"])
            if version not in self.promised[node["name"]]:
                raise Failed(f"{node['name']} is {version}, not {self.promised[node['name']]}")
            if not node["node_state"].endswith("RUNNING"):
                raise Failed(f"{node['name']} is {node['node_state']}")
            if node.get("running_config_id") != node["config_id"]:
                raise Failed(f"{node['name']} runs another config than it is charged for")
            ids[node["id"]] = node["name"]
        running = sorted(ids.get(found, found) for found, _, _ in self.containers())
        if running != sorted(ids.values()):
            raise Failed(f"on the machine runs {running}, promised was {sorted(ids.values())}")
        return True

    def _audit_is_clean(self):
        status, output = self.machine.run("tm audit", 120)
        if status != 0:
            raise Failed(f"audit ended with {status}: {output.strip()}")
        return True
