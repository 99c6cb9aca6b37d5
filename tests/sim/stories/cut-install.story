# A member was away for so long that what it lacks is in nobody's log any more. It fetches a
# snapshot, and the network is cut in the middle of that.

> members 3
> lead A
ok
> kill C
> fill A 20 5
ok
> start C
> fetching C
it is half way
> cut AB C
> run 3000
> put A 1 10
ok
> mend
> settle
all have the same
> fetched C
yes
> local C 1
10
