"""Images made on the spot: layers by tar entries, configs and manifests as odd as one likes.

Everything goes into one directory with the form of an OCI layout, which a registry of the tests
serves; what is in it need not be of OCI.
"""

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile

OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker."
KINDS = {
    "f": tarfile.REGTYPE,
    "d": tarfile.DIRTYPE,
    "l": tarfile.SYMTYPE,
    "h": tarfile.LNKTYPE,
    "c": tarfile.CHRTYPE,
    "b": tarfile.BLKTYPE,
    "p": tarfile.FIFOTYPE,
}
PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"
GROUP = "root:x:0:\napp:x:1000:\nstaff:x:50:app\nextra:x:60:other,app\n"
TOOLS = "sh cat chmod dd echo env id ls mkdir mv readlink rm sleep stat test true false wc sort tr".split()


def file(name, data=b"", mode=0o644, **more):
    return dict(kind="f", name=name, data=data.encode() if isinstance(data, str) else data, mode=mode, **more)


def directory(name, mode=0o755, **more):
    return dict(kind="d", name=name, mode=mode, **more)


def link(name, to, **more):
    return dict(kind="l", name=name, to=to, **more)


def hard_link(name, to, **more):
    return dict(kind="h", name=name, to=to, **more)


def tar(*entries, form=tarfile.PAX_FORMAT, **more):
    """The bytes of a tar archive; `more` goes to tarfile.open()."""
    out = io.BytesIO()
    archive = tarfile.open(fileobj=out, mode="w", format=form, encoding="utf-8", errors="surrogateescape", **more)
    for entry in entries:
        info = tarfile.TarInfo(entry["name"])
        info.type = KINDS[entry["kind"]]
        info.mode = entry.get("mode", 0o755)
        info.uid = entry.get("uid", 0)
        info.gid = entry.get("gid", 0)
        info.mtime = entry.get("mtime", 1)
        info.linkname = entry.get("to", "")
        info.devmajor, info.devminor = entry.get("device", (0, 0))
        info.pax_headers = entry.get("pax", {})
        data = entry.get("data", b"")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    archive.close()
    return out.getvalue()


def base():
    """A layer with busybox, its commands, and two users."""
    with open("/bin/busybox", "rb") as busybox:
        entries = [directory("bin"), file("bin/busybox", busybox.read(), 0o755)]
    entries += [link("bin/" + name, "busybox") for name in TOOLS]
    entries += [directory("etc"), file("etc/passwd", PASSWD), file("etc/group", GROUP)]
    entries += [directory("tmp", 0o1777), directory("home"), directory("home/app", uid=1000, gid=1000)]
    return tar(*entries)


def packed(layer, form):
    if form == "gzip":
        return gzip.compress(layer, 1, mtime=0)
    if form == "members":
        return packed(layer[:700], "gzip") + packed(layer[700:], "gzip")
    if form == "zstd":
        return subprocess.run(["zstd", "-q", "-1", "-c"], input=layer, stdout=subprocess.PIPE, check=True).stdout
    if form == "bzip2":
        import bz2

        return bz2.compress(layer)
    return layer


class Layout:
    def __init__(self, path):
        self.path = path
        self.packed = {}
        self.index = []
        os.makedirs(path + "/blobs/sha256")

    def blob(self, data):
        digest = hashlib.sha256(data).hexdigest()
        with open(f"{self.path}/blobs/sha256/{digest}", "wb") as out:
            out.write(data)
        return {"digest": "sha256:" + digest, "size": len(data)}

    def text(self, value):
        return self.blob(value if isinstance(value, bytes) else json.dumps(value).encode())

    def pack(self, layer, form):
        """A layer as a blob; the same one is packed once."""
        key = hashlib.sha256(layer).hexdigest(), form
        if key not in self.packed:
            self.packed[key] = self.blob(packed(layer, form))
        return dict(self.packed[key])

    def image(
        self,
        layers,
        config=None,
        form="gzip",
        docker=False,
        platform=("linux", "amd64"),
        change_config=None,
        change_manifest=None,
    ):
        """Gives the descriptor of a manifest. `layers` are tar archives, or (archive, form)."""
        described, sums = [], []
        for layer in layers:
            data, how = layer if isinstance(layer, tuple) else (layer, form)
            suffix = {"gzip": "+gzip", "members": "+gzip", "zstd": "+zstd"}.get(how, "")
            kind = DOCKER + "image.rootfs.diff.tar.gzip" if docker else OCI + "layer.v1.tar" + suffix
            described.append({"mediaType": kind, **self.pack(data, how)})
            sums.append("sha256:" + hashlib.sha256(data).hexdigest())
        full = {
            "os": platform[0],
            "architecture": platform[1],
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": sums},
            "history": [{"created_by": "made"} for _ in layers],
        }
        if change_config:
            full = change_config(full)
        kind = DOCKER + "container.image.v1+json" if docker else OCI + "config.v1+json"
        manifest = {
            "schemaVersion": 2,
            "mediaType": DOCKER + "distribution.manifest.v2+json" if docker else OCI + "manifest.v1+json",
            "config": {"mediaType": kind, **self.text(full)},
            "layers": described,
        }
        if change_manifest:
            manifest = change_manifest(manifest)
        return {
            "mediaType": manifest.get("mediaType", OCI + "manifest.v1+json"),
            "platform": {"os": platform[0], "architecture": platform[1]},
            **self.text(manifest),
        }

    def list_of(self, manifests, docker=False):
        kind = DOCKER + "distribution.manifest.list.v2+json" if docker else OCI + "index.v1+json"
        return {"mediaType": kind, **self.text({"schemaVersion": 2, "mediaType": kind, "manifests": manifests})}

    def tag(self, name, descriptor):
        self.index.append(
            {
                **{key: value for key, value in descriptor.items() if key != "platform"},
                "annotations": {"org.opencontainers.image.ref.name": name},
            }
        )

    def close(self):
        with open(self.path + "/index.json", "w") as out:
            json.dump({"schemaVersion": 2, "manifests": self.index}, out)
        with open(self.path + "/oci-layout", "w") as out:
            out.write('{"imageLayoutVersion":"1.0.0"}')
