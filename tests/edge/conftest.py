import pytest

from edge.core import redaction


@pytest.fixture(autouse=True)
def no_secrets_of_other_tests(monkeypatch) -> None:
    """What a test gives as a password is an ordinary word in the next one."""
    monkeypatch.setattr(redaction, "SECRETS", redaction.Secrets())
