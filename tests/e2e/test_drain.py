"""A backlog of a busy gateway goes out whole (the long form with its figures: make soak)."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "soak"))
import drain  # noqa: E402


class Drain(unittest.TestCase):
    def test_a_commit_in_the_middle_of_a_cycle_loses_nothing(self):
        """100 devices at 20 ms: a commit begins with each thousandth reading, not with the clock."""
        result = drain.run(20000)
        self.assertEqual((result["wrong"], result["lost"]), ([], 0))
        self.assertGreaterEqual(result["came"], 20000)

    def test_backlog_on_a_thin_line_does_not_hold_up_what_is_live(self):
        """A megabyte waits, five seconds of the line."""
        result = drain.run(4000, devices=10, line=200000)
        self.assertEqual((result["wrong"], result["lost"]), ([], 0))
        self.assertLess(result["late"], 1500)
        self.assertGreater(result["samples"], 10)
        self.assertGreater(result["rate"] * 260, 100000)  # bytes/s of readings


if __name__ == "__main__":
    unittest.main()
