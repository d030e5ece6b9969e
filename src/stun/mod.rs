//! STUN (RFC 8489): messages, integrity, transactions. Usable alone.
//!
//! * [`Message`] reads, [`Builder`] writes; attributes have types ([`XorMappedAddress`], [`Username`], ..), and
//!   [`Attribute`] makes more of them.
//! * [`Message::verify`] turns what anybody may have sent into a [`Verified`] message. [`authenticate`] is the
//!   server's side of short-term credentials, [`verify_response`] and [`ShortTerm`] are the client's; [`LongTerm`] is
//!   the client's side of long-term ones.
//! * [`Transactions`] says when to send a request again and when to give up. It has no socket and no clock.
//! * [`Kind`] and [`is_stun`] tell STUN from what else comes in on a socket (RFC 7983).
//!
//! Nothing here allocates to read a message, and nothing a peer sends makes it panic.
//!
//! # A client
//!
//! Asks a server by which address it is seen, through any socket that can wait with a timeout. A response counts if
//! it comes from where the request went, bears the id of a transaction that is still open, and understands itself.
//!
//! ```
//! use core::net::SocketAddr;
//! use floe::stun::{
//!     AttributeType, Builder, Class, Due, Message, Method, Rto, TransactionId, Transactions, XorMappedAddress,
//! };
//! use floe::{Path, Timestamp};
//!
//! struct Client {
//!     transactions: Transactions<()>,
//! }
//!
//! impl Client {
//!     /// Returns the request to send at once. `id` is drawn from a cryptographic generator.
//!     fn ask(&mut self, now: Timestamp, path: Path, id: TransactionId) -> Vec<u8> {
//!         let mut request = Vec::new();
//!         Builder::request(&mut request, Method::BINDING, id).fingerprint();
//!         self.transactions.start(now, id, path, request.clone().into(), Rto::default(), ());
//!         request
//!     }
//!
//!     /// Returns the answer, if `datagram` is one.
//!     fn handle_datagram(&mut self, now: Timestamp, path: Path, datagram: &[u8]) -> Option<SocketAddr> {
//!         let message = Message::parse(datagram).ok()?;
//!         if !matches!(message.class(), Class::Success | Class::Error) {
//!             return None;
//!         }
//!         let id = message.transaction_id();
//!         if self.transactions.get(id)?.path() != path {
//!             return None;
//!         }
//!         self.transactions.finish(now, id)?;
//!         // Refused, or answered in a way that cannot be understood: the transaction has failed.
//!         let known = [AttributeType::MAPPED_ADDRESS, AttributeType::XOR_MAPPED_ADDRESS];
//!         let understood = message.unknown_required(|kind| known.contains(&kind)).next().is_none();
//!         if message.class() == Class::Error || !understood {
//!             return None;
//!         }
//!         message.get::<XorMappedAddress>()?.ok().map(|mapped| mapped.0)
//!     }
//!
//!     /// Sends again, or gives up. The socket waits until `self.transactions.deadline()`.
//!     fn handle_timeout(&mut self, now: Timestamp, mut send: impl FnMut(Path, &[u8])) {
//!         while let Some(due) = self.transactions.next_due(now) {
//!             match due {
//!                 Due::Retransmit { path, payload, .. } => send(path, &payload),
//!                 Due::Expired { reason, .. } => println!("the server is out of reach: {reason}"),
//!             }
//!         }
//!     }
//! }
//!
//! let path = Path::udp("192.0.2.1:4000".parse()?, "198.51.100.1:3478".parse()?);
//! let mut client = Client { transactions: Transactions::new() };
//! let request = client.ask(Timestamp::ZERO, path, TransactionId::from([7; 12]));
//!
//! // Half a second later nothing has come back: once more.
//! let mut sent = Vec::new();
//! client.handle_timeout(Timestamp::from_millis(500), |_, payload| sent.push(payload.to_vec()));
//! assert_eq!(sent, [request]);
//!
//! let mut response = Vec::new();
//! Builder::success(&mut response, Method::BINDING, TransactionId::from([7; 12]))
//!     .attribute(&XorMappedAddress("203.0.113.9:50000".parse()?))
//!     .fingerprint();
//! let answer = client.handle_datagram(Timestamp::from_millis(540), path, &response);
//! assert_eq!(answer, Some("203.0.113.9:50000".parse()?));
//! assert_eq!(client.transactions.deadline(), None);
//! # Ok::<(), core::net::AddrParseError>(())
//! ```
//!
//! # A server
//!
//! Answers Binding requests of users with short-term credentials. The order matters: first who asks, then what is
//! asked (RFC 8489 section 6.3), and what cannot be read is not answered at all.
//!
//! ```
//! use core::net::SocketAddr;
//! use floe::stun::{
//!     AttributeType, Builder, Class, ErrorCode, Fingerprint, Integrity, Key, Message, Method, TransactionId,
//!     UnknownAttributes, Username, XorMappedAddress, authenticate,
//! };
//!
//! /// Returns what to send back to `source`, from the socket that the datagram came in on.
//! fn answer(datagram: &[u8], source: SocketAddr, user: &str, key: &Key) -> Option<Vec<u8>> {
//!     let message = Message::parse(datagram).ok()?;
//!     if message.class() != Class::Request || message.method() != Method::BINDING {
//!         return None; // indications are not answered, and nobody was asked anything
//!     }
//!     if message.fingerprint() == Fingerprint::Wrong {
//!         return None;
//!     }
//!     let (method, id) = (message.method(), message.transaction_id());
//!     let mut out = Vec::new();
//!     let (request, key) = match authenticate(&message, |name| (name == user.as_bytes()).then_some(key)) {
//!         Ok(authenticated) => authenticated,
//!         Err(reason) => {
//!             Builder::error(&mut out, method, id, &reason.error_code()).fingerprint();
//!             return Some(out);
//!         }
//!     };
//!     let unknown: UnknownAttributes =
//!         request.unknown_required(|kind| kind == AttributeType::USERNAME).collect();
//!     let response = if unknown.is_empty() {
//!         Builder::success(&mut out, method, id).attribute(&XorMappedAddress(source))
//!     } else {
//!         Builder::error(&mut out, method, id, &ErrorCode::UNKNOWN_ATTRIBUTE).attribute(&unknown)
//!     };
//!     response.integrity(key, request.integrity()).fingerprint();
//!     Some(out)
//! }
//!
//! let key = Key::short_term(b"VOkJxbRl1RmTxUk/WvJxBt");
//! let mut request = Vec::new();
//! Builder::request(&mut request, Method::BINDING, TransactionId::from([7; 12]))
//!     .attribute(&Username::new("alice")?)
//!     .integrity(&key, Integrity::Sha1)
//!     .fingerprint();
//!
//! let source = "203.0.113.9:50000".parse()?;
//! let response = answer(&request, source, "alice", &key).unwrap();
//! let response = Message::parse(&response)?.verify(&key)?;
//! assert_eq!(response.get::<XorMappedAddress>(), Some(Ok(XorMappedAddress(source))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub(crate) mod address;
pub(crate) mod attribute;
mod auth;
mod builder;
mod challenge;
mod error_code;
mod fingerprint;
pub(crate) mod header;
mod hmac;
mod integrity;
mod long_term;
mod message;
mod oauth;
mod password_algorithm;
mod peek;
mod rto;
mod signer;
pub(crate) mod text;
mod transaction;

pub use address::{AlternateServer, MappedAddress, XorMappedAddress};
pub use attribute::{
    Attribute, AttributeType, EncodeError, IceControlled, IceControlling, Priority, Unit, UseCandidate,
};
pub use auth::{Sent, ShortTerm, Unauthenticated, authenticate, verify_response};
pub use builder::{Builder, Sealed};
pub use error_code::{ErrorCode, UnknownAttributes};
pub use fingerprint::Fingerprint;
pub use header::{Class, Kind, Method, TransactionId, is_stun};
pub use integrity::{Integrity, IntegrityError, Key, Verified, opaque_string, userhash};
pub use long_term::{Discarded, LongTerm, Refusal, Sealing, Verdict};
pub use message::{DecodeError, Message};
pub use oauth::{AccessToken, ThirdPartyAuthorization, Token};
pub use password_algorithm::{PasswordAlgorithm, PasswordAlgorithms};
pub(crate) use peek::Peek;
pub use rto::{Rto, RttCache, RttEstimate};
pub use text::{AlternateDomain, Nonce, Realm, SecurityFeatures, Software, Userhash, Username};
pub use transaction::{Due, Failure, Finished, Transaction, Transactions};
