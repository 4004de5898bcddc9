"""What is minimised, equations of Xie et al. (2026).

    x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps                                         (21)
    L_simple = ||eps - eps_theta(x_t, t, y)||^2                                           (29)
    L_distill = l1 ||eps_S - eps||^2 + l2 ||eps_S - eps_T||^2,  l1 + l2 = 1               (31)

Norms are means over images, channels and pixels. S is the student, T the pre-trained teacher.
Where the network predicts the velocity of Salimans and Ho (2022),

    v = sqrt(abar_t) eps - sqrt(1 - abar_t) x_0,

it takes the place of eps. For one x_t an error of v is that of eps over sqrt(abar_t): the same
network is best, with another weight of each t; losses of the two are not to be compared.
"""

from dataclasses import dataclass

import torch
from torch.nn.functional import mse_loss

from gensim.model.folder import Model
from gensim.train.batches import Batch


@dataclass
class Objective:
    """The loss of a batch.

    model      whose scaling of conditions, noise and kind of prediction are used
    dtype      in which the network computes
    teacher    of a distillation, else None
    truth      l1
    bf16       whether matrix products are made in bfloat16
    """

    model: Model
    device: torch.device
    dtype: torch.dtype
    teacher: torch.nn.Module | None = None
    truth: float = 1.0
    bf16: bool = False

    def __post_init__(self) -> None:
        self.schedule = self.model.schedule

    def __call__(self, network: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """The loss, a scalar: the mean over the images of this rank."""
        clean, noise = (x.to(self.device, self.dtype) for x in (batch.clean, batch.noise))
        times = batch.times.to(self.device)
        noisy = self.schedule.add_noise(clean, noise, times)
        vector = self.model.embedded(batch.conditions, clean)
        predicted = self._predict(network, noisy, times, vector)
        loss = mse_loss(predicted, self._target(clean, noise, times))
        if self.teacher is None:
            return loss
        with torch.no_grad():
            taught = self._predict(self.teacher, noisy, times, vector)
        return self.truth * loss + (1 - self.truth) * mse_loss(predicted, taught)

    def _target(
        self, clean: torch.Tensor, noise: torch.Tensor, times: torch.Tensor
    ) -> torch.Tensor:
        if self.model.card.prediction == "epsilon":
            return noise
        return self.schedule.get_velocity(clean, noise, times)

    def _predict(
        self, network: torch.nn.Module, noisy: torch.Tensor, times: torch.Tensor,
        vector: torch.Tensor,
    ) -> torch.Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            predicted = network(noisy, times, class_labels=vector, return_dict=False)[0]
        return predicted.to(self.dtype)
