"""The models before and beside adversarial nets, each fitted by `fit` and sampled by `.sample(n, seed)`."""
