#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What scripts/test counts, which arguments the scripts refuse, and the folder of plugin links."""
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# One test of each outcome, and one in a special suite.
PROJECT = """
project('p')
python3 = find_program('/usr/bin/python3', 'python3')
test('good', python3, args: ['-c', 'pass'])
test('good too', python3, args: ['-c', 'pass'], suite: 'check')
test('should fail', python3, args: ['-c', 'exit(1)'], should_fail: true)
test('skipped', python3, args: ['-c', 'exit(77)'])
test('stress', python3, args: ['-c', 'pass'], suite: ['tsan', 'asan'])
"""
BAD = """
test('bad', python3, args: ['-c', 'exit(1)'])
test('slow', python3, args: ['-c', 'import time; time.sleep(60)'], timeout: 1)
"""
# It fails at the first try only.
UNSTEADY = """
test('unsteady', python3, args: ['-c', 'import pathlib, sys; seen = pathlib.Path(sys.argv[1]); first = not seen.exists(); seen.touch(); exit(first)', meson.current_build_dir() / 'seen'])
"""


def run(*command, **options):
    return subprocess.run([str(part) for part in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, **options)


class Scratch(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)


class RunSuite(Scratch):
    def count(self, project, suite):
        """Exit code, and what run-suite.py has counted."""
        (self.folder / "meson.build").write_text(project)
        build, results = self.folder / "b", self.folder / "results"
        setup = run("meson", "setup", build, self.folder)
        self.assertEqual(setup.returncode, 0, setup.stdout)
        done = run(ROOT / "scripts/lib/run-suite.py", build, suite, results)
        counted = results.read_text().split() if results.exists() else None
        return done.returncode, counted and [int(n) for n in counted]

    def test_normal(self):
        self.assertEqual(self.count(PROJECT, "normal"), (0, [3, 0, 1]))

    def test_special_suite_runs_the_others_too(self):
        self.assertEqual(self.count(PROJECT, "tsan"), (0, [4, 0, 1]))

    def test_failures_and_timeouts(self):
        self.assertEqual(self.count(PROJECT + BAD, "normal"), (1, [3, 2, 1]))

    def test_a_second_try(self):
        self.assertEqual(self.count(PROJECT + UNSTEADY, "normal"), (0, [4, 0, 1]))

    def test_no_second_try_under_a_sanitizer(self):
        self.assertEqual(self.count(PROJECT + UNSTEADY, "tsan"), (1, [4, 1, 1]))

    def test_no_such_tests(self):
        self.assertEqual(self.count(PROJECT, "soak"), (1, None))


class Arguments(unittest.TestCase):
    def assert_refused(self, expected, *command):
        done = run(*command)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(expected, done.stdout)

    def test_unknown_ones_are_named(self):
        self.assert_refused("there is no suite 'nosuch'; the suites are: normal asan tsan bench",
                            ROOT / "scripts/test", "nosuch")
        self.assert_refused("unknown purpose 'nosuch'; there are: build run",
                            ROOT / "scripts/setup", "nosuch")
        self.assert_refused("there is no file 'nosuch'", ROOT / "scripts/run", "nosuch")
        self.assert_refused("unknown option '--nosuch'", ROOT / "scripts/run", "--nosuch")
        self.assert_refused("there is no file 'nosuch.json'", ROOT / "scripts/run", "nosuch.json")
        self.assert_refused("one graph at a time", ROOT / "scripts/run", "a.json", "b.json")
        self.assert_refused("a graph or a film", ROOT / "scripts/run", "a.json", "--film")
        self.assert_refused("--effect is not for a graph", ROOT / "scripts/run", "--plan", "--effect")
        self.assert_refused("unknown argument 'nosuch'", ROOT / "scripts/tsan-sysroot", "nosuch")

    def test_help(self):
        for script in ("run", "test", "setup", "tsan-sysroot", "check-clean", "whip-server"):
            done = run(ROOT / "scripts" / script, "--help")
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertTrue(done.stdout.startswith(f"Usage: scripts/{script}"), done.stdout)


class CommitTitle(Scratch):
    def code(self, title):
        path = self.folder / "message"
        path.write_text(title + "\n\nMore about it.\n")
        return run(ROOT / "scripts/lib/check-title", path).returncode

    def test_titles(self):
        for title in ("sllink: keep DISCONT after an eviction", "gst/support: a ring", "Merge x"):
            self.assertEqual(self.code(title), 0, title)
        for title in ("Fix it", "sllink: with a full stop.", "sllink:no space", "", "x: " + "y" * 90):
            self.assertNotEqual(self.code(title), 0, title)


class PluginFolder(Scratch):
    def make(self, names):
        (self.folder / "list").write_text("# a comment\n" + "".join(f"{n} some-package\n" for n in names))
        done = run("/usr/bin/python3", ROOT / "tests/plugin-folder.py", self.folder / "list",
                   self.folder / "to", self.folder / "from", self.folder / "second")
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout, sorted(os.listdir(self.folder / "to"))

    def test_follows_the_list(self):
        (self.folder / "from").mkdir()
        for name in ("one", "two", "three"):
            (self.folder / "from" / f"libgst{name}.so").touch()
        self.assertEqual(self.make(["one", "two"]), ("", ["libgstone.so", "libgsttwo.so"]))
        self.assertEqual(self.make(["two", "three"]), ("", ["libgstthree.so", "libgsttwo.so"]))

    def test_first_folder_wins(self):
        for folder, name in (("from", "one"), ("second", "one"), ("second", "two")):
            (self.folder / folder).mkdir(exist_ok=True)
            (self.folder / folder / f"libgst{name}.so").touch()
        self.assertEqual(self.make(["one", "two"]), ("", ["libgstone.so", "libgsttwo.so"]))
        for folder, name in (("from", "one"), ("second", "two")):
            plugin = f"libgst{name}.so"
            self.assertEqual((self.folder / "to" / plugin).readlink(), self.folder / folder / plugin)

    def test_names_what_is_missing(self):
        (self.folder / "from").mkdir()
        self.assertEqual(self.make(["one", "two"]), ("one two (Debian: some-package)\n", []))


if __name__ == "__main__":
    unittest.main()
