# Five members fall apart into two and three. The leader is among the two.

> members 5
> lead A
ok
> put A 1 10
ok

> cut AB CDE

# It takes the write, and finds nobody to agree.
> put A 1 11
no quorum, may have been done
> run 1000

# Who is cut off from the majority notices, and says so.
> who AB
none of them leads, 0 of 2 know a leader
> put A 1 12
no quorum, not done
> get B 1
no quorum

# What it has it still shows.
> local A 1
10

# The three go on.
> who CDE
one of them leads, 3 of 3 know a leader
> put C 1 13
ok
> get D 1
13

# Whole again, the two take over what the three did; the write that had no majority is gone.
> mend
> settle
all have the same
> get A 1
13
> local B 1
13
