//! The lines of SDP that ICE needs (RFC 8839).
