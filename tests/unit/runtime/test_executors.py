import pytest

from gradts_engine.contracts import Device
from gradts_engine.errors import UsageError
from gradts_engine.runtime.executors import resolve_devices
from gradts_engine.runtime.facts import resolve_precision

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
