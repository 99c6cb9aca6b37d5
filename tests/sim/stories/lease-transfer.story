# A leader that tried to hand over has named a successor, which is elected in spite of all
# promises, sooner or later. So it takes no lease any more.

> members 3 leases
> lead A
ok
> put A 1 10
ok
> cut AB C
> transfer C A
busy
> get A 1
10
> cut A BC
> get A 1
no quorum
> mend
> settle
all have the same
> get A 1
10
