"""The HTTP door: conversations as JSON, in text or sound, for programs on this machine or with a token.

Read `door` (the routes), `service` (what they do), `access` (who may) and `incoming` (what is refused) in this
order; `serving` puts it all on a socket.
"""

from dialogue.server.access import Gate, Token, Visitor, read_tokens
from dialogue.server.door import Door
from dialogue.server.ears import Ears, VoskEars
from dialogue.server.limits import Limits
from dialogue.server.service import Guarded, Said, Service
from dialogue.server.serving import gate_of, listening, need_guarded, serve, server_of

__all__ = [
    "Door",
    "Ears",
    "Gate",
    "Guarded",
    "Limits",
    "Said",
    "Service",
    "Token",
    "Visitor",
    "VoskEars",
    "gate_of",
    "listening",
    "need_guarded",
    "read_tokens",
    "serve",
    "server_of",
]
