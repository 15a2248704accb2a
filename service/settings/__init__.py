"""Configuration: TOML files and the environment in, frozen and checked values out."""

from service.settings.load import load_settings, load_settings_file, shipped_file
from service.settings.reference import SettingRow, describe_settings, settings_reference
from service.settings.shapes import (
    AdminAuth,
    BearerAuth,
    Caps,
    HmacAuth,
    KeyEncoding,
    Mode,
    OAuth1Auth,
    Origin,
    Secret,
    ServiceSettings,
    Settings,
    SignatureEncoding,
    SourceAuth,
    SourceSettings,
    StandardWebhooksAuth,
    StoreAuth,
    StoreSettings,
)

__all__ = [
    "AdminAuth",
    "BearerAuth",
    "Caps",
    "HmacAuth",
    "KeyEncoding",
    "Mode",
    "OAuth1Auth",
    "Origin",
    "Secret",
    "ServiceSettings",
    "SettingRow",
    "Settings",
    "SignatureEncoding",
    "SourceAuth",
    "SourceSettings",
    "StandardWebhooksAuth",
    "StoreAuth",
    "StoreSettings",
    "describe_settings",
    "load_settings",
    "load_settings_file",
    "settings_reference",
    "shipped_file",
]
