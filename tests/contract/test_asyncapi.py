"""The AsyncAPI document says what `wire.topics` says, and AsyncAPI's own parser reads it without a complaint."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.contract.schemas import KINDS
from tests.contract.stranger import FOLDER, is_valid
from wire.topics import DELIVERY, Address, Topic

TOOLS = Path(__file__).resolve().parents[2] / "scripts" / "contract"
LOCK = TOOLS / "package-lock.json"
DOCUMENT = json.loads((FOLDER / "asyncapi.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def parser() -> list[str]:
    """The command that parses a document, with the locked packages; they are fetched once."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed: apt-get install nodejs npm")
    stamp = TOOLS / "node_modules" / ".locked"
    locked = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != locked:
        fetched = subprocess.run([npm, "ci"], check=False, cwd=TOOLS, capture_output=True, text=True, timeout=300)
        if fetched.returncode and not os.environ.get("CI"):
            pytest.skip(f"npm could not fetch the parser: {fetched.stderr.strip()[-200:]}")
        assert fetched.returncode == 0, fetched.stderr
        stamp.write_text(locked)
    return [node, str(TOOLS / "check.mjs")]


def parsed(parser: list[str], document: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*parser, str(document)], check=False, capture_output=True, text=True, timeout=120)


def test_asyncapis_own_parser_has_nothing_to_say_against_the_document(parser: list[str]) -> None:
    found = parsed(parser, FOLDER / "asyncapi.json")

    assert (found.returncode, found.stdout, found.stderr) == (0, "12 channels, 10 operations\n", "")


@pytest.mark.parametrize(
    ("file", "found", "put", "complaint"),
    [
        ("asyncapi.json", '"action": "send"', '"action": "shout"', "operations.sendState.action"),
        ("schemas/event.json", '"type": "object"', '"type": "objekt"', "allowed values"),
    ],
)
def test_the_parser_finds_what_is_wrong(
    parser: list[str], tmp_path: Path, file: str, found: str, put: str, complaint: str
) -> None:
    folder = Path(shutil.copytree(FOLDER, tmp_path / "contract"))
    text = (folder / file).read_text("utf-8")
    (folder / file).write_text(text.replace(found, put), "utf-8")

    assert found in text
    assert complaint in parsed(parser, folder / "asyncapi.json").stderr


def test_no_registry_is_named_in_the_lock_and_everything_in_it_has_its_hash() -> None:
    packages = json.loads(LOCK.read_text("utf-8"))["packages"]
    fetched = [package for path, package in packages.items() if path]

    assert all(package["integrity"].startswith("sha512-") for package in fetched)
    assert not any("resolved" in package for package in fetched)


@pytest.mark.parametrize("topic", Topic)
def test_each_topic_is_a_channel_at_its_address(topic: Topic) -> None:
    addresses = [channel["address"] for channel in DOCUMENT["channels"].values()]

    assert addresses.count(str(Address("{district}", "{device}", topic))) == 1


@pytest.mark.parametrize("topic", KINDS)
def test_each_message_goes_its_way_as_it_is_delivered(topic: Topic) -> None:
    direction, _, name = topic.value.partition("/")
    delivery = DELIVERY[topic]
    (operation,) = (each for each in DOCUMENT["operations"].values() if each["channel"]["$ref"] == f"#/channels/{name}")
    binding = operation["bindings"]["mqtt"]

    assert operation["action"] == {"up": "send", "dn": "receive"}[direction]
    assert (binding["qos"], binding["retain"]) == (delivery.qos, delivery.retain)
    assert binding.get("messageExpiryInterval") == delivery.expiry_s


@pytest.mark.parametrize("topic", KINDS)
def test_each_example_is_what_its_schema_describes(topic: Topic) -> None:
    name = topic.value.partition("/")[2]
    message = DOCUMENT["components"]["messages"][name]

    assert message["payload"] == {"$ref": f"./schemas/{name}.json"}
    assert all(is_valid(name, example["payload"]) for example in message["examples"])
