"""The fault campaign in its short form; `make soak` runs the long one."""

import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "soak")]
import network  # noqa: E402
from books import Books  # noqa: E402
from campaign import Campaign  # noqa: E402
from harness import LONG  # noqa: E402

SECONDS, KILLS = (60, 200) if LONG else (15, 15)
OWN = []  # why there is no network and no mount of our own


def setUpModule():
    OWN.append(network.enter())


def books(*messages):
    b = Books("x")
    for kind, document in messages:
        b.take(kind, document)
    return b.faults()


def reading(seq, poll, **more):
    return {"seq": seq, "ts": 1000 + seq, "values": {"poll": poll}, **more}


DIRECTORY = ("directory", {"first_seq": 5})


def loss(first, last):
    return "loss", {"from": first, "to": last, "count": last - first + 1, "cause": "buffer_full", "exact": True}


class TheBooks(unittest.TestCase):
    """That the books notice what they are there for."""

    def test_books_that_close(self):
        self.assertEqual(books(DIRECTORY, ("data", reading(5, 1)), loss(6, 7), ("replay", [reading(8, 2)]),
                               ("data", reading(9, 3)), ("replay", [reading(9, 3, replay=True)]),
                               ("progress", {"first_seq": 5, "complete_to": 9, "last": 9})), [])

    def test_a_hole(self):
        self.assertEqual(books(DIRECTORY, ("data", reading(6, 1)), ("data", reading(9, 2))),
                         ["neither came nor was lost: 5 7-8"])

    def test_a_number_given_twice(self):
        self.assertEqual(books(DIRECTORY, ("data", reading(5, 1)), ("replay", [reading(5, 2)])),
                         ["reading 5: two contents: %s and %s" % (reading(5, 1), reading(5, 2))])

    def test_a_loss_of_what_came(self):
        self.assertEqual(books(DIRECTORY, ("data", reading(5, 1)), loss(5, 6)),
                         ["declared lost (buffer_full) and received: 5"])

    def test_losses_that_overlap(self):
        self.assertEqual(books(DIRECTORY, loss(5, 7), loss(7, 8)), ["loss ranges overlap at 7"])

    def test_data_that_goes_back(self):
        self.assertEqual(books(DIRECTORY, ("data", reading(6, 2)), ("data", reading(5, 1))),
                         ["data 5 came after 6"])

    def test_polls_out_of_order(self):
        self.assertEqual(books(DIRECTORY, ("data", reading(5, 2)), ("data", reading(6, 2))),
                         ["reading 6: poll 2 after 2"])

    def test_progress_over_a_hole(self):
        self.assertEqual(books(DIRECTORY, ("data", reading(5, 1)), ("data", reading(7, 2)),
                               ("progress", {"first_seq": 5, "complete_to": 7, "last": 7}), loss(6, 6)),
                         ["progress closed 6, which had not come"])


class TheCampaign(unittest.TestCase):
    def run_seed(self, seed, kills=0):
        campaign = Campaign(seed, SECONDS, kills, own=not OWN[0])
        faults = campaign.run()
        self.assertEqual(faults, [], "\n".join([campaign.summary()] + faults + campaign.log))
        self.assertGreater(sum(len(b.readings) for b in campaign.library.books.values()), 300)

    def test_the_books_close_after_random_faults(self):
        self.run_seed(3)

    def test_the_books_close_after_other_random_faults(self):
        self.run_seed(11)

    def test_the_books_close_after_kills_at_any_moment(self):
        self.run_seed(5, KILLS)


if __name__ == "__main__":
    unittest.main()
