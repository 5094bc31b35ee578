# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the style tests share: a tree of files, and a frame that tests the test first.

A style test has check(tree), which returns a list of complaints, and CASES: small trees of which
each is wrong in one way, with a part of the complaint that must come, or None where all is well.
A test that does not see a wrong tree fails before it looks at the real one.
"""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Tree:
    """Files below `root` by their path from there; of a repository only those that git knows or
    would take."""

    def __init__(self, root):
        self.root = root
        if os.path.exists(os.path.join(root, ".git")):
            out = subprocess.run(
                ["git", "-C", root, "ls-files", "-z", "-c", "-o", "--exclude-standard"],
                check=True, stdout=subprocess.PIPE).stdout
            names = out.decode().split("\0")
        else:
            names = [os.path.relpath(os.path.join(folder, f), root)
                     for folder, _, files in os.walk(root) for f in files]
        self.files = sorted({n for n in names if n and os.path.isfile(self.path(n))})

    def path(self, name):
        return os.path.join(self.root, name)

    def bytes(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def text(self, name):
        return self.bytes(name).decode(errors="replace")

    def lines(self, name):
        """(number, line) from 1."""
        return enumerate(self.text(name).split("\n"), 1)

    def ending(self, *suffixes):
        return [f for f in self.files if f.endswith(suffixes)]


def code_lines(text):
    """The lines of C text with comments and what is in quotes blanked."""
    def blank(m):
        s = m.group(0)
        if s.startswith("/"):
            return re.sub(r"[^\n]", " ", s)
        return s[0] + " " * (len(s) - 2) + s[-1]
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|' + r"'(?:\\.|[^'\\\n])*'"
    return re.sub(pattern, blank, text, flags=re.S).split("\n")


def make_tree(folder, files):
    for name, content in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
    return Tree(folder)


def say(good, sentence, complaints=()):
    print(("ok - " if good else "not ok - ") + sentence)
    for c in complaints:
        print(f"# {c}")


def run_case(check, name, files, expected):
    """One wrong (or right) tree; says whether the check saw it."""
    with tempfile.TemporaryDirectory() as folder:
        complaints = check(make_tree(folder, files))
    if expected is None:
        good, said = not complaints, f"accepts {name}"
    else:
        good, said = any(expected in c for c in complaints), f"sees {name}"
    say(good, said, [] if good else complaints or ["no complaint"])
    return good


def main(sentence, check, cases):
    """Runs the cases, then the real tree; exits."""
    seen = [run_case(check, *case) for case in cases]
    complaints = check(Tree(ROOT))
    say(not complaints, sentence, complaints)
    sys.exit(0 if all(seen) and not complaints else 1)
