#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads what beat.c wrote: were there ever two at once, or an epoch after a greater one?

usage: beats.py FILE         exit 1, with the lines: yes
       beats.py --gaps FILE  how long nobody ran, between one and the next, in ms
       beats.py --selftest
"""
import sys


def read(path):
    lines = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            ms, host, pid, epoch, what = line.split()
            lines.append((int(ms), host, pid, int(epoch) if epoch != "-" else 0, what))
    return lines


def runs(lines):
    """Each process: when it was first and last heard of."""
    found = {}
    for ms, host, pid, epoch, _ in lines:
        key = (host, pid, epoch)
        first, last = found.get(key, (ms, ms))
        found[key] = (min(first, ms), max(last, ms))
    return sorted((first, last) + key for key, (first, last) in found.items())


def faults(lines):
    found = [f"overlap: {line}" for line in lines if line[4] == "overlap"]
    all_runs = runs(lines)
    for before, after in zip(all_runs, all_runs[1:]):
        if after[0] < before[1]:
            found.append(f"two at once: {before} and {after}")
        if after[4] < before[4]:
            found.append(f"an older epoch after a newer one: {before} and {after}")
    return found


def selftest():
    good = [(0, "a", "1", 1, "start"), (50, "a", "1", 1, "stop"), (60, "b", "1", 2, "start"),
            (90, "b", "1", 2, "beat")]
    assert not faults(good)
    assert faults(good + [(55, "b", "9", 2, "overlap")])
    assert faults(good + [(70, "a", "1", 1, "beat")])
    assert faults(good + [(100, "a", "7", 1, "start")])


def main():
    if sys.argv[1:] == ["--selftest"]:
        selftest()
        return 0
    if sys.argv[1] == "--gaps":
        all_runs = runs(read(sys.argv[2]))
        for before, after in zip(all_runs, all_runs[1:]):
            print(after[0] - before[1], before[2], after[2])
        return 0
    found = faults(read(sys.argv[1]))
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
