"""The environment becomes one value, or a sentence that names the variable."""

from __future__ import annotations

import pytest

from service.settings import Settings, SettingsError, read_settings


def test_nothing_set_gives_the_defaults() -> None:
    assert read_settings({"HOME": "/root", "PATH": "/bin"}) == Settings()


def test_values_are_converted() -> None:
    settings = read_settings(
        {"MUSLIN_PORT": "9000", "MUSLIN_REDIS_URL": "redis://db/1", "MUSLIN_RESULT_TTL_S": "7.5", "MUSLIN_THREADS": "2"}
    )
    assert (settings.port, settings.redis_url, settings.result_ttl_s, settings.threads) == (9000, "redis://db/1", 7.5, 2)


@pytest.mark.parametrize(
    "name,value,words",
    [
        ("MUSLIN_PORT", "web", "MUSLIN_PORT='web'"),
        ("MUSLIN_PORT", "70000", "<= 65535"),
        ("MUSLIN_QUEUE_LIMIT", "0", ">= 1"),
        ("MUSLIN_LOG_LEVEL", "loud", "MUSLIN_LOG_LEVEL='loud'"),
        ("MUSLIN_DEVICE", "gpu", "MUSLIN_DEVICE='gpu'"),
        ("MUSLIN_REQUEST_TIMEOUT_S", "-1", "> 0"),
        ("MUSLIN_REDDIS_URL", "redis://db", "did you mean MUSLIN_REDIS_URL"),
        ("MUSLIN_XYZZY", "1", "is not a setting."),
        ("MUSLIN_PHOTO_TTL_S", "inf", "a number is needed"),
        ("MUSLIN_PHOTO_TTL_S", "7200", "promises"),
        ("MUSLIN_REDIS_URL", "http://127.0.0.1:1", "redis://"),
        ("REDIS_URL", "nonsense", "redis://"),
        ("MUSLIN_CORS_ORIGINS", "*", "no origin"),
        ("MUSLIN_CORS_ORIGINS", "https://a.example,shop.example", "shop.example"),
        ("MUSLIN_FETCH_HOSTS", "https://cdn.example.com/x", "no host"),
        ("MUSLIN_OTLP_ENDPOINT", "nonsense", "http://"),
    ],
)
def test_mistakes_are_named(name: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({name: value})
    assert words in str(caught.value)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings().port = 1  # type: ignore[misc]
