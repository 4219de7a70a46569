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
        self.assertEqual(result["missing"], 0)
        self.assertGreaterEqual(result["came"], 20000)


if __name__ == "__main__":
    unittest.main()
