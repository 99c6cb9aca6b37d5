#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is a history that blixard-bench --record wrote linearizable? Prints what was checked; ends with
1 and names the key and the operations where the search got no further if it is not.

usage: linear.py HISTORY
       linear.py --self-test

Each key is a register of its own that begins absent, and a history is linearizable if that of each
key is (Herlihy and Wing 1990, locality). Of one key the search is that of Wing and Gong 1993: of
the operations that no other one precedes, one takes effect, until all have; what was tried before
- the same operations done and the same value - is not tried again (Lowe 2017).

"ok" took effect between its call and its return. "info" takes effect at any time after its call,
or never. "fail" had no effect; those that the store answered (VERDICTS) are observations.
"""
import json
import sys

VERDICTS = {("cas", "BLX_ECONFLICT"), ("put_if_absent", "BLX_EEXIST"), ("delete", "BLX_ENOENT")}
OBSERVED = {"cas": "unequal", "put_if_absent": "present", "delete": "absent"}
VISITS_MAX = 5_000_000


class Malformed(Exception):
    pass


class Op:
    """what: get, put, cas, put_if_absent, delete, or one of those that a verdict observes:
    unequal, present, absent."""

    def __init__(self, line):
        self.what = line["op"]
        self.value = line["value"]
        self.expect = line["expect"]
        self.call = line["call"]
        self.end = line["return"]
        self.text = line
        if line["status"] == "fail":
            self.what = OBSERVED[self.what]
        elif self.what == "get":
            self.value = line["result"]
        self.reads = self.what in ("get", "unequal", "present", "absent")

    def allowed(self, state):
        """Can it be told what it was told, and have an effect, when the register is so?"""
        if self.what == "get":
            return state == self.value
        if self.what == "cas":
            return state == self.expect
        if self.what == "unequal":
            return state != self.expect
        if self.what in ("put_if_absent", "absent"):
            return state is None
        if self.what in ("delete", "present"):
            return state is not None
        return True

    def after(self, state):
        return state if self.reads else None if self.what == "delete" else self.value


class Register:
    """The search over the history of one key. A place in it is (first, done, maybes, state): of
    the certain operations, in order of their calls, all before first have taken effect and those
    in the bits of done, counted from first; of the others those in the bits of maybes."""

    def __init__(self, ops):
        self.sure = [op for op in ops if op.text["status"] != "info"]
        self.sure.sort(key=lambda op: op.call)
        self.maybe = [op for op in ops if op.text["status"] == "info"]
        self.furthest = (0, 0, 0, None)

    def next_sure(self, first, done):
        """The certain operations that can be next, and the time before which the next is."""
        limit = float("inf")
        found = []
        i = first
        while i < len(self.sure) and self.sure[i].call <= limit:
            if not done >> (i - first) & 1:
                limit = min(limit, self.sure[i].end)
                found.append(i)
            i += 1
        return [i for i in found if self.sure[i].call <= limit], limit

    def take(self, place, i):
        first, done, maybes, state = place
        state = self.sure[i].after(state)
        done |= 1 << (i - first)
        while done & 1:
            done >>= 1
            first += 1
        return first, done, maybes, state

    def take_maybes(self, place, sure, limit):
        """An uncertain write is only tried where it lets another operation be next that could
        not be without it. In any order that explains the history one that does not can be moved
        behind what follows it, or left out: a write that overwrites it, or nothing, follows."""
        first, done, maybes, state = place
        free = [i for i, op in enumerate(self.maybe) if not maybes >> i & 1 and op.call <= limit]
        barred = [self.sure[i] for i in sure if not self.sure[i].allowed(state)]
        for i in free:
            if self.maybe[i].allowed(state):
                new = self.maybe[i].after(state)
                others = [self.maybe[j] for j in free
                          if j != i and not self.maybe[j].allowed(state)]
                if any(op.allowed(new) for op in barred + others):
                    yield first, done, maybes | 1 << i, new

    def successors(self, place):
        sure, limit = self.next_sure(place[0], place[1])
        allowed = [i for i in sure if self.sure[i].allowed(place[3])]
        for i in allowed:
            if self.sure[i].reads:  # it changes nothing: never wrong to do it now
                return [self.take(place, i)]
        return list(self.take_maybes(place, sure, limit)) + [self.take(place, i) for i in allowed]

    def explain(self):
        """None if an order was found, or why not."""
        stack = [self.furthest]
        seen = set(stack)
        while stack:
            place = stack.pop()
            if place[0] == len(self.sure):
                return None
            if place[0] > self.furthest[0]:
                self.furthest = place
            if len(seen) > VISITS_MAX:
                return "undecided: too many orders"
            for successor in self.successors(place):
                if successor not in seen:
                    seen.add(successor)
                    stack.append(successor)
        first, done, _, state = self.furthest
        stuck = [json.dumps(self.sure[i].text) for i in self.next_sure(first, done)[0]]
        return "\n\t".join([f"no order after {first} operations; the value may be {state}, next is "
                            "one of"] + stuck)


def check_line(line):
    if line["status"] not in ("ok", "fail", "info") or line["call"] > line["return"] or \
            line["op"] not in ("get", "put", "cas", "put_if_absent", "delete"):
        raise Malformed(f"not an operation: {json.dumps(line)}")


def check_whole(lines):
    """What the recorder promises: values are unique, lines are in the order in which they ended,
    and a client asks one thing at a time and nothing after an info."""
    values = set()
    last = 0
    free_from = {}
    for line in lines:
        check_line(line)
        client = line["client"]
        if line["value"] is not None and line["value"] in values:
            raise Malformed(f"the value {line['value']} is written twice")
        values.add(line["value"])
        if line["return"] < last:
            raise Malformed(f"out of order: {json.dumps(line)}")
        last = line["return"]
        if line["call"] < free_from.get(client, 0):
            raise Malformed(f"client {client} was not free: {json.dumps(line)}")
        free_from[client] = float("inf") if line["status"] == "info" else line["return"]


def check(lines):
    """The keys that cannot be explained, each with why; and how many operations were looked at."""
    keys = {}
    for line in lines:
        if line["status"] == "fail" and (line["op"], line["result"]) not in VERDICTS or \
                line["status"] == "info" and line["op"] == "get":
            continue
        keys.setdefault(line["key"], []).append(Op(line))
    faults = {}
    for key, ops in keys.items():
        why = Register(ops).explain()
        if why is not None:
            faults[key] = why
    return faults, sum(len(ops) for ops in keys.values())


def planted(text):
    """A history from lines "CLIENT OP ARGUMENT CALL RETURN STATUS RESULT" of one key."""
    for row in text.strip().splitlines():
        client, what, argument, call, end, status, result = row.split()
        expect, _, value = argument.rpartition(">")
        yield {"client": int(client), "op": what, "key": "/k", "call": int(call),
               "return": int(end), "status": status, "expect": expect or None,
               "value": None if value == "." else value,
               "result": None if result == "." else result}


GOOD = {
    "reads of concurrent writes, in one order": """
        1 put a 0 10 ok .
        2 put b 0 12 ok .
        3 get . 5 13 ok a
        4 get . 14 15 ok b""",
    "a write of unknown outcome is seen late": """
        1 put a 0 10 info BLX_ETIMEOUT
        2 get . 11 12 ok .
        2 get . 50 60 ok a""",
    "a write of unknown outcome never happens": """
        1 put a 0 1 ok .
        1 put b 2 3 info BLX_ETIMEOUT
        2 get . 10 11 ok a""",
    "two writes of unknown outcome, one on the other": """
        1 put a 0 1 info BLX_ETIMEOUT
        2 cas a>b 0 2 info BLX_ETIMEOUT
        3 get . 5 6 ok b
        3 delete . 7 8 ok .
        3 put_if_absent c 9 10 ok .""",
    "an unknown delete makes room": """
        1 put a 0 1 ok .
        1 delete . 2 3 info BLX_ETIMEOUT
        2 put_if_absent b 4 5 ok .""",
    "verdicts that hold": """
        1 delete . 0 1 fail BLX_ENOENT
        1 put a 2 3 ok .
        1 put_if_absent b 4 5 fail BLX_EEXIST
        1 cas z>c 6 7 fail BLX_ECONFLICT
        1 cas a>d 8 9 ok .
        1 put e 10 11 fail BLX_ENOQUORUM
        1 get . 12 13 ok d""",
}
BAD = {
    "a stale read": """
        1 put a 0 1 ok .
        1 put b 2 3 ok .
        2 get . 4 5 ok a""",
    "two readers, two orders": """
        1 put a 0 10 ok .
        2 put b 0 10 ok .
        3 get . 11 12 ok a
        4 get . 13 14 ok b""",
    "a value that goes back": """
        1 put a 0 1 ok .
        2 put b 2 9 info BLX_ETIMEOUT
        3 get . 3 10 ok b
        3 get . 11 12 ok a""",
    "an acknowledged write lost": """
        1 put a 0 1 ok .
        2 get . 2 3 ok .""",
    "a write seen before its call": """
        2 get . 0 1 ok a
        1 put a 2 3 ok .""",
    "a failed write that had an effect": """
        1 put a 0 1 fail BLX_ENOQUORUM
        2 get . 2 3 ok a""",
    "two winners of one cas": """
        1 put a 0 1 ok .
        1 cas a>b 2 9 ok .
        2 cas a>c 2 9 ok .""",
    "a write of unknown outcome that happens twice": """
        1 put a 0 1 info BLX_ETIMEOUT
        2 get . 2 3 ok a
        2 put b 4 5 ok .
        2 get . 6 7 ok a""",
    "put_if_absent over a value": """
        1 put a 0 1 ok .
        2 put_if_absent b 2 3 ok .""",
    "a verdict that does not hold": """
        1 put a 0 1 ok .
        2 cas a>b 2 3 fail BLX_ECONFLICT""",
}
BROKEN = {
    "a value written twice": """
        1 put a 0 1 ok .
        2 put a 2 3 ok .""",
    "a client that goes on after an info": """
        1 put a 0 1 info BLX_ETIMEOUT
        1 get . 2 3 ok .""",
}


def self_test():
    failed = 0
    for kind, histories in (("good", GOOD), ("bad", BAD)):
        for name, text in histories.items():
            if bool(check(list(planted(text)))[0]) != (kind == "bad"):
                print(f"the {kind} history was not told as such: {name}")
                failed += 1
    for name, text in BROKEN.items():
        try:
            check_whole(list(planted(text)))
            print(f"the broken history was taken: {name}")
            failed += 1
        except Malformed:
            pass
    print(f"{len(GOOD)} good, {len(BAD)} bad and {len(BROKEN)} broken histories, "
          f"{failed} told wrong")
    return 1 if failed else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    try:
        check_whole(lines)
    except Malformed as fault:
        print(f"{sys.argv[1]}: {fault}")
        return 1
    faults, count = check(lines)
    for key, why in faults.items():
        print(f"{key} is not linearizable: {why}")
    print(f"{count} of {len(lines)} operations say something; {len(faults)} keys at fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
