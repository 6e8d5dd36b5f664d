"""Mosquitto as `docs/broker` ships it, and an authority that signs certificates for it."""

from __future__ import annotations

import getpass
import ipaddress
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import paho.mqtt.client as paho
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion

from kiosk.config import UplinkSettings
from kiosk.sim.broker import HOST, Broker, BrokerKind, mosquitto_path
from tests.brokers import WAIT_S, Seen
from tests.wire.examples import DISTRICT_KEY
from wire.chain import public_hex

SHIPPED = Path(__file__).resolve().parents[1] / "docs" / "broker"
INGEST = "district-ingest"
HOUR = timedelta(hours=1)


class Authority:
    """Signs certificates, and writes them into a folder as `NAME.pem` and `NAME.key`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir()
        self.folder = folder
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = generate_private_key(SECP256R1())
        self._write("ca", self.name, self.key, x509.BasicConstraints(ca=True, path_length=0))
        self.sign("broker")
        self._revoke_nothing()

    @property
    def file(self) -> Path:
        return self.folder / "ca.pem"

    def sign(self, name: str, life: tuple[timedelta, timedelta] = (-HOUR, HOUR)) -> tuple[Path, Path]:
        """The certificate and key of somebody at 127.0.0.1, valid from and until then, counted from now."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
        self._write(name, subject, generate_private_key(SECP256R1()), address, life)
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def _revoke_nothing(self) -> None:
        now = datetime.now(UTC)
        listed = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        signed = listed.last_update(now - HOUR).next_update(now + HOUR).sign(self.key, SHA256())
        (self.folder / "revoked.pem").write_bytes(signed.public_bytes(Encoding.PEM))

    def _write(
        self,
        file: str,
        subject: x509.Name,
        key: EllipticCurvePrivateKey,
        extension: x509.ExtensionType,
        life: tuple[timedelta, timedelta] = (-HOUR, HOUR),
    ) -> None:
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + life[0])
            .not_valid_after(now + life[1])
            .add_extension(extension, critical=False)
            .sign(self.key, SHA256())
        )
        (self.folder / f"{file}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / f"{file}.key").write_bytes(secret)


class Client:
    """Whoever has a certificate of this name: hears `(topic, payload)` of what it subscribes to, can say anything."""

    def __init__(
        self, broker: Broker, authority: Authority, name: str, hears: list[str] | None = None, client_id: str = ""
    ) -> None:
        self.heard = Seen()
        self.ended = threading.Event()
        self._hears = hears or []
        self._ready = threading.Event()
        self._port = broker.port
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id or name)
        self._client.tls_set_context(context(authority, authority.sign(name)))
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_disconnect = lambda *_: self.ended.set()
        self._client.on_message = lambda _client, _data, message: self.heard.add((message.topic, message.payload))

    def __enter__(self) -> Self:
        self._client.connect(HOST, self._port)
        self._client.loop_start()
        assert self._ready.wait(WAIT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, name: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish, and wait until the broker has acknowledged it; it acknowledges what it then drops, too."""
        sent = self._client.publish(name, payload, qos=1, retain=retain)
        sent.wait_for_publish(WAIT_S)
        assert sent.is_published()

    def try_to_say(self, name: str, payload: bytes) -> None:
        """Publish, whatever comes of it."""
        self._client.publish(name, payload, qos=1)

    def _on_connect(self, client: paho.Client, _data: object, _flags: object, reason: object, *_: object) -> None:
        assert str(reason) == "Success", reason
        if self._hears:
            client.subscribe([(name, 1) for name in self._hears])
        else:
            self._ready.set()


def context(authority: Authority, files: tuple[Path, Path] | None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(authority.file))
    if files is not None:
        made.load_cert_chain(*files)
    return made


def shipped_broker(folder: Path, certificates: Path) -> Broker:
    """A running Mosquitto on the shipped files; only their paths, the port and the log are replaced.

    Args:
        certificates: has `ca.pem`, `broker.pem`, `broker.key` and `revoked.pem`.
    """
    folder.mkdir()
    port = _free_port()
    text = (SHIPPED / "mosquitto.conf").read_text("utf-8")
    replacements = {
        "/etc/mosquitto/hadir/acl": str(folder / "acl"),
        "/etc/mosquitto/hadir": str(certificates),
        "/var/lib/mosquitto/": f"{folder}/",
        "listener 8883": f"listener {port} {HOST}\nuser {getpass.getuser()}",
        "log_dest syslog": "log_dest stderr",
    }
    for shipped, here in replacements.items():
        assert text.count(shipped), f"{shipped} is not in the shipped configuration"
        text = text.replace(shipped, here)
    (folder / "acl").write_text((SHIPPED / "acl").read_text("utf-8"), "utf-8")
    (folder / "acl").chmod(0o600)
    (folder / "mosquitto.conf").write_text(text, "utf-8")
    program = mosquitto_path()
    assert program is not None, "Mosquitto is not installed: apt-get install mosquitto"
    broker = Broker(folder, BrokerKind.MOSQUITTO, port, [program, "-c", str(folder / "mosquitto.conf")])
    broker.restart()
    return broker


def secured(port: int, ca_file: Path, files: tuple[Path | None, Path | None] = (None, None)) -> UplinkSettings:
    """A terminal's settings for it."""
    certificate, key = files
    return UplinkSettings(
        host=HOST, port=port, ca_file=ca_file, certificate_file=certificate, key_file=key,
        district_key=public_hex(DISTRICT_KEY),
    )  # fmt: skip


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
        return port
