"""A kiosk's surroundings without hardware: reader, camera, clock, broker and district, each as real as can be had.

The kiosk is its own process, the same program as on a terminal: its reader is a serial port behind which a simulated
R307 answers, its camera a file of shared pictures, its clock the system's with an offset. All of these live here and
outlive it, as a real reader and a real camera do when the power is cut. What it does is read from its trace.
"""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from kiosk.core.faults import KioskError
from kiosk.sim.broker import HOST, Broker
from kiosk.sim.camera import Projector
from kiosk.sim.clock import turn
from kiosk.sim.fingerprint import SimulatedReader

READY_S = 20.0
STOP_S = 10.0
COMMAND_S = 60.0
DEVICE, DISTRICT = "kiosk-demo-1", "demo"

CONFIG = """
[device]
id = "{device}"
unit = "desa-sukamaju"
district = "{district}"
[storage]
directory = "kiosk"
[camera]
source = "{camera}"
[fingerprint]
port = "{reader}"
[display]
office = "Kantor Desa Sukamaju"
fullscreen = false
[clock]
source = "sim:{clock}"
[uplink]
host = "{host}"
port = {port}
district_key = "{district_key}"
[policy]
greet_s = 1.0
refuse_s = 1.0
liveness = "{liveness}"
[schedule]
zone = "Asia/Jakarta"
[[schedule.hours]]
days = ["mon", "tue", "wed", "thu", "fri"]
arrival = 07:30:00
departure = 15:30:00
"""
DISTRICT_CONFIG = """
[district]
name = "{district}"
directory = "district"
[broker]
host = "{host}"
port = {port}
"""


class OfficeError(KioskError):
    """Something around the kiosk did not do its part; the message says what, and where its log is."""


@dataclass(frozen=True, slots=True)
class Said:
    """One line of a kiosk's trace."""

    at_ms: int
    """CLOCK_BOOTTIME in milliseconds."""
    kind: str
    """The phase that was entered, in lower case, or `record` for an entry given to the journal."""
    fields: dict[str, Any]


class KioskProcess:
    """A running kiosk, and its trace."""

    def __init__(self, config: Path, log: Path, options: Sequence[str] = ()) -> None:
        command = [sys.executable, "-m", "kiosk", "run", "--config", str(config), "--trace", *options]
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self._said: queue.Queue[Said | None] = queue.Queue()
        self._reader = threading.Thread(target=self._listen, args=(self._process.stdout,), name="trace")
        self._reader.start()

    def _listen(self, trace: IO[str] | None) -> None:
        with trace or nullcontext(()) as lines:
            for line in lines:
                fields = json.loads(line)
                self._said.put(Said(fields.pop("at_ms"), fields.pop("kind"), fields))
        self._said.put(None)

    def resident_mb(self) -> int:
        """The most memory that it has had resident so far, in MB (10^6 bytes)."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) * 1024 // 1_000_000

    def forget(self) -> None:
        """Pass over what it has said so far."""
        while not self._said.empty():
            self._said.get_nowait()

    def last_words(self) -> list[Said]:
        """What it said before it ended and was not listened to yet."""
        self._reader.join()
        words = []
        while not self._said.empty():
            words.append(self._said.get_nowait())
        return [said for said in words if said is not None]

    def says(self, timeout_s: float) -> Said | None:
        """The next line of its trace; None if none came in time.

        Raises:
            OfficeError: the kiosk has ended.
        """
        try:
            said = self._said.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if said is None:
            raise OfficeError(f"the kiosk has ended with {self._process.wait()}: see {self._log}")
        return said

    def wait_for(self, *kinds: str, timeout_s: float = READY_S) -> Said:
        """The next line of one of these kinds.

        Raises:
            OfficeError: none came in time.
        """
        said = self.says(timeout_s)
        while said is not None and said.kind not in kinds:
            said = self.says(timeout_s)
        if said is None:
            raise OfficeError(f"the kiosk did not come to {' or '.join(kinds)} within {timeout_s} s: see {self._log}")
        return said

    def stop(self) -> int:
        """End it as systemd does; return its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> int:
        self._process.send_signal(how)
        try:
            code = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join()
        return code


class Office:
    """Everything around the kiosk, and the kiosk itself. Made by `opened_office`."""

    def __init__(self, folder: Path, broker: Broker, reader: SimulatedReader, projector: Projector) -> None:
        self.broker = broker
        self.reader = reader
        self.projector = projector
        self.folder = folder
        self.config = folder / "kiosk.toml"
        self.journal = folder / "kiosk" / "journal.db"
        self._clock = folder / "clock"
        self._district_config = folder / "district.toml"

    def write_settings(self, liveness: str, *, camera: bool = True) -> None:
        """Write both configurations, and have the district trust this kiosk's key.

        Args:
            liveness: as in `[policy]`.
            camera: whether the kiosk has one.
        """
        where = {"host": HOST, "port": self.broker.port, "district": DISTRICT}
        self._district_config.write_text(DISTRICT_CONFIG.format(**where))
        turn(self._clock, 0.0)
        text = CONFIG.format(
            **where,
            device=DEVICE,
            camera=f"sim:{self.folder / 'camera'}" if camera else "none",
            reader=self.reader.path,
            clock=self._clock,
            district_key=self.district("key").strip(),
            liveness=liveness,
        )
        self.config.write_text(text)
        self.district("enrol-device", DEVICE, self.kiosk("key"), "--unit", "desa-sukamaju")

    def turn_clock_to(self, t: datetime) -> None:
        """Let it be this time for the kiosk."""
        turn(self._clock, t.timestamp() - datetime.now(tz=t.tzinfo).timestamp())

    @contextmanager
    def kiosk_running(self, *options: str) -> Iterator[KioskProcess]:
        """The kiosk, ready to serve; switched off at the end, unless it was killed meanwhile.

        Raises:
            OfficeError: it does not become ready.
        """
        kiosk = KioskProcess(self.config, self.folder / "kiosk.log", options)
        try:
            kiosk.wait_for("idle")
            yield kiosk
        finally:
            kiosk.stop()

    def kiosk(self, *arguments: str) -> str:
        """Run another of the kiosk's commands to its end, and return what it printed.

        Raises:
            OfficeError: it failed.
        """
        command, *rest = arguments
        return self._command("kiosk", command, "--config", str(self.config), *rest)

    def enrol_finger(self, pid: str, name: str, finger: int, image: NDArray[np.uint8]) -> None:
        """Enrol somebody by a finger, who presses and lifts it as they are told.

        Args:
            image: (height, width) uint8, dark ridges on light.

        Raises:
            OfficeError: it failed.
        """
        enrol = ["kiosk", "enrol", "--config", str(self.config), "--pid", pid, "--name", name]
        command = [sys.executable, "-m", *enrol, "--consent", "--fingers", str(finger)]
        with (
            (self.folder / "kiosk.log").open("ab") as log,
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True) as told,
        ):
            for line in told.stdout or ():
                if line.startswith("press"):
                    self.reader.place(image)
                else:
                    self.reader.lift()
        if told.returncode != 0:
            raise OfficeError(f"enrolling a finger ended with {told.returncode}: see {self.folder / 'kiosk.log'}")

    def district(self, *arguments: str) -> str:
        """Run one of the district's commands to its end, and return what it printed.

        Raises:
            OfficeError: it failed.
        """
        command, *rest = arguments
        return self._command("district", command, "--config", str(self._district_config), *rest)

    def verify_journal(self) -> str:
        """Check the kiosk's journal with its public key alone, as an auditor would.

        Raises:
            OfficeError: it does not verify.
        """
        key = self.kiosk("key")
        return self._command("kiosk", "journal", "verify", str(self.journal), "--key", key)

    @contextmanager
    def district_running(self) -> Iterator[None]:
        """The district's ingest, at work while the context lasts."""
        command = [sys.executable, "-m", "district", "run", "--config", str(self._district_config)]
        with (self.folder / "district.log").open("ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(STOP_S)

    def _command(self, *arguments: str) -> str:
        command = [sys.executable, "-m", *arguments]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_S, check=False
        )
        if done.returncode != 0:
            raise OfficeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr or done.stdout}")
        return done.stdout.strip()


@contextmanager
def opened_office(folder: Path) -> Iterator[Office]:
    """An office with nobody in it: a broker that listens, a reader, a camera that shows an empty room.

    Raises:
        BrokerError: no broker can be started.
        MatcherMissingError: the reader's matcher is not installed.
    """
    with ExitStack() as stack:
        broker = stack.enter_context(Broker.start(folder / "broker"))
        reader = stack.enter_context(SimulatedReader())
        projector = stack.enter_context(Projector(folder / "camera"))
        yield Office(folder, broker, reader, projector)


@contextmanager
def pressing(reader: SimulatedReader, image: NDArray[np.uint8]) -> Iterator[None]:
    """A finger on the reader while the context lasts.

    Args:
        image: (height, width) uint8, dark ridges on light.
    """
    reader.place(image)
    try:
        yield
    finally:
        reader.lift()
