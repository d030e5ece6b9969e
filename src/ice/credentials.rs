//! The username fragment and password of a generation (RFC 8445 section 5.3).

use super::{UfragPrefix, is_ice_chars};
use crate::entropy::{Entropy, Purpose};
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use zeroize::Zeroizing;

/// The username fragment and password that one side uses until its next restart.
///
/// The password is wiped when dropped and not shown by `Debug`.
///
/// ```
/// use floe::ice::Credentials;
///
/// let peer = Credentials::new("8hhY", "asd88fgpdd777uzjYhagZg")?;
/// assert_eq!(peer.ufrag(), "8hhY");
/// assert_eq!(format!("{peer:?}"), "Credentials { ufrag: \"8hhY\", password: *** }");
/// # Ok::<(), floe::ice::CredentialsError>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Credentials {
    /// The fragment, and behind it the password.
    text: Zeroizing<Box<str>>,
    ufrag_len: u16,
}

impl Credentials {
    /// The longest username fragment that an agent may send (RFC 8839 section 5.4); it accepts up to 256 characters.
    pub const OWN_UFRAG_MAX: usize = 32;

    /// Credentials that were signalled, or of the application's making.
    ///
    /// Whoever makes their own owes RFC 8445 at least 24 bits of randomness in the fragment, 128 in the password.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`] unless the fragment has 4 to 256 and the password 22 to 256 ice-chars (letters, digits,
    /// `+`, `/`).
    pub fn new(ufrag: &str, password: &str) -> Result<Self, CredentialsError> {
        check_ufrag(ufrag)?;
        check_password(password)?;
        let mut text = String::with_capacity(ufrag.len().saturating_add(password.len()));
        text.push_str(ufrag);
        text.push_str(password);
        Ok(Self::of(text, ufrag.len()))
    }

    /// New credentials: a fragment of 48 random bits behind the prefix, and a password of 144.
    pub(crate) fn generate(entropy: &mut Entropy, prefix: UfragPrefix) -> Self {
        // rfc8445-5.3-1
        let ufrag_len = prefix.as_str().len().saturating_add(8);
        let mut text = String::with_capacity(ufrag_len.saturating_add(24));
        text.push_str(prefix.as_str());
        push_random_ice_chars::<8>(entropy, &mut text);
        push_random_ice_chars::<24>(entropy, &mut text);
        Self::of(text, ufrag_len)
    }

    /// `text` has no room beyond its length, which would keep a copy of the password when it is given back.
    fn of(text: String, ufrag_len: usize) -> Self {
        debug_assert_eq!(text.capacity(), text.len());
        let ufrag_len = u16::try_from(ufrag_len).unwrap_or(u16::MAX);
        Self { text: Zeroizing::new(text.into_boxed_str()), ufrag_len }
    }

    /// The username fragment.
    pub fn ufrag(&self) -> &str {
        self.text.get(..usize::from(self.ufrag_len)).unwrap_or_default()
    }

    /// The password, a secret between the two agents.
    pub fn password(&self) -> &str {
        self.text.get(usize::from(self.ufrag_len)..).unwrap_or_default()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = format_args!("***");
        f.debug_struct("Credentials").field("ufrag", &self.ufrag()).field("password", &hidden).finish()
    }
}

/// Why credentials are refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The length of the username fragment.
    #[error("a username fragment has 4 to 256 characters")]
    UfragLength,
    /// A character of the username fragment.
    #[error("a username fragment has letters, digits, + and / only")]
    UfragCharacter,
    /// The length of the password.
    #[error("a password has 22 to 256 characters")]
    PasswordLength,
    /// A character of the password.
    #[error("a password has letters, digits, + and / only")]
    PasswordCharacter,
}

/// Whether `ufrag` may be a username fragment.
pub(crate) fn check_ufrag(ufrag: &str) -> Result<(), CredentialsError> {
    // rfc8839-5.4-1
    if !(4..=256).contains(&ufrag.len()) {
        return Err(CredentialsError::UfragLength);
    }
    if !is_ice_chars(ufrag) {
        return Err(CredentialsError::UfragCharacter);
    }
    Ok(())
}

/// Whether `password` may be a password.
pub(crate) fn check_password(password: &str) -> Result<(), CredentialsError> {
    // rfc8839-5.4-1
    if !(22..=256).contains(&password.len()) {
        return Err(CredentialsError::PasswordLength);
    }
    if !is_ice_chars(password) {
        return Err(CredentialsError::PasswordCharacter);
    }
    Ok(())
}

/// Appends `N` characters, each uniform over the 64 ice-chars: six of the eight bits of a random byte, so without bias.
fn push_random_ice_chars<const N: usize>(entropy: &mut Entropy, text: &mut String) {
    let bytes = Zeroizing::new(entropy.bytes::<N>(Purpose::Credentials));
    text.extend(bytes.iter().map(|byte| ice_char(byte & 0x3f)));
}

/// The ice-char of a number below 64.
pub(super) const fn ice_char(six_bits: u8) -> char {
    let byte = match six_bits {
        0..26 => b'A' + six_bits,
        26..52 => b'a' + (six_bits - 26),
        52..62 => b'0' + (six_bits - 52),
        62 => b'+',
        _ => b'/',
    };
    byte as char
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Seed;
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::string::ToString;

    fn generated(count: u64) -> impl Iterator<Item = Credentials> {
        let mut entropy = Entropy::new(Seed::from([5; 32]));
        (0..count).map(move |_| Credentials::generate(&mut entropy, UfragPrefix::default()))
    }

    /// Proves: rfc8839-5.4-1
    #[test]
    fn both_lengths_are_checked_each_on_its_own() {
        let text = "a".repeat(257);
        let ufrag = |length: usize| Credentials::new(&text[..length], &text[..22]).map(drop);
        let password = |length: usize| Credentials::new(&text[..4], &text[..length]).map(drop);
        let short = Err(CredentialsError::UfragLength);
        assert_eq!([0, 3, 4, 256, 257].map(ufrag), [short, short, Ok(()), Ok(()), short]);
        let short = Err(CredentialsError::PasswordLength);
        assert_eq!([0, 21, 22, 256, 257].map(password), [short, short, Ok(()), Ok(()), short]);
        assert_eq!(Credentials::new("ab:d", &text[..22]), Err(CredentialsError::UfragCharacter));
        assert_eq!(
            Credentials::new("abcd", &format!("{}-", &text[..22])),
            Err(CredentialsError::PasswordCharacter)
        );
    }

    /// Proves: rfc8445-5.3-1, rfc8839-5.4-4
    #[test]
    fn generated_credentials_are_legal_long_enough_and_new_each_time() {
        let mut seen = BTreeMap::new();
        for credentials in generated(1000) {
            let (ufrag, password) = (credentials.ufrag(), credentials.password());
            assert_eq!((ufrag.len() * 6, password.len() * 6), (48, 144), "bits of randomness");
            assert!(ufrag.len() <= Credentials::OWN_UFRAG_MAX);
            assert_eq!(Credentials::new(ufrag, password).as_ref(), Ok(&credentials));
            assert_eq!(seen.insert(password.to_string(), ()), None);
            assert_eq!(seen.insert(ufrag.to_string(), ()), None);
        }
    }

    /// Proves: rfc8445-5.3-1
    #[test]
    fn generated_characters_are_uniform_over_the_sixty_four_ice_chars() {
        let mut counts = BTreeMap::new();
        for credentials in generated(4000) {
            for character in credentials.ufrag().chars().chain(credentials.password().chars()) {
                *counts.entry(character).or_insert(0_u32) += 1;
            }
        }
        assert_eq!(counts.len(), 64);
        // 128,000 draws, 2,000 each expected, standard deviation 44: chi-squared of 63 degrees, beyond 120 once in 10^5.
        let chi_squared: f64 =
            counts.values().map(|count| (f64::from(*count) - 2000.0).powi(2) / 2000.0).sum();
        assert!(chi_squared < 120.0, "{chi_squared}");
    }

    #[test]
    fn a_seed_gives_the_same_credentials_again() {
        assert!(generated(20).eq(generated(20)));
    }

    #[test]
    fn a_password_does_not_show_itself() {
        let credentials = generated(1).next().unwrap();
        assert!(!format!("{credentials:?}").contains(credentials.password()));
    }
}
