# A leader is paused for longer than an election takes. Meanwhile another one is elected and
# takes a write. When the first wakes it still takes itself for the leader, and is asked at
# once: it must not answer from what it knew.

> members 3
> lead A
ok
> put A 1 10
ok
> pause A 2000
> run 1500
> who BC
one of them leads, 2 of 2 know a leader
> put B 1 11
ok

# This waits until it wakes.
> get A 1
11
> settle
all have the same
> local A 1
11
