"""Nothing that is tracked holds a secret: the stack needs none, its functions have IAM roles."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.template import model

ROOT = Path(__file__).resolve().parents[2]

# Heads of credentials that their makers have made recognisable.
SECRET = re.compile(
    rb"A[KS]IA[A-Z0-9]{16}"  # AWS
    rb"|-----BEGIN [A-Z ]*PRIVATE KEY"
    rb"|gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{22,}|glpat-[\w-]{20}"  # GitHub, GitLab
    rb"|xox[abposr]-[\w-]{10,}|hooks\.slack\.com/services/T\w+/B\w+/\w+"  # Slack
    rb"|AIza[\w-]{35}|sk_live_\w{16,}|SG\.[\w-]{22}\.[\w-]{43}"  # Google, Stripe, SendGrid
    rb"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"  # JSON Web Token
    rb"|[a-z]+://[^\s:/@'\"]+:[^\s:/@'\"{}<>$]{3,}@[\w.-]+"  # address with a password
)


def test_no_tracked_file_holds_a_credential() -> None:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    files = [ROOT / name.decode() for name in listing.split(b"\0") if name]

    found = {path.name: SECRET.findall(path.read_bytes()) for path in files if path.is_file()}

    assert len(files) > 400
    assert {name: secrets for name, secrets in found.items() if secrets} == {}


@pytest.mark.parametrize(
    "text",
    [
        b"aws_access_key_id = AKIA" + b"ABCDEFGHIJKLMNOP",
        b"-----BEGIN RSA " + b"PRIVATE KEY-----",
        b"token: ghp_" + b"a" * 36,
        b"https://user:" + b"secret@example.com/x",
    ],
)
def test_a_credential_is_recognised(text: bytes) -> None:
    assert SECRET.search(text)


def test_no_parameter_and_no_variable_of_a_function_is_a_secret() -> None:
    parameters = model.source()["Parameters"]
    variables = {
        name
        for function in model.functions().values()
        for name in function["Environment"]["Variables"]
    }

    secret = re.compile("secret|password|token|credential|api_?key", re.IGNORECASE)

    assert [name for name, parameter in parameters.items() if "NoEcho" in parameter] == []
    assert [name for name in [*parameters, *variables] if secret.search(name)] == []
