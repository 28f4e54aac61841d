import shutil
import subprocess

import pytest

from edge.core.errors import InputError
from kseg.cli.completion import main

COMPLETED = """
source "$1"
COMP_WORDS=(kseg {words}); COMP_CWORD={last}
COMP_LINE="kseg {words}"; COMP_POINT=${{#COMP_LINE}}
_shtab_kseg kseg "${{COMP_WORDS[$COMP_CWORD]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """The script for bash."""
    from contextlib import redirect_stdout

    path = tmp_path_factory.mktemp("completion") / "kseg.bash"
    with path.open("w", encoding="utf-8") as file, redirect_stdout(file):
        main(["bash"])
    return path


def completed(script, *words):
    """What bash offers for the last of the words, by the script itself."""
    code = COMPLETED.format(words=" ".join(words) or "''", last=len(words))
    command = ["bash", "-c", code, "bash", str(script)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is missing")
def test_commands_options_and_choices_in_bash(script):
    assert {"train", "export", "live", "completion"} <= {*completed(script, "")}
    assert completed(script, "exp") == ["export"]
    options = completed(script, "export", "--")
    assert {"--quantize", "--mixed-precision", "--sparsity", "--config"} <= {*options}
    assert "--mend" not in options
    assert {"unet", "fcn8s"} <= {*completed(script, "train", "--model", "")}
    assert "--serve" in completed(script, "live", "--se")
    assert completed(script, "live", "--model", "nu") == ["nuclei"]
    assert {"--score", "--nms"} <= {*completed(script, "predict", "--")}
    assert {"instance", "detection"} <= {*completed(script, "doctor", "--task", "")}


def test_zsh_and_unknown_shells(capsys):
    main(["zsh"])
    assert capsys.readouterr().out.startswith("#compdef kseg")
    with pytest.raises(InputError, match="'fish'"):
        main(["fish"])
