"""The pages of ``compare/serve.py`` as an ASGI application: limits, routes and error answers."""

import contextlib
import ipaddress
import re
from collections.abc import AsyncIterator

import jinja2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from compare.frameworks.records import FRAMEWORKS
from compare.serving.answering import Unavailable
from compare.serving.decoding import Decoders, TooCostly
from compare.serving.lookup import Lookup
from compare.serving.uploads import MAX_BYTES, Uploads
from shared.data.pictures import FORMATS
from shared.system.errors import UserError

_MAX_NAME = 100
_MOST_UPLOADED = 16 * MAX_BYTES
# the report's style is this page's, too
_TEMPLATES = jinja2.ChoiceLoader([jinja2.PackageLoader("compare.serving"), jinja2.PackageLoader("compare.page")])
_FILES = {"report.css": "text/css", "serve.css": "text/css", "serve.js": "text/javascript"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


def make_app(lookup: Lookup, host: str) -> ASGIApp:
    """The application; on a loopback ``host`` it answers to this machine's own names only."""
    pages = _Pages(lookup)
    routes = [
        Route("/", pages.home),
        Route("/static/{name}", pages.static),
        Route("/health", pages.health),
        Route("/image/{number}.png", pages.image),
        Route("/search/{number}", pages.search_own),
        Route("/search", pages.search, methods=["POST"]),
    ]
    # a foreign name in the Host header is another site's page that was pointed at this machine (DNS rebinding)
    hosts = ["localhost", "127.0.0.1", "::1", "[::1]", host] if is_loopback(host) else ["*"]
    guard = Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)
    failures = {
        HTTPException: lambda _, error: _failure(error.status_code, error.detail, error.headers),
        Unavailable: lambda _, error: _failure(503, str(error), {"retry-after": "5"}),
        TooCostly: lambda _, error: _failure(422, str(error)),
        ClientDisconnect: lambda *_: Response(status_code=400),
        Exception: lambda *_: _failure(500, "expected an answer, but the server failed; its terminal says why"),
    }
    return _with_headers(
        Starlette(routes=routes, middleware=[guard], exception_handlers=failures, lifespan=pages.lifespan)
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


class _Pages:
    def __init__(self, lookup: Lookup) -> None:
        self._lookup, self._version = lookup, lookup.dataset.digest()[:12]
        self._uploads, self._decoders = Uploads(_MOST_UPLOADED), Decoders(lookup.size)
        templates = jinja2.Environment(
            loader=_TEMPLATES, autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True
        )
        limits = {"max_bytes": MAX_BYTES, "formats": FORMATS, "version": self._version, "frameworks": FRAMEWORKS}
        self._home = templates.get_template("serve.html.j2").render(lookup=lookup, **limits)
        self._files = {name: templates.get_template(name).render(frameworks=FRAMEWORKS) for name in _FILES}

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        await self._decoders.start()
        yield

    async def home(self, _: Request) -> Response:
        return HTMLResponse(self._home, headers={"cache-control": "no-cache"})

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _FILES:
            raise HTTPException(404, f"expected one of {', '.join(_FILES)}, received another name")
        return Response(self._files[name], media_type=_FILES[name], headers={"cache-control": "no-cache"})

    async def health(self, _: Request) -> Response:
        return _json(self._lookup.health)

    async def image(self, request: Request) -> Response:
        # an address with the data's digest always shows the same image; one without may not after another start
        fresh = request.query_params.get("v") == self._version
        cache_control = "public, max-age=31536000, immutable" if fresh else "no-cache"
        png = self._lookup.png(self._number(request))
        return Response(png, media_type="image/png", headers={"cache-control": cache_control})

    async def search_own(self, request: Request) -> Response:
        return _json(await self._lookup.search_own(self._number(request)))

    async def search(self, request: Request) -> Response:
        name = request.query_params.get("name", "")[:_MAX_NAME] or "picture"
        async with self._uploads.body(request) as picture:
            try:
                pixels = await self._decoders.decode(picture, name)
            except UserError as error:
                raise HTTPException(415, _without_form(str(error), request)) from error
        return _json(await self._lookup.search(name, pixels))

    def _number(self, request: Request) -> int:
        text, last = request.path_params["number"], len(self._lookup.dataset.labels) - 1
        # Python's own limit on digits would be a failure of the server
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) > last:
            raise HTTPException(404, f"expected the number of an image, 0 to {last}, received {text[:_MAX_NAME]}")
        return int(text)


def _without_form(text: str, request: Request) -> str:
    if request.headers.get("content-type", "").startswith("multipart/"):
        return f"{text} (a form; send the file itself, as curl --data-binary @FILE does)"
    return text


def _json(value: dict) -> Response:
    return JSONResponse(value, headers={"cache-control": "no-store"})


def _failure(status: int, text: str, headers: dict | None = None) -> Response:
    return JSONResponse({"error": text}, status, {"cache-control": "no-store", **(headers or {})})


def _with_headers(app: ASGIApp) -> ASGIApp:
    """The application with our headers on every response, failures among them."""
    headers = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *headers]
            await send(message)

        await app(scope, receive, send_with_headers)

    return wrapped
