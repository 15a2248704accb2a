"""Configuration: what is read from where, and how each mistake is told."""

import re
import tomllib
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from service.core.policy import PaymentRules, ShippingRule, ShippingRuleKind, SourcePolicy
from service.errors import SettingsError, SeveralSettingsErrors
from service.settings import (
    AdminAuth,
    BearerAuth,
    Caps,
    HmacAuth,
    KeyEncoding,
    Mode,
    OAuth1Auth,
    Secret,
    SignatureEncoding,
    StandardWebhooksAuth,
    describe_settings,
    load_settings,
    load_settings_file,
    settings_reference,
    shipped_file,
)
from service.settings.reference import schema_fields
from service.settings.urls import normalised_base_url

STORE = 'base_url = "https://shop.example"\ntoken_env = "MAGENTO_TOKEN"\n'
SOURCE = 'store = "main"\nsecrets_env = ["WAREHOUSE_SECRET"]\n'
HMAC = f'{SOURCE}[auth]\nscheme = "hmac"\nheader = "X-Signature"\n'
WHSEC = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
WHSEC_OLD = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
ENVIRON = {"MAGENTO_TOKEN": "token-of-main", "WAREHOUSE_SECRET": WHSEC}


@pytest.fixture
def configured(tmp_path):
    """load(service=…, store=…, source=…, **environment): settings of a directory with one store and one source."""

    def load(*, service="", store=STORE, source=SOURCE, files=None, **environ):
        documents = {"service.toml": service, "stores/main.toml": store, "sources/warehouse.toml": source}
        for name, text in (documents | (files or {})).items():
            file = tmp_path / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        return load_settings(tmp_path, {key: value for key, value in (ENVIRON | environ).items() if value is not None})

    return load


@pytest.fixture
def refused(configured):
    def load(**given):
        with pytest.raises(SettingsError) as error:
            configured(**given)
        return str(error.value)

    return load


class TestWhatIsRead:
    def test_the_least_configuration_is_complete(self, configured):
        settings = configured()

        assert settings.service.port == 8000
        assert settings.stores["main"].auth == BearerAuth(token=Secret("token-of-main"))
        assert settings.stores["main"].instance == "https://shop.example"
        assert settings.sources["warehouse"].namespace == "warehouse"
        assert settings.sources["warehouse"].secrets == (Secret(bytes(range(32))),)
        assert settings.sources["warehouse"].auth == StandardWebhooksAuth(tolerance_seconds=300)

    def test_an_empty_directory_has_no_stores(self, tmp_path):
        assert load_settings(tmp_path, {}).stores == {}

    def test_a_store_is_read_whole(self, configured):
        store = configured(
            store=STORE
            + """
            mode = "shadow"
            ignore_returns_before = "2026-11-01"
            settle_seconds = 600
            shipping_amounts = "including_tax"
            [payments]
            offline = ["checkmo"]
            online = ["braintree", "adyen_*"]
            [shipping]
            tablerate_bestway = "remaining_on_full_return"
            flatrate_flatrate = "per_unit:5.00"
            [review]
            amount_over = "500.00"
            per_day = { refunds = 500, amount = "20000.00" }
            """
        ).stores["main"]

        assert (store.mode, store.settle_seconds) == (Mode.SHADOW, 600)
        assert store.policy.payments == PaymentRules(offline=("checkmo",), online=("braintree", "adyen_*"))
        assert store.policy.shipping == {
            "default": ShippingRule(),
            "tablerate_bestway": ShippingRule(kind=ShippingRuleKind.REMAINING_ON_FULL_RETURN),
            "flatrate_flatrate": ShippingRule(kind=ShippingRuleKind.PER_UNIT, amount=Decimal("5.00")),
        }
        assert store.policy.shipping_includes_tax
        assert store.policy.review_amount_over == Decimal(500)
        assert store.policy.ignore_returns_before == datetime(2026, 11, 1, tzinfo=UTC)
        assert store.caps == Caps(refunds=500, amount=Decimal(20000))

    def test_a_source_is_read_whole(self, configured):
        source = configured(
            source="""
            store = "main"
            namespace = "returns"
            mode = "shadow"
            secrets_env = ["WAREHOUSE_SECRET"]
            max_body_bytes = 2048
            success_status = 200
            success_body = '{"code": "200"}'
            [auth]
            scheme = "hmac"
            header = "X-Loop-Signature"
            encoding = "base64"
            key_encoding = "hex"
            [policy]
            refund_on = ["return.approved", "Return.Completed"]
            restock = ["Sellable"]
            notify_customer = false
            [review]
            per_day = { refunds = 5 }
            """,
            WAREHOUSE_SECRET="00ff",
        ).sources["warehouse"]

        assert (source.namespace, source.mode) == ("returns", Mode.SHADOW)
        assert source.auth == HmacAuth(
            header="X-Loop-Signature", encoding=SignatureEncoding.BASE64, key_encoding=KeyEncoding.HEX
        )
        assert source.secrets == (Secret(b"\x00\xff"),)
        assert source.policy == SourcePolicy(
            refund_on=("return.approved", "return.completed"), restock=("sellable",), notify_customer=False
        )
        assert source.caps == Caps(refunds=5)
        assert (source.max_body_bytes, source.success_status, source.success_body) == (2048, 200, '{"code": "200"}')

    @pytest.mark.parametrize(
        "moment", ['"2026-11-01T00:00:00Z"', "2026-11-01", "2026-11-01T01:00:00+01:00", '"2026-11-01"']
    )
    def test_a_date_is_taken_as_text_or_as_toml_has_it(self, configured, moment):
        store = configured(store=f"{STORE}ignore_returns_before = {moment}").stores["main"]

        assert store.policy.ignore_returns_before == datetime(2026, 11, 1, tzinfo=UTC)

    def test_admin_and_oauth1_credentials_come_from_their_variables(self, configured):
        admin = 'base_url = "https://shop.example"\nauth = "admin"\nusername_env = "U"\npassword_env = "P"\n'
        names = ("consumer_key", "consumer_secret", "access_token", "access_token_secret")
        oauth1 = 'base_url = "https://shop.example"\nauth = "oauth1"\n' + "".join(f'{n}_env = "{n}"\n' for n in names)

        assert configured(store=admin, U="eve", P="pw").stores["main"].auth == AdminAuth(
            username=Secret("eve"), password=Secret("pw")
        )
        assert configured(store=oauth1, **{name: name for name in names}).stores["main"].auth == OAuth1Auth(
            **{name: Secret(name) for name in names}
        )

    def test_a_secret_may_stand_in_a_file_of_its_own(self, configured, tmp_path):
        (tmp_path / "token").write_text("from-a-file\n")

        store = configured(store='base_url = "https://shop.example"\ntoken_file = "token"').stores["main"]

        assert store.auth == BearerAuth(token=Secret("from-a-file"))

    def test_while_rotating_one_of_the_secrets_may_be_missing(self, configured):
        source = 'store = "main"\nsecrets_env = ["NEW", "OLD"]'

        assert len(configured(source=source, NEW=WHSEC, OLD=WHSEC_OLD).sources["warehouse"].secrets) == 2
        assert len(configured(source=source, OLD=WHSEC_OLD).sources["warehouse"].secrets) == 1

    def test_a_secret_may_lack_its_prefix(self, configured):
        secrets = configured(WAREHOUSE_SECRET=WHSEC.removeprefix("whsec_")).sources["warehouse"].secrets

        assert secrets == (Secret(bytes(range(32))),)


class TestEnvironment:
    def test_it_overrides_files_value_by_value(self, configured):
        settings = configured(
            service="port = 9000\nhost = '::1'",
            REFUNDRY__SERVICE__PORT="9001",
            REFUNDRY__STORES__MAIN__MODE="shadow",
            REFUNDRY__STORES__MAIN__REVIEW__PER_DAY__AMOUNT="7.50",
            REFUNDRY__STORES__MAIN__PAYMENTS__ONLINE='["braintree"]',
            REFUNDRY__SOURCES__WAREHOUSE__POLICY__NOTIFY_CUSTOMER="false",
        )

        assert (settings.service.host, settings.service.port) == ("::1", 9001)
        assert settings.stores["main"].mode is Mode.SHADOW
        assert settings.stores["main"].caps.amount == Decimal("7.50")
        assert settings.stores["main"].policy.payments.online == ("braintree",)
        assert settings.sources["warehouse"].policy.notify_customer is False

    def test_it_can_make_a_store_without_any_file(self, tmp_path):
        settings = load_settings(
            tmp_path,
            {
                "REFUNDRY__STORES__EU__BASE_URL": "https://eu.example",
                "REFUNDRY__STORES__EU__TOKEN_ENV": "T",
                "T": "token",
            },
        )

        assert settings.stores["eu"].base_url == "https://eu.example"

    def test_an_underscore_finds_a_name_with_a_dash(self, configured):
        settings = configured(files={"stores/outlet-eu.toml": STORE}, REFUNDRY__STORES__OUTLET_EU__MODE="shadow")

        assert settings.stores["outlet-eu"].mode is Mode.SHADOW

    def test_other_variables_are_nobodys_business(self, configured):
        assert configured(REFUNDRY_RECORDINGS="x", REFUNDRY_CONFIG_DIR="y")

    @pytest.mark.parametrize(
        ("variable", "told"),
        [
            ("REFUNDRY__SERVCE__PORT", "Did you mean REFUNDRY__SERVICE__"),
            ("REFUNDRY__STORE__MAIN__MODE", "Did you mean REFUNDRY__STORES__"),
            ("REFUNDRY__SERVICE__PROT", "Did you mean port?"),
            ("REFUNDRY__STORES__MAIN", "Write REFUNDRY__SERVICE__<KEY>"),
            ("REFUNDRY__SERVICE____PORT", "Write REFUNDRY__SERVICE__<KEY>"),
        ],
    )
    def test_a_misspelt_variable_is_told(self, refused, variable, told):
        message = refused(**{variable: "1"})

        assert variable in message
        assert told in message


class TestMistakes:
    """Each names the file, the key, the value and what to write."""

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            ("port = 99999", r"service.toml: port = 99999: .* from 1 to 65535"),
            ('port = "8000"', r"port = '8000': .* whole number"),
            ("port = true", r"port = True: .* whole number"),
            ("prot = 1", r"prot = \(not shown\): no such setting. Did you mean port\?"),
            ('log_level = "LOUD"', r"log_level = 'LOUD': .*INFO"),
            ("api = 1", r"api = 1: not true or false. Write true or false"),
            ('database_url = "mysql://x"', r"database_url = 'mysql://x': .*postgresql://"),
            ("poll_seconds = nan", r"poll_seconds = .*Write a number"),
            ("port = = 1", r"service.toml: the file = .*: this is not TOML"),
        ],
    )
    def test_of_the_service(self, refused, line, told):
        assert re.search(told, refused(service=line))

    @pytest.mark.parametrize(
        ("lines", "told"),
        [
            ('mode = "on"', r"mode = 'on': .*\"live\" or \"shadow\""),
            ('auth = "basic"', r"auth = 'basic': .*\"bearer\""),
            ("refund_read_timeout_seconds = 60", r"refund_read_timeout_seconds = 60: .* from 120 to"),
            ("settle_seconds = 190", r"settle_seconds = 190: .*\(180\) .*\(10\) = 190. Write more than 190"),
            ('ignore_returns_before = "soon"', r"ignore_returns_before = 'soon': not a date"),
            ('shipping_amounts = "gross"', r"shipping_amounts = 'gross': .*excluding_tax"),
            ('[shipping]\nx_y = "per_unit"', r"shipping.x_y = 'per_unit': not a shipping rule. Write \"none\""),
            ('[shipping]\nx_y = "per_unit:-1"', r"shipping.x_y = 'per_unit:-1'"),
            ('[shipping]\nx_y = "none:5"', r"shipping.x_y = 'none:5'"),
            ("[shipping]\nx_y = 5", r"shipping.x_y = 5"),
            ('[review]\namount_over = "-1"', r"review.amount_over = '-1': not an amount"),
            ("[review]\namount_over = true", r"review.amount_over = True"),
            ("[review]\nper_day = 5", r"review.per_day = 5?.*invalid input type"),
            ("[review]\nper_day = { refund = 5 }", r"review.per_day.refund = .*Did you mean refunds\?"),
            ('[payments]\nonline = ["a b"]', r"payments.online = \['a b'\]: .*payment method codes"),
            ("payments = 3", r"payments = 3: .*Write a table"),
        ],
    )
    def test_of_a_store(self, refused, lines, told):
        message = refused(store=f"{STORE}{lines}")

        assert "stores/main.toml" in message
        assert re.search(told, message)

    @pytest.mark.parametrize(
        ("lines", "told"),
        [
            ('kind = "lop"', r"kind = 'lop': no such kind. Did you mean loop\?"),
            ('kind = "sap"', r"kind = 'sap': no such kind. Known: canonical, generic, adobe-rma"),
            ('[policy]\nquantities = "sums"', r"policy.quantities = 'sums': .*\"cumulative\" or \"delta\""),
            ('[policy]\namounts = "portal"', r"policy.amounts = 'portal': .*\"compute\" or \"cap\" or \"exact\""),
            ('[policy]\nstock_owner = "portal"', r"\"magento\" or \"wms\" or \"none\""),
            ('[policy]\namounts_include_tax = "yes"', r"policy.amounts_include_tax = 'yes': .*true or false"),
            ("[policy]\nrefund_on = []", r"policy.refund_on = \[\]"),
            ('[auth]\nscheme = "digest"', r"auth.scheme = 'digest': .*\"standard-webhooks\" or \"hmac\" or "),
            ("[auth]\ntolerance_seconds = 3600", r"auth.tolerance_seconds = 3600: .* from 1 to 900"),
            ('[auth]\nheader = "X-S"', r"auth.header = 'X-S': not used by scheme = \"standard-webhooks\""),
            ('[auth]\nscheme = "hmac"', r"auth.header = \(missing\): hmac needs it"),
            ("success_status = 404", r"success_status = 404: .* from 200 to 299"),
            ("success_body = 'ok'", r"success_body = 'ok': not JSON"),
        ],
    )
    def test_of_a_source(self, refused, lines, told):
        message = refused(source=f"{SOURCE}{lines}")

        assert "sources/warehouse.toml" in message
        assert re.search(told, message)

    @pytest.mark.parametrize(
        ("online", "offline"), [("checkmo", "checkmo"), ("adyen_*", "adyen_cc"), ("adyen_cc", "*"), ("*", "checkmo")]
    )
    def test_a_payment_method_in_both_lists_is_refused(self, refused, online, offline):
        message = refused(store=f'{STORE}[payments]\nonline = ["{online}"]\noffline = ["{offline}"]')

        assert "would be refunded both ways" in message

    def test_a_method_that_is_offline_by_default_cannot_be_online_as_well(self, refused):
        assert "would be refunded both ways" in refused(store=f'{STORE}[payments]\nonline = ["checkmo"]')

    @pytest.mark.parametrize(
        "url",
        ["https://u:pw@shop.example", "https://shop.example/?a=1", "https://shop.example#x"],
    )
    def test_an_address_that_may_hold_a_secret_is_told_without_showing_it(self, refused, url):
        message = refused(store=f'base_url = "{url}"\ntoken_env = "MAGENTO_TOKEN"')

        assert "base_url = (not shown): not an address" in message

    @pytest.mark.parametrize("url", ["shop.example", "ftp://shop.example", "https://", "https://shop.example:port"])
    def test_an_address_that_is_none_is_told_and_shown(self, refused, url):
        message = refused(store=f'base_url = "{url}"\ntoken_env = "MAGENTO_TOKEN"')

        assert f"base_url = '{url}': not " in message
        assert "as https://shop.example" in message

    def test_an_address_that_nobody_wrote_is_missing(self, refused):
        assert "base_url = (missing)" in refused(store='token_env = "MAGENTO_TOKEN"')

    def test_a_source_of_an_unknown_store_is_told_the_known_one(self, refused):
        message = refused(source='store = "mian"\nsecrets_env = ["WAREHOUSE_SECRET"]')

        assert "store = 'mian': no such store. Did you mean main?" in message

    def test_stores_of_one_address_have_one_instance(self, configured, refused):
        other = f'{STORE}store_code = "de"\n'

        assert "Give stores of one Magento one instance" in refused(
            files={"stores/de.toml": f'{other}instance = "another"'}
        )
        assert configured(files={"stores/de.toml": other}).stores["de"].instance == "https://shop.example"

    @pytest.mark.parametrize("name", ["Main", "a b", "a__b", "_a", "ä"])
    def test_a_file_whose_name_is_no_name_is_told(self, refused, name):
        assert "not a name" in refused(files={f"stores/{name}.toml": STORE})

    def test_a_missing_directory_is_told(self, tmp_path):
        with pytest.raises(SettingsError, match="refundry init"):
            load_settings(tmp_path / "nowhere", {})

    def test_all_mistakes_are_told_at_once(self, configured):
        with pytest.raises(SeveralSettingsErrors) as error:
            configured(service="port = 0", store=f'{STORE}mode = "on"', source=f"{SOURCE}mood = 1", MAGENTO_TOKEN=None)

        assert [key in str(error.value) for key in ("port", "mode", "mood")] == [True, True, True]
        assert len(error.value.errors) == 3


class TestSecrets:
    @pytest.mark.parametrize(
        "files",
        [
            {"store": 'base_url = "https://shop.example"\ntoken_env = "a1b2c3secret"'},
            {"source": 'store = "main"\nsecrets_env = ["whsec_a1b2c3secret"]'},
            {"source": 'store = "main"\nsecrets_env = ["whsec_a1b2c3secret+/="]'},
            {"source": 'store = "main"\nsecrets_env = "a1b2c3secret"'},
        ],
    )
    def test_a_secret_pasted_where_its_name_belongs_is_not_shown(self, refused, files):
        message = refused(**files)

        assert "a1b2c3secret" not in message
        assert "_env = (not shown): " in message

    def test_a_secret_pasted_beside_the_current_one_is_not_shown_either(self, configured):
        loaded = configured(source='store = "main"\nsecrets_env = ["WAREHOUSE_SECRET", "whsec_a1b2c3secret"]')

        shown = {origin.key: origin.value_shown for origin in loaded.origins}["sources.warehouse.secrets_env"]
        assert "a1b2c3secret" not in shown

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"MAGENTO_TOKEN": None}, "token_env = 'MAGENTO_TOKEN': the environment variable MAGENTO_TOKEN is not set"),
            ({"MAGENTO_TOKEN": "  "}, "MAGENTO_TOKEN is not set"),
            ({"WAREHOUSE_SECRET": None}, "WAREHOUSE_SECRET is not set"),
            ({"WAREHOUSE_SECRET": "returns-demo-secret"}, "the secret is not base64"),
            ({"WAREHOUSE_SECRET": "whsec_AAEC"}, "3 bytes, Standard Webhooks wants 24 to 64"),
            ({"WAREHOUSE_SECRET": "whsec_é"}, "the secret is not base64"),
            ({"source": f'{HMAC}key_encoding = "base64"'}, "the secret is not base64. Check auth.key_encoding"),
            ({"store": 'base_url = "https://shop.example"'}, "token_env = (missing): no credentials"),
            ({"store": f'{STORE}token_file = "t"'}, "both _env and _file"),
            ({"store": f'{STORE}password_env = "P"'}, 'not used by auth = "bearer"'),
            ({"store": 'base_url = "https://s.example"\ntoken_file = "gone"'}, "'gone': the file cannot be read"),
            ({"source": 'store = "main"'}, "secrets_env = (missing): no secret"),
            ({"source": f'{HMAC}key_encoding = "hex"'}, "not hexadecimal"),
        ],
    )  # fmt: skip
    def test_what_is_missing_or_no_key_is_told_by_its_name(self, refused, given, told):
        message = refused(**given)

        assert told in message
        assert "returns-demo-secret" not in message
        assert WHSEC not in message

    @pytest.mark.parametrize(
        ("given", "remedy"),
        [
            ({"store": f'{STORE}token = "hunter2"'}, "token_env ="),
            ({"store": f'{STORE}password = "hunter2"'}, "password_env ="),
            ({"store": f'{STORE}tokn = "hunter2"'}, "Did you mean token_env?"),
            ({"source": f'{SOURCE}secrets = ["hunter2"]'}, "secrets_env ="),
            ({"service": 'database_url = "postgresql://u:hunter2@db/x"'}, "database_url_env ="),
            ({"REFUNDRY__STORES__MAIN__TOKEN": "hunter2"}, "token_env ="),
        ],
    )
    def test_a_secret_written_down_is_refused_and_not_repeated(self, refused, given, remedy):
        message = refused(**given)

        assert remedy in message
        assert "hunter2" not in message

    def test_a_database_url_with_a_password_comes_from_the_environment(self, configured):
        url = "postgresql://u:hunter2@db/x"

        named = configured(service='database_url_env = "DATABASE_URL"', DATABASE_URL=url)
        overridden = configured(REFUNDRY__SERVICE__DATABASE_URL=url)

        assert named.service.database_url == overridden.service.database_url == url
        assert "hunter2" not in repr(named) + repr(overridden)

    def test_no_text_form_shows_a_secret(self, configured):
        settings = configured()

        for text in (repr(settings), str(settings), f"{settings.stores['main'].auth.token}"):
            assert "token-of-main" not in text
        assert repr(Secret("x" * 32)) == str(Secret("x" * 32)) == "(set, 32 bytes)"


class TestOrigins:
    def shown(self, settings):
        return {origin.key: (origin.value_shown, origin.origin) for origin in settings.origins}

    def test_each_value_tells_where_it_came_from(self, configured, tmp_path):
        shown = self.shown(configured(service="port = 9000", REFUNDRY__STORES__MAIN__MODE="shadow"))

        assert shown["service.port"] == ("9000", str(tmp_path / "service.toml"))
        assert shown["service.host"] == ('"127.0.0.1"', "defaults.toml")
        assert shown["stores.main.mode"] == ('"shadow"', "environment REFUNDRY__STORES__MAIN__MODE")
        assert shown["stores.main.instance"] == ('"https://shop.example"', "derived")

    def test_secrets_are_measured_and_never_shown(self, configured):
        source = 'store = "main"\nsecrets_env = ["WAREHOUSE_SECRET", "OLD"]'
        settings = configured(source=source, REFUNDRY__SERVICE__DATABASE_URL="postgresql://u:hunter2@db/x")
        shown = self.shown(settings)

        assert shown["stores.main.token_env"][0] == "MAGENTO_TOKEN (set, 13 bytes)"
        assert shown["sources.warehouse.secrets_env"][0] == "WAREHOUSE_SECRET (set, 50 bytes), OLD (missing)"
        assert shown["service.database_url"][0] == '"postgresql://u:(set)@db/x"'
        assert "hunter2" not in repr(settings.origins)

    def test_defaults_that_mean_nothing_here_are_left_out(self, configured):
        assert "sources.warehouse.auth.encoding" not in self.shown(configured())


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("https://shop.example", "https://shop.example"),
        ("HTTPS://Shop.Example/", "https://shop.example"),
        ("https://shop.example:443/", "https://shop.example"),
        ("http://shop.example:80", "http://shop.example"),
        ("https://shop.example:80", "https://shop.example:80"),
        ("https://shop.example/Shop/", "https://shop.example/Shop"),
        ("http://[::1]:8081/", "http://[::1]:8081"),
    ],
)
def test_one_address_has_one_spelling(written, normal):
    assert normalised_base_url(written) == normal


class TestShippedFiles:
    def test_every_setting_stands_in_the_defaults_with_its_reason(self):
        documented = {(row.section, row.key) for row in describe_settings()}

        assert documented == {(section, key) for section, key, _ in schema_fields()}
        assert all(row.why and row.type for row in describe_settings())

    def test_every_example_in_the_defaults_would_be_taken(self):
        """A line "#key = example" that is no TOML would be copied and fail."""
        for row in describe_settings():
            assert tomllib.loads(f"{row.key} = {row.default or row.example}")

    def test_the_reference_lists_every_setting(self):
        reference = settings_reference()

        assert all(f"| `{row.key}` |" in reference for row in describe_settings())

    def test_the_sandbox_configuration_loads(self):
        settings = load_settings_file(
            shipped_file("sandbox.toml"),
            {
                **{f"SANDBOX_{name}": "t" for name in ("CONSUMER_KEY", "CONSUMER_SECRET")},
                **{f"SANDBOX_{name}": "t" for name in ("ACCESS_TOKEN", "ACCESS_TOKEN_SECRET")},
                "SANDBOX_WAREHOUSE_SECRET": WHSEC,
                "SANDBOX_PORTAL_SECRET": "demo",
            },
        )

        assert settings.stores.keys() == {"sandbox"}
        assert settings.sources.keys() == {"warehouse", "portal"}

    def test_a_section_that_is_none_is_told(self, tmp_path):
        (tmp_path / "one.toml").write_text("[store.main]\nmode = 'live'\n")

        with pytest.raises(SettingsError, match="no such section"):
            load_settings_file(tmp_path / "one.toml", {})

    def test_a_store_that_is_no_table_is_told(self, tmp_path):
        (tmp_path / "one.toml").write_text("[stores]\nmain = 3\n")

        with pytest.raises(SettingsError, match="not a table"):
            load_settings_file(tmp_path / "one.toml", {})

    def test_the_commented_examples_load_as_they_are(self, configured):
        store = shipped_file("stores/main.toml.example").read_text()
        source = shipped_file("sources/warehouse.toml.example").read_text()

        settings = configured(store=store, source=source)

        assert settings.stores["main"].mode is Mode.SHADOW
        assert settings.sources["warehouse"].policy == SourcePolicy()
