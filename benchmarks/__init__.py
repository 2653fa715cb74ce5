"""Speed against peers and against the machine's own limit, each figure a ratio within one run: `make bench`."""
