"""The models before and beside: what the paper's game is compared with."""
