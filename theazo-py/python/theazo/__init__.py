"""Theazo: isolated agent sessions for your users, spend limits that hold, and streams that resume.

    from theazo import Theazo

    with Theazo.embedded() as theazo:
        session = theazo.sessions.for_user("user_123")
        print(session.run("researcher", "analyze competitor pricing").output)

`AsyncTheazo` is the same for asyncio. `theazo.types` has the types, `theazo.errors` the exceptions and `theazo.testing`
a control plane for tests.
"""

from theazo._async import AsyncAgent, AsyncFleet, AsyncRun, AsyncSession, AsyncTeam
from theazo._client import AsyncTheazo, Theazo
from theazo._core import (
    AsyncEventStream,
    AsyncPage,
    AsyncPager,
    CallOptions,
    CallOptionsOfRun,
    CallOptionsWithoutHeaders,
    EventStream,
    Page,
)
from theazo._native import __version__
from theazo._sync import Agent, Fleet, Run, Session, Team
from theazo.errors import (
    AuthenticationError,
    CallTimeoutError,
    ConfigurationError,
    ConflictError,
    ConnectionFailedError,
    InvalidRequestError,
    LimitExceededError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    TheazoError,
)
from theazo.types import Cost, CostLimit, SessionLimits

__all__ = [
    "Agent",
    "AsyncAgent",
    "AsyncEventStream",
    "AsyncFleet",
    "AsyncPage",
    "AsyncPager",
    "AsyncRun",
    "AsyncSession",
    "AsyncTeam",
    "AsyncTheazo",
    "AuthenticationError",
    "CallOptions",
    "CallOptionsOfRun",
    "CallOptionsWithoutHeaders",
    "CallTimeoutError",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "Cost",
    "CostLimit",
    "EventStream",
    "Fleet",
    "InvalidRequestError",
    "LimitExceededError",
    "NotFoundError",
    "Page",
    "PermissionDeniedError",
    "RateLimitedError",
    "Run",
    "ServerError",
    "Session",
    "SessionLimits",
    "Team",
    "Theazo",
    "TheazoError",
    "__version__",
]
