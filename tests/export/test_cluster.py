"""The local Dask cluster takes no client but its own, and its workers nothing from the current folder."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import psutil
import pytest
from dask.distributed import Client, LocalCluster
from distributed.security import Security
from distributed.utils import LoopRunner

from spikeport.export import archive, cluster, simulation
from spikeport.export.cluster import Cluster, Tls, connected
from spikeport.export.errors import ExecutorError
from spikeport.export.lava.doctor import small_network
from spikeport.export.simulation import simulate
from spikeport.export.stimulus import random_stimulus

NETWORK = small_network()
STIMULUS = random_stimulus(NETWORK, 25, 0)
pytestmark = pytest.mark.filterwarnings("ignore::Warning")


def ports():
    """Return the TCP ports on which this process and its children listen."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    found = [c for process in processes for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    return {c.laddr.port: c.laddr.ip for c in found}


def test_no_other_client_gets_into_a_local_cluster():
    """Every port uses TLS and asks for the key of the run, or is a web server without pages."""
    before = ports()
    with connected(Cluster(workers=2), retries=0, seconds=5) as client:
        client.wait_for_workers(2)
        own = {port: ip for port, ip in ports().items() if port not in before}
        assert len(own) >= 4
        assert set(own.values()) == {"127.0.0.1"}
        pages = [port for port in own if answers_http(port)]
        assert 2 * len(pages) < len(own)
        for port in own.keys() - set(pages):
            with pytest.raises(OSError, match=r".*"):
                Client(f"tcp://127.0.0.1:{port}", timeout=1)
        address = client.scheduler.address
        with pytest.raises(OSError, match=r".*"):
            Client(address, timeout=1, security=Security.temporary())


def answers_http(port):
    """Return whether a web server listens there; none of Dask's pages is in it."""
    for page in ("health", "metrics", "json/counts.json", "info/main/workers.html", "status", "api/v1/get_workers"):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(f"GET /{page} HTTP/1.0\r\n\r\n".encode())
            connection.settimeout(5)
            try:
                answer = connection.recv(100)
            except OSError:
                return False
        if not answer.startswith(b"HTTP/"):
            return False
        assert b" 404 " in answer, (page, answer)
    return True


def test_workers_import_nothing_from_the_current_folder(tmp_path):
    """Modules called like those that workers import would leave a mark."""
    archive.write(NETWORK, tmp_path / "network.safetensors")
    np.save(tmp_path / "images.npy", np.zeros((25, *NETWORK.source.shape), np.uint8))
    (tmp_path / "temporary").mkdir()
    for name in ("multiprocessing", "signal", "json", "pickle", "numpy", "dask", "distributed", "encodings_idna"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'a').write('{name} ')\n")
    command = [Path(sys.executable).with_name("spikeport"), "simulate", "network.safetensors", "--input", "images.npy"]
    done = subprocess.run(
        [*command, "--workers", "2"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "mark").exists(), (tmp_path / "mark").read_text()
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not (tmp_path / "dask-scratch-space").exists()


def test_path_and_environment_are_as_before(monkeypatch):
    monkeypatch.delenv(cluster.SAFE_PATH, raising=False)
    path = ["", *sys.path]
    monkeypatch.setattr(sys, "path", path[:])
    with cluster._environment(**{cluster.SAFE_PATH: "1"}), cluster._without_current_folder():
        assert "" not in sys.path
        assert str(Path.cwd()) not in sys.path
        assert os.environ[cluster.SAFE_PATH] == "1"
    assert sys.path == path
    assert cluster.SAFE_PATH not in os.environ


KILLED = """
from spikeport.export.cluster import Cluster, connected
import time
if __name__ == "__main__":
    with connected(Cluster(workers=1), retries=0, seconds=5) as client:
        client.wait_for_workers(1)
        print("ready", flush=True)
        time.sleep(60)
"""


INTERRUPTED = """
import signal, sys
import numpy as np
from spikeport.export import archive, simulation
from spikeport.export.lava.doctor import small_network
from spikeport.toolchain import cli
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from spikeport.export.cluster import Cluster, connected
def work(standalone_mode):
    with connected(Cluster(workers=2), retries=5, seconds=10) as client:
        if sys.argv[1] == "working":
            futures = client.map(sum, [range(10**6)] * 10_000, pure=False)
            futures[0].result()
        print("ready", flush=True)
        client.gather(futures) if sys.argv[1] == "working" else client.wait_for_workers(3)
if __name__ == "__main__":
    cli.app = work
    cli.main()
"""


@pytest.mark.parametrize(
    ("number", "code", "state"),
    [
        (signal.SIGINT, 130, "working"),
        (signal.SIGTERM, 143, "waiting"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                (signal.SIGINT, 130, "waiting"),
                (signal.SIGTERM, 143, "working"),
                (signal.SIGHUP, 129, "working"),
                (signal.SIGHUP, 129, "waiting"),
            )
        ),
    ],
)
def test_signal_to_all_processes_prints_no_text_of_dask(tmp_path, state, number, code):
    """A terminal sends Ctrl-C, and its own end, to every process of the command."""
    (tmp_path / "run.py").write_text(INTERRUPTED)
    command, pipes = [sys.executable, "run.py", state], {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, start_new_session=True, text=True, **pipes) as run:
        assert run.stdout.readline() == "ready\n"
        os.killpg(run.pid, number)
        _, errors = run.communicate(timeout=60)
    assert run.returncode == code
    said = f"spikeport: interrupted; no file is half-written; from the start: spikeport {state}"
    assert errors.splitlines() == [said] * (code == 130)


def test_folder_of_a_killed_cluster_is_cleared_by_the_next(tmp_path, monkeypatch):
    (tmp_path / "run.py").write_text(KILLED)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, tmp_path / "run.py"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=tmp_path) as run:
        assert run.stdout.readline() == b"ready\n"
        children = psutil.Process(run.pid).children(recursive=True)
        run.send_signal(signal.SIGKILL)
    psutil.wait_procs(children, timeout=20)
    assert len(list(tmp_path.glob("spikeport-dask-*"))) == 1
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    simulate(NETWORK, STIMULUS, executor="fast", cluster=Cluster(workers=1))
    deadline = time.time() + 5
    while list(tmp_path.glob("spikeport-dask-*")) and time.time() < deadline:
        time.sleep(0.1)
    assert list(tmp_path.glob("spikeport-dask-*")) == []


@pytest.fixture
def certificates(tmp_path):
    """Files of a key that signs itself, as an administrator would give them."""
    security = Security.temporary()
    files = {"ca": security.tls_ca_file, "cert": security.tls_client_cert, "key": security.tls_client_key}
    for name, text in files.items():
        (tmp_path / f"{name}.pem").write_text(text)
    return security, Tls(**{name: tmp_path / f"{name}.pem" for name in files})


def test_scheduler_with_tls_takes_its_certificates_and_no_others(certificates, monkeypatch):
    security, tls = certificates
    monkeypatch.setattr(simulation, "SECONDS", 5)
    with LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", protocol="tls://", security=security
    ) as own:
        found = simulate(NETWORK, STIMULUS, executor="fast", cluster=Cluster(address=own.scheduler_address, tls=tls))
        assert np.array_equal(found.scores, simulate(NETWORK, STIMULUS, executor="fast").scores)
        monkeypatch.setattr(simulation, "SECONDS", 1)
        other = Security.temporary()
        for path, text in (
            (tls.ca, other.tls_ca_file),
            (tls.cert, other.tls_client_cert),
            (tls.key, other.tls_client_key),
        ):
            path.write_text(text)
        with pytest.raises(ExecutorError, match="no Dask scheduler answers at tls://"):
            simulate(NETWORK, STIMULUS, executor="fast", cluster=Cluster(address=own.scheduler_address, tls=tls))
        tls.cert.write_text("no certificate")
        with pytest.raises(ExecutorError, match="no Dask scheduler answers at tls://"):
            simulate(NETWORK, STIMULUS, executor="fast", cluster=Cluster(address=own.scheduler_address, tls=tls))


def test_settings_that_contradict_one_another_are_refused(certificates, tmp_path):
    _, tls = certificates
    with pytest.raises(ExecutorError, match="scheduler tls://host:1 uses TLS; give its certificates: --tls-ca"):
        Cluster(address="tls://host:1")
    with pytest.raises(ExecutorError, match="TLS is for schedulers at tls://, found tcp://host:1"):
        Cluster(address="tcp://host:1", tls=tls)
    with pytest.raises(ExecutorError, match="none: no such file; expected the key of the Dask scheduler's TLS"):
        Tls(ca=tls.ca, cert=tls.cert, key=tmp_path / "none")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nonsense",
        "host",
        "foo://host:1",
        "tcp://127.0.0.1:99999",
        "tcp://host:port",
        "tcp://",
        "tcp://:1",
        "tcp://[1",
    ],
)
def test_text_that_names_no_scheduler_is_an_error(address):
    with pytest.raises(
        ExecutorError, match=re.escape(f"{address!r} is no address of a Dask scheduler; expected tcp://")
    ):
        Cluster(address=address)


@pytest.mark.parametrize("address", ["host:8786", "tcp://host:8786", "tcp://[::1]:8786", "ucx://host:1", "ws://host:1"])
def test_addresses_that_dask_prints_are_taken(address):
    assert Cluster(address=address).address == address


def test_scheduler_that_is_none_is_an_error(monkeypatch):
    monkeypatch.setattr(simulation, "SECONDS", 1)
    with pytest.raises(ExecutorError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        simulate(NETWORK, STIMULUS, executor="fast", cluster=Cluster(address="tcp://127.0.0.1:9"))


def test_event_loop_that_does_not_start_is_an_error(monkeypatch):
    """Dask waits 10 s for its own thread, then fails an assertion."""
    monkeypatch.setattr(LoopRunner, "start", mock.Mock(side_effect=AssertionError))
    with pytest.raises(ExecutorError, match="Dask's event loop did not start within 10 s"):
        simulate(NETWORK, STIMULUS, executor="fast", cluster=Cluster(address="tcp://127.0.0.1:9"))


@pytest.mark.parametrize("missing", ["dask.distributed", "cryptography"])
def test_missing_extra_is_named(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(
        ExecutorError, match=r"a cluster needs Dask and cryptography: pip install 'spikeport\[cluster\]'"
    ):
        simulate(NETWORK, STIMULUS, executor="fast", cluster=Cluster(workers=1))
