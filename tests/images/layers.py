"""Images that are odd in their manifests, their layers' forms, and what is in their layers."""

import tarfile

from making import DOCKER, OCI, directory, file, hard_link, link, packed, tar

NOT = "IMAGE_NOT_SUPPORTED"


def set_in(**changes):
    return lambda value: {**value, **changes}


def without(*keys):
    return lambda value: {key: one for key, one in value.items() if key not in keys}


def layer_changed(position, **changes):
    def change(manifest):
        layers = [dict(one) for one in manifest["layers"]]
        layers[position].update(changes)
        return {**manifest, "layers": layers}

    return change


def forms(t):
    extra = tar(file("extra", "here"))
    see = dict(proof="cat /extra", expect=["here"])
    t.runs("plain", "nothing", [extra], **see)
    t.runs("uncompressed", "layers are not compressed", [extra], form="none", **see)
    t.runs("zstd", "layers are zstd, which umoci does not know", [extra], form="zstd", **see)
    t.runs("docker-schema-2", "docker's media types", [extra], docker=True, **see)
    t.runs("docker-uncompressed", "docker's media type says gzip, the layer is tar", [extra], docker=True, form="none", **see)
    t.runs("docker-zstd", "docker's media type says gzip, the layer is zstd", [(extra, "zstd")], docker=True, **see)
    t.runs("mixed-forms", "each layer has another form", [(extra, "zstd"), (tar(file("a", "1")), "none")], **see)
    t.runs("zstd-twice", "the same zstd layer is there twice", [(extra, "zstd"), (extra, "zstd")], **see)
    t.runs("layer-twice", "the same layer is there twice", [extra, extra], **see)
    t.runs("empty-archive", "a layer has no entries", [tar(), extra], **see)
    t.runs("empty-file", "a layer is an empty file", [(b"", "none"), extra], **see)
    many = [tar(file(f"l{i}", str(i))) for i in range(200)]
    t.runs("layers-200", "200 layers", many, proof="cat /l199; ls / | wc -l", expect=["199"])
    t.runs("foreign-layer", "a layer of a nondistributable type", [extra],
           change_manifest=layer_changed(1, mediaType=OCI + "layer.nondistributable.v1.tar+gzip"), **see)
    t.runs("gzip-members", "a gzip layer is two members", [(extra, "members")], **see)
    t.runs("annotated", "the manifest has fields nobody knows", [extra],
           change_manifest=set_in(annotations={"a": "b"}, unknown={"x": [1]}), **see)


def forms_refused(t, layout):
    run = t.config()
    t.layout.tag("layers-501", layout.image([tar(file(f"l{i}")) for i in range(501)], run))
    t.case("layers-501", "more layers than are allowed", [
        dict(image="layers-501", outcome="refused", reason=NOT, says="501 layers")], long=True)
    t.refused("bzip2", "a layer is bzip2", layout.image([(t.base, "bzip2")], run), NOT, "neither tar nor gzip nor zstd")
    t.refused("random-layer", "a layer is noise", layout.image([(b"\x93noise" * 300, "none")], run), NOT, "layer 1")
    cut = packed(t.base, "gzip")[:200000]
    t.refused("cut-layer", "a gzip layer ends too early, as published", layout.image(
        [t.base], run, change_manifest=layer_changed(0, **layout.blob(cut))), "IMAGE_DAMAGED", "build and publish")
    t.refused("other-sum", "the config has another sum for a layer", layout.image(
        [t.base], run, change_config=set_in(rootfs={"type": "layers", "diff_ids": ["sha256:" + "0" * 64]})),
        "IMAGE_DAMAGED")
    t.refused("no-sums", "the config lists no layers", layout.image(
        [t.base], run, change_config=set_in(rootfs={"type": "layers", "diff_ids": []})), NOT, "lists 0 layers")
    t.refused("odd-sums", "the config names layers by what is no sum", layout.image(
        [t.base], run, change_config=set_in(rootfs={"type": "layers", "diff_ids": ["x"]})), NOT, "not a sha256 digest")
    t.refused("sha512", "a layer has a sha512 digest", layout.image(
        [t.base], run, change_manifest=layer_changed(0, digest="sha512:" + "0" * 128)), None)
    t.refused("digest-path", "a layer's digest is a path", layout.image(
        [t.base], run, change_manifest=layer_changed(0, digest="sha256:../../../../etc/passwd")), None)
    t.refused("blob-missing", "a layer is not in the registry", layout.image(
        [t.base], run, change_manifest=layer_changed(0, digest="sha256:" + "1" * 64)), "IMAGE_NOT_FOUND")
    t.refused("chart", "a chart of Helm", layout.image(
        [t.base], run, change_manifest=lambda m: {**m, "config": {
            "mediaType": "application/vnd.cncf.helm.config.v1+json", **layout.text({"name": "x"})}}), NOT)
    t.refused("artifact", "an artifact with an empty config", layout.image(
        [t.base], run, change_manifest=lambda m: {**m, "artifactType": "text/plain", "config": {
            "mediaType": "application/vnd.oci.empty.v1+json", **layout.text({})}}), NOT)
    v1 = {"schemaVersion": 1, "name": "x", "tag": "y", "architecture": "amd64", "fsLayers": [], "history": []}
    t.refused("schema-1", "docker's first schema", {
        "mediaType": DOCKER + "distribution.manifest.v1+json", **layout.text(v1)}, None)
    t.refused("manifest-null", "the manifest is null", {
        "mediaType": OCI + "manifest.v1+json", **layout.text(None)}, None)


def platforms(t, layout):
    here = layout.image([t.base], t.config())
    there = layout.image([t.base], t.config(), platform=("linux", "arm64"))
    windows = layout.image([t.base], t.config(), platform=("windows", "amd64"))
    ran = dict(proof=["it runs"], proof_in="data")
    t.add("index", "an index of several platforms", layout.list_of([windows, there, here]), **ran)
    docker = [layout.image([t.base], t.config(), docker=True, platform=("linux", name)) for name in ("arm64", "amd64")]
    t.add("manifest-list", "docker's list of several platforms", layout.list_of(docker, docker=True), **ran)
    t.refused("index-elsewhere", "an index without this platform", layout.list_of([windows, there]), NOT, "platform")
    t.refused("index-empty", "an index of nothing", layout.list_of([]), NOT)
    t.refused("arm64", "an image for another processor", there, NOT, "arm64")
    t.refused("windows", "an image for another system", windows, NOT, "windows")
    t.case("by-digest", "it is asked for by digest", [dict(image="", behind="@" + here["digest"], **ran)])
    index = layout.list_of([there, here])
    t.case("by-index-digest", "the digest is that of an index", [dict(image="", behind="@" + index["digest"], **ran)])
    t.case("digest-gone", "the digest is nowhere", [
        dict(image="", behind="@sha256:" + "2" * 64, outcome="refused", reason="IMAGE_NOT_FOUND")])
    t.case("tag-gone", "the tag is nowhere", [
        dict(image="", behind=":nowhere", outcome="refused", reason="IMAGE_NOT_FOUND", says="published")])


def contents(t):
    t.runs("whiteout", "a file is removed by a layer", [tar(file("gone", "x")), tar(file(".wh.gone"))],
           proof="test -e /gone || echo it is gone", expect=["it is gone"])
    t.runs("whiteout-directory", "a directory is removed and made again",
           [tar(directory("d"), file("d/old")), tar(file(".wh.d")), tar(directory("d"), file("d/new"))],
           proof="ls /d", expect=["new"])
    t.runs("whiteout-nothing", "what is removed was never there", [tar(file(".wh.never"))])
    t.runs("opaque", "a directory is opaque", [tar(directory("d"), file("d/old")), tar(directory("d"), file("d/.wh..wh..opq"), file("d/new"))],
           proof="ls /d; echo end", expect=["new\nend"])
    t.runs("hard-links", "two names of one file", [tar(file("a", "x"), hard_link("b", "a"))],
           proof="stat -c %h /a", expect=["2"])
    t.runs("hard-link-across", "a hard link to a file of a lower layer", [tar(file("a", "x")), tar(hard_link("b", "a"))],
           proof="cat /b", expect=["x"])
    t.runs("link-escape", "a link leads out of the image and a file goes through it",
           [tar(link("out", "/../../../../tmp/tallyman-escape"), file("out/file", "x"))])
    t.runs("dots-escape", "names have .. in them", [tar(file("../../../../tmp/tallyman-escape/file", "x"))])
    t.runs("absolute-names", "names begin with /", [tar(file("/absolute", "here"))], proof="cat /absolute", expect=["here"])
    t.runs("absolute-link", "a file goes through an absolute link", [tar(directory("real"), link("seen", "/real"), file("seen/file", "here"))],
           proof="cat /real/file /seen/file", expect=["here"])
    t.runs("file-becomes-directory", "a file becomes a directory", [tar(file("x")), tar(directory("x"), file("x/y", "here"))],
           proof="cat /x/y", expect=["here"])
    t.runs("directory-becomes-link", "a directory becomes a link", [tar(directory("x"), file("x/y"), directory("z"), file("z/y", "here")), tar(link("x", "z"))],
           proof="cat /x/y", expect=["here"])
    t.runs("disk-device", "a device node of the host's disks",
           [tar(dict(kind="b", name="disk", mode=0o666, device=(7, 0)))],
           proof="dd if=/disk of=/dev/null count=1 || echo it cannot be read", expect=["it cannot be read"])
    t.runs("memory-device", "a device node of the kernel's memory",
           [tar(dict(kind="c", name="kmem", mode=0o666, device=(1, 2)))],
           proof="dd if=/kmem of=/dev/null count=1 || echo it cannot be read", expect=["it cannot be read"])
    t.runs("pipe", "a named pipe", [tar(dict(kind="p", name="pipe", mode=0o666))], proof="test -p /pipe && echo a pipe", expect=["a pipe"])
    t.runs("attributes", "extended attributes and a capability", [tar(file("able", "x", 0o755, pax={
        "SCHILY.xattr.user.note": "x", "SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00" + "\x00" * 12}))])
    setuid = [tar(file("root/id", open("/bin/busybox", "rb").read(), 0o4755))]
    t.runs("setuid", "a setuid program, and a user", setuid, proof="/root/id", expect=["uid=1000(app) gid=1000(app) groups"],
           config={"User": "app", "Volumes": {"/data": {}}})
    t.runs("root-mode", "the root directory has a mode and an owner", [tar(directory("./", 0o751, uid=7, gid=8))],
           proof="stat -c '%a %u %g' /", expect=["751 7 8"])
    t.runs("root-unsaid", "no layer names the root directory", proof="stat -c '%a %u' /", expect=["755 0"])
    t.runs("parents-unsaid", "no layer names the parents of a file", [tar(file("a/b/c", "x"))], proof="stat -c %a /a/b", expect=["755"])
    t.runs("large-owner", "owners beyond 16 bits", [tar(file("x", "", uid=2147483646, gid=3000000000))],
           proof="stat -c '%u %g' /x", expect=["2147483646 3000000000"])
    t.runs("long-ago", "times before 1970 and far away", [tar(file("x", "", mtime=-100000), file("y", "", mtime=1 << 33))])


def names(t):
    t.runs("name-255", "a name of 255 bytes", [tar(file("n" * 255, "here"))], proof="cat /nnn*", expect=["here"])
    t.runs("name-not-utf-8", "a name that is no text", [tar(file("\udcff\udcfe.bin", "here"))], proof="cat /*.bin", expect=["here"])
    t.runs("name-newline", "a name of two lines", [tar(file("two\nlines", "here"))], proof="cat /two*", expect=["here"])
    t.runs("name-blank", "a name with blanks and quotes", [tar(file("a 'b' \"c\" $d", "here"))], proof="cat /a*", expect=["here"])
    deep = "/".join(["deep"] * 300)
    t.runs("deep", "300 directories in one another", [tar(file(deep + "/x", "here"))], proof=f"cat /{deep}/x", expect=["here"])
    t.runs("gnu-format", "an archive of GNU's form", [tar(file("g" * 200, "here"), form=tarfile.GNU_FORMAT)], proof="cat /ggg*", expect=["here"])
    t.runs("ustar-format", "an archive of the old form", [tar(file("u", "here"), form=tarfile.USTAR_FORMAT)], proof="cat /u", expect=["here"])
    t.refused("global-header", "an archive with a global header, as git makes it, which umoci does not know",
              t.layout.image([t.base, tar(file("g", "here"), pax_headers={"comment": "0" * 40})], t.config()), NOT, "kind")


def sparse(name, size):
    """A sparse file of GNU's old form: a header and no data."""
    header = tarfile.TarInfo(name)
    header.type = b"S"
    raw = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    raw[156:157] = b"S"
    raw[386:410] = b"%011o\0%011o\0" % (size, 0)
    raw[483:495] = b"\x80" + size.to_bytes(11, "big")
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw) + b"\0" * 1024


def large(t, layout, bytes_max, entries_max):
    run = t.config()
    many = tar(*[file(f"m/{i}") for i in range(entries_max + 1)])
    t.refused("entries", "more files than are allowed", layout.image([t.base, many], run), "IMAGE_TOO_LARGE", "files")
    bomb = Zeros(bytes_max)
    for form in ("gzip", "zstd", "none"):
        t.refused(f"bomb-{form}", "a small layer that unpacks to more than is allowed",
                  layout.image([t.base, (bomb, form)], run), "IMAGE_TOO_LARGE", "more than")
    t.refused("sparse-huge", "a sparse file of a terabyte", layout.image([t.base, sparse("s", 1 << 40)], run), "IMAGE_TOO_LARGE")
    halves = [tar(file(f"h{i}", b"\0" * (bytes_max // 3))) for i in range(4)]
    t.refused("layers-together", "layers that are too much only together", layout.image([t.base, *halves], run), "IMAGE_TOO_LARGE")


def Zeros(size):
    return tar(file("zeros", b"\0" * size))


def all_cases(t, layout, bytes_max, entries_max):
    forms(t)
    forms_refused(t, layout)
    platforms(t, layout)
    contents(t)
    names(t)
    large(t, layout, bytes_max, entries_max)
