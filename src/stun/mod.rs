//! STUN (RFC 8489): messages, integrity, transactions. Usable alone.
