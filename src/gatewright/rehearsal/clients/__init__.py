"""Real clients, in the vantages of a world: DNS, TCP, TLS, HTTP/1.1, HTTP/2, gRPC, WebSocket, UDP.

    Question ──► names (every resolver) ──► every address ──► connect, tls ──► http · streams ──► Observation

A try that fails is a value: `Failure`.  Whoever asks is `Clients` (`clients.asker`); nothing here knows what the model
would say.  Counterparts: `servers` and `gateways`, which answer; `compare`, which judges.
"""

from gatewright.rehearsal.clients.asker import Clients as Clients
