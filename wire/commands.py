"""What the district tells a terminal to do, and the terminal's answer: the messages `dn/command` and `up/result`.

The broker that carries a command is not trusted, so a command proves by itself whose it is (the district's
signature), for whom (`dev`), and for how long (`exp`, an hour after `t` at the most). A terminal that has answered an
`id` answers it again with the same `Result` and does nothing; it remembers an id until the command has expired, after
which `refusal` stops it. Answers are signed too: nobody on the way can say "locked" for a terminal that is not.

    bytes ─decode─▶ Command ─refusal─▶ None ─▶ id known? ─no─▶ do it ─▶ Result ─▶ up/result, and audit
             └─▶ MessageError  └─▶ Refusal ─▶ audit       └─yes─▶ the same Result again
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta, structs

from wire.attendance import Message, Moment, parse_rfc3339
from wire.chain import bytes_to_sign, is_signature
from wire.topics import IDENTIFIER

COMMAND_CONTEXT = b"hadir/v1/command\n"
RESULT_CONTEXT = b"hadir/v1/result\n"
LONGEST_LIFE = timedelta(hours=1)
"""CONTRACT: a command expires within an hour."""
CLOCKS_DIFFER = timedelta(minutes=5)
"""How far ahead of the terminal's clock a command may have been issued."""
LONGEST_DETAIL = 8192
"""Characters. In JSON a character takes 6 bytes at the most, and the whole message has 64 KiB."""
TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z(?!\n)$"
"""As `rfc3339` writes it."""

Seq = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Time = Annotated[str, Meta(pattern=TIME)]
CommandId = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,64}(?!\n)$")]


class CommandKind(StrEnum):
    """What a terminal can be told to do."""

    REPLAY = "replay"
    """Send the events `from_seq` to `to_seq` again, receipted or not."""
    SYNC_ROSTER = "sync_roster"
    """Fetch and apply `dn/roster` anew."""
    DIAGNOSTICS = "diagnostics"
    """Answer with the self-test and the log's last lines; nothing biometric, no names."""
    LOCK = "lock"
    """Take no taps until `unlock`: the terminal is stolen, or misused. Survives a restart."""
    UNLOCK = "unlock"
    RESTART = "restart"
    """Restart the program, after the answer has left."""


class Refusal(StrEnum):
    """Why a command is not obeyed; the word that the audit record carries."""

    SIGNATURE = "signature"
    """Not the district's."""
    DEVICE = "device"
    """For another terminal."""
    CLOCK = "clock"
    """The terminal does not believe its own clock, so it cannot tell an old command from a new one."""
    FUTURE = "future"
    """Issued more than `CLOCKS_DIFFER` from now."""
    EXPIRED = "expired"


class Command(Message, frozen=True, kw_only=True):
    """The district's signed order to one terminal. Never retained, obeyed at most once."""

    v: int
    dev: Annotated[str, Meta(pattern=IDENTIFIER)]
    """The one terminal that it is for."""
    id: CommandId
    """Chosen by the district, never again for this terminal; a UUID is one."""
    kind: CommandKind
    t: Time
    """When it was issued, UTC."""
    exp: Time
    """Not obeyed after this; at most an hour after `t`."""
    from_seq: Seq | None = None
    """`replay`: the first event wanted."""
    to_seq: Seq | None = None
    """`replay`: the last event wanted, not before the first."""
    sig: str = ""
    """The district's Ed25519 over `hadir/v1/command`, a line feed, and the canonical JSON without `sig`."""

    def __post_init__(self) -> None:
        life = parse_rfc3339(self.exp) - parse_rfc3339(self.t)
        if not timedelta() < life <= LONGEST_LIFE:
            raise ValueError(f"exp = {self.exp}: expected later than t = {self.t}, and by an hour at the most")
        match self.kind, self.from_seq, self.to_seq:
            case CommandKind.REPLAY, int(first), int(last) if first <= last:
                return
            case CommandKind.REPLAY, first, last:
                raise ValueError(f"replay from_seq = {first} to_seq = {last}: expected both, ascending")
            case _, None, None:
                return
        raise ValueError(f"{self.kind} with a range: only replay has one")


class Result(Message, frozen=True, kw_only=True):
    """What became of a command, signed by the terminal."""

    v: int
    dev: Annotated[str, Meta(pattern=IDENTIFIER)]
    id: CommandId
    """The command's."""
    ok: bool
    """Whether it was carried out."""
    code: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}(?!\n)$")]
    """`done`, or why not, as a word for programs."""
    detail: Annotated[str, Meta(max_length=LONGEST_DETAIL)] = ""
    """For people; of `diagnostics`, the findings."""
    t: Time
    """UTC by the terminal's clock."""
    sig: str = ""
    """The device's Ed25519 over `hadir/v1/result`, a line feed, and the canonical JSON without `sig`."""


def sign_command(command: Command, key: Ed25519PrivateKey) -> Command:
    """Return the command with the district's signature."""
    return structs.replace(command, sig=key.sign(bytes_to_sign(COMMAND_CONTEXT, command)).hex())


def sign_result(result: Result, key: Ed25519PrivateKey) -> Result:
    """Return the answer with the device's signature."""
    return structs.replace(result, sig=key.sign(bytes_to_sign(RESULT_CONTEXT, result)).hex())


def is_signed_command(command: Command, key: Ed25519PublicKey) -> bool:
    """Whether the command is this district's."""
    return is_signature(command.sig, bytes_to_sign(COMMAND_CONTEXT, command), key)


def is_signed_result(result: Result, key: Ed25519PublicKey) -> bool:
    """Whether the answer is this device's."""
    return is_signature(result.sig, bytes_to_sign(RESULT_CONTEXT, result), key)


def refusal(command: Command, dev: str, key: Ed25519PublicKey, now: Moment) -> Refusal | None:
    """Return why this terminal must not obey the command now; None: it may, unless it has answered this id before.

    Args:
        dev: this terminal's name.
        key: the district's, from the terminal's own configuration.
        now: by the terminal's own clock.
    """
    if not is_signed_command(command, key):
        return Refusal.SIGNATURE
    if command.dev != dev:
        return Refusal.DEVICE
    if not now.clk.ok:
        return Refusal.CLOCK
    if parse_rfc3339(command.t) > now.t + CLOCKS_DIFFER:
        return Refusal.FUTURE
    if parse_rfc3339(command.exp) < now.t:
        return Refusal.EXPIRED
    return None
