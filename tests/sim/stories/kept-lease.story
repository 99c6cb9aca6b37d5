# Who is told that a lease is kept may rely on it for its time, whoever leads meanwhile.

> members 3
> lead A
ok
> grant A 7 2000
ok
> run 1800
> keep B 7
ok

# A leader that is cut off keeps nothing, and ends nothing.
> cut A BC
> keep A 7
no quorum
> run 1500
> who BC
one of them leads, 2 of 2 know a leader
> keep B 7
ok

# The new one gives all of them their whole time; kept by nobody it is over some time later.
> run 1900
> keep C 7
ok
> run 2600
> keep C 7
not found
> mend
> settle
all have the same
> keep A 7
not found
