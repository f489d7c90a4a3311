"""What nvidia-smi says of a machine, in order and out of order, and what the user names instead."""

import shutil

import pytest

from compare.installation.cards import Machine, cards_here, has_nvidia_card, machine
from shared.system.errors import UserError
from tests.installation.nvidia import answers, pretend

REMEDY = "name what is there (make CARD=8.6 DRIVER=535.54.03), or take the CPU (make EXTRA=cpu)"


@pytest.fixture
def without_nvidia_smi(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("nvidia-smi") is None


@pytest.mark.parametrize(
    ("said", "cards", "driver"),
    [
        (answers("8.6", driver="535.54.03"), ((8, 6),), (535, 54, 3)),
        (answers("12.0", driver="580.65.06"), ((12, 0),), (580, 65, 6)),
        (answers("9.0", "9.0", driver="550.90"), ((9, 0),), (550, 90)),
        (answers("10.0", "8.6", "10.0"), ((8, 6), (10, 0)), (580, 65, 6)),
        ("6.1,  470.82.01 \n", ((6, 1),), (470, 82, 1)),
        ("7.0, 470.82.01\nWARNING: infoROM is corrupted at gpu 0000:65:00.0", ((7, 0),), (470, 82, 1)),
    ],
)
def test_cards_and_driver_are_read(said, cards, driver, monkeypatch, tmp_path):
    pretend(monkeypatch, tmp_path, said)
    assert cards_here() == machine() == Machine(cards, driver)
    assert has_nvidia_card()


@pytest.mark.usefixtures("without_nvidia_smi")
def test_a_machine_without_nvidia_smi_has_no_card():
    assert cards_here() is None
    assert not has_nvidia_card()
    with pytest.raises(UserError, match="received none; name the card and the driver"):
        machine()


def test_a_driver_without_a_card_is_no_card(monkeypatch, tmp_path):
    pretend(monkeypatch, tmp_path, "No devices were found", status=6)
    assert cards_here() is None
    assert not has_nvidia_card()


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", 9),
        ('Field "compute_cap" is not a valid field to query.', 2),
        ("[N/A], 535.54.03", 0),
        ("8.6, 535.54.03\n[Unknown Error], 535.54.03", 0),
        ("8.6, 535.54.03", 1),
        ("WARNING: infoROM is corrupted at gpu 0000:65:00.0", 0),
        ("8.6", 0),
        ("\x1b[31mnonsense\x00", 0),
        ("", 0),
    ],
)
def test_a_broken_driver_is_one_sentence(said, status, monkeypatch, tmp_path):
    pretend(monkeypatch, tmp_path, said, status)
    with pytest.raises(UserError) as raised:
        machine()
    (line,) = raised.value.args
    assert line.isprintable()
    assert line.startswith("nvidia-smi: expected a line such as '8.6, 535.54.03' for each card, received ")
    assert f"with exit status {status}; " in line
    assert line.endswith(REMEDY)
    # what is wrong is said when something is installed, not where the CPU would be taken without a word
    assert has_nvidia_card()


def test_a_driver_that_hangs_is_one_sentence(monkeypatch, tmp_path):
    pretend(monkeypatch, tmp_path, answers("8.6"), hangs=True)
    with pytest.raises(
        UserError, match=r"nvidia-smi: expected an answer within 0\.2 seconds, received none; "
    ) as raised:
        machine(seconds=0.2)
    assert str(raised.value).endswith(REMEDY)
    assert has_nvidia_card(seconds=0.2)


def test_a_nvidia_smi_that_cannot_start_is_one_sentence(monkeypatch, tmp_path):
    pretend(monkeypatch, tmp_path, "")
    (tmp_path / "nvidia-smi").write_text("#!/nowhere/sh\n")
    with pytest.raises(UserError, match="nvidia-smi: expected it to start, received: No such file"):
        machine()


@pytest.mark.usefixtures("without_nvidia_smi")
def test_what_is_named_is_not_asked_for():
    assert machine("8.6", "535.54.03") == Machine(((8, 6),), (535, 54, 3))
    assert machine("8.6,6.1,8.6", "580") == Machine(((6, 1), (8, 6)), (580,))


def test_what_is_not_named_is_as_it_is_here(monkeypatch, tmp_path):
    pretend(monkeypatch, tmp_path, answers("6.1", "9.0", driver="550.90"))
    assert machine(card="9.0") == Machine(((9, 0),), (550, 90))
    assert machine(driver="580.65") == Machine(((6, 1), (9, 0)), (580, 65))


@pytest.mark.parametrize("text", ["8", "sm_86", "8.6 9.0", "8.6,", "RTX 3090", "8.6\n", "٨.٦"])
def test_a_card_is_named_by_its_compute_capability(text):
    with pytest.raises(UserError, match=r"CARD: expected a compute capability such as 8\.6, .* received '"):
        machine(text, "535.54.03")


@pytest.mark.parametrize("text", ["new", "535.", "R535", "535.54.03.1.2"])
def test_a_driver_is_named_by_its_version(text):
    with pytest.raises(UserError, match=r"DRIVER: expected a version such as 535\.54\.03, received '"):
        machine("8.6", text)
