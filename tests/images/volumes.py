"""Images that are odd in their volumes, and versions of an image that differ in them."""

from making import directory, file, link, tar

NOT = "IMAGE_NOT_SUPPORTED"


def paths(t, layout):
    def case(name, odd, declared, path, directory_name):
        image = layout.image([t.base], t.config(where=path, Volumes={declared: {}}))
        t.add("volume-" + name, odd, image, proof=["it runs"], proof_in=directory_name)

    case("plain", "a plain path", "/var/lib/x", "/var/lib/x", "var+lib+x")
    case("slash", "a slash at its end", "/srv/", "/srv", "srv")
    case("relative", "a relative path", "store", "/store", "store")
    case("dots", "a path with dots", "/a/./b/../c//d", "/a/c/d", "a+c+d")
    case("blank", "a blank", "/my data", "/my data", "my%20data")
    case("hidden", "a name with a dot", "/root/.ethereum", "/root/.ethereum", "root+.ethereum")
    case("marks", "marks that the encoding uses", "/a+b%20c", "/a+b%20c", "a%2Bb%2520c")
    case("letters", "letters of another script", "/dane/żółć", "/dane/żółć", "dane+%C5%BC%C3%B3%C5%82%C4%87")
    case("comma-colon", "marks that mounts use", "/a,b:c", "/a,b:c", "a%2Cb%3Ac")
    case("long", "a long path", "/" + "l" * 250, "/" + "l" * 250, "l" * 250)
    for name, path in (("root", "/"), ("above-root", "/.."), ("proc", "/proc"), ("dev", "/dev/shm"), ("own", "/tallyman/jobs"),
                       ("too-long", "/" + "l" * 256)):
        t.refused("volume-" + name, f"VOLUME {path[:20]}", layout.image([t.base], t.config(Volumes={path: {}})), NOT, "VOLUME")
    t.refused("volumes-33", "more volumes than are possible", layout.image(
        [t.base], t.config(Volumes={f"/v{i}": {} for i in range(33)})), NOT, "33 volumes")
    t.refused("volumes-list", "VOLUME is a list", layout.image([t.base], t.config(Volumes=["/data"])), NOT, "Volumes")
    t.runs("volumes-32", "as many volumes as are possible", proof="ls -d /v0 /v31",
           where="/v5", expect=["/v31"], config={"Volumes": {f"/v{i}": {} for i in range(32)}})
    t.runs("volume-doubled", "one path in two forms", config={"Volumes": {"/data": {}, "/data/": {}}})
    t.runs("volumes-nested", "volumes in one another", where="/data",
           proof="echo in >/data/chain/db/file; ls /data/chain; ls /data/chain/db", expect=["db\nfile"],
           config={"Volumes": {"/data/chain/db": {}, "/data": {}, "/data/chain": {}}})


def shipped(t, layout):
    content = [tar(directory("data", 0o750, uid=1000, gid=50), file("data/seed", "shipped", 0o640, uid=1000, gid=50),
                   directory("data/sub", 0o700, uid=7, gid=8), link("data/link", "seed"),
                   file("data/.hidden", "h"), dict(kind="p", name="data/pipe"))]
    t.runs("content", "the image ships content at a volume", content,
           proof="cat /data/seed; stat -c '%a %u:%g' /data /data/seed /data/sub; readlink /data/link; cat /data/.hidden; id -u",
           expect=["shipped", "750 1000:50", "640 1000:50", "700 7:8", "seed", "h"], config={"User": "app", "Volumes": {"/data": {}}})
    t.runs("content-by-link", "the path leads over a link", [tar(directory("run"), directory("run/x", uid=9), file("run/x/seed", "shipped"), directory("var"), link("var/run", "/run"))],
           proof="cat /var/run/x/seed", where="/var/run/x", expect=["shipped"], config={"Volumes": {"/var/run/x": {}}})
    t.runs("content-link-out", "the path leads out of the image", [tar(link("data", "/../../../../etc"))],
           proof="ls /data; echo end", expect=["end"])
    t.runs("content-nested", "content at a volume within another", [tar(directory("data"), file("data/a", "outer"), directory("data/in"), file("data/in/b", "inner"))],
           proof="cat /data/a /data/in/b", expect=["outerinner"], config={"Volumes": {"/data": {}, "/data/in": {}}})
    t.refused("volume-over-file", "a volume where the image has a file", layout.image(
        [t.base, tar(file("data", "x"))], t.config(Volumes={"/data": {}})), NOT, "VOLUME")
    t.add("content-large", "more content than the node's disk has room for", layout.image(
        [t.base, tar(directory("data"), file("data/large", b"x" * (40 << 20)))], t.config(Volumes={"/data": {}})),
        outcome="not_started", reason="VOLUME_CONTENT_DOES_NOT_FIT", says="larger")


def versions(t, layout):
    def tag(name, *layers, **config):
        t.layout.tag(name, layout.image([t.base, *layers], t.config(**config)))
        return name

    def look(name, where, *layers, **config):
        """A version that shows what is in `where`, and leaves its own mark there."""
        return tag(name, *layers, proof=f"ls {where}; stat -c %u {where}; echo >{where}/mark-{name}", where=where, **config)

    def step(image, *expect, where="data", **more):
        return dict(image=image, proof=list(expect), proof_in=where, **more)

    first = look("first", "/data", Volumes={"/data": {}})
    t.case("upgrade-same", "the volumes stay", [step(first), step(look("same", "/data", Volumes={"/data/": {}}), "mark-first")])
    other = look("other", "/new", Volumes={"/new": {}})
    t.case("upgrade-other", "another volume instead of the old one", [
        step(first), dict(image=other, outcome="refused", reason="VOLUMES_CHANGED", says='"/new"')])
    t.case("upgrade-default", "no volume is declared any more, so that it is /data", [
        step(other, where="new"), dict(image=look("none", "/data"), outcome="refused", reason="VOLUMES_CHANGED", says='"/new"')])
    meant = tag("meant", proof="ls /data; ls /new; echo end", where="/new", Volumes={"/new": {}}, Labels={"tallyman.accept-new-volumes": "/new"})
    t.case("upgrade-meant", "another volume, and the image says that it is meant", [step(first), step(meant, "mark-first", where="new")])
    t.case("upgrade-meant-by-node", "another volume, and the node says that it is meant", [
        step(first), step(other, where="new", values={"accept_new_volumes": "/new"})])
    beside = tag("beside", proof="ls /data; ls /new; echo end", where="/data", Volumes={"/data": {}, "/new": {}})
    t.case("upgrade-beside", "a volume more", [step(first), step(beside, "mark-first")])
    t.case("upgrade-fewer", "a volume less stays mounted", [
        step(beside), step(tag("fewer", proof="ls -d /new /data", Volumes={"/data": {}}), "/new")])
    inner = look("inner", "/data/chain", Volumes={"/data/chain": {}})
    t.case("upgrade-inner", "a volume within the old one is a part of it", [
        step(tag("outer", proof="mkdir /data/chain; echo >/data/chain/block", Volumes={"/data": {}})),
        dict(image=inner, proof=["block"], proof_in="data", proof_at="chain")])
    outer = tag("around", proof="ls /data/chain", where="/data", Volumes={"/data": {}})
    t.case("upgrade-outer", "a volume around the old one", [
        step(look("within", "/data/chain", Volumes={"/data/chain": {}}), where="data+chain"), step(outer, "mark-within")])
    seeded = look("seeded", "/data", tar(directory("data"), file("data/seed", "x")), Volumes={"/data": {}})
    t.case("upgrade-content", "content at a volume that is not new is not copied", [step(first), step(seeded, "mark-first", absent=["seed"])])
    app = look("as-app", "/data", Volumes={"/data": {}}, User="app")
    t.case("upgrade-user", "another user, who could not write", [
        step(first), dict(image=app, outcome="refused", reason="IMAGE_USER_CHANGED", says="chown_data = 1000:1000")])
    given = look("given", "/data", Volumes={"/data": {}}, User="app", Labels={"tallyman.chown-data": "1000:1000"})
    t.case("upgrade-user-given", "another user, who is given the data, and back", [
        step(first, "0"), step(given, "mark-first", "1000"), step(first, "mark-given", "\n0\n", prepare=False)])
    t.case("upgrade-user-by-node", "another user, and the node says so", [
        step(first), step(app, "1000", values={"chown_data": "1000:1000"})])
    t.case("upgrade-to-root", "from a user to root and back", [
        step(app, "1000"), step(first, "mark-as-app"), step(app, "mark-first", prepare=False)])
    t.case("upgrade-dropping-root", "the old one dropped root by itself", [
        step(tag("drops", proof="chmod 777 /data", after="while :; do sleep 0.1; done", Volumes={"/data": {}}), chown=(1000, 1000)), step(app, "1000")])


def all_cases(t, layout):
    paths(t, layout)
    shipped(t, layout)
    versions(t, layout)
