//! PASSWORD-ALGORITHMS and PASSWORD-ALGORITHM: how a key is made of a password (RFC 8489 sections 14.11 and 14.12).

use super::attribute::{Attribute, AttributeType};
use super::header::TransactionId;
use super::message::DecodeError;
use alloc::vec::Vec;

/// PASSWORD-ALGORITHM: the algorithm chosen, with its parameters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PasswordAlgorithm<'a> {
    number: u16,
    parameters: &'a [u8],
}

impl PasswordAlgorithm<'static> {
    /// The algorithm of [`Key::long_term_md5`](super::Key::long_term_md5).
    pub const MD5: Self = Self { number: 1, parameters: &[] };
    /// The algorithm of [`Key::long_term_sha256`](super::Key::long_term_sha256).
    pub const SHA256: Self = Self { number: 2, parameters: &[] };
}

impl<'a> PasswordAlgorithm<'a> {
    /// The number in the registry of RFC 8489 section 18.5.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.number
    }

    /// The parameters; empty for the two algorithms there are.
    #[must_use]
    pub const fn parameters(&self) -> &'a [u8] {
        self.parameters
    }

    /// Reads one entry with its padding, and what follows.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[n0, n1, l0, l1], rest) = bytes.split_first_chunk::<4>()?;
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        let parameters = rest.get(..len)?;
        // The last entry may leave its padding to that of the attribute.
        let rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((Self { number: u16::from_be_bytes([n0, n1]), parameters }, rest))
    }
}

impl<'a> Attribute<'a> for PasswordAlgorithm<'a> {
    const TYPE: AttributeType = AttributeType::PASSWORD_ALGORITHM;

    fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, DecodeError> {
        // rfc8489-14.12-1
        match Self::split(value) {
            Some((algorithm, [])) => Ok(algorithm),
            _ => Err(DecodeError::Value(Self::TYPE)),
        }
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&u16::try_from(self.parameters.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(self.parameters);
    }
}

/// PASSWORD-ALGORITHMS: the algorithms that a server understands, the one it likes best first.
///
/// The client echoes it unchanged, so that a list shortened on its way is found out (RFC 8489 section 9.2.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PasswordAlgorithms<'a>(&'a [u8]);

impl<'a> PasswordAlgorithms<'a> {
    /// The entries, in their order.
    pub fn iter(&self) -> impl Iterator<Item = PasswordAlgorithm<'a>> + use<'a> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let (algorithm, behind) = PasswordAlgorithm::split(rest)?;
            rest = behind;
            Some(algorithm)
        })
    }

    /// The value as received, from which [`decode`](Attribute::decode) makes the same list again.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> Attribute<'a> for PasswordAlgorithms<'a> {
    const TYPE: AttributeType = AttributeType::PASSWORD_ALGORITHMS;

    fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, DecodeError> {
        // rfc8489-14.11-1
        let mut rest = value;
        while !rest.is_empty() {
            (_, rest) = PasswordAlgorithm::split(rest).ok_or(DecodeError::Value(Self::TYPE))?;
        }
        Ok(Self(value))
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0);
    }
}
