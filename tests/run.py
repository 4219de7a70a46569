#!/usr/bin/python3
"""run.py - runs every test and counts.

    tests/run.py [--jobs N] [--python FILE...] [--fuzz TARGET CORPUS]... [BINARY...]

BINARY is a cmocka program; it is run with CMOCKA_MESSAGE_OUTPUT=TAP.  --python names
unittest files (a folder stands for its test_*.py): each starts a broker and a daemon
of its own, in a network of its own, and mostly waits, so several run at once; one that compares
times says
`ALONE = True` and has the machine for itself at the end.  --fuzz runs a fuzz target over the
files of its corpus, which counts as one test.  A test file that crashes, hangs
or counts no test has failed.  The last line is `N passed, N failed`.
"""

import argparse
import concurrent.futures
import glob
import os
import re
import signal
import subprocess
import sys
import time

UNIT_DEADLINE_S, PYTHON_DEADLINE_S = 120, 900
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable


class Result:
    def __init__(self, name, passed, failed, skipped, took, output):
        self.name, self.passed, self.failed = name, passed, failed
        self.skipped, self.took, self.output = skipped, took, output

    def line(self):
        text = "%-44s %4d passed" % (self.name, self.passed)
        if self.skipped:
            text += ", %d skipped" % self.skipped
        if self.failed:
            text += ", %d FAILED" % self.failed
        return text + "  %.1f s" % self.took


def run(argv, deadline, **env):
    """Exit code (negative: a signal; None: it hung and was killed), output, seconds."""
    begun = time.monotonic()
    p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True, errors="replace", start_new_session=True, env={**os.environ, **env})
    try:
        out, _ = p.communicate(timeout=deadline)
        code = p.returncode
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGKILL)
        out, _ = p.communicate()
        code = None
    return code, out, time.monotonic() - begun


def ending(code):
    if code is None:
        return "hung and was killed"
    return "died of signal %d" % -code if code < 0 else "exit code %d" % code


def judge(name, code, out, took, passed, failed, skipped):
    """A file fails as a whole when its end does not fit its counts."""
    if passed + failed + skipped == 0:
        failed, out = 1, out + "\n%s: counted no test (%s)" % (name, ending(code))
    elif code != 0 and failed == 0:
        failed, out = 1, out + "\n%s: %s although no test failed" % (name, ending(code))
    return Result(name, passed, failed, skipped, took, out)


def run_unit(path):
    code, out, took = run([path], UNIT_DEADLINE_S, CMOCKA_MESSAGE_OUTPUT="TAP",
                          ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "detect_leaks=1"),
                          LSAN_OPTIONS="print_suppressions=0:suppressions="
                          + os.path.join(os.path.dirname(os.path.abspath(__file__)), "lsan.txt"))
    lines = [(m.group(1), m.group(2)) for m in
             re.finditer(r"^(not ok|ok)\b(.*)$", out, re.M)]
    skipped = sum(1 for _, rest in lines if "# SKIP" in rest)
    failed = sum(1 for word, rest in lines if word == "not ok" and "# SKIP" not in rest)
    return judge("/".join(path.split("/")[-2:]), code, out, took,
                 len(lines) - skipped - failed, failed, skipped)


def own_network():
    """What goes before a command so that it has a loopback of its own: no two tests meet on a port.
    Empty where neither root nor user namespaces are to be had."""
    user = [] if os.getuid() == 0 else ["--map-current-user", "--keep-caps"]
    drop = "" if os.getuid() == 0 else "setpriv --ambient-caps=-all --inh-caps=-all "
    prefix = ["unshare", "--net", *user, "sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; ip link set lo up && exec "
              + drop + '"$@"', "sh"]
    if subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
        return prefix
    print("no network namespaces here: the end-to-end tests share this machine's loopback")
    return []


def run_python(path, network):
    code, out, took = run([*network, PYTHON, "-W", "ignore::DeprecationWarning", "-m", "unittest", "-v",
                           os.path.basename(path)[:-3]],
                          PYTHON_DEADLINE_S, PYTHONPATH=os.path.dirname(os.path.abspath(path)),
                          PYTHONDONTWRITEBYTECODE="1")
    ran = re.search(r"^Ran (\d+) tests?", out, re.M)
    total = int(ran.group(1)) if ran else 0
    # a test with failing subtests has a heading for each: it is one failed test
    failed = len(set(re.findall(r"^(?:FAIL|ERROR): (\S+ \(\S+\))", out, re.M)))
    last = out.splitlines()[-1] if out.strip() else ""
    skipped = int((re.search(r"skipped=(\d+)", last) or [0, 0])[1])
    return judge("/".join(path.split("/")[-2:]), code, out, took,
                 max(total - failed - skipped, 0), failed, skipped)


def run_fuzz(target, corpus):
    files = sorted(f for f in glob.glob(os.path.join(corpus, "**"), recursive=True) if os.path.isfile(f))
    name = "fuzz/" + os.path.basename(target)
    if not files:
        return judge(name, 0, "%s: no corpus in %s" % (name, corpus), 0, 0, 0, 0)
    code, out, took = run([target, *files], UNIT_DEADLINE_S)
    return judge(name, code, out, took, int(code == 0), int(code != 0), 0)


def expand(paths):
    for p in paths:
        yield from sorted(glob.glob(os.path.join(p, "test_*.py"))) if os.path.isdir(p) else [p]


def is_alone(path):
    with open(path) as f:
        return re.search(r"^ALONE = True$", f.read(), re.M) is not None


def report(result):
    print(result.line(), flush=True)
    if result.failed:
        print("    " + "\n    ".join(result.output.splitlines()[-120:]), flush=True)
    return result


def main():
    a = argparse.ArgumentParser(usage=__doc__)
    a.add_argument("--jobs", type=int, default=2)
    a.add_argument("--python", nargs="*", default=[])
    a.add_argument("--fuzz", nargs=2, action="append", default=[], metavar=("TARGET", "CORPUS"))
    a.add_argument("binaries", nargs="*")
    o = a.parse_args()
    results = []
    with concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
        jobs = [pool.submit(run_unit, b) for b in o.binaries]
        jobs += [pool.submit(run_fuzz, t, c) for t, c in o.fuzz]
        for job in concurrent.futures.as_completed(jobs):
            results.append(report(job.result()))
    network = own_network() if o.python else []
    for alone in (False, True):
        with concurrent.futures.ThreadPoolExecutor(1 if alone else o.jobs + 1) as pool:
            jobs = [pool.submit(run_python, p, network) for p in expand(o.python) if is_alone(p) == alone]
            for job in concurrent.futures.as_completed(jobs):
                results.append(report(job.result()))
    passed, failed = sum(r.passed for r in results), sum(r.failed for r in results)
    for r in results:
        if r.failed:
            print("failed: " + r.name)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
