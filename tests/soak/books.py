"""books.py - what the far end knows of each device, and whether it adds up."""

import json

from harness import bench_wrong

SHOWN = 5  # faults of one kind that a report names


class Books:
    """What the recorder knows of one device, in the order in which it came."""

    def __init__(self, name):
        self.name, self.readings, self.losses = name, {}, {}
        self.first_seq = self.progress = None
        self.data = self.closed = 0
        self.copies, self.wrong = 0, []

    def take(self, kind, document):
        getattr(self, "_" + kind)(document)

    def _directory(self, d):
        self._same("first_seq", self.first_seq, d["first_seq"])
        self.first_seq = d["first_seq"]

    def _data(self, r):
        if r["seq"] < self.data:
            self.wrong.append("data %d came after %d" % (r["seq"], self.data))
        self.data = r["seq"]
        self._reading(r)

    def _replay(self, readings):
        seqs = [r["seq"] for r in readings]
        if seqs != sorted(set(seqs)):
            self.wrong.append("a replay is out of order: %s" % seqs)
        for r in readings:
            self._reading({k: v for k, v in r.items() if k != "replay"})

    def _reading(self, r):
        self.copies += r["seq"] in self.readings
        self._same("reading %d" % r["seq"], self.readings.setdefault(r["seq"], r), r)

    def _window(self, d):
        self._loss(dict(d, cause="thinned", exact=False))

    def _loss(self, d):
        self._same("loss from %d" % d["from"], self.losses.setdefault(d["from"], d), d)

    def _progress(self, d):
        self.progress = d
        if d["complete_to"] > d["last"]:
            self.wrong.append("progress beyond the last: %s" % d)
        missing = self.missing(max(self.closed + 1, d["first_seq"]), d["complete_to"])
        if missing:
            self.wrong.append("progress closed %s, which had not come" % spans(missing))
        self.closed = max(self.closed, d["complete_to"])

    def _same(self, what, old, new):
        if old is not None and old != new:
            self.wrong.append("%s: two contents: %s and %s" % (what, old, new))

    def missing(self, first, last):
        """Numbers of the range that neither came nor were lost.  A loss may be of a million
        numbers: it is stepped over whole."""
        missing, at = [], first
        for d in sorted(self.losses.values(), key=lambda d: d["from"]) + [{"from": last + 1, "to": last}]:
            missing += [n for n in range(at, min(d["from"], last + 1)) if n not in self.readings]
            at = max(at, d["to"] + 1)
        return missing

    def is_closed(self):
        """Up to the reading without values that says that the device is offline."""
        p = self.progress
        return p and p["complete_to"] == p["last"] and \
            self.readings.get(p["last"], {}).get("values") == {}

    def faults(self):
        """All that is wrong with the closed books, one line each."""
        return self.wrong + self.holes() + self._twice() + self._values()

    def holes(self):
        last = max([*self.readings, *(d["to"] for d in self.losses.values()),
                    self.progress["last"] if self.progress else 0], default=0)
        if not self.first_seq:
            return ["its directory did not come"]
        missing = self.missing(self.first_seq, last)
        return ["neither came nor was lost: %s" % spans(missing)] if missing else []

    def _twice(self):
        """After a power cut the gateway cannot know what came: such a range is not exact."""
        found, end = [], 0
        for d in sorted(self.losses.values(), key=lambda d: d["from"]):
            if d["from"] <= end:
                found.append("loss ranges overlap at %d" % d["from"])
            came = sorted(n for n in self.readings if d["from"] <= n <= d["to"])
            if came and d["exact"]:
                found.append("declared lost (%s) and received: %s" % (d["cause"], spans(came)))
            end = max(end, d["to"])
        return found

    def _values(self):
        found, before = [], -1
        for seq in sorted(self.readings):
            values = self.readings[seq]["values"]
            if bench_wrong(values):
                found.append("reading %d: wrong values: %s" % (seq, bench_wrong(values)))
            if values.get("poll", before + 1) <= before:
                found.append("reading %d: poll %d after %d" % (seq, values["poll"], before))
            before = values.get("poll", before)
        return found


def spans(numbers):
    """[1, 2, 3, 7] as "1-3 7"."""
    text, start = [], None
    for i, n in enumerate(numbers):
        start = n if start is None else start
        if i + 1 == len(numbers) or numbers[i + 1] != n + 1:
            text.append("%d-%d" % (start, n) if n > start else "%d" % n)
            start = None
    return " ".join(text[:SHOWN]) + (" ... (%d numbers)" % len(numbers) if len(text) > SHOWN else "")


class Library:
    """The books of all devices, fed with the recorder's messages as they come."""

    KINDS = ("directory", "data", "replay", "window", "loss", "progress")

    def __init__(self, world, names):
        self.world, self.read = world, 0
        self.books = {n: Books(n) for n in names}

    def follow(self):
        messages = self.world.subscriber.all(since=self.read)
        self.read += len(messages)
        for topic, payload, _, _ in messages:
            words = topic.split("/")
            if words[-2] in self.books and words[-1] in self.KINDS and payload:
                self.books[words[-2]].take(words[-1], json.loads(payload))
        return self.books.values()
