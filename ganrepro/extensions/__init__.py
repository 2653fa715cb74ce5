"""Section 7's five extensions: conditional, inference, subsets, semisupervised, coordination.

Each is a small room on the same recipe, training and Parzen rooms; none trains by itself.
"""
