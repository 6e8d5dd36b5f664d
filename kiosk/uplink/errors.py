"""What can go wrong on the way to the district."""

from __future__ import annotations

from typing import ClassVar

from kiosk.core.faults import FaultCode, KioskError


class UplinkError(KioskError):
    """The broker cannot be reached, or did not keep to MQTT; events wait on the card."""

    fault: ClassVar[FaultCode | None] = FaultCode.UPLINK
