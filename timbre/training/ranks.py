"""The processes (ranks) of a run: one, or those that `torchrun` started, each with its own shards of the notes."""

import atexit
import inspect
import os
from collections.abc import Hashable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from timbre.config import TrainingConfig
from timbre.errors import DeviceError, TrainingError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

T = TypeVar("T")
DeviceName = Literal["auto", "cpu", "cuda", "mps"]
_PATIENCE = timedelta(hours=12)  # how long a rank waits for another one, which may still compute its features


class Ranks:
    """Communication between the processes of a run; with one process, every method returns its own values.

    `fabric` is Lightning Fabric, launched; `rank` the number of this process, from 0, of `world` processes. The `first`
    one writes files and prints.
    """

    def __init__(self, fabric: "Fabric") -> None:
        self.fabric, self.rank, self.world = fabric, fabric.global_rank, fabric.world_size
        self.first = self.rank == 0

    def sum(self, *values: float) -> list[float]:
        """The sum of each value over all ranks; NaN if it is NaN on one of them."""
        if self.world == 1:
            return [float(value) for value in values]
        total = torch.tensor(values, dtype=torch.float64, device=self.fabric.device)
        torch.distributed.all_reduce(total)
        return [float(value) for value in total.cpu()]

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a tensor over all ranks, without a gradient; it does not wait for a GPU."""
        total = value.detach().clone()
        if self.world > 1:
            torch.distributed.all_reduce(total)
        return total / self.world

    def gather(self, value: T) -> list[T]:
        """The value of each rank."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        torch.distributed.all_gather_object(values, value)
        return values

    def require_same(self, value: Hashable, what: str) -> None:
        """Raise a TrainingError that names `what` if a value is not the same on all ranks."""
        if len(set(self.gather(value))) > 1:
            raise TrainingError(f"All processes must be given the same {what}, got different ones.")

    def wait(self) -> None:
        """Wait until all ranks are here."""
        self.fabric.barrier()


def join(settings: TrainingConfig) -> Ranks:
    """Join the other processes that `torchrun` started, if any; they communicate by gloo on CPUs, by NCCL on GPUs."""
    from lightning_fabric import Fabric  # takes two seconds to import

    device = training_device(settings.device, "training.device")
    precision: Any = settings.precision
    if precision == "auto":
        precision = "bf16-mixed" if device == "cuda" else "32-true"
    fabric = Fabric(accelerator=device, precision=precision, **_processes())
    fabric.launch()
    if fabric.world_size > 1:
        atexit.unregister(_leave)
        atexit.register(_leave)
    return Ranks(fabric)


def _leave() -> None:
    """Close the connections before the interpreter ends; otherwise their threads may abort."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _processes() -> dict[str, Any]:
    """Arguments for Fabric: how many devices, and how they communicate."""
    if not torch.distributed.is_torchelastic_launched() or int(os.environ["WORLD_SIZE"]) == 1:
        return {"devices": 1}
    from lightning_fabric.strategies import DDPStrategy

    world, local = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    # Buffers are filterbanks and clocks, equal on all ranks. torch 2.13 renames the option not to send them.
    names = inspect.signature(DistributedDataParallel).parameters
    option = "forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers"
    strategy = DDPStrategy(timeout=_PATIENCE, **{option: False})
    return {"devices": local, "num_nodes": world // local, "strategy": strategy}


def training_device(device: DeviceName, setting: str) -> DeviceName:
    """The device to train on; "auto" is a GPU if there is one.

    A DeviceError that names the `setting`, if torch finds no such device.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    backends = {"cuda": torch.cuda, "mps": torch.backends.mps}
    if device in backends and not backends[device].is_available():
        raise DeviceError(f"{setting} must be a device that torch finds, got {device}; use cpu or auto.")
    return device
