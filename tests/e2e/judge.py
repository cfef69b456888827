#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""judge - what tshark thinks of the TCP in a capture.

judge.py CAPTURE [FILTER]      prints a line "NAME COUNT" for each verdict, and the first frames of each
                               fault; exit code 1 if there is one

FILTER is one of tshark's (ip.addr == 10.77.0.1). Faults:
  bad_checksum    of IP or TCP; 0xffff for TCP's 0 is none: Linux sends it, about once in 65,536 segments, and
                  it is the same number (RFC 1624 3)
  malformed       what a dissector could not make sense of, or calls an error
  beyond_window   data past the right edge that the receiver had offered, in the capture, until then
  unsent_acked    an acknowledgement of what was not sent (in a capture without losses before it)
  edge_back       the right edge of a window moved back, between segments in their order, by more than
                  rounding to its unit makes (RFC 7323 2.4)
Counts that are no fault by themselves:
  segments, resent, spurious (what tshark calls a spurious retransmission), twice (bytes of payload seen in
  the capture, and acknowledged there, before), duplicate_acks

Checksums are final, and frames as on the wire, where they are captured behind a device without offloads.
beyond_window wants a capture at the receiver, and `twice` is what the receiver got twice there.
"""
import collections
import subprocess
import sys

FIELDS = ["frame.number", "tcp.stream", "ip.src", "ipv6.src", "tcp.srcport", "tcp.seq", "tcp.ack", "tcp.len",
          "tcp.window_size", "tcp.flags", "tcp.analysis.retransmission",
          "tcp.analysis.spurious_retransmission", "tcp.analysis.duplicate_ack", "tcp.checksum.status",
          "tcp.checksum", "tcp.checksum_calculated", "ip.checksum.status", "_ws.malformed",
          "_ws.expert.severity", "tcp.options.wscale.shift"]
FAULTS = ["bad_checksum", "malformed", "beyond_window", "unsent_acked", "edge_back"]
COUNTS = ["segments", "resent", "spurious", "twice", "duplicate_acks"]
SYN, RST, ACK = 0x02, 0x04, 0x10
SEVERITY_ERROR = 0x800000
BAD = "0"


class Half:
    """One direction of a connection: what was sent, and what its sender offers to the other."""

    def __init__(self):
        self.top = None      # after the highest byte seen
        self.acked = None    # by the other, as captured
        self.edge = None     # that this sender offers
        self.last_seq = None
        self.unit = 1        # of the windows it offers


def rows(capture, what):
    options = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
               "-o", "tcp.relative_sequence_numbers:TRUE", "-o", "tcp.desegment_tcp_streams:FALSE",
               "-o", "tcp.try_heuristic_first:FALSE"]
    # what is in the streams is nobody's protocol
    command = ["tshark", "-Q", "-n", "-r", capture, "-d", "tcp.port==1-65535,data"]
    command += options + ["-Y", "tcp" + (f" && ({what})" if what else "")]
    command += ["-T", "fields", "-E", "occurrence=l"]
    for field in FIELDS:
        command += ["-e", field]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tshark:
        for line in tshark.stdout:
            yield dict(zip(FIELDS, line.rstrip("\n").split("\t")))
        said = tshark.stderr.read()
    if tshark.returncode != 0:
        sys.exit(f"judge: tshark: exit code {tshark.returncode}: {said}")


def judge_checks(row, note):
    other_zero = (row["tcp.checksum"], row["tcp.checksum_calculated"]) == ("0xffff", "0x0000")
    if row["ip.checksum.status"] == BAD or (row["tcp.checksum.status"] == BAD and not other_zero):
        note("bad_checksum")
    severity = int(row["_ws.expert.severity"] or 0)
    if row["_ws.malformed"] or severity >= SEVERITY_ERROR:
        note("malformed")


def judge_window(row, mine, other, note):
    flags, seq, length = int(row["tcp.flags"], 0), int(row["tcp.seq"]), int(row["tcp.len"] or 0)
    if flags & RST:
        return
    end = seq + length + (1 if flags & SYN else 0)
    if flags & SYN and row["tcp.options.wscale.shift"]:
        mine.unit = 1 << int(row["tcp.options.wscale.shift"])
    if length > 0 and other.edge is not None and seq + length > other.edge:
        note("beyond_window")
    if flags & ACK:
        ack = int(row["tcp.ack"])
        if other.top is not None and ack > other.top + 1:  # + 1: a FIN
            note("unsent_acked")
        edge = ack + int(row["tcp.window_size"])
        in_order = ((mine.last_seq is None or seq >= mine.last_seq) and
                    (other.acked is None or ack >= other.acked))
        if mine.edge is not None and edge <= mine.edge - mine.unit and in_order:
            note("edge_back")
        mine.edge = edge if mine.edge is None else max(edge, mine.edge)
        other.acked = ack if other.acked is None else max(ack, other.acked)
    mine.last_seq = seq if mine.last_seq is None else max(seq, mine.last_seq)
    mine.top = end if mine.top is None else max(end, mine.top)


def judge_again(row, mine, count):
    length, seq = int(row["tcp.len"] or 0), int(row["tcp.seq"])
    count["segments"] += length > 0
    count["resent"] += bool(row["tcp.analysis.retransmission"] or row["tcp.analysis.spurious_retransmission"])
    count["spurious"] += bool(row["tcp.analysis.spurious_retransmission"])
    count["duplicate_acks"] += bool(row["tcp.analysis.duplicate_ack"])
    if length > 1 and mine.acked is not None:
        count["twice"] += max(0, min(mine.acked, seq + length) - seq)


def main():
    count, examples = collections.Counter(), collections.defaultdict(list)
    streams = collections.defaultdict(lambda: {"halves": (Half(), Half())})
    for row in rows(sys.argv[1], " ".join(sys.argv[2:])):
        def note(fault, frame=row["frame.number"]):
            count[fault] += 1
            if len(examples[fault]) < 5:
                examples[fault].append(frame)

        if not row["tcp.seq"]:
            note("malformed")
            continue
        ends = streams[row["tcp.stream"]]
        source = (row["ip.src"] or row["ipv6.src"], row["tcp.srcport"])
        first = ends.setdefault("first", source) == source
        mine, other = ends["halves"] if first else reversed(ends["halves"])
        judge_checks(row, note)
        judge_again(row, mine, count)
        judge_window(row, mine, other, note)
    for name in FAULTS + COUNTS:
        print(name, count[name])
    for fault in FAULTS:
        if examples[fault]:
            print(f"judge: {fault} in frames {' '.join(examples[fault])} of {sys.argv[1]}", file=sys.stderr)
    sys.exit(any(count[fault] for fault in FAULTS))


if __name__ == "__main__":
    main()
