//! What the RFCs leave open, as questions to the application.

use core::fmt::Debug;

use crate::net::Path;

/// Decisions that an application may want to take itself. Every question has an answer of its own, and whatever is
/// answered, the protocol holds.
///
/// ```
/// use std::sync::Arc;
/// use floe::{Config, Path, ice::Policy};
///
/// /// Takes no path into the guest network.
/// #[derive(Debug)]
/// struct Indoors;
///
/// impl Policy for Indoors {
///     fn accepts_nomination(&self, path: Path) -> bool {
///         !path.local().ip().to_string().starts_with("192.168.7.")
///     }
/// }
///
/// let config = Config::new().policy(Arc::new(Indoors));
/// # let _ = config;
/// ```
pub trait Policy: Debug + Send + Sync {
    /// Whether the controlled side accepts that the peer nominates the pair of this path. If not, the nominating check is
    /// answered with 400, and nothing else follows from it (RFC 8445 section 7.3.1.5). Yes, unless said otherwise.
    fn accepts_nomination(&self, path: Path) -> bool {
        let _ = path;
        true
    }
}

/// The default: floe's own answer to every question.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standard;

impl Policy for Standard {}
