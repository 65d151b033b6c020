#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""That check_docs.py finds what is wrong."""
import pathlib
import tempfile
import unittest

import check_docs

PROGRAM = """int main(void)
{
  if (ready()) {
    go();
    stop();
  }
  return 0;
}
"""


def page(piece, name="program.c"):
    return f"# Page\n\n<!-- from {name} -->\n```c\n{piece}\n```\n"


class Checks(unittest.TestCase):
    def faults(self, text):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "program.c").write_text(PROGRAM)
            (root / "page.md").write_text(text)
            return check_docs.faults_of(root, pathlib.Path("page.md"))

    def test_what_stands_there(self):
        for piece in ("go();\nstop();", "int main(void)\n{\n  ...\n  return 0;\n}",
                      "if (ready()) {\n  go();\n  ...\n}"):
            self.assertEqual(self.faults(page(piece)), [], piece)

    def test_what_does_not(self):
        for piece in ("go()", "go();\nreturn 0;", "stop();\n...\ngo();", "gone();"):
            self.assertEqual(len(self.faults(page(piece))), 1, piece)
        self.assertIn("no other.c", self.faults(page("go();", "other.c"))[0])

    def test_links(self):
        self.assertEqual(self.faults("[a](program.c) [b](https://example.org/x) [c](#d)"), [])
        self.assertIn("gone.md", self.faults("[a](gone.md#part)")[0])


if __name__ == "__main__":
    unittest.main()
