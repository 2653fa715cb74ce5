"""Speed against peers and against the machine's own limit: `make bench` and `make gpu`. Each figure is a ratio within
one run."""
