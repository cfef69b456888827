#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""mutate.py [--mutants N] [--seed S] [--seeds N] [--jobs N] [--report FILE] WORKDIR

Would the tests notice? Draws N mutants of the TCP logic by a seed, a comparison turned, a constant off by one,
a statement deleted, and runs the unit tests and the simulation on each until one fails: it is killed then.
Reports those that survived; fails if fewer than nine tenths were killed, or if one that survived has no
reason in reasons.txt.

Needs python3-clang-14. Not a part of tools/check: 200 mutants take an hour or so.

All mutants are compiled into one copy of the tree in WORKDIR, which is built once: an environment variable
chooses the one that is alive. A copy without any must pass first, and says how long each test takes; a test
that takes far longer on a mutant than it took there is a kill, too. Sites are chosen by the syntax tree
(libclang), so that nothing is drawn that is not code.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import time

from clang import cindex

TREE = pathlib.Path(__file__).resolve().parents[2]
FILES = """
fastpath/holes.c fastpath/pace.c fastpath/rack.c fastpath/ranges.c fastpath/recovery.c fastpath/rx.c
fastpath/spurious.c fastpath/tcp_ack.c fastpath/tcp_ecn.c fastpath/tcp_rx.c fastpath/tcp_tx.c
include/net/tcp_opt.c
slowpath/cc*.c slowpath/challenge.c slowpath/conn.c slowpath/conn_keepalive.c slowpath/conn_options.c
slowpath/conn_pmtu.c slowpath/conn_tune.c slowpath/cookie.c slowpath/handshake.c slowpath/handshake_cookie.c
slowpath/hystart.c slowpath/icmp_sp.c slowpath/isn.c slowpath/listen.c slowpath/pmtu.c slowpath/sp_cc.c
slowpath/sp_end.c slowpath/tcp_in.c slowpath/tcp_out.c slowpath/timer.c
""".split()
TURNED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
KINDS = cindex.CursorKind
STATEMENTS = (KINDS.CALL_EXPR, KINDS.BINARY_OPERATOR, KINDS.COMPOUND_ASSIGNMENT_OPERATOR, KINDS.UNARY_OPERATOR)
BLOCKS = (KINDS.COMPOUND_STMT, KINDS.IF_STMT, KINDS.FOR_STMT, KINDS.WHILE_STMT, KINDS.DO_STMT, KINDS.CASE_STMT,
          KINDS.DEFAULT_STMT)
NUMBER = re.compile(r"(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)$")
SWITCH = """
static int tas_mutant;
__attribute__((constructor)) static void tas_mutant_choose(void)
{
	extern char *getenv(const char *);
	extern int atoi(const char *);
	const char *no = getenv("TAS_MUTANT");

	tas_mutant = no ? atoi(no) : 0;
}
#define TAS_MUT(n) (__builtin_expect(tas_mutant == (n), 0))
"""


class Site:
    def __init__(self, path, line, start, end, what, make):
        self.path, self.line, self.start, self.end, self.what, self.make = path, line, start, end, what, make

    def key(self):
        return "%s: %s" % (self.path, self.what)


# --- sites

def comparison(text, path, node):
    left, right = node.get_children()
    a, b = left.extent.end.offset, right.extent.start.offset
    operator = text[a:b].strip()
    if operator not in TURNED:
        return None
    start, end = node.extent.start.offset, node.extent.end.offset
    left, right, turned = text[start:a], text[b:end], TURNED[operator]
    return Site(path, node.location.line, start, end, "%s %s %s, not %s" % (left, turned, right, operator),
                lambda n: "(TAS_MUT(%d) ? %s %s %s : %s %s %s)" % (n, left, turned, right, left, operator, right))


def constant(text, path, node, around):
    start, end = node.extent.start.offset, node.extent.end.offset
    number = text[start:end]
    if not NUMBER.match(number):
        return None
    what = "%s + 1 in %s" % (number, " ".join(text[slice(*around)].split())[:70])
    return Site(path, node.location.line, start, end, what,
                lambda n: "(TAS_MUT(%d) ? %s + 1 : %s)" % (n, number, number))


def statement(text, path, node):
    start, end = node.extent.start.offset, node.extent.end.offset
    tail = re.match(r"\s*;", text[end:])
    whole = text[start:end]
    if not tail or whole.startswith(("TAS_", "memory_order", "log_", "__")) or not re.match(r"[\w(*&+-]", whole):
        return None
    if node.kind == KINDS.BINARY_OPERATOR and not re.search(r"[^=!<>]=[^=]", whole):
        return None
    return Site(path, node.location.line, start, end + tail.end(), "without " + " ".join(whole.split()),
                lambda n: "{ if (!TAS_MUT(%d)) %s; }" % (n, whole))


def walk(text, path, node, sites, around, fixed):
    """`fixed`: where C wants a constant."""
    last = list(node.get_children())
    for i, child in enumerate(last):
        if child.location.file is None or child.location.file.name != node.translation_unit.spelling:
            continue
        extent = (child.extent.start.offset, child.extent.end.offset)
        const = fixed or child.kind == KINDS.VAR_DECL and "static" in text[extent[0]:extent[0] + 7] or \
            node.kind == KINDS.CASE_STMT and i == 0
        site = None
        if child.kind == KINDS.BINARY_OPERATOR and not const and len(list(child.get_children())) == 2:
            site = comparison(text, path, child)
        elif child.kind == KINDS.INTEGER_LITERAL and not const:
            site = constant(text, path, child, around)
        if site is not None:
            sites.append(site)
        body_of_for = node.kind == KINDS.FOR_STMT and i < len(last) - 1
        condition = node.kind in (KINDS.IF_STMT, KINDS.WHILE_STMT) and i == 0
        if child.kind in STATEMENTS and node.kind in BLOCKS and not body_of_for and not condition:
            site = statement(text, path, child)
            if site is not None:
                sites.append(site)
        inner = extent if node.kind in BLOCKS else around
        walk(text, path, child, sites, inner, const)


def sites_of(path, arguments):
    text = (TREE / path).read_text()
    unit = cindex.Index.create().parse(str(TREE / path), args=arguments)
    sites = []
    for node in unit.cursor.get_children():
        if node.kind == KINDS.FUNCTION_DECL and node.is_definition() and node.location.file.name == unit.spelling:
            body = list(node.get_children())[-1]
            walk(text, path, body, sites, (body.extent.start.offset, body.extent.end.offset), False)
    return sites


def draw(all_sites, mutants, seed):
    """So many of them, of which none is within another."""
    order = sorted(all_sites, key=lambda s: (s.path, s.start, s.end, s.what))
    random.Random(seed).shuffle(order)
    drawn = []
    for site in order:
        if len(drawn) == mutants:
            break
        if all(s.path != site.path or site.end <= s.start or s.end <= site.start for s in drawn):
            drawn.append(site)
    return drawn


# --- the copy

def run(command, **how):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **how)


def must(command, **how):
    done = run(command, **how)
    if done.returncode != 0:
        sys.exit("%s: %s" % (" ".join(map(str, command)), done.stdout[-3000:]))


def copy_tree(to):
    shutil.rmtree(to, ignore_errors=True)
    for name in run(["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard"],
                    cwd=TREE).stdout.split("\n"):
        if name and (TREE / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TREE / name, to / name)


def configure(copy):
    must(["meson", "setup", "build", "--buildtype=debugoptimized", "-Dchecks=true", "-Dwerror=false",
          "-Dwarning_level=0"], cwd=copy)
    commands = json.loads((copy / "build/compile_commands.json").read_text())
    arguments = {}
    for entry in commands:
        path = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
        words = [w for w in entry["command"].split() if w.startswith(("-I", "-D", "-include", "-std", "-m"))]
        words = ["-I" + os.path.join(entry["directory"], w[2:]) if w.startswith("-I") else w for w in words]
        arguments[os.path.relpath(path, copy)] = words + ["-include", "rte_config.h"]
    return arguments


def plant(copy, drawn):
    for path in {s.path for s in drawn}:
        text = (TREE / path).read_text()
        here = sorted((s for s in drawn if s.path == path), key=lambda s: -s.start)
        for site in here:
            text = text[:site.start] + site.make(site.number) + text[site.end:]
        (copy / path).write_text(SWITCH + text)


# --- the tests

def tests_in(copy, seeds):
    """(name, command)"""
    unit = sorted((copy / "build/tests/unit").glob("test_*"))
    tests = [(t.name[5:], [str(t)]) for t in unit if t.is_file() and os.access(t, os.X_OK)]
    for name, most in (("two_hosts", seeds), ("peer", seeds), ("hostile", max(seeds // 40, 1))):
        program = str(copy / "build/tests/sim" / ("test_" + name))
        tests.append(("sim " + name, [program, "--seeds", "1..%d" % most, "--quiet"]))
    return tests


def fails(command, copy, number, limit):
    try:
        return run(command, cwd=copy, env={**os.environ, "TAS_MUTANT": str(number)}, timeout=limit,
                   errors="replace").returncode != 0
    except subprocess.TimeoutExpired:
        return True


def baseline(copy, tests):
    """Seconds of each, of those that have something to do with TCP: others fail for no mutant."""
    seconds = {}
    for name, command in tests:
        begin = time.monotonic()
        if fails(command, copy, 0, 600):
            sys.exit("%s fails without a mutant" % name)
        seconds[name] = time.monotonic() - begin
    return seconds


def judge(copy, site, tests, seconds):
    """The name of the test that kills it, or None. First the tests of its file, then the quick ones."""
    module = pathlib.Path(site.path).stem
    order = sorted(tests, key=lambda t: (t[0] != module, not t[0].startswith(module), seconds[t[0]]))
    for name, command in order:
        if fails(command, copy, site.number, 20 + 20 * seconds[name]):
            return name
    return None


def reasons():
    """What survives for a reason: "FILE: WHAT" and, below it, indented, the reason."""
    found, key = {}, None
    for line in (TREE / "tests/mutation/reasons.txt").read_text().split("\n"):
        if line.startswith("#") or not line.strip():
            continue
        if line[0].isspace():
            found[key] = (found[key] + " " + line.strip()).strip()
        else:
            key = line.strip()
            found[key] = ""
    return found


def report(drawn, killed, to):
    known = reasons()
    left = [s for s in drawn if killed[s.number] is None]
    without = 0
    lines = ["%d mutants, %d killed (%.1f %%)" % (len(drawn), len(drawn) - len(left),
                                                 100 - 100 * len(left) / len(drawn))]
    for site in sorted(left, key=lambda s: (s.path, s.line)):
        reason = known.get(site.key(), "")
        without += reason == ""
        lines.append("survived %s:%d: %s\n\t%s" % (site.path, site.line, site.what, reason or "no reason is known"))
    for site in drawn:
        if killed[site.number] is not None:
            lines.append("killed %s:%d: %s (%s)" % (site.path, site.line, site.what, killed[site.number]))
    to.write("\n".join(lines) + "\n")
    return len(left) * 10 <= len(drawn) and without == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mutants", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=80, help="of the simulation")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--report", type=argparse.FileType("w"), default=sys.stdout)
    parser.add_argument("workdir", type=pathlib.Path)
    a = parser.parse_args()
    copy = a.workdir.resolve() / "tree"

    copy_tree(copy)
    arguments = configure(copy)
    files = sorted({str(p.relative_to(TREE)) for pattern in FILES for p in TREE.glob(pattern)})
    drawn = draw([s for path in files for s in sites_of(path, arguments[path])], a.mutants, a.seed)
    for number, site in enumerate(drawn, 1):
        site.number = number
    plant(copy, drawn)
    must(["ninja", "-C", "build"], cwd=copy)
    tests = tests_in(copy, a.seeds)
    seconds = baseline(copy, tests)
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        results = list(pool.map(lambda s: judge(copy, s, tests, seconds), drawn))
    good = report(drawn, {s.number: r for s, r in zip(drawn, results)}, a.report)
    sys.exit(0 if good else 1)


main()
