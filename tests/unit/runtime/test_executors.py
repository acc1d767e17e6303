import threading
import time

import pytest

from gradts_engine.runtime import executors
from gradts_engine.runtime.executors import ThreadExecutor, resolve_devices

WAIT = 20


def test_one_job_at_a_time_on_a_device_and_as_many_as_there_are_devices():
    devices = ("cpu", "cuda:0", "cuda:1")
    running = dict.fromkeys(devices, 0)
    most = dict.fromkeys(devices, 0)
    threads = {device: set() for device in devices}
    lock = threading.Lock()
    together = threading.Barrier(len(devices))

    def job(device: str) -> None:
        with lock:
            running[device] += 1
            most[device] = max(most[device], running[device])
            threads[device].add(threading.get_ident())
        together.wait(WAIT)  # passes only while a job runs on every device
        with lock:
            running[device] -= 1

    executor = ThreadExecutor(devices)
    for future in [executor.submit(job) for _ in range(12)]:
        future.result(WAIT)
    executor.close()
    assert most == dict.fromkeys(devices, 1)
    assert [len(idents) for idents in threads.values()] == [1, 1, 1]
    assert len(set.union(*threads.values())) == 3


def test_jobs_start_in_the_order_of_submission():
    started: list[int] = []
    executor = ThreadExecutor(("cpu",))

    def job(number: int):
        def run(device: str) -> tuple[int, str]:
            started.append(number)
            time.sleep(0.001)
            return number, device

        return run

    futures = [executor.submit(job(number)) for number in range(20)]
    assert [future.result(WAIT) for future in futures] == [(number, "cpu") for number in range(20)]
    executor.close()
    assert started == list(range(20))


def test_a_job_that_fails_hands_over_its_exception_and_the_device_goes_on():
    executor = ThreadExecutor(("cpu",))

    def fail(device: str) -> None:
        raise OSError(device)

    failed, after = executor.submit(fail), executor.submit(str.upper)
    with pytest.raises(OSError, match="cpu"):
        failed.result(WAIT)
    assert after.result(WAIT) == "CPU"
    executor.close()


def test_close_waits_for_what_runs_and_drops_the_rest():
    executor = ThreadExecutor(("cpu",))
    started, go = threading.Event(), threading.Event()
    done: list[str] = []

    def job(device: str) -> None:
        started.set()
        assert go.wait(WAIT)
        done.append(device)

    first, second = executor.submit(job), executor.submit(job)
    assert started.wait(WAIT)
    threading.Timer(0.1, go.set).start()
    executor.close()
    assert done == ["cpu"]
    assert first.done()
    assert second.cancelled()


# --- devices ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def cuda(monkeypatch):
    """A machine with so many CUDA devices."""

    def install(count: int) -> None:
        import torch

        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return install


@pytest.mark.parametrize(
    ("count", "wanted", "found"),
    [
        (0, ["auto"], ("cpu",)),
        (0, ["cpu"], ("cpu",)),
        (2, ["auto"], ("cuda:0", "cuda:1")),
        (2, ["cuda"], ("cuda:0", "cuda:1")),
        (2, ["cuda:1"], ("cuda:1",)),
        (2, ["cuda:1", "cpu"], ("cuda:1", "cpu")),
        (2, ["cuda:1", "cuda", "auto"], ("cuda:1", "cuda:0")),
    ],
)
def test_devices(cuda, count, wanted, found):
    cuda(count)
    assert resolve_devices(wanted) == found


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
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the whole message is compared)
        executors.resolve_devices(wanted)
    assert str(caught.value) == message
