# A leader with a lease answers consistent reads without asking anybody, for a while.

> members 3 leases
> lead A
ok
> put A 1 10
ok

# This one asks, and with the answers come promises.
> get A 1
10
> cut A BC
> get A 1
10

# Nobody else leads yet, for nobody may. Then the lease is over, and others may lead.
> who BC
none of them leads, 2 of 2 know a leader
> run 170
> get A 1
no quorum
> run 1000
> who BC
one of them leads, 2 of 2 know a leader
> put B 1 11
ok
> mend
> get A 1
no quorum
> settle
all have the same
