"""/api/v1: what is kept, for scripts and for people without the command line. Read-only; each request shows a key."""

from service.web.api.blueprint import blueprint

__all__ = ["blueprint"]
