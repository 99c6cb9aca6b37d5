# A member loses its disk, and is made anew under its old name. It has forgotten its votes and
# what it acknowledged, so nobody may take it for what it was.

> members 3
> lead A
ok
> put A 1 10
ok
> run 1000
> lose C
> start C
> run 2000
> who C
none of them leads, 0 of 1 know a leader

# Nor do those who were started since.
> kill A
> kill B
> start A
> start B
> run 3000
> who C
none of them leads, 0 of 1 know a leader
> lead A
ok
> get A 1
10

# The way back is to leave and to join anew.
> remove C A
ok
> join D A
ok
> run 2000
> promote D A
ok
> settle
all have the same
> get D 1
10
