"""Settings, read from the environment; `docs/settings.md` lists every variable.

Without any variable this is the embedded Assay: SQLite and a filesystem broker under
ASSAY_HOME (default `var/`), secrets made there on first use. With DATABASE_URL it is a
deployment, and a missing secret is an error instead of a new one.
"""

import os
import secrets
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

import django_stubs_ext
import environ
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy

from routing.limits import Limits
from routing.webhook_settings import webhook_settings

django_stubs_ext.monkeypatch()

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent
ASSAY_HOME = Path(env("ASSAY_HOME", default=str(BASE_DIR / "var"))).resolve()
EMBEDDED = not env("DATABASE_URL", default="")


def _secret(name: str) -> str:
    """Return the secret from NAME or NAME_FILE; embedded, make and keep it under ASSAY_HOME."""
    value = env(name, default="")
    path = env(f"{name}_FILE", default="")
    if value:
        return str(value)
    if path:
        return Path(path).read_text().strip()
    if not EMBEDDED:
        raise ImproperlyConfigured(f"Set {name} (or {name}_FILE) to a long random value.")
    kept = ASSAY_HOME / "secrets" / name.lower()
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        # Written beside and linked into place: two processes starting at once agree on one.
        fresh = kept.with_name(f"{kept.name}.{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(48))
        os.link(fresh, kept)
    except FileExistsError:
        pass
    finally:
        fresh.unlink(missing_ok=True)
    return kept.read_text().strip()


def _given(name: str) -> str:
    """Return the secret from NAME or NAME_FILE, or ""."""
    path = env(f"{name}_FILE", default="")
    return str(env(name, default="")) or (Path(path).read_text().strip() if path else "")


def _networks(name: str) -> list[IPv4Network | IPv6Network]:
    """Return the addresses and networks that a variable lists, separated by commas."""
    try:
        return [ip_network(one.strip()) for one in env.list(name, default=[])]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}.") from None


SECRET_KEY = _secret("SECRET_KEY")
API_KEY_PEPPER = _secret("API_KEY_PEPPER")
# The first seals, all open: put a new key in front to rotate.
CREDENTIAL_KEYS = [key for key in _secret("CREDENTIAL_KEYS").split(",") if key]

DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "rest_framework",
    "drf_spectacular_sidecar",  # the files of the page at /docs, and nothing else
    "providers",
    "telemetry",
    "routing",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "routing.admin.sessions.SessionAge",
    "routing.admin.second_factor.SecondFactorGate",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",  # last: it answers in place of a failed sign-in
]
ROOT_URLCONF = "routing.urls"
ASGI_APPLICATION = "routing.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Every time-out and limit of the gateway, each its own environment variable.
LIMITS = Limits.from_env(os.environ)

if EMBEDDED:
    ASSAY_HOME.mkdir(parents=True, exist_ok=True)
DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{ASSAY_HOME / 'assay.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # A deferred BEGIN that later writes fails at once with "database is locked".
        "transaction_mode": "IMMEDIATE",
        "timeout": LIMITS.sqlite_lock_s,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    # How long a statement may take depends on the process: see routing.databases.
    _options = DATABASES["default"].setdefault("OPTIONS", {})
    _options.setdefault("connect_timeout", 3)
    # Milliseconds: a connection that is kept must not wait for a server that went without a word.
    _options.setdefault("tcp_user_timeout", 5000)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_REDIRECT_URL = "admin:index"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: it refuses whoever is locked
    "routing.admin.sign_in.PasswordAndCode",
]
# Failures are counted per user name and address, and nothing else of an attempt is kept for long.
AXES_ENABLED = LIMITS.login_failures > 0
AXES_FAILURE_LIMIT = LIMITS.login_failures
AXES_COOLOFF_TIME = timedelta(seconds=LIMITS.login_lock_s)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "routing.client_address.client_address"
AXES_LOCKOUT_CALLABLE = "routing.admin.sign_in.locked_out"
# What is not kept of a failed sign-in, beside the password.
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "code", "offer"]
# Whoever has no second factor may do nothing in the admin but set one up.
REQUIRE_SECOND_FACTOR = env.bool("REQUIRE_SECOND_FACTOR", default=False)
# Whose X-Forwarded-For is believed when sign-ins and feedback are counted.
TRUSTED_PROXIES = _networks("TRUSTED_PROXIES")
SESSION_COOKIE_AGE = LIMITS.admin_idle_s  # renewed while used, by routing.admin.sessions
SESSION_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
# Behind HTTPS set HTTPS_ONLY=true: cookies are then Secure and HSTS is sent.
HTTPS_ONLY = env.bool("HTTPS_ONLY", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS_ONLY
if HTTPS_ONLY:
    # nginx speaks TLS and must overwrite this header; without it no request counts as secure.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_TRUSTED_ORIGINS = env.list(
    "CSRF_TRUSTED_ORIGINS",
    default=[f"https://{host}" for host in ALLOWED_HOSTS] if HTTPS_ONLY else [],
)
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS_ONLY else 0

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
# Served from the packages themselves: no collectstatic step before the first run.
WHITENOISE_USE_FINDERS = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["routing.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "EXCEPTION_HANDLER": "routing.api.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
}

# Whether the standing of endpoints reorders tool-calling requests on plain slugs.
AUTO_EXACTO = env("AUTO_EXACTO", default="off")
if AUTO_EXACTO not in ("off", "shadow", "on"):
    raise ImproperlyConfigured(f"AUTO_EXACTO={AUTO_EXACTO!r}: give off, shadow or on.")
# Whether the model list has a row for `:exacto` of every model with a published pool.
LIST_EXACTO = env.bool("LIST_EXACTO", default=True)
# Whether anyone may read the allowlists and their evidence at /exacto/.
PUBLIC_SCOREBOARD = env.bool("PUBLIC_SCOREBOARD", default=True)
# Whether anyone may write to the curators at /exacto/feedback/.
PUBLIC_FEEDBACK = env.bool("PUBLIC_FEEDBACK", default=True)
# Whether a provider with a link may read its report at /exacto/report/.
PROVIDER_REPORTS = env.bool("PROVIDER_REPORTS", default=True)
# How many days after a message its sender's contact is removed.
FEEDBACK_CONTACT_DAYS = env.int("FEEDBACK_CONTACT_DAYS", default=90)
if FEEDBACK_CONTACT_DAYS < 1:
    raise ImproperlyConfigured(f"FEEDBACK_CONTACT_DAYS={FEEDBACK_CONTACT_DAYS}: give 1 or more.")
# No figure is told to everybody that rests on the requests of fewer accounts.
SCOREBOARD_OWNERS = env.int("SCOREBOARD_OWNERS", default=5)
if SCOREBOARD_OWNERS < 1:
    raise ImproperlyConfigured(f"SCOREBOARD_OWNERS={SCOREBOARD_OWNERS}: give 1 or more.")
# Whether API users may sign in with a key at /account/.
ACCOUNT_PAGES = env.bool("ACCOUNT_PAGES", default=True)
# Whether anyone may read quickstarts, the method and the API reference at /docs/.
PUBLIC_DOCS = env.bool("PUBLIC_DOCS", default=True)
# Whether /docs/api shows the API's document, for people to read and try.
API_DOCS = env.bool("API_DOCS", default=True)
SPOOL_DIR = Path(env("SPOOL_DIR", default=str(ASSAY_HOME / "spool")))
# Private ranges are dialled only where the operator's environment says so.
UPSTREAM_ALLOW_CIDRS = env("UPSTREAM_ALLOW_CIDRS", default="")
# Empty arguments of a tool that takes none count as {}; the published rule is false.
JUDGE_LENIENT = env.bool("JUDGE_LENIENT", default=True)
# Schemas' `format` is a remark; true asserts it, as the published rule does.
JUDGE_FORMATS = env.bool("JUDGE_FORMATS", default=False)

# How often scores are made anew and lists are looked at.
SCORE_EVERY_S = env.float("SCORE_EVERY_S", default=300.0)
# Whoever changed an edition last may not publish it; a model's policy may say otherwise.
SECOND_PERSON = env.bool("SECOND_PERSON", default=False)
# How curators are told, beside the admin's first page.
PUBLIC_URL = env("PUBLIC_URL", default="").rstrip("/")
CURATOR_EMAILS = env.list("CURATOR_EMAILS", default=[])
DEFAULT_FROM_EMAIL = env("EMAIL_FROM", default="assay@localhost")
EMAIL_TIMEOUT = 10
vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
WEBHOOK_URL, WEBHOOK_SECRET = webhook_settings(
    env("WEBHOOK_URL", default=""), _given("WEBHOOK_SECRET")
)

# How long counters stay: hours as hours, then as days; who used and who ignored what, by day.
COUNTER_HOURS = env.int("COUNTER_HOURS", default=72)
COUNTER_DAYS = env.int("COUNTER_DAYS", default=35)
OWNER_DAYS = env.int("OWNER_DAYS", default=90)
# How long generations and attempts stay; 0: for ever. What is counted of them needs ten days.
FACT_DAYS = env.int("FACT_DAYS", default=90)
if FACT_DAYS and FACT_DAYS < 10:
    raise ImproperlyConfigured(f"FACT_DAYS={FACT_DAYS}: give 10 or more, or 0 to keep all facts.")
# Verifying costs money at real providers: it begins by itself only where somebody says so.
VERIFY_SCHEDULED = env.bool("VERIFY_SCHEDULED", default=False)
# Benchmark runs count for so long, each with its suite's weight (1 unless given here).
BENCHMARK_DAYS = env.int("BENCHMARK_DAYS", default=30)
# Whether an endpoint without a benchmark that counts may enter a list: by default it is unknown.
BENCHMARK_REQUIRED = env.bool("BENCHMARK_REQUIRED", default=False)
BENCHMARK_WEIGHTS: dict[str, float] = env.dict(
    "BENCHMARK_WEIGHTS", default={}, cast={"value": float}
)

# Shares keys' limits between all processes, and is Celery's broker unless that has its own.
REDIS_URL = env("REDIS_URL", default="")
CELERY_BROKER_URL = env("CELERY_BROKER_URL", default=REDIS_URL or "filesystem://")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "routing.log_lines.LineFormatter",
            "fmt": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env("LOG_LEVEL", default="INFO")},
}


def _page(title: str, icon: str, app: str, model: str) -> dict[str, object]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{model}_changelist"),
        "permission": lambda request: request.user.has_perm(f"{app}.view_{model}"),
    }


# The admin's look: pages ordered by the job they serve.
UNFOLD = {
    "SITE_TITLE": "Assay",
    "SITE_HEADER": "Assay",
    "SITE_SUBHEADER": "Curated LLM routing",
    "SITE_SYMBOL": "balance",
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "SITE_FAVICONS": [{"rel": "icon", "href": "data:,"}],  # none, without asking for one
    "STYLES": [lambda request: static("admin_theme/accessible.css")],
    "SCRIPTS": [lambda request: static("admin_theme/labels.js")],
    "DASHBOARD_CALLBACK": "routing.admin.home.overview",
    "ACCOUNT": {
        "navigation": [
            {"title": "Change password", "link": reverse_lazy("admin:password_change")},
            {"title": "Second factor", "link": reverse_lazy("second_factor")},
        ]
    },
    "SIDEBAR": {
        "navigation": [
            {
                "title": "Curate",
                "items": [
                    {
                        **_page("Models to curate", "balance", "routing", "allowlist"),
                        "link": reverse_lazy("admin:routing_model_workplaces"),
                    },
                    _page("Allowlists", "checklist", "routing", "allowlist"),
                    _page("Quarantines", "block", "routing", "quarantine"),
                    _page("Policies", "tune", "routing", "modelpolicy"),
                    _page("Provider reports", "outgoing_mail", "routing", "providerreport"),
                    _page("Providers' messages", "mark_email_unread", "routing", "providermessage"),
                    _page("Notices", "notifications", "routing", "notice"),
                    _page("Audit trail", "history", "routing", "auditentry"),
                    _page("Verdict counts", "fact_check", "telemetry", "verdictcount"),
                ],
            },
            {
                "title": "Catalogue",
                "items": [
                    _page("Providers", "apartment", "providers", "provider"),
                    _page("Models", "psychology", "providers", "model"),
                    _page("Endpoints", "hub", "providers", "endpoint"),
                ],
            },
            {
                "title": "What happened",
                "items": [
                    _page("Generations", "forum", "telemetry", "generation"),
                    _page("Attempts", "alt_route", "telemetry", "attempt"),
                    _page("Benchmark runs", "speed", "telemetry", "benchmarkrun"),
                    _page("Verifier runs", "experiment", "telemetry", "verifierrun"),
                    _page("Feedback", "rate_review", "telemetry", "feedback"),
                ],
            },
            {
                "title": "Access",
                "items": [
                    _page("Accounts", "badge", "routing", "account"),
                    _page("API keys", "key", "routing", "apikey"),
                    _page("Preferences", "rule_settings", "routing", "accountpreferences"),
                    _page("Presets", "tune", "routing", "preset"),
                    _page("Own credentials", "vpn_key", "routing", "owncredential"),
                    _page("Users", "person", "auth", "user"),
                    _page("Groups", "group", "auth", "group"),
                ],
            },
        ]
    },
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 180.7)",
            "100": "oklch(95.3% .051 180.8)",
            "200": "oklch(91% .096 180.4)",
            "300": "oklch(85.5% .138 181.1)",
            "400": "oklch(77.7% .152 181.9)",
            "500": "oklch(60% .118 184.7)",
            "600": "oklch(51.1% .096 186.4)",
            "700": "oklch(43.7% .078 188.2)",
            "800": "oklch(38.6% .063 188.4)",
            "900": "oklch(33% .055 190)",
            "950": "oklch(27.7% .046 192.5)",
        }
    },
}
