"""The page's session: who asks, and a cookie in place of the token."""

import time

import msgspec
from aiohttp import web

from memsnap.web.access.guard import COOKIE, Caller, Guard
from memsnap.web.access.sessions import LASTS_S
from memsnap.web.access.tokens import find_token, token_of_header
from memsnap.web.api.parameters import Values
from memsnap.web.api.values import SessionState
from memsnap.web.errors import NoToken


class SessionHandlers:
    """The handlers."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def session(self, request: web.Request, _: Values) -> web.Response:
        """Say who asks."""
        return self._answer(self._guard.caller(request))

    async def start_session(self, request: web.Request, _: Values) -> web.Response:
        """Set a cookie for the token in the header; there is none to set without tokens."""
        caller = self._guard.caller(request)
        response = self._answer(caller)
        if not self._guard.tokens:
            return response
        token = find_token(
            token_of_header(request.headers.get("Authorization", "")), self._guard.tokens
        )
        if token is None:
            raise NoToken("a session starts with a token", hint="Authorization: Bearer TOKEN")
        response.set_cookie(
            COOKIE,
            self._guard.sessions.start(token, now_s=int(time.time())),
            max_age=LASTS_S,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=request.secure,
        )
        return response

    async def end_session(self, _request: web.Request, _: Values) -> web.Response:
        """Take the cookie away."""
        response = self._answer(Caller())
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        return response

    def _answer(self, caller: Caller) -> web.Response:
        state = SessionState(needed=bool(self._guard.tokens), scope=caller.scope, name=caller.name)
        return web.Response(
            body=msgspec.json.encode(state),
            content_type="application/json",
            headers={"Cache-Control": "no-store", "Vary": "Cookie, Authorization"},
        )
