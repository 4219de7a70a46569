"""Stored readings once more: by number and by time, from gatewayctl and from the broker."""

import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import World, bench_source, wait_until  # noqa: E402

NAME = "bench-1"
DAY = 24 * 3600 * 1000


def world(commands=None):
    w = World(("--bench", "1", "--registers", "5"), lambda w: {"field": bench_source(w, 1, 5, "100ms")})
    w.config["buffer"]["sync"] = "100ms"  # what was just made is stored, and what is asked for kept, at once
    if commands is not None:
        w.config["sinks"]["goc"]["commands"] = commands
    return w


def iso(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + ".%03dZ" % (ms % 1000)


class Replay(unittest.TestCase):
    def readings(self, w, count):
        """So many readings, all of them acknowledged and in the store."""
        wait_until(lambda: len(w.ledger(NAME).readings) >= count, 20, "%d readings" % count)
        wait_until(lambda: w.ctl("buffer")["readings"] >= count, 10, "they are stored")
        ledger = w.ledger(NAME).readings
        return [ledger[s] for s in sorted(ledger)]

    def again(self, w, since):
        """Readings that came as replays."""
        return [r for m in w.subscriber.all("/replay", since) for r in json.loads(m[1])]

    def nothing_came_again(self, w):
        """The first reading may have waited for the connection and come as a replay, once."""
        self.assertEqual([r for r in self.again(w, 0) if "request" in r], [])
        self.assertEqual(w.ledger(NAME).copies, 0)

    def command(self, w, retain=False, **document):
        since = w.subscriber.count()
        w.subscriber.client.publish(w.topic("command"), json.dumps(document), qos=1, retain=retain)

        def mine():
            all_of_them = [json.loads(m[1]) for m in w.subscriber.all(w.topic("reply"), since)]
            return [r for r in all_of_them if r["id"] == document["id"]]
        return wait_until(mine, 10, "a reply")[0]

    def listening(self, w):
        """Commands arrive: one that is refused for its name was answered."""
        def answered():
            w.subscriber.client.publish(w.topic("command"), '{"id":"hello","expires":1,"op":"x"}', qos=1)
            return w.subscriber.all(w.topic("reply"))
        wait_until(answered, 10, "an answer", every=0.1)

    def test_gatewayctl_asks_by_time_and_by_number(self):
        with world() as w:
            w.start()
            made = self.readings(w, 20)
            since = w.subscriber.count()
            wanted = made[5:15]
            answer = w.ctl("replay", NAME, iso(wanted[0]["ts"]), iso(wanted[-1]["ts"]))
            self.assertEqual(answer, {"accepted": 10})
            wait_until(lambda: len(self.again(w, since)) >= 10, 10, "ten readings")
            self.assertEqual([(r["seq"], r["ts"], r["values"], r["replay"]) for r in self.again(w, since)],
                             [(r["seq"], r["ts"], r["values"], True) for r in wanted])
            since = w.subscriber.count()
            self.assertEqual(w.ctl("replay", NAME, str(made[2]["seq"]), str(made[4]["seq"]), "goc"), {"accepted": 3})
            wait_until(lambda: len(self.again(w, since)) >= 3, 10, "three readings")
            self.assertEqual([r["seq"] for r in self.again(w, since)], [r["seq"] for r in made[2:5]])
            form = ("FROM and TO are two sequence numbers or two times like 2026-11-22T10:00:00+07:00, "
                    "FROM not above TO")
            for args in ((iso(made[0]["ts"]), "5"), ("2026-13-01T00:00Z", "2026-12-01T00:00Z"),
                         (iso(made[9]["ts"]), iso(made[0]["ts"]))):
                code, text = w.ctl("replay", NAME, *args, check=False)
                self.assertEqual((code, text.strip()), (2, "gatewayctl: replay: " + form))
            self.assertEqual(w.ctl("replay", NAME, "2000-01-01T00:00Z", "2000-01-02 00:00"), {"accepted": 0})

    def test_the_far_end_asks_and_each_reading_says_who_asked(self):
        with world({"replay": True}) as w:
            w.start()
            self.listening(w)
            made = self.readings(w, 20)
            later = int(time.time() * 1000) + DAY
            since = w.subscriber.count()
            first = self.command(w, id="c1", op="replay", device=NAME, expires=later, **{
                "from": made[3]["seq"], "to": made[9]["seq"]})
            self.assertEqual({k: first[k] for k in ("id", "result", "readings")},
                             {"id": "c1", "result": "accepted", "readings": 7})
            wait_until(lambda: len(self.again(w, since)) >= 7, 10, "seven readings")
            self.assertEqual([(r["seq"], r["request"]) for r in self.again(w, since)],
                             [(r["seq"], "c1") for r in made[3:10]])
            # once more the same: answered the same, nothing is sent
            self.assertEqual(self.command(w, id="c1", op="replay", device=NAME, expires=later, **{
                "from": made[3]["seq"], "to": made[9]["seq"]}), first)
            since = w.subscriber.count()
            second = self.command(w, id="c2", op="replay", device=NAME, expires=later,
                                  ts_from=made[10]["ts"], ts_to=made[12]["ts"])
            self.assertEqual((second["result"], second["readings"]), ("accepted", 3))
            wait_until(lambda: len(self.again(w, since)) >= 3, 10, "three readings")
            self.assertEqual([(r["seq"], r["request"]) for r in self.again(w, since)],
                             [(r["seq"], "c2") for r in made[10:13]])
            # what gatewayctl asks for afterwards belongs to nobody
            since = w.subscriber.count()
            w.ctl("replay", NAME, str(made[10]["seq"]), str(made[11]["seq"]))
            wait_until(lambda: len(self.again(w, since)) >= 2, 10, "two readings")
            self.assertNotIn("request", self.again(w, since)[0])
            self.check_after_a_restart(w, first, made)

    def check_after_a_restart(self, w, first, made):
        self.assertEqual(w.daemon.end(), 0, w.daemon.tail())
        since = w.subscriber.count()
        w.start(wait=False)
        wait_until(lambda: w.subscriber.all(w.topic("status"), since)
                   and w.gateway_status().get("state") == "online", 20, "it is back")
        wait_until(lambda: w.subscriber.all("/data", since), 10, "live readings")
        self.assertEqual(self.command(w, id="c1", op="replay", device=NAME, expires=int(time.time() * 1000) + DAY, **{
            "from": made[0]["seq"], "to": made[9]["seq"]}), first)
        self.assertEqual([r for r in self.again(w, since) if r["seq"] <= made[19]["seq"]], [])

    def test_what_is_not_to_be_carried_out_is_refused_in_words(self):
        with world({"replay": True}) as w:
            w.start()
            self.listening(w)
            made = self.readings(w, 3)
            later = int(time.time() * 1000) + DAY
            span = {"from": made[0]["seq"], "to": made[1]["seq"]}
            cases = [
                ({"op": "replay", "device": NAME, "expires": 1000, **span}, "expired", "it came after `expires`"),
                ({"op": "replay", "device": NAME, **span}, "refused",
                 "`expires` is required: a whole number, not negative"),
                ({"op": "format", "device": NAME, "expires": later}, "refused",
                 "unknown op 'format'; allowed is replay"),
                ({"op": "write", "device": NAME, "expires": later}, "refused",
                 "this gateway takes no writes over MQTT"),
                ({"op": "replay", "device": "bench-9", "expires": later, **span}, "refused",
                 "there is no device 'bench-9'"),
                ({"op": "replay", "device": NAME, "expires": later, "ts_from": 1, **span}, "refused",
                 "either `from` and `to`, or `ts_from` and `ts_to`"),
                ({"op": "replay", "device": NAME, "expires": later, "from": 2, "to": 1}, "refused",
                 "it begins behind its end"),
                ({"op": "replay", "device": NAME, "expires": later, "from": 1, "to": 2}, "refused",
                 "the buffer has no reading in that range"),
            ]
            for i, (document, result, reason) in enumerate(cases):
                with self.subTest(reason=reason):
                    answer = self.command(w, id="n%d" % i, **document)
                    self.assertEqual((answer["result"], answer["reason"]), (result, reason))
            answer = self.command(w, retain=True, id="r", op="replay", device=NAME, expires=later, **span)
            self.assertEqual((answer["result"], answer["reason"]),
                             ("refused", "a retained command: it would come again with each connection"))
            self.nothing_came_again(w)

    def test_without_the_key_no_command_is_taken(self):
        with world() as w:
            w.start()
            made = self.readings(w, 3)
            w.subscriber.client.publish(w.topic("command"), json.dumps(
                {"id": "c1", "op": "replay", "device": NAME, "expires": int(time.time() * 1000) + DAY,
                 "from": made[0]["seq"], "to": made[1]["seq"]}), qos=1).wait_for_publish()
            self.readings(w, len(made) + 15)
            self.assertEqual(w.subscriber.all(w.topic("reply")), [])
            self.nothing_came_again(w)


if __name__ == "__main__":
    unittest.main()
