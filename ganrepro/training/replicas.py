"""R replicas of a training: one step moves all of them, their parameters stacked. On a GPU that step is one CUDA graph,
captured once and replayed: the rows and rates of all steps are on the device before an epoch begins, and the host reads
nothing back until it ends."""

import torch
from torch import Tensor
from tqdm import tqdm

from ganrepro.recipes import Recipe

from . import tasks
from .algorithm1 import STEPS
from .players import Player
from .schedule import Rates, examples_in_epoch, order, rates_at

EXPLODED = 100.0  # nats of a mean loss over an epoch; that of a G which has lost for good stays below 10
WARM_UP = 3  # steps before a capture, in which libraries allocate what they need once; undone after


def within_bounds(total: Tensor, steps: int) -> Tensor:
    """(R,) whether sums (4, R) of losses and of D's outputs are finite and below EXPLODED in the mean over an epoch."""
    return total.abs().amax(0) <= EXPLODED * steps


class Replicas:
    """R pairs of players of one recipe, each with its own random state, on the same examples. Their tensors become
    slices of stacked ones, so that each can be read between epochs as if alone. Valid while recipe.at(epoch) stays."""

    def __init__(
        self, recipe: Recipe, pairs: list[tuple[Player, Player]], rngs: list[torch.Generator], x: Tensor, epoch: int = 1
    ) -> None:
        self.recipe, self.now, self.rngs, self.x = recipe, recipe.at(epoch), rngs, x
        self.task, self.step = tasks.of(self.now), STEPS[self.now.update]
        self.g, self.d = (Player.stack(players) for players in zip(*pairs, strict=True))
        group = recipe.batch_size * self.now.k
        self.full, self.rest = divmod(examples_in_epoch(recipe, len(x)), group)
        self.rows = torch.zeros(len(self.rngs), self.full, group, dtype=torch.int64, device=x.device)
        self.lr = torch.zeros(self.full, dtype=torch.float64, device=x.device)
        self.momentum = torch.zeros((), dtype=torch.float64, device=x.device)
        self.i = torch.zeros(1, dtype=torch.int64, device=x.device)  # the number of the step in its epoch
        self.total = torch.zeros(4, len(self.rngs), device=x.device)
        self.steady = torch.zeros(len(self.rngs), dtype=torch.int64, device=x.device)
        self.graph: torch.cuda.CUDAGraph | None = None

    def epoch(self, number: int, batch: int, bar: tqdm) -> tuple[Tensor, Tensor]:
        """Epoch `number` (from 1), whose first minibatch is number `batch`. Returns the means of its steps (4, R), and
        the numbers of steps (R,) before which the losses left all bounds."""
        orders = [order(self.recipe, len(self.x), rng) for rng in self.rngs]
        split = self.full * self.rows.shape[-1]
        self.rows.copy_(torch.stack([own[:split].view(self.rows.shape[1:]) for own in orders]))
        rates = [rates_at(self.recipe, number, batch + i * self.now.k) for i in range(self.full)]
        self.lr.copy_(torch.tensor([float(r.lr) for r in rates], dtype=torch.float64))
        self.momentum.copy_(rates_at(self.recipe, number, batch).momentum)
        self.i.zero_()
        self.total.zero_()
        self.steady.zero_()
        if self.x.is_cuda and self.full and self.graph is None:
            self.graph = self.capture()
        for _ in range(self.full):
            self.graph.replay() if self.graph else self.advance()
            bar.update(len(self.rngs))
        if self.rest:  # what is left fills no group, so its step has other shapes
            rows = torch.stack([own[split:] for own in orders])
            self.move(rows, rates_at(self.recipe, number, batch + self.full * self.now.k))
            bar.update(len(self.rngs))
        return self.total / self.steps, self.steady

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return self.full + bool(self.rest)

    def advance(self) -> None:
        """The next step of the epoch; what is captured."""
        rows = self.rows.index_select(1, self.i).squeeze(1)
        self.move(rows, Rates(self.lr.index_select(0, self.i).squeeze(0), self.momentum))
        self.i += 1

    def move(self, rows: Tensor, rates: Rates) -> None:
        """One step of every pair on its own rows of x, (R, n)."""
        batches = [self.x[part] for part in rows.split(self.recipe.batch_size, dim=1)]
        sizes = [b.shape[1] for b in batches]
        drawn = zip(*(self.task.draw(sizes, rng) for rng in self.rngs), strict=True)
        draws = [tasks.Draw.stack(of_all) for of_all in drawn]
        self.total += self.step(self.task, self.g, self.d, batches, draws, rates)
        self.steady += within_bounds(self.total, self.steps)

    def capture(self) -> torch.cuda.CUDAGraph:
        """`advance` as a CUDA graph. It leaves parameters, random states and the epoch's counters as they were."""
        state = [*self.g.state().values(), *self.d.state().values(), self.i, self.total, self.steady]
        kept, chance = [t.detach().clone() for t in state], [rng.get_state() for rng in self.rngs]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(min(WARM_UP, self.full)):
                self.advance()
        torch.cuda.current_stream().wait_stream(aside)
        with torch.no_grad():
            for tensor, value in zip(state, kept, strict=True):
                tensor.copy_(value)
        graph = torch.cuda.CUDAGraph()
        for rng, value in zip(self.rngs, chance, strict=True):
            rng.set_state(value)
            graph.register_generator_state(rng)
        with torch.cuda.graph(graph):
            self.advance()
        return graph
