import json
import platform
from importlib import metadata

from kseg.core.environment import environment
from kseg.core.names import __version__


def test_the_facts_of_a_bug_report(monkeypatch, tmp_path):
    monkeypatch.setenv("KSEG_CACHE", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    (tmp_path / "trial.json").write_text("1234", encoding="utf-8")
    facts = json.loads(json.dumps(environment()))
    assert facts["kseg"] == __version__
    assert platform.python_version() in facts["python"]
    assert facts["packages"]["numpy"] == metadata.version("numpy")
    assert facts["processor"]["cores"] >= 1
    assert facts["processor"]["memory_bytes"] > 2**28
    assert facts["cache"] == {"folder": str(tmp_path), "bytes": 4}
    assert facts["variables"]["KERAS_BACKEND"] == "tensorflow"
    assert set(facts["accelerators"]) == {"nvidia", "litert_gpu", "edge_tpu"}


def test_no_secret_of_the_environment_is_shown(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t")
    assert "s3cr3t" not in json.dumps(environment())
