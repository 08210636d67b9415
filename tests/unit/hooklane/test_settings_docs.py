"""docs/settings.md says what the code reads."""

from chassis.settings import variables
from hooklane import settings_docs


def test_the_document_is_up_to_date() -> None:
    """Fails when a setting changed and `make generate` was not run."""
    assert settings_docs.PATH.read_text(encoding="utf-8") == settings_docs.render()


def test_every_variable_of_every_service_is_listed() -> None:
    """Shared ones once, own ones under their service."""
    text = settings_docs.render()

    for model in settings_docs.MODELS.values():
        for variable in variables(model):
            assert f"`{variable.name}`" in text
    assert text.count("`HOOKLANE_KAFKA__BOOTSTRAP_SERVERS` |") == 1
    assert text.count("`HOOKLANE_ADMIN__PORT` |") == 3
