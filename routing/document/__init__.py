"""The OpenAPI document: what is said of every address, and the making of `docs/openapi.json`.

Owns the descriptions (one file per part of the API) and their assembly by drf-spectacular. It
serves nothing: the committed file is served (`routing.api.document`). Nobody else imports it, so
no process that serves loads drf-spectacular. The rules others rely on: the schema of a request's
body is made of the struct that checks it; an address without a description stops the making, and
so `tests/routing/document`.
"""
