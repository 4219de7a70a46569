"""Generated documents: the sample works as it stands and key by key; a stale file is noticed."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BUILD, ROOT, program  # noqa: E402

SAMPLE = os.path.join(ROOT, "conf/gatewayd.yaml")
KEY = re.compile(r"^( *)#([a-z0-9_]+):( .*)?$")
# keys that stand for another one, or that this release refuses, and what people are told
ELSEWHERE = {"profile": "there is no profile 'eastron-sdm630' in ",
             "quantity": "quantities.yaml, which a point's `quantity` needs, is not in "}
REFUSED = {
    "write_function": "has a meaning only with `writable: true`",
    "scale_from": "this device has no point 'level_sf'",
    "decimals_from": "this device has no point 'level_decimals'",
    "high_address": "splits numbers of 32 bits; allowed types: u32 i32",
    "characters": "only a string has characters",
    "counter": "begins again at 32 bits, but a u16 has 16",
    "reference": "`address` is given too; one of them is enough",
    "commands": "`write` is not available yet over MQTT; leave it out",
    "length": "only a string has a length; a u16 takes 1 register",
}
TOGETHER = {"cert": {"key"}, "key": {"cert"}, "password_file": {"username"}, "max_silence": {"deadband"}}


def indent(line):
    return len(line) - len(line.lstrip(" "))


def blocks(lines):
    """(first line, line behind, key) of each commented key; a section comes with all it holds."""
    i = 0
    while i < len(lines):
        m, end = KEY.match(lines[i]), i + 1
        if m and not m.group(3):
            while end < len(lines) and (not lines[end].strip() or indent(lines[end]) > len(m.group(1))):
                end += 1
        if m:
            yield i, end, m.group(2)
        i = end


def uncommented(lines, wanted):
    text = [KEY.sub(r"\1\2:\3", line) if i in wanted else line for i, line in enumerate(lines)]
    return "\n".join(text)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def shown(path):
    """What a manual shows in blocks of code, without comments; a drawing, in words of its language, only as such."""
    found = re.findall(r"^```(.*?)^```", read(path), re.M | re.S)
    return ["a drawing" if "──►" in block else re.sub(r" +# .*", "", block).splitlines() for block in found]


def outline(path):
    """Depth of each heading, rows and first column of each table of reasons, and what is linked."""
    text = re.sub(r"^```.*?^```", "", read(path), flags=re.M | re.S)
    headings = re.findall(r"^#+", text, re.M)
    rows = [re.findall(r"`[^`]+`", line.split("|")[1]) for line in text.splitlines() if line.startswith("|")]
    links = sorted(re.sub(r"\.vi\.md", ".md", link) for link in re.findall(r"\]\(([^)]+)\)", text))
    # names in capitals stand for something, and are translated
    rows = [[re.sub(r"\b(?:[A-Z]{4,}|T[ÊỆ][NP])\b", "NAME", name) for name in row] for row in rows]
    return headings, rows, links


class Documents(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="gw-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.folder)

    def check(self, text):
        path = os.path.join(self.folder, "gatewayd.yaml")
        with open(path, "w") as f:
            f.write(text)
        r = subprocess.run([program("gatewayd"), "-c", path, "--check"], capture_output=True, text=True,
                           timeout=20)
        return r.returncode, r.stdout + r.stderr

    def lines(self):
        with open(SAMPLE) as f:
            return f.read().replace("/usr/lib/gatewayd/plugins", os.path.join(BUILD, "plugins")).splitlines()

    def test_the_sample_passes_its_check_as_it_stands(self):
        code, out = self.check("\n".join(self.lines()))
        self.assertEqual(code, 0, out)
        self.assertRegex(out, r"^\S+/gatewayd.yaml: OK, the buffer holds an outage of about \d+d and writes about \S+ .iB a day\n$")

    def test_every_key_of_the_sample_may_lose_its_comment_sign(self):
        lines = self.lines()
        where = {name: range(i, end) for i, end, name in blocks(lines)}
        count = 0
        for i, end, name in blocks(lines):
            wanted = set(range(i, end)).union(*(where[n] for n in TOGETHER.get(name, ())))
            code, out = self.check(uncommented(lines, wanted))
            count += 1
            if name in REFUSED:
                self.assertEqual((code, out.strip().split(name + ": ", 1)[-1]), (1, REFUSED[name]), name)
            elif name in ELSEWHERE and code:  # whether it is found depends on the folder of the build
                self.assertIn(ELSEWHERE[name], out)
            else:
                self.assertEqual(code, 0, name + ": " + out)
        self.assertGreater(count, 50)

    def test_the_schema_names_every_key_of_the_sample(self):
        with open(os.path.join(ROOT, "docs/gatewayd.schema.json")) as f:
            text = f.read()
        json.loads(text)
        for _, _, name in blocks(self.lines()):
            self.assertIn('"%s": {' % name, text)

    def test_every_complete_configuration_in_a_manual_passes_its_check(self):
        count = 0
        for name in glob.glob(os.path.join(ROOT, "*.md")) + glob.glob(os.path.join(ROOT, "docs/*.md")):
            with open(name) as f:
                found = re.findall(r"^```yaml\n(gateway:.*?)^```", f.read(), re.M | re.S)
            for text in found:
                code, out = self.check("plugins: {path: %s}\n%s" % (os.path.join(BUILD, "plugins"), text))
                self.assertEqual(code, 0, name + ": " + out)
                count += 1
        self.assertGreaterEqual(count, 4)

    def test_the_tests_that_the_page_for_equipment_names_exist(self):
        with open(os.path.join(ROOT, "docs/modbus-equipment.md"), encoding="utf-8") as f:
            proofs = [line.split("|")[-2] for line in f if line.startswith("|")]
        tests = ""
        for path in glob.glob(os.path.join(ROOT, "tests/*/test_*")):
            with open(path, encoding="utf-8") as f:
                tests += f.read()
        names = {name for proof in proofs for name in re.findall(r"\b[a-z0-9]+(?:_[a-z0-9]+){3,}\b", proof)}
        self.assertGreater(len(names), 30)
        self.assertEqual([n for n in sorted(names) if not re.search(r"\b%s\(" % n, tests)], [])
        for room in sorted(set(re.findall(r"`([a-z0-9]+/test_\w+)`", " ".join(proofs)))):
            self.assertTrue(glob.glob(os.path.join(ROOT, "tests", room + ".*")), room)

    def test_a_manual_and_its_translation_show_the_same_blocks_and_headings(self):
        pairs = [(vi.replace(".vi.md", ".md"), vi)
                 for vi in glob.glob(os.path.join(ROOT, "*.vi.md")) + glob.glob(os.path.join(ROOT, "docs/*.vi.md"))]
        self.assertGreaterEqual(len(pairs), 2)
        for en, vi in pairs:
            self.assertEqual(*(shown(path) for path in (en, vi)), vi)
            self.assertEqual(*(outline(path) for path in (en, vi)), vi)

    def test_the_tests_that_the_pages_on_faults_name_exist(self):
        tests = ""
        for path in glob.glob(os.path.join(ROOT, "tests/*/test_*")):
            with open(path, encoding="utf-8") as f:
                tests += f.read()
        names = set()
        for page in ("reliability", "buffer", "operations"):
            with open(os.path.join(ROOT, "docs/%s.md" % page), encoding="utf-8") as f:
                names.update(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+){3,})`", f.read()))
        self.assertGreater(len(names), 70)
        self.assertEqual([n for n in sorted(names) if not re.search(
            r"^(?:static void|    def) %s\(" % n, tests, re.M)], [])

    def test_no_link_in_a_manual_leads_nowhere(self):
        for name in glob.glob(os.path.join(ROOT, "*.md")) + glob.glob(os.path.join(ROOT, "docs/*.md")):
            with open(name) as f:
                links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", f.read())
            for link in links:
                self.assertTrue(os.path.exists(os.path.join(os.path.dirname(name), link)), name + ": " + link)

    def test_the_manuals_name_only_commands_that_exist(self):
        usage = subprocess.run([program("gatewayctl"), "help"], capture_output=True, text=True).stdout
        commands = set(re.findall(r"^  ([a-z]+) ", usage, re.M))
        for name in glob.glob(os.path.join(ROOT, "*.md")) + glob.glob(os.path.join(ROOT, "docs/*.md")):
            with open(name) as f:
                for word in re.findall(r"[`$] ?(?:sudo )?gatewayctl ([a-z]+)", f.read()):
                    self.assertIn(word, commands, name)

    def test_the_manual_of_modbus_names_every_key_of_the_plugin(self):
        keys = set(re.findall(r'\.name = "([a-z0-9_]+)"', read(os.path.join(ROOT, "plugins/modbus/keys.c"))))
        self.assertGreater(len(keys), 40)
        manual = "".join(read(os.path.join(ROOT, "docs", name)) for name in ("modbus.md", "modbus-equipment.md"))
        quoted = re.findall(r"```.*?```|`[^`\n]+`", manual, re.S)  # a word of the running text names nothing
        self.assertEqual(sorted(keys - set(re.findall(r"[a-z0-9_]+", " ".join(quoted)))), [])

    def test_the_page_of_equipment_names_settings_and_tests_that_exist(self):
        with open(os.path.join(ROOT, "docs/gatewayd.schema.json")) as f:
            keys = set(re.findall(r'"([a-z_0-9]+)": \{', f.read()))
        with open(os.path.join(ROOT, "docs/telemetry.md")) as f:
            reasons = set(re.findall(r"`([a-z_]+)`", f.read().split("| reason |")[1].split("\n\n")[0]))
        points = set()  # of profiles
        for name in glob.glob(os.path.join(ROOT, "conf/profiles/*.yaml")):
            with open(name) as f:
                points.update(re.findall(r"^  ([a-z0-9_]+):", f.read(), re.M))
        files, tests = set(), set()
        for name in glob.glob(os.path.join(ROOT, "tests/*/test_*.*")):
            files.add(os.path.splitext(os.path.relpath(name, os.path.join(ROOT, "tests")))[0])
            with open(name) as f:
                tests.update(re.findall(r"^(?:static void|    def) ([a-z0-9_]+)\(", f.read(), re.M))
        with open(os.path.join(ROOT, "docs/modbus-equipment.md")) as f:
            rows = [row.strip("| \n").split(" | ") for row in f if row.startswith("| ")]
        rows = [row for row in rows if row[0] != "equipment"]
        self.assertGreater(len(rows), 100)
        for row in rows:
            self.assertEqual([len(row), len(row[-1]) > 5], [3, True], row)
            for key in re.findall(r"`([a-z_]+): [^`]+`", " ".join(row)):
                self.assertIn(key, keys, row)
            for word in re.findall(r"`([a-z]+_[a-z_]+)`", " ".join(row)):
                self.assertIn(word, keys | reasons | points | tests, row)
            for name in re.findall(r"`([a-z0-9]+/test_[a-z0-9_]+)`", row[-1]):
                self.assertIn(name, files, row)
            for name in re.findall(r"(?:[a-z0-9]+_){3,}[a-z0-9]+", row[-1]):
                self.assertIn(name, tests, row)

    def test_a_stale_file_fails_the_build_with_its_name(self):
        """The Makefile's own rule, over a copy of the tree's documents with one byte changed."""
        tree = os.path.join(self.folder, "tree")
        for name in ("Makefile", "conf", "docs", "tests/document", "gatewayd", "plugins", "include"):
            target = os.path.join(tree, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            (shutil.copytree if os.path.isdir(os.path.join(ROOT, name)) else shutil.copy)(
                os.path.join(ROOT, name), target)
        built = os.path.join(self.folder, "built")
        os.mkdir(built)
        os.symlink(program("gatewayctl"), os.path.join(built, "gatewayctl"))
        os.symlink(program("document"), os.path.join(built, "document"))
        # programs that are there count as made: -o keeps make from compiling in the copy
        argv = ["make", "-C", tree, "B=" + built, "-o", built + "/document", "-o", built + "/gatewayctl",
                "generated-check"]
        env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "B"}
        good = subprocess.run(argv, capture_output=True, text=True, env=env)
        self.assertEqual(good.returncode, 0, good.stdout + good.stderr)
        with open(os.path.join(tree, "docs/configuration.md"), "a") as f:
            f.write(" ")
        stale = subprocess.run(argv, capture_output=True, text=True, env=env)
        self.assertNotEqual(stale.returncode, 0)
        self.assertIn("docs/configuration.md is stale: run 'make generated'", stale.stdout)


if __name__ == "__main__":
    unittest.main()
