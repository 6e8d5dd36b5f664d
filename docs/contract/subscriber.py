"""Keeps every event of one district once and in order, and signs for it; needs nothing but the files beside it."""
# python subscriber.py HOST PORT DISTRICT DEVICE_KEYS.json DISTRICT_KEY.pem STORE.db CA.pem CERTIFICATE.pem KEY.pem

import hashlib
import json
import sqlite3
import sys
from pathlib import Path

import paho.mqtt.client as mqtt
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jsonschema import Draft202012Validator

HOST, PORT, DISTRICT, DEVICE_KEYS, DISTRICT_KEY, STORE, *TLS = sys.argv[1:]
FILES = {kind: Path(__file__).parent / "schemas" / f"{kind}.json" for kind in ("event", "audit", "batch")}
SCHEMAS = {kind: Draft202012Validator(json.loads(file.read_bytes())) for kind, file in FILES.items()}
DEVICES = {dev: bytes.fromhex(key) for dev, key in json.loads(Path(DEVICE_KEYS).read_bytes()).items()}
OWN_KEY = load_pem_private_key(Path(DISTRICT_KEY).read_bytes(), None)
NEWEST = "SELECT coalesce(max(seq), 0), coalesce(hash, ?), strftime('%Y-%m-%dT%H:%M:%fZ') FROM event WHERE dev = ?"
store = sqlite3.connect(STORE)
store.execute("CREATE TABLE IF NOT EXISTS event (dev, seq, hash, message, PRIMARY KEY (dev, seq))")


def keep(event, dev, upto_seq, head):
    signed = rfc8785.dumps({name: value for name, value in event.items() if name not in ("hash", "sig", "hist")})
    digest, sig = hashlib.sha256(signed).digest(), bytes.fromhex(event["sig"])
    if (event["dev"], event["id"], event["hash"]) != (dev, f"{dev}.{event['seq']}", digest.hex()):
        raise ValueError(f"event {event['seq']} is another's, or was changed")
    Ed25519PublicKey.from_public_bytes(DEVICES[dev]).verify(sig, b"hadir/v1/event\n" + digest)
    if (event["seq"], event["prev"]) == (upto_seq + 1, head):  # else known, or early: until it is signed for, it comes
        store.execute("INSERT INTO event VALUES (?, ?, ?, ?)", (dev, event["seq"], event["hash"], rfc8785.dumps(event)))


def take(client, _, message):
    (dev, _, kind), raw = message.topic.split("/")[3:], message.payload
    try:
        if rfc8785.dumps(fields := json.loads(raw[:65536])) != raw or not SCHEMAS[kind].is_valid(fields):
            raise ValueError("not canonical, or not as the schema says")
        for event in fields["events"] if kind == "batch" else [fields]:
            keep(event, dev, *store.execute(NEWEST, (64 * "0", dev)).fetchone()[:2])
    except (ValueError, KeyError, RecursionError, InvalidSignature) as error:
        print(f"{message.topic}: {type(error).__name__}: {error}", flush=True)
    store.commit()
    upto_seq, last, t = store.execute(NEWEST, (64 * "0", dev)).fetchone()
    receipt = {"v": 1, "dev": dev, "upto_seq": upto_seq, "head": last, "t": t}
    receipt["sig"] = OWN_KEY.sign(b"hadir/v1/receipt\n" + rfc8785.dumps(receipt)).hex()
    if upto_seq:
        client.publish(f"hadir/v1/{DISTRICT}/{dev}/dn/receipt", rfc8785.dumps(receipt), qos=1)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "district-ingest", clean_session=False)
client.on_connect = lambda *_: client.subscribe([(f"hadir/v1/{DISTRICT}/+/up/{kind}", 1) for kind in FILES])
client.on_message, client.on_subscribe = take, lambda *_: print("listening", flush=True)
client.tls_set(*TLS)
client.connect(HOST, int(PORT))
client.loop_forever()
