"""A wrong setting is named with file, place, value and rule; a right one becomes what the core judges by."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kiosk.config import ConfigError, Settings, load
from kiosk.core.biometrics import Liveness, Modality
from wire.chain import public_hex

NEEDED = """
[device]
id = "kiosk-01"
unit = "desa-sukamaju"
district = "batang"
[storage]
directory = "var"
"""


GOOD_KEY = public_hex(Ed25519PrivateKey.from_private_bytes(bytes(32)))


def read(folder: Path, text: str) -> Settings:
    path = folder / "kiosk.toml"
    path.write_text(NEEDED + text)
    return load(path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[camera]\nframe_rate_hz = 240", "[camera] frame_rate_hz = 240: expected whole number <= 60"),
        ('[camera]\nframe_rate_hz = "x"', "[camera] frame_rate_hz = 'x': expected whole number, got text in quotes"),
        ("[camera]\nzoom = 2", "[camera]: object contains unknown field `zoom`"),
        ("[printer]", "object contains unknown field `printer`"),
        ('[display]\nlanguage = "fr"', "[display] language = 'fr': expected one of id, en"),
        ('[schedule]\nzone = "Asia/Java"', 'zone = "Asia/Java": expected the IANA name of a zone'),
        ('[[schedule.hours]]\ndays = ["mon"]\narrival = 07:30:00', "expected both arrival and departure"),
        ('[[schedule.hours]]\ndays = ["sen"]', "hours.0.days.0 = 'sen': expected one of mon, tue"),
        ('[uplink]\nhost = "broker.example"', "district_key: expected where there is a host"),
        (f'[uplink]\nhost = "broker.example"\ndistrict_key = "{GOOD_KEY}"', "ca_file: expected, or events travel"),
        ('[[schedule.hours]]\ndays = ["mon"]\narrival = "07:30:00Z"\ndeparture = 15:30:00', "without Z or offset"),
        ('[display]\noffice = "a\\u0000b"', "[display] office = 'a\\x00b'"),
        (f'[uplink]\nhost = "localhost"\ndistrict_key = "{64 * "0"}"', "is not an Ed25519 public key"),
        ('[camera]\nsource = "none\\n"', "[camera] source = 'none\\n': expected"),
        ('[[schedule.hours]]\ndays = ["mon"]\narrival = "07:30"', "expected a time without quotes"),
        ('[[schedule.hours]]\ndays = ["mon"]\nfirst = 2027-03-09\nlast = 2027-02-08', "expected first not after last"),
        ("x = " + 5000 * "[", "is not TOML"),
        ("[uplink]\nca_file = 3", "[uplink] ca_file = 3: expected a path in quotes"),
        ('[policy]\nliveness = "off"', 'liveness = "off": only with a simulated camera'),
        ('[policy]\nchallenge_actions = ["blink"]', "challenge_actions: expected turn_left or turn_right"),
        ('[policy]\nchallenge_actions = ["turn_left", "turn_left"]', "challenge_actions: expected each action once"),
        ('[policy]\nchallenge_actions = ["nod"]', "expected one of turn_left, turn_right, blink, come_closer"),
        ("[policy]\nlock_s = 60\nlongest_lock_s = 30", "lock_s: expected at most longest_lock_s"),
        ("[policy]\nface_threshold = 0.3", "[policy] face_threshold = 0.3: expected number >= 0.4"),
        ('[camera]\nsource = "none"\n[fingerprint]\nport = "none"', "nobody could be recognised"),
        ("[camera", "is not TOML"),
    ],
)
def test_a_wrong_setting_is_named_with_place_value_and_rule(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        read(tmp_path, text)

    assert str(refusal.value).startswith(f"{tmp_path / 'kiosk.toml'}: ")
    assert complaint in str(refusal.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent.toml: cannot be read: No such file"):
        load(tmp_path / "absent.toml")


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, "").storage.directory == tmp_path / "var"


def test_settings_become_the_policy(tmp_path: Path) -> None:
    policy = read(
        tmp_path,
        '[fingerprint]\nport = "none"\n[policy]\nliveness = "challenge"\nface_threshold = 0.6\n'
        '[[schedule.hours]]\ndays = ["mon", "tue"]\narrival = 07:30:00\ndeparture = 15:30:00',
    ).to_policy()

    assert policy.liveness is Liveness.CHALLENGE
    assert policy.face_threshold == 0.6
    assert policy.modalities == {Modality.FACE}
    assert policy.schedule.rules[0].weekdays == {0, 1}
    assert policy.schedule.rules[0].arrival == time(7, 30)


def test_the_digest_follows_the_rules_in_force_and_nothing_else(tmp_path: Path) -> None:
    plain = read(tmp_path, "").digest()

    assert read(tmp_path, '[display]\noffice = "Desa Sukamaju"').digest() == plain
    assert read(tmp_path, "[policy]\nface_threshold = 0.56").digest() != plain
    assert read(tmp_path, "[fingerprint]\nsecurity_level = 1").digest() != plain
