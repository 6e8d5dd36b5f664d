"""What is promised: the demonstration's broker listens once it is started, keeps its port, and says why it does not."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from kiosk.sim.broker import HOST, Broker, BrokerError, BrokerKind


@pytest.mark.parametrize("kind", BrokerKind)
def test_a_broker_that_was_killed_listens_again_on_the_same_port(tmp_path: Path, kind: BrokerKind) -> None:
    with Broker.start(tmp_path, kind) as broker:
        port = broker.port
        broker.kill()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((HOST, port))
        broker.restart()

        socket.create_connection((HOST, port)).close()
        assert (broker.port, broker.kind) == (port, kind)


def test_a_broker_that_does_not_start_names_its_log(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=r"broker\.log"):
        Broker.start(tmp_path, BrokerKind.MOSQUITTO, ["no such setting"])
