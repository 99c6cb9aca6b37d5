# A leader that stands still again and again, each time for too short to lose its office, counts
# next to nothing of that time: it may be its own fault that nobody was heard.

> members 3
> lead A
ok
> grant A 7 600
ok
> pause A 250
> run 300
> pause A 250
> run 300
> pause A 250
> run 540
> who A
one of them leads, 1 of 1 know a leader
> keep A 7
ok
> run 900
> keep A 7
not found
