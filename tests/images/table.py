"""The table of images: each with what is odd about it and what must happen."""

WAITS = "while :; do sleep 0.1; done"


class Table:
    def __init__(self, layout, base):
        self.layout = layout
        self.base = base
        self.cases = []

    def shell(self, proof="echo it runs", where="/data", after=WAITS):
        """The command of an image that writes what it finds into `where`, and goes on."""
        return ["/bin/sh", "-c", f'trap "exit 0" TERM; {{ {proof}; }} >"{where}/.proof" 2>&1; mv "{where}/.proof" "{where}/proof"; {after}']

    def config(self, proof="echo it runs", where="/data", after=WAITS, **more):
        return {"Entrypoint": self.shell(proof, where, after), "Env": ["PATH=/bin"], **more}

    def add(self, name, odd, image, **step):
        """A case of one image. `step` says what must happen (corpus_test.cc): by default it runs."""
        if image is not None:
            self.layout.tag(name, image)
        self.case(name, odd, [dict(image=name, **step)])

    def case(self, name, odd, steps, **more):
        assert name not in [case["name"] for case in self.cases], name
        for step in steps:
            step.setdefault("outcome", "runs")
        self.cases.append(dict(name=name, odd=odd, steps=steps, **more))

    def runs(self, name, odd, layers=(), proof="echo it runs", expect=("it runs",), config=None, where="/data", **more):
        """The base, `layers` above it, and a shell that looks; `expect` must be in what it prints."""
        volume = where.strip("/").replace("/", "+")
        image = self.layout.image([self.base, *layers], self.config(proof, where, **(config or {})), **more)
        self.add(name, odd, image, proof=list(expect), proof_in=volume)

    def refused(self, name, odd, image, reason, says=""):
        self.add(name, odd, image, outcome="refused", reason=reason, says=says)
