"""/docs/: how to point a client here, how providers are selected, and every address of the API.

Owns one file per page, with its templates in `templates/pages/docs/`. PUBLIC_DOCS=false switches
all of them off; the page that sends requests is `routing.api.document`'s. The rules others rely
on: no key stands on any page; a number that decides is read from the code that decides by it, and
a line that is to be copied is run by the tests.
"""
