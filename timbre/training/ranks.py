"""The processes of a run: one, or those that `torchrun` started, each with its own shards of the notes."""

import atexit
import inspect
import json
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from timbre.config import TrainingConfig
from timbre.errors import DeviceError, TrainingError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
_PATIENCE = timedelta(hours=12)  # a rank waits this long for the others: for one that still makes its features


class Ranks:
    """What the processes of a run agree on. With one process, everything is as it is.

    Attributes:
        fabric: Lightning Fabric, launched.
        rank, world: number of this process, and of all.
    """

    def __init__(self, fabric: "Fabric") -> None:
        self.fabric, self.rank, self.world = fabric, fabric.global_rank, fabric.world_size

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and tells."""
        return self.rank == 0

    def sum(self, *values: float) -> list[float]:
        """The sum over all ranks of each value; not a number if one of them is not."""
        if self.world == 1:
            return [float(value) for value in values]
        total = self._tensor(np.array(values, np.float64))
        torch.distributed.all_reduce(total)
        return [float(value) for value in total.cpu()]

    def gather(self, array: np.ndarray) -> list[np.ndarray]:
        """What each rank holds, of any length: arrays (n, ...) that differ in n alone."""
        if self.world == 1:
            return [array]
        counts = [0] * self.world
        counts[self.rank] = len(array)
        counts = [int(count) for count in self.sum(*counts)]
        padded = np.zeros((max(counts), *array.shape[1:]), array.dtype)
        padded[: len(array)] = array
        own = self._tensor(padded)
        every = [torch.empty_like(own) for _ in counts]
        torch.distributed.all_gather(every, own)
        return [part[:count].cpu().numpy() for part, count in zip(every, counts, strict=True)]

    def merge(self, values: dict[str, str]) -> dict[str, str]:
        """What each rank holds, in one."""
        texts = self.gather(np.frombuffer(json.dumps(values).encode(), np.uint8))
        return {key: value for text in texts for key, value in json.loads(text.tobytes()).items()}

    def require_same(self, text: str, what: str) -> None:
        """Refuse to go on if a text is not the same on all ranks.

        Raises:
            TrainingError: naming `what`.
        """
        if len(set(self.merge({str(self.rank): text}).values())) > 1:
            raise TrainingError(f"The processes have different {what}; all of them must be given the same.")

    def wait(self) -> None:
        """Go on when all ranks are here."""
        self.fabric.barrier()

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.array(array)).to(self.fabric.device)


def join(settings: TrainingConfig) -> Ranks:
    """Start, or join the other processes that `torchrun` started; they agree through gloo on CPUs, NCCL on GPUs.

    Raises:
        DeviceError: if there is no such device.
    """
    from lightning_fabric import Fabric  # takes two seconds to import

    device = training_device(settings.device, "training.device")
    precision: Any = settings.precision
    if precision == "auto":
        precision = "bf16-mixed" if device == "cuda" else "32-true"
    fabric = Fabric(accelerator=device, precision=precision, **_placement())
    fabric.launch()
    if fabric.world_size > 1:
        atexit.unregister(_leave)
        atexit.register(_leave)
    return Ranks(fabric)


def _leave() -> None:
    """End the connections before the interpreter does: threads that lose them while it ends may abort."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _placement() -> dict[str, Any]:
    if not torch.distributed.is_torchelastic_launched() or int(os.environ["WORLD_SIZE"]) == 1:
        return {"devices": 1}
    from lightning_fabric.strategies import DDPStrategy

    world, local = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    # Buffers are filterbanks and clocks, the same everywhere; torch 2.13 has another name for leaving them alone.
    names = inspect.signature(DistributedDataParallel).parameters
    leave = "forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers"
    strategy = DDPStrategy(timeout=_PATIENCE, **{leave: False})
    return {"devices": local, "num_nodes": world // local, "strategy": strategy}


def training_device(wanted: DeviceName, setting: str) -> DeviceName:
    """The device to train on: "auto" is a GPU where there is one.

    Args:
        wanted: auto, cpu, cuda or mps.
        setting: whose value that is, for the error.

    Raises:
        DeviceError: torch finds no such device.
    """
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise DeviceError(f"{setting} is cuda, but torch finds no CUDA device; use cpu or auto.")
    if wanted == "mps" and not torch.backends.mps.is_available():
        raise DeviceError(f"{setting} is mps, but torch finds no such device; use cpu or auto.")
    return wanted
