from pathlib import Path

import pytest
import torch

from chatgui.runs.checkpoints import read_checkpoint, write_checkpoint
from chatgui.training.loop import Snapshot


@pytest.fixture
def snapshot() -> Snapshot:
    weight = torch.nn.Parameter(torch.randn(4, 3))
    optimizer = torch.optim.AdamW([weight], lr=0.1)
    weight.sum().backward()
    optimizer.step()
    return Snapshot(
        7, 1200, 3.5, {"weight": weight.detach().T}, [optimizer.state_dict()], [{"last_epoch": 7}],
        {"cpu": torch.get_rng_state()},
    )  # fmt: skip


def test_a_snapshot_survives_the_disk(snapshot: Snapshot, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, snapshot, {"threads": 2})
    again, circumstances = read_checkpoint(folder, torch.device("cpu"))
    assert (folder.name, circumstances) == ("step-000007", {"threads": 2})
    assert (again.step, again.tokens, again.seconds, again.schedules) == (7, 1200, 3.5, [{"last_epoch": 7}])
    assert torch.equal(again.weights["weight"], snapshot.weights["weight"])
    assert torch.equal(again.random["cpu"], snapshot.random["cpu"])
    moments = snapshot.optimizers[0]["state"][0]["exp_avg"]
    assert torch.equal(again.optimizers[0]["state"][0]["exp_avg"], moments)


def test_a_checkpoint_of_the_same_step_is_replaced(snapshot: Snapshot, tmp_path: Path) -> None:
    for _ in range(2):
        write_checkpoint(tmp_path, snapshot)
    assert [folder.name for folder in tmp_path.iterdir()] == ["step-000007"]
