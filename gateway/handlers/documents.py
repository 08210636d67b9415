"""`/openapi.json` and `/docs`: open to all, made once, the same bytes for everybody."""

from aiohttp import web

from gateway.openapi import build_document, render
from gateway.reference import PAGE_POLICY, render_page
from gateway.responses import raw_response

_HARDENING = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "max-age=300",
}


class DocumentHandlers:
    """Serves what the API says about itself."""

    def __init__(self) -> None:
        document = build_document()
        self._openapi = render(document)
        self._page = render_page(document)

    async def openapi(self, _request: web.Request) -> web.Response:
        """Serve the machine-readable description."""
        return raw_response(self._openapi, content_type="application/json", headers=_HARDENING)

    async def page(self, _request: web.Request) -> web.Response:
        """Serve the readable one."""
        headers = {**_HARDENING, "Content-Security-Policy": PAGE_POLICY}
        return raw_response(self._page, content_type="text/html", headers=headers)
