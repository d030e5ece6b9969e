//! FINGERPRINT: tells STUN from whatever else comes in on a port (RFC 8489 section 14.7). It is no protection.

/// Whether a message ends in a FINGERPRINT.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a check passes, fails, or has nothing to look at")]
pub enum Fingerprint {
    /// It does not.
    Absent,
    /// It does, with a checksum of something else.
    Wrong,
    /// It does, and the checksum is right.
    Valid,
}

/// The value for a message of which `covered` is all before the attribute, with a length field that counts it.
pub(super) fn value(covered: &[u8]) -> [u8; LEN] {
    (crc32fast::hash(covered) ^ MASK).to_be_bytes()
}

/// Length of the value.
pub(super) const LEN: usize = 4;

/// "STUN" in ASCII: keeps the checksum apart from one that the application makes over the same bytes.
const MASK: u32 = 0x5354_554e;
