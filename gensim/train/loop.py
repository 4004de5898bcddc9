"""The training loop: step, watch, validate, keep the best, stop, resume.

A run's folder holds plan.json, the best model so far as any model folder (the moving average of
its weights), curve.csv and curve.png, and state.pt from which the run is resumed: bit for bit on
the same number of ranks and threads of a CPU.
"""

import math
import os
from dataclasses import replace
from pathlib import Path

import torch
from diffusers.optimization import get_cosine_schedule_with_warmup
from diffusers.training_utils import EMAModel
from torch.nn.parallel import DistributedDataParallel

from gensim.data.augment import Augmentation
from gensim.data.sets import CropSet, parts
from gensim.model.folder import Model, cast, save, weights_of
from gensim.ranks import Ranks
from gensim.train.batches import Batch, Feed, ahead
from gensim.train.curve import LOSSES, Progress, draw_curve, write_table
from gensim.train.objective import Objective
from gensim.train.plan import Plan
from gensim.train.signals import Signals
from gensim.train.start import counted, started
from partsim.errors import Interrupted, UserError

STATE = "state.pt"
LOOK = 10  # steps between looks at signals, on which all ranks must agree
VALIDATION_BATCH = 32
VALIDATION_SEED = 0  # one for all runs, so that their losses can be compared
DTYPES = {"float32": torch.float32, "bf16": torch.float32, "float64": torch.float64}


class Diverged(UserError):
    """The loss of a training is not finite."""


class Training:
    """A run of training on all ranks.

    counter  images seen
    best     least validation loss so far
    worse    validations since then
    rows     of the curve
    judge    the objective on fixed sets, without a teacher
    base     SHA-256 of the weights it began with, None for random ones
    """

    def __init__(self, plan: Plan, crops: CropSet, ranks: Ranks, folder: Path) -> None:
        settings = plan.settings
        if settings.batch % ranks.size:
            raise UserError(f"batch = {settings.batch}, but it must be a multiple of the ranks:"
                            f" {ranks.size}")
        if settings.compile and ranks.device.type == "cpu":
            raise UserError("compile = True, but that needs a GPU")
        self.plan, self.settings, self.ranks, self.folder = plan, settings, ranks, folder
        self.base = weights_of(plan.base) if plan.base else None
        self.model, teacher = ranks.together(lambda: started(plan, crops))
        dtype = DTYPES[settings.precision]
        self.unet = cast(self.model.unet, ranks.device, dtype)
        self.objective = self.judge = Objective(self.model, ranks.device, dtype,
                                                bf16=settings.precision == "bf16")
        if teacher is not None:
            self.objective = replace(self.judge, truth=settings.truth,
                                     teacher=cast(teacher.unet, ranks.device, dtype))
        self.members = parts(crops)
        self.feeds = {name: Feed(crops, members, self.model, VALIDATION_SEED)
                      for name, members in self.members.items()}
        self.feed = Feed(crops, self.members["train"], self.model, settings.seed)
        dropout = settings.dropout if self.model.card.dropout else 0.0
        self.augmentation = Augmentation(settings.mirror, settings.colours, dropout)
        self._prepare()
        self.counter, self.best, self.worse = 0, math.inf, 0
        self.rows: list[dict[str, float]] = []
        self.losses: list[torch.Tensor] = []

    def _prepare(self) -> None:
        """Network, optimiser, learning rate and moving average."""
        settings, batch = self.settings, self.settings.batch
        self.trained = [weights for weights in self.unet.parameters() if weights.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=settings.learning_rate,
                                           weight_decay=settings.weight_decay, fused=True)
        self.schedule = get_cosine_schedule_with_warmup(
            self.optimizer, settings.warmup // batch, math.ceil(settings.images / batch))
        self.average = EMAModel(self.unet.parameters(), decay=settings.ema, use_ema_warmup=True,
                                power=2 / 3, foreach=True)
        network = torch.compile(self.unet) if settings.compile else self.unet
        self.network = network
        if self.ranks.size > 1:
            self.network = DistributedDataParallel(network, process_group=self.ranks.nccl)

    def run(self, stop: int | None = None) -> None:
        """Trains to the end, or until `stop` images are seen; collective.

        Raises Interrupted at `stop` and after a signal, the state being written.
        """
        with Signals() as signals, Progress(self.settings.images, self.counter,
                                            self.ranks.rank == 0) as self.progress:
            for batch in ahead(self._batches()):
                if self.worse >= self.settings.patience:
                    break
                self.step(batch)
                if self._due(self.settings.validate_every):
                    self.validate()
                self._watch(signals, stop)
        if not self.rows or self.rows[-1]["images"] < self.counter:
            self.validate()
        self.ranks.on_first(lambda: draw_curve(self.rows, self.folder))

    def close(self) -> None:
        """Lets go of DistributedDataParallel, which must be done before the ranks part.

        It would hold the last of the process group, whose destructor waits for threads that wait
        for the interpreter's lock: a rank then hangs at its end.
        """
        self.network = self.unet

    def _batches(self):
        """The batches of this rank from the counter on."""
        share, batch = self.ranks.share(self.settings.batch), self.settings.batch
        for first in range(self.counter, self.settings.images, batch):
            yield self.feed.training([first + number for number in share], self.augmentation)

    def step(self, batch: Batch) -> None:
        """One step of AdamW down the gradient of all ranks' mean loss."""
        self.network.train()
        loss = self.objective(self.network, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, self.settings.clip)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.step(self.unet.parameters())
        self.counter += self.settings.batch
        self.last = loss.detach()
        self.losses.append(self.last)

    def _due(self, every: int) -> bool:
        """Whether the last step passed a multiple of `every` images."""
        return self.counter // every > (self.counter - self.settings.batch) // every

    def _watch(self, signals: Signals, stop: int | None) -> None:
        """Progress; the state and Interrupted where a signal or `stop` asks for it."""
        reached = stop is not None and stop <= self.counter < self.settings.images
        if self.counter // self.settings.batch % LOOK == 0 or reached:
            self.progress.update(self.counter, float(self.last))
            asked = self.ranks.sums([float(signals.seen)])[0] > 0
            if asked or reached:
                self.save_state()
                raise Interrupted(f"stopped after {self.counter} images; go on with: gensim resume"
                                  f" {self.folder}")

    def validate(self) -> None:
        """A row of the curve from the averaged weights; keeps the model where it is the best."""
        self.average.store(self.unet.parameters())
        self.average.copy_to(self.unet.parameters())
        row = {"images": self.counter, "learning_rate": self.schedule.get_last_lr()[0]}
        row["train"] = self._mean(sum(float(loss) for loss in self.losses), len(self.losses))
        for name in LOSSES[1:]:
            row[name] = self.fixed_loss(name)
        known = [row[name] for name in ("train", "validation") if row[name] is not None]
        if not all(map(math.isfinite, known)):
            raise Diverged(f"the loss is not finite after {self.counter} images; with a smaller "
                           f"learning_rate than {self.settings.learning_rate:g} it may be")
        row["images_per_second"] = self.progress.rate(self.counter)
        self.rows.append(row)
        self.losses.clear()
        better = row["validation"] < self.best
        self.best, self.worse = min(self.best, row["validation"]), 0 if better else self.worse + 1
        self.ranks.on_first(lambda: self._write(better))
        self.average.restore(self.unet.parameters())
        self.save_state()

    def _mean(self, total: float, count: int) -> float | None:
        """The mean over all ranks of `count` numbers of each rank with the sum `total`."""
        total, count = self.ranks.sums([total, float(count)])
        return total / count if count else None

    @torch.no_grad()
    def fixed_loss(self, part: str) -> float | None:
        """The loss on the fixed triples of a part, over all ranks; None where it has no crops.

        That of equation (29), also in a distillation: so that methods can be compared.
        """
        if len(self.members[part]) == 0:
            return None
        self.unet.eval()
        count, total = self.settings.validation_images, 0.0
        mine = self.ranks.share(count)
        for first in range(mine.start, mine.stop, VALIDATION_BATCH):
            numbers = range(first, min(first + VALIDATION_BATCH, mine.stop))
            batch = self.feeds[part].fixed(numbers, count)
            total += float(self.judge(self.unet, batch)) * len(numbers)
        return self._mean(total, len(mine))

    def _write(self, better: bool) -> None:
        """The table, and the model in whose network the average is now; rank 0 only."""
        write_table(self.rows, self.folder)
        if better:
            card = counted(self.model, self.rows[-1])
            save(Model(self.unet, card), self.folder, self.settings.half)

    def save_state(self) -> None:
        """Writes state.pt, whole or absent."""
        state = {
            "format": self.model.card.format,
            "ranks": self.ranks.size,
            "files": self.model.card.stages[-1].files,
            "base": self.base,
            "counter": self.counter,
            "best": self.best,
            "worse": self.worse,
            "rows": self.rows,
            "losses": self.ranks.gathered([float(loss) for loss in self.losses]),
            "unet": self.unet.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }
        self.ranks.on_first(lambda: _replace(state, self.folder / STATE))

    def restore(self) -> None:
        """Goes on from state.pt; UserError where it is absent or not of this run."""
        path = self.folder / STATE
        try:
            state = torch.load(path, map_location=self.ranks.device, weights_only=True)
            told = state.get("format")
            if told != self.model.card.format:
                raise ValueError(f"it is of {told}, but must be of {self.model.card.format}")
            self.unet.load_state_dict(state["unet"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
        except Exception as problem:  # torch fails in many ways on a file cut short
            text = " ".join(str(problem).split())[:200]
            raise UserError(f"{path} cannot be resumed from: {text}") from problem
        if state.get("files") != self.model.card.stages[-1].files:
            raise UserError(f"{path} cannot be resumed from: the crops files have changed since")
        if state.get("base") != self.base:
            raise UserError(f"{path} cannot be resumed from: {self.plan.base} has other weights"
                            " now")
        self.counter, self.best = state["counter"], state["best"]
        self.worse, self.rows = state["worse"], state["rows"]
        if state["ranks"] == self.ranks.size:
            self.losses = [torch.tensor(loss) for loss in state["losses"][self.ranks.rank]]


def _replace(state: dict, path: Path) -> None:
    partial = path.with_name(path.name + ".partial")
    try:
        torch.save(state, partial)
        os.replace(partial, path)
    except (OSError, RuntimeError) as problem:
        raise UserError(f"cannot write {path}: {problem}") from problem
