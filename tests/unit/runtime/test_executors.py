import json
from contextlib import closing

import pytest

from gradts_engine.contracts import Device, Setup
from gradts_engine.errors import RunError, UsageError
from gradts_engine.runtime.executors import ThreadExecutor, resolve_devices, threads
from gradts_engine.runtime.facts import resolve_precision
from gradts_engine.testing.puppet import PUPPET, Puppet

CAPABILITIES = {"cuda:0": (8, 0), "cuda:1": (7, 5)}


@pytest.fixture
def cuda(monkeypatch):
    """A machine with so many CUDA devices."""

    def install(count: int) -> None:
        import torch

        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: CAPABILITIES[device])

    return install


@pytest.mark.parametrize(
    ("count", "wanted", "found"),
    [
        (0, ["auto"], ("cpu",)),
        (0, ["cpu"], ("cpu",)),
        (2, ["auto"], ("cuda:0", "cuda:1")),
        (2, ["cuda"], ("cuda:0", "cuda:1")),
        (2, ["cuda:1"], ("cuda:1",)),
        (2, ["cuda:1", "cpu"], ("cuda:1", "cpu")),  # refused later, for what they are together
        (2, ["cuda:1", "cuda", "auto"], ("cuda:1", "cuda:0")),
    ],
)
def test_devices(cuda, count, wanted, found):
    cuda(count)
    assert tuple(device.name for device in resolve_devices(wanted)) == found


@pytest.mark.parametrize(
    ("count", "wanted", "message"),
    [
        (0, ["cuda"], "device 'cuda' is not there; this machine has cpu"),
        (0, ["auto", "cuda:0"], "device 'cuda:0' is not there; this machine has cpu"),
        (2, ["cuda:0", "cuda:2"], "device 'cuda:2' is not there; this machine has cpu, cuda:0, cuda:1"),
    ],
)
def test_devices_that_are_not_there(cuda, count, wanted, message):
    cuda(count)
    with pytest.raises(UsageError) as caught:
        resolve_devices(wanted)
    assert str(caught.value) == f"run.devices: {message}"


def test_bfloat16_is_for_devices_that_compute_in_it_by_themselves(cuda):
    """Where torch emulates it, it is slower than what it stands for: from compute capability 8.0 on it is in the hardware."""
    cuda(2)
    new, old = resolve_devices(["cuda"])
    assert (new.formats, old.formats) == (("bf16", "fp16", "fp32"), ("fp16", "fp32"))
    assert [resolve_precision("auto", devices) for devices in ([new], [old], [new, old])] == ["bf16", "fp16", "fp16"]
    assert [resolve_precision(wanted, [old]) for wanted in ("fp32", "bf16", "fp16")] == ["fp32", "bf16", "fp16"]


@pytest.mark.parametrize("feature", [None, "avx512_bf16", "amx_bf16", "bf16"])
def test_bfloat16_is_for_processors_that_compute_in_it_by_themselves(monkeypatch, feature):
    """A feature of the processor says so, and no clock; others can be told to, and none computes in fp16."""
    import torch

    has = {"avx512_bf16": False, "avx2": True} | ({feature: True} if feature else {})
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True, raising=False)
    (cpu,) = resolve_devices(["cpu"])
    assert cpu.formats == (("bf16", "fp32") if feature else ("fp32",))
    wanted = [resolve_precision(wanted, [cpu]) for wanted in ("auto", "fp32", "bf16", "fp16")]
    assert wanted == ["bf16" if feature else "fp32", "fp32", "bf16", "fp32"]
    assert resolve_precision("auto", [Device("cuda:0", ("fp16", "fp32"))], ("bf16", "fp32")) == "fp32"


class Away(Puppet):
    """A worker on a machine that is there while `here` says so."""

    here = True

    def ready(self, closed):
        if not self.here:
            raise RunError(f"{self.arguments} is gone")

    closed = 0

    def close(self):
        self.closed += 1


def test_where_a_worker_is_missing_the_others_do_its_work_and_where_all_are_tasks_fail():
    workers = one, other = Away("one"), Away("other")
    one.here = False
    task = json.dumps([["arguments"], ["sleep", 0.01]])
    with closing(ThreadExecutor([Device("cpu")] * 2, Setup(("cpu",), PUPPET, "", print), workers)) as executor:
        done = [executor.submit(task) for _ in range(4)]
        assert [json.loads(future.result(30))["answers"] for future in done] == [["other"]] * 4
        other.here = False
        executor.submit(task).exception(30)  # which `other` had waited for
        with pytest.raises(RunError, match="is gone"):
            executor.submit(task).result(30)
        one.here = other.here = True
        while executor.submit(task).exception(30):  # each looks again within a second
            pass
    executor.close()
    assert (one.closed, other.closed) == (1, 1)


def test_what_is_submitted_after_the_end_is_cancelled():
    executor = ThreadExecutor([Device("cpu")], Setup(("cpu",), PUPPET, "", print))
    executor.close()
    assert executor.submit("[]").cancelled()


def test_an_address_that_would_be_ignored_is_refused():
    with pytest.raises(UsageError, match=r"run\.address: 10\.0\.0\.1:6379 is of no use to executor threads"):
        threads(Setup(("cpu",), PUPPET, "", lambda record: None, address="10.0.0.1:6379"))
