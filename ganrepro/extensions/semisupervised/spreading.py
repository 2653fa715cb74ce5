"""Section 7, extension 4, a rival without any net: labels spread along a graph of nearest neighbours.

Zhou et al., Learning with local and global consistency (2004), as scikit-learn has it. Nothing is tuned: alpha = 0.99
is theirs, and the graph joins each picture to its ten nearest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.neighbors import NearestNeighbors
from sklearn.semi_supervised import LabelSpreading

from ganrepro.datasets import Dataset, known

from .features import Draws, Features

NEIGHBOURS = 10
ALPHA = 0.99  # the share that a picture takes from its neighbours; the rest is its own label
TOLERANCE, MOST_ROUNDS = 0.1, 2000  # it ends when a round changes all class shares together by less


@dataclass(frozen=True)
class Graph:
    """`edges` (N, N): 1 where one of two pictures is among the other's nearest. `tested` (m, N): 1 for the nearest of
    each test picture. Test pictures lie outside the graph, as they do for every other classifier here."""

    edges: sparse.csr_array
    tested: sparse.csr_array


def graph(x: NDArray[Any], tested: NDArray[Any], neighbours: int = NEIGHBOURS) -> Graph:
    """The graph of features x (N, f), joined to those of test pictures (m, f). A picture is its own nearest too, which
    counts among the neighbours, as in scikit-learn, and has no effect. At most N neighbours."""
    near = NearestNeighbors(n_neighbors=min(neighbours, len(x))).fit(x)
    own = near.kneighbors_graph(x)
    return Graph(own.maximum(own.T).tocsr(), near.kneighbors_graph(tested).tocsr())


def spread(between: Graph, rows: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
    """(m,): the class of each test picture, when `rows` (n,) of the graph have these labels (n,): the largest share
    among its nearest after the labels have spread."""
    y = np.full(between.edges.shape[0], -1)  # scikit-learn's mark for no label
    y[rows] = labels
    model = LabelSpreading(kernel=lambda *_: between.edges, alpha=ALPHA, tol=TOLERANCE, max_iter=MOST_ROUNDS)
    model.fit(np.zeros((len(y), 1)), y)  # the graph is known, so the features are not needed again
    return model.classes_[(between.tested @ model.label_distributions_).argmax(1)]


def sweep(features: Mapping[str, Features], data: Dataset, draws: Draws, pictures: int, n_test: int) -> pd.DataFrame:
    """Test errors as in `features.sweep`, on the same draws: a row for each graph, made of `features`, and each draw.
    The graph holds the first so many training pictures, and all labelled ones."""
    labels, truth = known(data, "train", "test").values()
    pool = torch.cat([torch.arange(min(pictures, len(data.train))), *draws.values()]).unique()
    found = []
    for name, f in features.items():
        between = graph(f(data.train[pool]).numpy(), f(data.test[:n_test]).numpy())
        for (n, r), few in draws.items():
            guess = spread(between, np.searchsorted(pool.numpy(), few.numpy()), labels[few].numpy())
            found.append([name, n, r, 100 * float((guess != truth[:n_test].numpy()).mean())])
    return pd.DataFrame(found, columns=["method", "labels", "draw", "error"])
