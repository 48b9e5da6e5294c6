import pytest

from pipeline.cli.artefact.closure import Closure, clients_of, modules_of

FILES = {
    "app/__init__.py": "",
    "app/start.py": "from app import near\nimport json\nfrom app.deep.low import Thing\n",
    "app/near.py": "def f():\n    import app.late\n",
    "app/late.py": "",
    "app/checked.py": "",
    "app/deep/__init__.py": "from . import low\n",
    "app/deep/low.py": (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import app.checked\n"
        "from .. import native\nThing = 1\n"
    ),
    "app/native.cpython-313-x86_64-linux-gnu.so": "\x7fELF",
    "app/unused.py": "import app.late\n",
    "app/rules.toml": "",
    "app/not-a-module.py": "",
}


def closure() -> Closure:
    files = {path: text.encode for path, text in FILES.items()}
    return Closure({module.name: module for module in modules_of(files)})


def test_files_that_can_be_imported_are_modules() -> None:
    names = set(closure().modules)

    assert names == {
        "app",
        "app.start",
        "app.near",
        "app.late",
        "app.checked",
        "app.deep",
        "app.deep.low",
        "app.native",
        "app.unused",
    }


def test_imports_are_followed_late_relative_and_compiled_ones_too() -> None:
    reached = closure().reached(["app.start"])

    assert reached == {
        "app",
        "app.start",
        "app.near",
        "app.late",
        "app.deep",
        "app.deep.low",
        "app.native",
    }


def test_a_module_that_is_not_there_cannot_be_packed() -> None:
    with pytest.raises(LookupError, match=r"no module app\.gone"):
        closure().reached(["app.gone"])


def test_services_are_the_texts_given_to_client() -> None:
    source = b"a = boto3.client('s3', config=C)\nb = session.client(name)\nc = make.client()\n"

    services = clients_of(source)

    assert services == {"s3"}
