"""Golden vectors: messages to try a program on, good ones, and bad ones with the check that they fail.

Everything is signed with test keys whose seeds are published with them, at one fixed Monday, so that each run gives the
same bytes. Bad messages are made from good ones, and signed anew unless the signature is what is wrong: each fails
one check only.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scripts.contract.schemas import KINDS, Schema
from wire import chain, commands
from wire.attendance import (
    VERSION,
    Act,
    Batch,
    ClockQuality,
    ClockSource,
    Entry,
    Event,
    EventType,
    Message,
    Mode,
    Moment,
    Origin,
    Pad,
    Span,
    encode,
    rfc3339,
    signed_bytes,
)
from wire.canonical import canonical
from wire.chain import EVENT_CONTEXT, GENESIS, HEAD_CONTEXT, RECEIPT_CONTEXT, Head, Receipt, public_hex
from wire.commands import COMMAND_CONTEXT, RESULT_CONTEXT, Command, CommandKind, Refusal, Result
from wire.condition import Birth, Health, Model, Part, State, Status
from wire.topics import Topic

Vector = dict[str, Any]

SEEDS = {who: f"hadir contract test key: {who}" for who in ("device", "district", "stranger")}
"""A key's 32 secret bytes are the SHA-256 of its seed in UTF-8."""
KEYS = {
    who: Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest()) for who, seed in SEEDS.items()
}
DEVICE, DISTRICT, STRANGER = KEYS["device"], KEYS["district"], KEYS["stranger"]
DEV = "balai-01"
ORIGIN = Origin(DEV, "desa-sukamaju", "Asia/Jakarta", "cfg-1", "roster-1", "model-1")
BOOT = "6f1c2a52-1f0e-4f2a-9f43-0a7f0c1f5d11"
MORNING = datetime(2026, 11, 23, 0, 21, 7, 512000, tzinfo=UTC)
SURE = ClockQuality(ClockSource.NETWORK, 12, ok=True)
UNSURE = ClockQuality(ClockSource.NONE, None, ok=False)
SIGNED: dict[Topic, tuple[str, bytes]] = {
    Topic.EVENT: ("device", EVENT_CONTEXT),
    Topic.AUDIT: ("device", EVENT_CONTEXT),
    Topic.HEAD: ("device", HEAD_CONTEXT),
    Topic.RESULT: ("device", RESULT_CONTEXT),
    Topic.RECEIPT: ("district", RECEIPT_CONTEXT),
    Topic.COMMAND: ("district", COMMAND_CONTEXT),
}
"""Who signs the messages of a topic, and the line in front."""


def moment(after_s: float = 0.0, clk: ClockQuality = SURE) -> Moment:
    """So many seconds after 07.21 in Jakarta."""
    return Moment(MORNING + timedelta(seconds=after_s), BOOT, 60_000 + round(1000 * after_s), clk)


def journal() -> list[Event]:
    """A short journal, one event of each kind that there is."""
    face = Entry(EventType.ATTENDANCE, moment(), "p-siti", Act.ARRIVAL, Mode.FACE, 0.7123, 0.55, Pad(0.5, 0.9312))
    entries = [
        Entry(EventType.AUDIT, moment(-60, UNSURE), thr=0.55, pad=Pad(0.5), reason="started"),
        face,
        Entry(EventType.AUDIT, moment(30), mode=Mode.FINGER, score=12.0, thr=50.0, reason="unknown"),
        Entry(EventType.ATTENDANCE, moment(60), "p-budi", Act.ARRIVAL, Mode.FINGER, 143.0, 50.0),
        replace(face, at=moment(28_800), act=Act.DEPARTURE, pad=Pad(0.5, 0.8, "turn_left")),
        Entry(EventType.ATTENDANCE, moment(28_830), "p-made", Act.DEPARTURE, Mode.MANUAL),
    ]
    events: list[Event] = []
    for seq, entry in enumerate(entries, 1):
        events.append(chain.seal(entry, ORIGIN, seq, events[-1].hash if events else GENESIS, DEVICE))
    return events


EVENTS = journal()


def messages() -> dict[Topic, dict[str, Message]]:
    """Good messages, by topic and name."""
    started, arrival, refusal, finger, departure, manual = EVENTS
    t = rfc3339(MORNING)
    state = State(v=VERSION, dev=DEV, state=Status.ONLINE, boot=BOOT)
    receipt = Receipt(v=VERSION, dev=DEV, upto_seq=manual.seq, head=manual.hash, t=t)
    head = Head(v=VERSION, dev=DEV, seq=manual.seq, hash=manual.hash, boot=BOOT, t=t)
    health = Health(
        v=VERSION, dev=DEV, boot=BOOT, t=t, clk=SURE, up_s=3600, queue=0, disk_free_mb=27_100, temp_c=51.5,
        camera=Part.OK, sensor=Part.OK,
    )  # fmt: skip
    locked = Result(v=VERSION, dev=DEV, id="c-lock", ok=True, code="done", detail="terkunci sejak 07.21 ✓", t=t)
    return {
        Topic.STATE: {
            "online": state,
            "degraded": msgspec.structs.replace(state, state=Status.DEGRADED, faults=("F01", "T01")),
            "will": msgspec.structs.replace(state, state=Status.OFFLINE),
        },
        Topic.BIRTH: {"birth": _birth()},
        Topic.HEAD: {"head": chain.sign_head(head, DEVICE)},
        Topic.EVENT: {"arrival": arrival, "finger": finger, "departure": departure, "manual": manual},
        Topic.BATCH: {"backlog": Batch(v=VERSION, events=tuple(_waited(event) for event in EVENTS))},
        Topic.AUDIT: {"started, clock unknown": started, "refusal": refusal},
        Topic.HEALTH: {
            "well": health,
            "offline for a day, no reader": msgspec.structs.replace(
                health, queue=41, oldest_s=86_400, temp_c=None, sensor=Part.ABSENT, clk=UNSURE
            ),
        },
        Topic.RESULT: {
            "done": commands.sign_result(locked, DEVICE),
            "not done": commands.sign_result(
                msgspec.structs.replace(locked, id="c-replay", ok=False, code="pruned", detail=""), DEVICE
            ),
        },
        Topic.RECEIPT: {"receipt": chain.sign_receipt(receipt, DISTRICT)},
        Topic.COMMAND: {kind.value: _command(kind) for kind in CommandKind},
    }


def vector_files() -> dict[str, Any]:
    """The vectors, by path below `docs/contract/`."""
    files: dict[str, Any] = {"vectors/keys.json": _keys(), "vectors/chains.json": _chains()}
    for topic, good in messages().items():
        name = topic.value.partition("/")[2]
        files[f"vectors/{name}.json"] = {
            "good": [_good(topic, title, message) for title, message in good.items()],
            "bad": _bad(topic, next(iter(good.values()))),
        }
    files["vectors/command.json"]["judged"] = _judged()
    return files


def _birth() -> Birth:
    embedder = Model(name="sface", sha256=hashlib.sha256(b"sface").hexdigest(), licence="Apache-2.0", thr=0.55)
    return Birth(
        v=VERSION, dev=DEV, serial="10000000c0ffee", unit=ORIGIN.unit, key=public_hex(DEVICE), boot=BOOT,
        software="0.1.0", models=(embedder,), schemas=(VERSION,), capabilities=("face", "finger"), tz=ORIGIN.tz,
        roster=ORIGIN.roster, cfg=ORIGIN.cfg,
    )  # fmt: skip


def _waited(event: Event) -> Event:
    return msgspec.structs.replace(event, hist=True)


def _command(kind: CommandKind, key: Ed25519PrivateKey = DISTRICT) -> Command:
    first, last = (2, 4) if kind is CommandKind.REPLAY else (None, None)
    bare = Command(
        v=VERSION, dev=DEV, id=f"c-{kind.value.replace('_', '-')}", kind=kind, t=rfc3339(MORNING),
        exp=rfc3339(MORNING + timedelta(minutes=10)), from_seq=first, to_seq=last,
    )  # fmt: skip
    return commands.sign_command(bare, key)


def _keys() -> Vector:
    about = "Test keys, for these vectors only: everybody has them. The secret key is the SHA-256 of the seed in UTF-8."
    keys = {
        who: {"seed": SEEDS[who], "secret": key.private_bytes_raw().hex(), "public": public_hex(key)}
        for who, key in KEYS.items()
    }
    return {"about": about, "keys": keys}


def _good(topic: Topic, name: str, message: Message) -> Vector:
    """A message with everything that a reader computes on the way."""
    vector: Vector = {"name": name, "message": encode(message).decode()}
    match message:
        case Event():
            hashed = {"hashed": signed_bytes(message).decode(), "hash": message.hash}
            signed = EVENT_CONTEXT + bytes.fromhex(message.hash)
        case Head() | Receipt() | Command() | Result():
            hashed, signed = {}, chain.bytes_to_sign(SIGNED[topic][1], message)
        case _:
            return vector
    return vector | hashed | {"signed_hex": signed.hex(), "sig": message.sig, "key": SIGNED[topic][0]}


def _fails(check: str, name: str, message: Schema | bytes) -> Vector:
    raw = message if isinstance(message, bytes) else canonical(message)
    return {"name": name, "fails": check, "message": raw.decode()}


def _bad(topic: Topic, good: Message) -> list[Vector]:
    """What is wrong with any message, and then what can be wrong with one of this kind."""
    fields: Schema = msgspec.to_builtins(good)
    raw = encode(good)
    bad = [
        _fails("json", "cut off", raw[:-1]),
        _fails("json", "two messages", raw + raw),
        _fails("canonical", "a blank after a colon", raw.replace(b":", b": ", 1)),
        _fails("canonical", "a field twice", raw.replace(b'"v":1', b'"v":1,"v":1')),
        _fails("schema", "no object", b"[]"),
        _fails("schema", "a field that there is not", _resigned(topic, fields | {"zzz": 1})),
        _fails("schema", "a field too few", _resigned(topic, _without(fields, KINDS[topic].__struct_fields__[1]))),
        _fails("schema", "of another schema version", _resigned(topic, fields | {"v": 2})),
        _fails("schema", "a version that is no number", _resigned(topic, fields | {"v": "1"})),
    ]
    if topic in SIGNED:
        bad += _badly_signed(topic, fields)
    return bad + [
        _fails(check, name, _resigned(topic, fields | changes)) for check, name, changes in OWN.get(topic, ())
    ]


OWN: dict[Topic, tuple[tuple[str, str, Schema], ...]] = {
    Topic.EVENT: (
        ("schema", "numbers begin at 1", {"seq": 0, "id": f"{DEV}.0"}),
        ("schema", "attendance of nobody", {"pid": None}),
        ("schema", "attendance without its act", {"act": None}),
        ("schema", "a face without its score", {"score": None}),
        ("schema", "an absent field that is sent", {"hist": False}),
        ("schema", "an audit record on this topic", {"typ": "audit", "reason": "unknown"}),
        ("schema", "a time without its milliseconds", {"t": "2026-11-23T00:21:07Z"}),
        ("schema", "a time of another zone", {"t": "2026-11-23T07:21:07.512+07:00"}),
        ("name", "a name that is another's", {"id": f"{DEV}.3"}),
    ),
    Topic.AUDIT: (("schema", "an audit record without a reason", {"reason": None}),),
    Topic.BATCH: (
        ("schema", "nothing in it", {"events": []}),
        ("schema", "an event that does not say that it waited", {"events": [msgspec.to_builtins(EVENTS[0])]}),
    ),
    Topic.STATE: (("schema", "a state that there is not", {"state": "asleep"}),),
    Topic.HEALTH: (("schema", "fewer than no events wait", {"queue": -1}),),
    Topic.RECEIPT: (("schema", "for nothing", {"upto_seq": 0}),),
    Topic.COMMAND: (
        ("schema", "an order that there is not", {"kind": "reboot"}),
        ("schema", "a range without its end", {"to_seq": None}),
        ("schema", "a range that is not wanted", {"kind": "lock", "from_seq": 2, "to_seq": 4}),
        ("range", "a range that runs backwards", {"kind": "replay", "from_seq": 4, "to_seq": 2}),
        ("life", "it lives for more than an hour", {"exp": "2026-11-23T01:21:07.513Z"}),
        ("life", "it expires as it is issued", {"exp": "2026-11-23T00:21:07.512Z"}),
    ),
}
"""Check, name and changed fields, by topic; None leaves a field out."""


def _badly_signed(topic: Topic, fields: Schema) -> list[Vector]:
    who, context = SIGNED[topic]
    is_event = "hash" in fields and "prev" in fields
    changed = fields | ({"unit": "desa-lain"} if is_event else {"t": "2026-11-23T00:21:07.513Z"})
    forged = _signed(topic, fields, STRANGER, context)
    posing = _signed(topic, fields, KEYS[who], b"hadir/v1/other\n")
    return [
        _fails("schema", "not signed", _without(fields, "sig")),
        _fails("schema", "a signature in capitals", fields | {"sig": fields["sig"].upper()}),
        _fails("hash" if is_event else "signature", "changed after it was signed", changed),
        _fails("signature", "signed by a stranger", forged),
        _fails("signature", "signed as another kind of message", posing),
        _fails("signature", "a signature of zeros", fields | {"sig": 128 * "0"}),
    ]


def _resigned(topic: Topic, fields: Schema) -> Schema:
    """The fields without those that are None, and with the hash and signature that they then have."""
    present = {name: value for name, value in fields.items() if value is not None}
    if topic not in SIGNED:
        return present
    who, context = SIGNED[topic]
    return _signed(topic, present, KEYS[who], context)


def _signed(topic: Topic, fields: Schema, key: Ed25519PrivateKey, context: bytes) -> Schema:
    if topic not in {Topic.EVENT, Topic.AUDIT}:
        return fields | {"sig": key.sign(context + canonical(_without(fields, "sig"))).hex()}
    digest = hashlib.sha256(canonical(_without(fields, "hash", "sig", "hist"))).digest()
    return fields | {"hash": digest.hex(), "sig": key.sign(context + digest).hex()}


def _without(fields: Schema, *names: str) -> Schema:
    return {name: value for name, value in fields.items() if name not in names}


def _chains() -> list[Vector]:
    """Whole journals of the device from its first event on, and where each stops to hold."""
    one, two, three, four, five, six = EVENTS
    other = replace(moment(45), boot=BOOT)
    forked = chain.seal(Entry(EventType.AUDIT, other, reason="another history"), ORIGIN, 3, two.hash, DEVICE)
    foreign = chain.seal(Entry(EventType.AUDIT, other, reason="not its own"), ORIGIN, 3, two.hash, STRANGER)
    anew = Entry(EventType.AUDIT, other, reason="journal_restarted", lost=(Span(3, 3), Span(5, 256)))
    restart = chain.seal(anew, ORIGIN, 257, four.hash, DEVICE)
    table: list[tuple[str, int | None, list[Event]]] = [
        ("whole", None, EVENTS),
        ("begun anew: what is missing is declared lost", None, [one, two, four, restart]),
        ("begun anew: what is missing is not declared lost", 2, [one, four, restart]),
        ("cut off at its end: only a head or receipt can show that", None, EVENTS[:4]),
        ("the first is missing", 1, EVENTS[1:]),
        ("one is missing", 3, [one, two, four, five, six]),
        ("two have changed places", 3, [one, two, four, three, five, six]),
        ("one comes twice", 4, [one, two, three, three, four]),
        ("one was replaced by the device itself", 4, [one, two, forked, four, five, six]),
        ("one was replaced by a stranger", 3, [one, two, foreign, four, five, six]),
    ]
    return [
        {"name": name, "breaks_at": seq, "messages": [encode(event).decode() for event in events]}
        for name, seq, events in table
    ]


def _judged() -> list[Vector]:
    """Well-formed commands, and what a terminal that got one then must think of it; null: it obeys."""
    lock = _command(CommandKind.LOCK)
    table: list[tuple[str, Refusal | None, str, float, bool, Command]] = [
        ("in time", None, DEV, 1.0, True, lock),
        ("at its last moment", None, DEV, 600.0, True, lock),
        ("a millisecond late", Refusal.EXPIRED, DEV, 600.001, True, lock),
        ("the terminal's clock is five minutes behind", None, DEV, -300.0, True, lock),
        ("and more", Refusal.FUTURE, DEV, -300.001, True, lock),
        ("the terminal does not believe its clock", Refusal.CLOCK, DEV, 1.0, False, lock),
        ("to another terminal", Refusal.DEVICE, "balai-02", 1.0, True, lock),
        ("from a stranger", Refusal.SIGNATURE, DEV, 1.0, True, _command(CommandKind.LOCK, STRANGER)),
    ]
    return [
        {"name": name, "refusal": why, "device": dev, "now": rfc3339(moment(after_s).t), "clock_believed": sure,
         "message": encode(command).decode()}
        for name, why, dev, after_s, sure, command in table
    ]  # fmt: skip
