//! Whom the connections of the examples believe.

use std::time::Instant;

use floe::stun::{Builder, Class, Message, Method, TransactionId, XorMappedAddress};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use super::coturn::{Coturn, REALM, V4, addresses};
use super::link::{Link, PATIENCE, Way};
use crate::driver::connection::Trust;

#[test]
fn servers_answer_over_every_transport_and_both_families() {
    let Some(server) = Coturn::start(&[]) else { return };
    for (way, ip) in Way::ALL.into_iter().flat_map(|way| addresses().map(move |ip| (way, ip))) {
        let link = Link::open_at(&server, way, ip).unwrap();
        let mut request = Vec::new();
        let id = TransactionId::from([way as u8; 12]);
        Builder::request(&mut request, Method::BINDING, id).fingerprint();
        link.connection.send(&request);
        let answer = link.receive(Instant::now() + PATIENCE).flatten().expect("an answer");
        let message = Message::parse(&answer).unwrap();
        assert_eq!((message.class(), message.transaction_id()), (Class::Success, id), "{way:?} {ip}");
        let mapped = message.get::<XorMappedAddress>().unwrap().unwrap().0;
        assert_eq!(mapped, link.local, "{way:?} {ip}");
    }
}

#[test]
fn a_server_is_taken_for_whom_its_certificate_names() {
    let Some(server) = Coturn::start(&[]) else { return };
    for way in [Way::Tls, Way::Dtls] {
        let connect =
            |name| Link::connect(server.secure(V4), way, &server.trust, name).err().map(|e| e.to_string());
        assert_eq!(connect(REALM), None, "{way:?}");
        assert_eq!(connect("127.0.0.1"), None, "{way:?}");
        for name in ["other.test", "127.0.0.2", "sub.floe.test"] {
            let refused = connect(name).expect("a certificate for somebody else");
            assert!(refused.contains("not valid for name"), "{way:?} {name}: {refused}");
        }
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    let Some(server) = Coturn::start(&[]) else { return };
    let other = rcgen::generate_simple_self_signed([REALM.to_owned()]).unwrap();
    for trust in [Trust::new(vec![other.cert.der().clone()]).unwrap(), Trust::new(Vec::new()).unwrap()] {
        for way in [Way::Tls, Way::Dtls] {
            let refused =
                Link::connect(server.secure(V4), way, &trust, REALM).err().expect("a stranger").to_string();
            assert!(refused.contains("certificate"), "{way:?}: {refused}");
        }
    }
}

/// As `openssl req -x509` makes them: an authority's certificate by its extensions, which a server shows as its own.
#[test]
fn a_named_certificate_is_trusted_even_if_it_is_an_authoritys() {
    let (mut parameters, key) = (parameters(), KeyPair::generate().unwrap());
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let own = parameters.self_signed(&key).unwrap();
    let files = (own.pem(), key.serialize_pem());
    let Some(server) = Coturn::with_certificate(files, own.der().clone(), &[]) else { return };
    for way in [Way::Tls, Way::Dtls] {
        let connect =
            |name| Link::connect(server.secure(V4), way, &server.trust, name).err().map(|e| e.to_string());
        assert_eq!(connect(REALM), None, "{way:?}");
        assert!(connect("other.test").is_some(), "{way:?}");
    }
}

#[test]
fn a_certificate_that_an_authority_signed_is_trusted_until_it_expires() {
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    for (year, valid) in [(2100, true), (2020, false)] {
        let (mut parameters, key) = (parameters(), KeyPair::generate().unwrap());
        parameters.not_after = date_time_ymd(year, 1, 1);
        let certificate = parameters.signed_by(&key, &authority).unwrap();
        let files = (certificate.pem(), key.serialize_pem());
        let Some(server) = Coturn::with_certificate(files, authority.der().clone(), &[]) else { return };
        for way in [Way::Tls, Way::Dtls] {
            let refused =
                Link::connect(server.secure(V4), way, &server.trust, REALM).err().map(|e| e.to_string());
            assert_eq!(refused.is_none(), valid, "{way:?}: {refused:?}");
        }
    }
}

fn parameters() -> CertificateParams {
    CertificateParams::new([REALM, "127.0.0.1"].map(String::from)).unwrap()
}
