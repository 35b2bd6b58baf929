"""The public pages under /exacto/: what visitors, providers and senders of feedback see.

Owns one file per page, with its templates in `templates/pages/` on `base.html`. A page shows; it
decides nothing and measures nothing. The rules others rely on: every page goes out through
`answer`, so none runs a script or loads from another host; every page can be switched off, and
is then a 404; nothing on a page names an account, a curator or what anybody asked a model.
"""
