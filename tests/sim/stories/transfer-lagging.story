# Leadership is to be handed to a member that does not hear. It must not be lost over that.

> members 3
> lead A
ok
> cut AB C
> fill A 10 2
ok
> transfer C A
busy
> who AB
one of them leads, 2 of 2 know a leader
> put A 1 10
ok

# When it hears again and has caught up it can lead.
> mend
> settle
all have the same
> transfer C A
ok
> who C
one of them leads, 1 of 1 know a leader
> get A 1
10
