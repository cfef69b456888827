#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""mutate.py [--mutants N] [--seed S] [--seeds N] [--jobs N] [--report FILE] [--again FILE] WORKDIR

Would the tests notice? Draws N mutants of the TCP logic by a seed, a comparison turned, a constant off by one,
a statement deleted, and runs the unit tests and the simulation on each until one fails: it is killed then.
Reports those that survived; fails if fewer than nine tenths were killed, or if one that survived has no
reason in reasons.txt.

Needs python3-clang-14. Not a part of tools/check: 200 mutants take half an hour or so. What was judged stands
in WORKDIR/log as it goes. --again FILE takes from such a file, or a report, who was killed and who survived for a reason,
and judges only the rest.

All mutants are compiled into one copy of the tree in WORKDIR, which is built once: an environment variable
chooses the one that is alive. All tests must pass without any first. That says how long each test takes, and which
mutants it comes by: others it cannot kill, and is not run on. A test that takes far more of the processor on a mutant
than it took there is a kill, too; one that fails once of twice is not. Sites are chosen by the syntax tree
(libclang), so that nothing is drawn that is not code, and by a hash of what they are: most remain drawn when
the code around them changes.
"""
import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import resource
import shlex
import signal
import subprocess
import sys

from clang import cindex

TREE = pathlib.Path(__file__).resolve().parents[2]
FILES = """
fastpath/appq.c fastpath/core.c fastpath/flow.[ch] fastpath/flow_table.c fastpath/holes.[ch] fastpath/pace.[ch]
fastpath/rack.[ch] fastpath/ranges.[ch] fastpath/recovery.c fastpath/rx.c fastpath/spurious.c fastpath/tcp_ack.c
fastpath/tcp_ecn.c fastpath/tcp_int.h fastpath/tcp_rx.c fastpath/tcp_tx.c fastpath/urgent.c
include/net/cksum.h include/net/hdr.[ch] include/net/pkt.[ch] include/net/rtt.h include/net/seg.h include/net/seq.h
include/net/tcp_opt.[ch]
slowpath/cc*.[ch] slowpath/challenge.c slowpath/conn*.c slowpath/cookie.c slowpath/handshake.c
slowpath/handshake_cookie.c slowpath/hystart.c slowpath/icmp_sp.c slowpath/isn.c slowpath/limit.h slowpath/listen.c
slowpath/pmtu.c slowpath/ports.c slowpath/room.c slowpath/siphash.c slowpath/sp.c slowpath/sp_cc.c slowpath/sp_end.c
slowpath/tcp_in.c slowpath/tcp_out.c slowpath/timer.[ch] slowpath/unaccepted.c
""".split()
SIMS = "two_hosts|peer|hostile"
TURNED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
KINDS = cindex.CursorKind
STATEMENTS = (KINDS.CALL_EXPR, KINDS.BINARY_OPERATOR, KINDS.COMPOUND_ASSIGNMENT_OPERATOR, KINDS.UNARY_OPERATOR)
BLOCKS = (KINDS.COMPOUND_STMT, KINDS.IF_STMT, KINDS.FOR_STMT, KINDS.WHILE_STMT, KINDS.DO_STMT, KINDS.CASE_STMT,
          KINDS.DEFAULT_STMT)
NUMBER = re.compile(r"(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)$")
# What each mutated file begins with: which one is alive, and, in a file that all processes of a test share, which
# were come by.
SWITCH = """
#ifndef TAS_MUT
#include <stdlib.h>
#include <sys/syscall.h>
extern long syscall(long, ...);
static int tas_mutant;
static unsigned char tas_mutants_own[%(mutants)d + 1], *tas_mutants_seen = tas_mutants_own;
__attribute__((constructor)) static void tas_mutant_choose(void)
{
	const char *no = getenv("TAS_MUTANT"), *seen = getenv("TAS_MUTANTS_SEEN");
	long fd = seen && *seen ? syscall(SYS_openat, -100, seen, 2) : -1;

	tas_mutant = no ? atoi(no) : 0;
	if (fd < 0)
		return;
	tas_mutants_seen = (unsigned char *)syscall(SYS_mmap, 0L, sizeof(tas_mutants_own), 3L, 1L, fd, 0L);
	syscall(SYS_close, fd);
}
#define TAS_MUT(n) (tas_mutants_seen[n] = 1, __builtin_expect(tas_mutant == (n), 0))
#endif
"""


class Site:
    def __init__(self, path, line, start, end, what, make):
        self.path, self.line, self.start, self.end, self.make = path, line, start, end, make
        self.what = " ".join(what.split())

    def key(self):
        return "%s: %s" % (self.path, self.what)

    def __str__(self):
        return "%s:%d: %s" % (self.path, self.line, self.what)


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
    if not tail or whole.startswith(("TAS_", "memory_order", "log_", "rte_prefetch", "__")):
        return None
    if not re.match(r"[\w(*&+-]", whole):
        return None
    if node.kind == KINDS.BINARY_OPERATOR and not re.search(r"[^=!<>]=[^=]", whole):
        return None
    return Site(path, node.location.line, start, end + tail.end(), "without " + " ".join(whole.split()),
                lambda n: "{ if (!TAS_MUT(%d)) %s; }" % (n, whole))


def walk(text, path, node, sites, around, fixed):
    """`fixed`: where C wants a constant."""
    def is_fixed(child, i):
        if child.kind == KINDS.VAR_DECL and text.startswith("static", child.extent.start.offset):
            return True
        if node.kind == KINDS.VAR_DECL and "=" not in text[node.extent.start.offset:child.extent.start.offset]:
            return True  # of an array
        return node.kind in (KINDS.ENUM_CONSTANT_DECL, KINDS.STATIC_ASSERT) or node.kind == KINDS.CASE_STMT and i == 0

    last = list(node.get_children())
    for i, child in enumerate(last):
        if child.location.file is None or child.location.file.name != node.translation_unit.spelling:
            continue
        extent = (child.extent.start.offset, child.extent.end.offset)
        const = fixed or is_fixed(child, i)
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
    text = (TREE / path).read_text("latin-1")
    unit = cindex.Index.create().parse(str(TREE / path), args=["-xc", "-I%s" % TREE] + arguments)
    errors = [d for d in unit.diagnostics if d.severity >= cindex.Diagnostic.Error]
    if errors:
        sys.exit("%s: %s" % (path, errors[0]))
    sites = []
    for node in unit.cursor.get_children():
        if node.kind == KINDS.FUNCTION_DECL and node.is_definition() and node.location.file.name == unit.spelling:
            body = list(node.get_children())[-1]
            walk(text, path, body, sites, (body.extent.start.offset, body.extent.end.offset), False)
    times = collections.Counter()
    for site in sorted(sites, key=lambda s: (s.start, s.end)):
        times[site.what] += 1
        if times[site.what] > 1:
            site.what += " [%d]" % times[site.what]
    return sites


def draw(all_sites, mutants, seed):
    """So many of them, of which none is within another."""
    def place(site):
        return hashlib.sha256(("%d %s" % (seed, site.key())).encode()).digest()

    drawn = []
    for site in sorted(all_sites, key=place):
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


def write(path, data):
    """Nothing if it says that already, so that it is not compiled again."""
    if not path.is_file() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def tree_files():
    listed = run(["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard"], cwd=TREE).stdout
    return [name for name in listed.split("\n") if name and (TREE / name).is_file()]


def make_copy(to, planted):
    names = tree_files()
    for path in to.rglob("*"):
        name = str(path.relative_to(to))
        if path.is_file() and not name.startswith("build/") and name not in names:
            path.unlink()
    for name in names:
        write(to / name, planted.get(name) or (TREE / name).read_bytes())
        os.chmod(to / name, (TREE / name).stat().st_mode)


def configure(copy):
    """What a deleted statement would have set is something that is wrong for sure."""
    again = ["--reconfigure"] if (copy / "build/build.ninja").is_file() else []
    must(["meson", "setup", "build", "--buildtype=debugoptimized", "-Dchecks=true", "-Dwerror=false",
          "-Dwarning_level=0", "-Dc_args=-ftrivial-auto-var-init=pattern"] + again, cwd=copy)


def arguments_of(copy):
    """Of each source file, how it is parsed. likely(x) is (x) there, for what a macro makes has no place."""
    arguments = {}
    for entry in json.loads((copy / "build/compile_commands.json").read_text()):
        path = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
        words = shlex.split(re.sub(r"(-isystem|-include|-I|-D) ", r"\1", entry["command"]))
        words = [w for w in words if w.startswith(("-I", "-D", "-isystem", "-include", "-std", "-m"))]
        words = ["-I" + os.path.join(entry["directory"], w[2:]) if w.startswith("-I") else w for w in words]
        arguments[os.path.relpath(path, copy)] = words + ["-include", "rte_config.h", "-Dlikely=", "-Dunlikely="]
    return arguments


def plant(drawn):
    """The files with mutants: name and text."""
    planted = {}
    for path in {s.path for s in drawn}:
        text = (TREE / path).read_text("latin-1")
        for site in sorted((s for s in drawn if s.path == path), key=lambda s: -s.start):
            text = text[:site.start] + site.make(site.number) + text[site.end:]
        planted[path] = (SWITCH % {"mutants": len(drawn)} + text).encode("latin-1")
    return planted


def build(copy, jobs):
    targets = json.loads(run(["meson", "introspect", "--targets", "build"], cwd=copy).stdout)
    names = [os.path.relpath(t["filename"][0], copy / "build") for t in targets]
    names = [n for n in names if n.startswith("tests/unit/test_") or re.match("tests/sim/test_(%s)$" % SIMS, n)]
    must(["ninja", "-C", "build", "-j", str(jobs)] + names, cwd=copy)


# --- the tests

def tests_in(copy, seeds):
    """(name, command)"""
    unit = sorted((copy / "build/tests/unit").glob("test_*"))
    tests = [(t.name[5:], [str(t)]) for t in unit if t.is_file() and os.access(t, os.X_OK)]
    for name in SIMS.split("|"):
        most = max(seeds // 40, 1) if name == "hostile" else seeds
        program = str(copy / "build/tests/sim" / ("test_" + name))
        tests.append(("sim " + name, [program, "--seeds", "1..%d" % most, "--quiet"]))
    return tests


def outcome(command, copy, number, cpu_seconds, seen=""):
    """"passed", "failed" or "hung": longer than that on the processor, for others may use it, too; or for ever."""
    env = {**os.environ, "TAS_MUTANT": str(number), "TAS_MUTANTS_SEEN": str(seen)}
    try:
        code = subprocess.run(["prlimit", "--core=0", "--cpu=%d" % cpu_seconds] + command, cwd=copy, env=env,
                              timeout=60 + 5 * cpu_seconds, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode
    except subprocess.TimeoutExpired:
        return "hung"
    return "hung" if code in (-signal.SIGXCPU, -signal.SIGKILL) else "failed" if code else "passed"


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Test:
    """What it takes, and which mutants it comes by."""

    def __init__(self, name, command, copy, mutants):
        self.name, self.command = name, command
        seen = copy / "build/seen"
        for _ in range(3):
            seen.write_bytes(bytes(mutants + 1))
            begin = processor_seconds()
            self.passes = outcome(command, copy, 0, 600, seen) == "passed"
            if self.passes:
                break
        self.seconds = processor_seconds() - begin
        self.sees = {n for n, byte in enumerate(seen.read_bytes()) if byte}

    def kills(self, copy, number):
        """One that fails by chance, and not again, kills nobody."""
        limit = 5 + int(10 * self.seconds)
        first = outcome(self.command, copy, number, limit)
        return first == "hung" or first == "failed" and outcome(self.command, copy, number, limit) != "passed"


def judge(copy, site, tests, done):
    """The name of the test that kills it, or None. First those that killed others of its file, or have its name."""
    module = pathlib.Path(site.path).stem
    able = [t for t in tests if t.passes and site.number in t.sees]
    known = done[site.path]
    order = sorted(able, key=lambda t: (t.name != module, -known[t.name], not t.name.startswith(module), t.seconds))
    killer = next((t.name for t in order if t.kills(copy, site.number)), None)
    known[killer] += killer is not None
    return killer if able else ""


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


def line_of(site, killer):
    if killer:
        return "killed %s (%s)" % (site, killer)
    reason = reasons().get(site.key(), "") or "no reason is known"
    return "survived %s%s\n\t%s" % (site, "" if killer is None else " (no test comes by)", reason)


def judged_before(report):
    """Who needs no other judgement: key, and test or None."""
    killed = re.findall(r"^killed ([^:]+):\d+: (.*) \(([^()]*)\)$", report, re.M)
    lived = re.findall(r"^survived ([^:]+):\d+: (.*?)(?: \(no test comes by\))?$", report, re.M)
    verdicts = {"%s: %s" % (path, what): None for path, what in lived}
    verdicts = {key: None for key in verdicts if reasons().get(key)}
    verdicts.update(("%s: %s" % (path, what), killer) for path, what, killer in killed)
    return verdicts


def report(drawn, killer, unfit, to):
    left = [s for s in drawn if not killer[s.number]]
    lines = ["%d mutants, %d killed (%.1f %%)" % (len(drawn), len(drawn) - len(left),
                                                 100 - 100 * len(left) / len(drawn))]
    lines += ["left out: %s fails without a mutant" % name for name in unfit]
    order = sorted(drawn, key=lambda s: (bool(killer[s.number]), s.path, s.line))
    to.write("\n".join(lines + [line_of(s, killer[s.number]) for s in order]) + "\n")
    return len(left) * 10 <= len(drawn) and all(reasons().get(s.key()) for s in left) and not unfit


def judge_all(copy, drawn, before, seeds, jobs, log):
    """By number, the test that killed it; and the tests that could not be used."""
    tests = [Test(name, command, copy, len(drawn)) for name, command in tests_in(copy, seeds)]
    done = collections.defaultdict(collections.Counter)

    def one(site):
        killer = before[site.key()] if site.key() in before else judge(copy, site, tests, done)
        print(line_of(site, killer), file=log, flush=True)
        return site.number, killer

    slow = sorted(tests, key=lambda t: -t.seconds)[:5]
    print("%d tests, %.0f s of the processor:" % (len(tests), sum(t.seconds for t in tests)),
          ", ".join("%s %.1f" % (t.name, t.seconds) for t in slow), file=log, flush=True)
    unfit = [t.name for t in tests if not t.passes]
    print("fail without a mutant:", ", ".join(unfit) or "none", file=log, flush=True)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return dict(pool.map(one, drawn)), unfit


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mutants", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=80, help="of the simulation")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--report", default="/dev/stdout")
    parser.add_argument("--again", type=pathlib.Path)
    parser.add_argument("workdir", type=pathlib.Path)
    a = parser.parse_args()
    before = judged_before(a.again.read_text()) if a.again else {}
    copy = a.workdir.resolve() / "tree"

    if not (copy / "build/build.ninja").is_file():
        make_copy(copy, {})
        configure(copy)
    arguments = arguments_of(copy)
    usual = arguments["fastpath/tcp_rx.c"]
    files = sorted({str(p.relative_to(TREE)) for pattern in FILES for p in TREE.glob(pattern)})
    drawn = draw([s for path in files for s in sites_of(path, arguments.get(path, usual))], a.mutants, a.seed)
    for number, site in enumerate(drawn, 1):
        site.number = number
    make_copy(copy, plant(drawn))
    configure(copy)
    build(copy, a.jobs)
    with open(copy.parent / "log", "w") as log:
        killer, unfit = judge_all(copy, drawn, before, a.seeds, a.jobs, log)
    with open(a.report, "w") as to:
        good = report(drawn, killer, unfit, to)
    sys.exit(0 if good else 1)


main()
