# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the Python test programs share: results as TAP lines, a private folder, running commands."""
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.environ.get("WHERRY_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
BUILD = os.environ.get("WHERRY_BUILD", os.path.join(ROOT, "build"))
WHERRY = os.environ.get("WHERRY", os.path.join(BUILD, "cli/wherry"))
GUESTS = os.environ.get("WHERRY_GUESTS", os.path.join(BUILD, "guests"))

_failed = 0


def check(sentence, good, *details):
    """One behaviour: "ok - SENTENCE" or "not ok - SENTENCE" with the details behind it."""
    global _failed
    print(("ok" if good else "not ok") + " - " + sentence, flush=True)
    if not good:
        _failed += 1
        for detail in details:
            print("".join(f"# {line}\n" for line in str(detail).splitlines()), end="", flush=True)
    return good


def equal(sentence, got, wanted):
    return check(sentence, got == wanted, f"got    {got!r}", f"wanted {wanted!r}")


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def finish():
    sys.exit(1 if _failed else 0)


def run(*args, timeout=1200, **kwargs):
    """The finished process, with its output as text."""
    return subprocess.run(args, capture_output=True, encoding="utf-8", errors="replace",
                          timeout=timeout, check=False, **kwargs)


def wherry(*args, **kwargs):
    return run(WHERRY, *args, **kwargs)


def need(*programs):
    for p in programs:
        if not shutil.which(p):
            skip(f"{p} is not installed")


@contextlib.contextmanager
def folder():
    """A folder of our own on a real disk (not /tmp, which may be memory)."""
    path = tempfile.mkdtemp(prefix="wherry-test-", dir=os.environ.get("TMPDIR", "/var/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def guest(name):
    """Builds a guest unless it is there; its folder and what is true of it."""
    built = run(os.path.join(ROOT, "tests/guests/build"), name, timeout=1500,
                env=dict(os.environ, WHERRY_GUESTS=GUESTS))
    if built.returncode:
        check(f"the guest {name} can be built", False, built.stdout, built.stderr)
        finish()
    path = os.path.join(GUESTS, name)
    with open(os.path.join(path, "truth.json"), encoding="utf-8") as f:
        return path, json.load(f)


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
