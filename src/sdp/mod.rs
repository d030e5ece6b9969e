//! The lines of SDP that ICE needs (RFC 8839).
//!
//! [`Line::parse`] reads one line of a description and [`Line`] writes one; [`parse_candidate`] and [`CandidateLine`]
//! do that for a candidate alone, which is what WebRTC signals. [`Description`] reads and writes all lines of a session
//! description, and knows which of them count at which level.
//!
//! A line that does not parse is to be skipped, not the description that holds it: [`ParseErrorKind::is_unsupported`]
//! tells what merely speaks of something floe does not know from what is broken.
//!
//! ```
//! use floe::sdp::Line;
//!
//! for line in "m=audio 9 RTP/AVP 0\r\na=ice-ufrag:8hhY\r\na=end-of-candidates\r\n".lines() {
//!     match Line::parse(line)? {
//!         Some(Line::Ufrag(ufrag)) => assert_eq!(ufrag, "8hhY"),
//!         Some(Line::EndOfCandidates) => println!("that was the last one"),
//!         Some(_) => {}
//!         None => println!("{line} is not about ICE"),
//!     }
//! }
//! # Ok::<(), floe::sdp::ParseError>(())
//! ```

mod attributes;
mod candidate;
mod description;
mod destination;
mod error;
mod fields;

pub use attributes::{Line, Options, Password, RemoteCandidates};
pub use candidate::{CandidateLine, parse_candidate};
pub use description::{Description, DescriptionError, Media};
pub use destination::{DefaultFamily, default_candidate};
pub use error::{ParseError, ParseErrorKind};
