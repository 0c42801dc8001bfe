"""Where only files are verified, other commands say what to install."""

from __future__ import annotations

import pytest

from nas.cli import engine
from nas.cli.ending import ending


def test_a_command_without_the_engine_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    needed = ["numpy>=2.0", 'of-no-package>=1; extra == "engine"', 'pytest; extra == "engine"', 'other; extra == "ray"']
    monkeypatch.setattr(engine, "requires", lambda _: needed)
    assert engine.find_lacking() == ["of-no-package"]
    with pytest.raises(SystemExit) as ended, ending():
        raise ModuleNotFoundError("No module named 'of_no_package'", name="of_no_package")
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "nas: this command needs the engine, of which of-no-package is not installed; in the folder of this project: "
        "pip install -c constraints.txt -e '.[engine]'\n"
    )
