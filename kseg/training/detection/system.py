"""`ObjectSystem`: what a network that finds objects needs to be trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

from kseg.core.configs import TrainConfig
from kseg.data.sample import Dataset
from kseg.training.losses.joint import JointLoss


@dataclass(frozen=True)
class ObjectSystem:
    """The training of a network. The targets of its loss are in kseg.data.loading.

    - `loss` makes the loss of a configuration;
    - `network_options` are the arguments of the network's function that data and task
      decide;
    - `decoder` is `ModelInfo.decoder`: how its outputs become objects;
    - `finish` trains what is not trained by gradients, after the last epoch; it changes
      the best network in the run folder.
    """

    loss: Callable[[TrainConfig, Dataset], JointLoss]
    network_options: Callable[[TrainConfig, Dataset], dict[str, Any]]
    decoder: Callable[[TrainConfig, Dataset], dict[str, Any]]
    finish: Optional[Callable[[TrainConfig, Dataset, Path], None]] = None
