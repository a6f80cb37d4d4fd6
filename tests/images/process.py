"""Images that are odd in what they run, as whom, how they end and how they say that they are well."""

from making import directory, file, link, tar
from table import WAITS

NOT = "IMAGE_NOT_SUPPORTED"
SECOND = 1_000_000_000


def commands(t, layout):
    shell = t.shell()
    ran = dict(proof=["it runs"], proof_in="data")
    env = ["PATH=/bin"]

    def image(layers=(), change=None, **config):
        return layout.image([t.base, *layers], {"Env": env, **config}, change_config=change)

    t.add("entrypoint-and-cmd", "ENTRYPOINT and CMD", image(Entrypoint=shell[:1], Cmd=shell[1:]), **ran)
    t.add("cmd-only", "only CMD", image(Cmd=shell), **ran)
    t.add("by-path-search", "the command is found by PATH", image(Cmd=["sh", *shell[1:]]), **ran)
    t.add("words-odd", "words with quotes, newlines and other scripts", image(Entrypoint=[
        "/bin/sh", "-c", f'trap "exit 0" TERM; for w in "$@"; do echo "<$w>"; done >/data/proof; {WAITS}', "x", "a b", "'\"", "two\nlines", "zażółć", ""]),
        proof=["<a b>", "<'\">", "<two\nlines>", "<zażółć>", "<>"], proof_in="data")
    t.refused("no-command", "neither ENTRYPOINT nor CMD", image(), NOT, "neither ENTRYPOINT nor CMD")
    t.refused("empty-command", "the first word is empty", image(Cmd=["", "x"]), NOT, "neither")
    t.refused("command-text", "ENTRYPOINT is a text", image(Entrypoint="/bin/sh"), NOT, "Entrypoint")
    t.refused("command-numbers", "CMD has numbers", image(Cmd=["/bin/sleep", 1000]), NOT, "Cmd")
    t.refused("config-null", "there is no config in the config", layout.image([t.base], None), NOT, "neither")
    t.refused("config-list", "the config is a list", layout.image([t.base], {}, change_config=lambda c: []), NOT)
    t.refused("config-noise", "the config is no JSON", layout.image([t.base], {}, change_config=lambda c: b"\x00noise"), None)
    t.add("config-bare", "no architecture, system or history", image(
        Cmd=shell, change=lambda c: {"config": c["config"], "rootfs": c["rootfs"]}), **ran)
    t.add("config-nulls", "every field that may be missing is null", image(
        Cmd=shell, Entrypoint=None, User=None, WorkingDir=None, Volumes=None, Labels=None, ExposedPorts=None,
        Healthcheck=None, StopSignal=None, OnBuild=None, Shell=None), **ran)
    t.add("config-unknown", "fields that nobody knows", image(
        Cmd=shell, Hostname="x", ArgsEscaped=True, MacAddress="", NetworkDisabled=True, Unknown={"a": [1]}), **ran)
    t.add("history-mismatch", "the history has other layers", image(
        Cmd=shell, change=lambda c: {**c, "history": [{"empty_layer": True}] * 7}), **ran)
    t.add("ports-and-onbuild", "EXPOSE and ONBUILD", image(
        Cmd=shell, ExposedPorts={"80/tcp": {}, "x": {}}, OnBuild=["RUN false"]), **ran)
    t.add("entry-missing", "the command is not there", image(Cmd=["/nowhere"]), outcome="not_started", reason="COMMAND_NOT_STARTED", says="/nowhere")
    t.add("entry-not-executable", "the command is no program", image([tar(file("run", "x", 0o644))], Cmd=["/run"]),
          outcome="not_started", says="permission denied")
    t.add("entry-directory", "the command is a directory", image(Cmd=["/bin"]), outcome="not_started")
    t.add("entry-other-processor", "the program is for another processor", image(
        [tar(file("run", b"\x7fELF\x02\x01\x01" + b"\0" * 9 + b"\x02\0\xb7\0" + b"\0" * 200, 0o755))], Cmd=["/run"]),
        outcome="ends")
    t.add("entry-no-interpreter", "the interpreter of a script is not there", image(
        [tar(file("run", "#!/usr/bin/python9\n", 0o755))], Cmd=["/run"]), outcome="ends")
    with open("/bin/busybox", "rb") as busybox:
        alone = layout.image([tar(file("sleep", busybox.read(), 0o755))], {"Entrypoint": ["/sleep", "100000"],
                                                                           "Labels": {"tallyman.stop-grace-seconds": "0"}})
    t.add("scratch", "one static program and nothing else", alone)
    t.add("no-layers", "an image without a layer", layout.image([], {"Cmd": ["/x"]}), outcome="not_started", says="/x")
    t.add("crash-at-once", "it ends at once", image(Cmd=["/bin/sh", "-c", "echo why; exit 3"]), outcome="ends", exit_code=3)
    t.add("crash-later", "it ends a moment later", image(Cmd=["/bin/sh", "-c", "sleep 0.5; exit 5"]), outcome="ends", exit_code=5)


def surroundings(t):
    t.runs("directory-made", "WORKDIR is not there", proof="pwd", expect=["/new/place"], config={"WorkingDir": "/new/place"})
    t.runs("directory-relative", "WORKDIR is relative", proof="pwd", expect=["/app/x"], config={"WorkingDir": "app//x/"})
    t.runs("directory-dots", "WORKDIR has dots", proof="pwd", expect=["/tmp"], config={"WorkingDir": "/a/../../tmp/."})
    t.runs("variables-odd", "variables without a value or a name, doubled, with newlines", proof="env", config={
        "Env": ["PATH=/bin", "ALONE", "=x", "EMPTY=", "TWICE=1", "TWICE=2", "LINES=a\nb"]},
        expect=["EMPTY=\n", "TWICE=2", "LINES=a\nb"])
    t.runs("no-variables", "no variables at all", proof="/bin/env", config={"Env": None}, expect=["PATH=/usr/local/sbin"])
    t.runs("home-of-user", "HOME comes from passwd", proof="env", config={"User": "app"}, expect=["HOME=/home/app"])


def users(t, layout):
    def case(name, odd, user, expect, layers=(), **config):
        t.runs("user-" + name, odd, layers, proof="id; echo x >/data/mine && echo it writes; echo 5 wait >/tallyman/jobs/blocking-job && echo it tells",
               expect=[*expect, "it writes", "it tells"], config={"User": user, **config})

    case("name", "a name", "app", ["uid=1000", "gid=1000", "60(extra)"])
    case("number", "a number of passwd", "1000", ["uid=1000", "gid=1000"])
    case("number-alone", "a number that passwd does not have", "1234", ["uid=1234", "gid=0"])
    case("group", "a name and a group", "app:staff", ["uid=1000", "gid=50"])
    case("numbers", "numbers that nothing has", "4000:5000", ["uid=4000", "gid=5000"])
    case("group-alone", "only a group", ":staff", ["uid=0", "gid=50"])
    case("root", "root by name", "root", ["uid=0", "gid=0"])
    case("largest", "the largest number", "2147483647:2147483647", ["uid=2147483647"])
    bare = [tar(file("etc/.wh.passwd"), file("etc/.wh.group"))]
    case("bare-zero", "no passwd, user 0", "0", ["uid=0"], bare)
    case("bare-number", "no passwd, a number", "77:88", ["uid=77", "gid=88"], bare)
    case("odd-passwd", "passwd has broken lines before the user's", "late", ["uid=3000", "gid=3001"],
         [tar(file("etc/passwd", "broken\n::\nx:y:z:w\nroot:x:0:0\nlate:x:3000:3001::/:\n"))])
    for name, user in (("ghost", "ghost"), ("ghost-group", "app:ghost"), ("minus", "-1"), ("too-large", "99999999999"), ("blank", "app ")):
        t.refused("user-" + name, f"USER {user!r}", layout.image([t.base], t.config(User=user)), NOT, "USER")
    t.refused("user-bare-name", "no passwd, a name", layout.image([t.base, *bare], t.config(User="app")), NOT, "/etc/passwd")
    t.refused("user-passwd-link", "passwd leads out of the image", layout.image(
        [t.base, tar(link("etc/passwd", "../../../../../../proc/self/root/etc/passwd"))], t.config(User="daemon")), NOT)
    t.refused("user-passwd-pipe", "passwd is a pipe", layout.image(
        [t.base, tar(file("etc/.wh.passwd")), tar(dict(kind="p", name="etc/passwd"))], t.config(User="app")), NOT)


def ends(t, layout):
    def case(name, odd, signal, trap, **more):
        after = f"trap 'echo heard >/data/heard; exit 0' {trap}; echo it runs >/data/proof; while :; do sleep 0.05; done"
        image = layout.image([t.base], {"Entrypoint": ["/bin/sh", "-c", after], "Env": ["PATH=/bin"], "StopSignal": signal})
        t.add("signal-" + name, odd, image, proof=["it runs"], proof_in="data", heard="heard", **more)

    case("default", "no STOPSIGNAL", None, "TERM")
    case("name", "a name", "SIGINT", "INT")
    case("short", "a name without SIG, in small letters", "quit", "QUIT")
    case("number", "a number", "12", "USR2")
    case("real-time", "a real-time signal", "SIGRTMIN+3", "37")
    t.refused("signal-none", "STOPSIGNAL is no signal", layout.image([t.base], t.config(StopSignal="SIGNONSENSE")), NOT, "STOPSIGNAL")
    t.refused("signal-zero", "STOPSIGNAL 0", layout.image([t.base], t.config(StopSignal="0")), NOT, "STOPSIGNAL")
    deaf = layout.image([t.base], t.config(after="trap '' TERM; while :; do sleep 0.1; done",
                                           Labels={"tallyman.stop-grace-seconds": "1"}))
    t.add("deaf", "it ignores its stop signal", deaf, proof=["it runs"], proof_in="data")


def health(t, layout):
    def case(name, odd, check, expect, labels=None, **more):
        image = layout.image([t.base], t.config(Healthcheck=check, Labels=labels, **more))
        t.add("health-" + name, odd, image, proof=["it runs"], proof_in="data", health=expect)

    quick = {"Interval": SECOND // 10, "Timeout": SECOND, "Retries": 1}
    case("command", "CMD", {"Test": ["CMD", "/bin/test", "-d", "/data"], **quick}, "healthy")
    case("command-fails", "CMD that fails", {"Test": ["CMD", "/bin/false"], **quick}, "unhealthy")
    case("shell", "CMD-SHELL", {"Test": ["CMD-SHELL", "test -d /data || exit 1"], **quick}, "healthy")
    case("shell-fails", "CMD-SHELL that fails", {"Test": ["CMD-SHELL", "exit 1"], **quick}, "unhealthy")
    case("own-shell", "SHELL is another one", {"Test": ["CMD-SHELL", "test $0 = other"], **quick}, "healthy",
         Shell=["/bin/sh", "-c", 'eval "$1"', "other"])
    case("none", "NONE", {"Test": ["NONE"]}, "healthy")
    case("empty", "an empty test", {"Test": []}, "healthy")
    case("label-wins", "the label says otherwise", {"Test": ["CMD", "/bin/false"], **quick}, "healthy",
         labels={"tallyman.health": "true"})
    case("label-list", "the label is a list of words", None, "unhealthy", labels={"tallyman.health": '["/bin/test", "-e", "/no"]'})
    case("missing", "the program is not there", {"Test": ["CMD", "/nowhere"], **quick}, "unhealthy")
    case("hangs", "it does not end in its time", {"Test": ["CMD", "sleep", "1000"], **quick, "Timeout": SECOND // 2}, "unhealthy")
    case("retries", "it fails twice before it ends well", {"Test": [
        "CMD-SHELL", "echo >>/data/tries; test $(wc -l </data/tries) -ge 3"], **quick, "Retries": 3}, "healthy")
    case("as-user", "it runs as the image's user", {"Test": ["CMD-SHELL", "test $(id -u) = 1000"], **quick}, "healthy", User="app")
    t.refused("health-form", "an unknown form", layout.image([t.base], t.config(Healthcheck={"Test": ["RUN", "x"]})), NOT, "Healthcheck")
    t.refused("health-text", "the test is a text", layout.image([t.base], t.config(Healthcheck={"Test": "true"})), NOT, "Test")


def all_cases(t, layout):
    commands(t, layout)
    surroundings(t)
    users(t, layout)
    ends(t, layout)
    health(t, layout)
