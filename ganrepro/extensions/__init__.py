"""Section 7's five extensions: conditional, inference, subsets, semisupervised, coordination.

They add tasks and options to a recipe, and evaluate the results; `training.train` trains them all.
"""
