//! What the bytes of a message say before they are judged: enough to find out whose it may be.

use super::attribute::AttributeType;
use super::header::{Class, HEADER_LEN, Header, TransactionId, class_and_method, is_stun};
use super::message::Attributes;

/// The header of what looks like a message, and a user name if it has one. Nothing else has been looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peek<'a> {
    pub(crate) class: Class,
    pub(crate) id: TransactionId,
    body: &'a [u8],
}

impl<'a> Peek<'a> {
    /// `None` for what is no message of STUN.
    pub(crate) fn at(datagram: &'a [u8]) -> Option<Self> {
        let (header, body) = datagram.split_first_chunk::<HEADER_LEN>()?;
        let header = Header::read(header);
        is_stun(datagram).then_some(Self { class: class_and_method(header.kind).0, id: header.id, body })
    }

    /// The user name where [`Message`](super::Message) would find one, as it stands there.
    pub(crate) fn username(&self) -> Option<&'a [u8]> {
        // What follows an integrity attribute does not count.
        let ends = |kind| {
            let seals = [AttributeType::MESSAGE_INTEGRITY, AttributeType::MESSAGE_INTEGRITY_SHA256];
            seals.contains(&kind) || kind == AttributeType::FINGERPRINT
        };
        Attributes::of(self.body)
            .take_while(|(kind, _)| !ends(*kind))
            .find(|(kind, _)| *kind == AttributeType::USERNAME)
            .map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::{Builder, Integrity, Key, Message, Method, Priority, Username};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn check() -> Vec<u8> {
        let mut out = Vec::new();
        Builder::request(&mut out, Method::BINDING, [7; 12].into())
            .attribute(&Priority(1))
            .attribute(&Username::new("evtj:h6vY").unwrap())
            .attribute(&Username::new("second:name").unwrap())
            .integrity(&Key::short_term(b"password"), Integrity::Sha1)
            .fingerprint();
        out
    }

    #[test]
    fn the_first_user_name_is_found_wherever_it_stands() {
        let check = check();
        let peek = Peek::at(&check).unwrap();
        assert_eq!((peek.class, peek.id), (Class::Request, [7; 12].into()));
        assert_eq!(peek.username(), Some(&b"evtj:h6vY"[..]));
    }

    #[test]
    fn a_user_name_behind_the_integrity_is_not_seen() {
        let mut out = Vec::new();
        let key = Key::short_term(b"password");
        Builder::request(&mut out, Method::BINDING, [7; 12].into()).integrity(&key, Integrity::Sha1);
        out.extend([0, 6, 0, 4, b'a', b':', b'b', b'c']);
        out[3] += 8;
        assert!(Message::parse(&out).is_ok());
        assert_eq!(Peek::at(&out).unwrap().username(), None);
    }

    proptest! {
        /// Whatever the bytes: where the parser sees a message and a user name, so does the glance.
        #[test]
        fn a_glance_agrees_with_the_parser(edits in prop::collection::vec((20_usize..100, any::<u8>()), 0..6)) {
            let mut bytes = check();
            for (at, byte) in edits {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            let peek = Peek::at(&bytes).unwrap();
            if let Ok(message) = Message::parse(&bytes) {
                prop_assert_eq!((peek.class, peek.id), (message.class(), message.transaction_id()));
                let name = message.attributes().find(|(kind, _)| *kind == AttributeType::USERNAME);
                prop_assert_eq!(peek.username(), name.map(|(_, value)| value));
            }
        }
    }
}
