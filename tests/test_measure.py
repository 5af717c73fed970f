"""Reconstruction errors: all bins, what is audible, and the level, on a decoder that is known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from timbre.training.batches import Batch
from timbre.training.measure import AUDIBLE_DB, ReconstructionErrors, errors

FRAMES, FLOOR = 40, -100.0


def measured(recorded: Tensor, decoded: Tensor, stride: int = 1, size: int = 2) -> ReconstructionErrors:
    """Errors of notes (notes, bins, frames) that are decoded as given; 5 frames are 50 ms."""

    def decode(rows: Tensor, conditions: None, frames: Tensor) -> Tensor:
        return decoded[rows][:, :, frames]

    def in_order() -> list[Batch]:
        starts = range(0, len(recorded), size)
        rows = [np.arange(start, min(start + size, len(recorded))) for start in starts]
        return [Batch(recorded[row], None, row, recorded[row]) for row in rows]  # type: ignore[arg-type]

    model = SimpleNamespace(frames=recorded.shape[2], clock=0.01 * torch.arange(recorded.shape[2]), decode=decode)
    notes = SimpleNamespace(in_order=in_order)
    return errors(model, notes, lambda batch: torch.from_numpy(batch.rows), stride)  # type: ignore[arg-type]


def note(peak: float) -> Tensor:
    """One band that sounds at its peak level, of four; the others lie on the floor."""
    return torch.cat([torch.full((1, FRAMES), peak), torch.full((3, FRAMES), FLOOR)])


def test_what_lies_on_the_floor_is_not_audible() -> None:
    recorded = torch.stack([note(-10.0), note(-30.0), note(0.0)])
    found = measured(recorded, recorded + torch.tensor([2.0, 1.0, 1.0, 1.0])[:, None])
    assert found.l1_db == pytest.approx(1.25)
    assert found.rmse_db == pytest.approx(np.sqrt(7 / 4))
    assert found.audible_l1_db == pytest.approx(2.0)
    assert found.level_error_db == pytest.approx(2.0, abs=1e-6)
    assert found.notes == 3


def test_what_is_decoded_above_the_floor_is_audible_too() -> None:
    recorded, decoded = note(-10.0)[None], note(-10.0)[None].clone()
    decoded[0, 1] = -10.0 - AUDIBLE_DB - 1.0
    assert measured(recorded, decoded).audible_l1_db == 0.0
    decoded[0, 1] = -10.0 - AUDIBLE_DB + 1.0
    assert measured(recorded, decoded).audible_l1_db == pytest.approx((90.0 - AUDIBLE_DB + 1.0) / 2)


def test_the_level_is_that_of_the_loudest_50_ms_wherever_they_are() -> None:
    recorded, decoded = (torch.full((1, 2, FRAMES), FLOOR) for _ in range(2))
    recorded[0, 0, 3:8] = -6.0
    decoded[0, 1, 20:25] = -9.0
    decoded[0, 1, 30:32] = -6.0
    assert measured(recorded, decoded).level_error_db == pytest.approx(-3.0, abs=1e-4)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_size_of_batches_does_not_matter_and_a_stride_leaves_frames_out(size: int) -> None:
    random = torch.Generator().manual_seed(0)
    recorded = -60.0 * torch.rand(5, 4, FRAMES, generator=random)
    decoded = recorded + torch.randn(5, 4, FRAMES, generator=random)
    whole = measured(recorded, decoded, size=size)
    assert vars(whole) == pytest.approx(vars(measured(recorded, decoded, size=3)))
    assert whole.l1_db == pytest.approx(float((decoded - recorded).abs().mean()))
    halved = measured(recorded, decoded, stride=2, size=size)
    assert halved.l1_db == pytest.approx(float((decoded - recorded)[:, :, ::2].abs().mean()))
