//! What somebody on the way to the server sees.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::client::{Client, config};
use super::coturn::{Coturn, USER, V4};
use super::link::{Link, Way};

/// What every STUN message has in its header.
const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

#[test]
fn within_tls_nothing_but_tls_is_seen() {
    let Some(server) = Coturn::start(&[]) else { return };
    let seen = overheard(&server, Way::Tls);
    // A handshake record of TLS.
    assert_eq!(seen[0][..2], [0x16, 0x03]);
    assert_secret(&seen);
}

#[test]
fn within_dtls_nothing_but_dtls_is_seen() {
    let Some(server) = Coturn::start(&[]) else { return };
    let seen = overheard(&server, Way::Dtls);
    // A handshake record of DTLS, and records of DTLS ever after (RFC 7983).
    assert_eq!(seen[0][..2], [0x16, 0xFE]);
    assert!(seen.iter().all(|datagram| (20..=63).contains(&datagram[0])), "{seen:02x?}");
    assert_secret(&seen);
}

/// That the listener would see it otherwise: the control of both.
#[test]
fn without_tls_all_is_seen() {
    let Some(server) = Coturn::start(&[]) else { return };
    for way in [Way::Tcp, Way::Udp] {
        let seen = overheard(&server, way).concat();
        assert!(contains(&seen, &COOKIE) && contains(&seen, USER.as_bytes()), "{way:?}");
    }
}

fn assert_secret(seen: &[Vec<u8>]) {
    let seen = seen.concat();
    for secret in [&COOKIE[..], USER.as_bytes()] {
        assert!(!contains(&seen, secret), "{secret:02x?} is readable");
    }
}

fn contains(seen: &[u8], text: &[u8]) -> bool {
    seen.windows(text.len()).any(|window| window == text)
}

/// Makes an allocation through a listener; what the client has sent, in pieces as they came.
fn overheard(server: &Coturn, way: Way) -> Vec<Vec<u8>> {
    let to = way.address_of(server, V4);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let listener = match way {
        Way::Tcp | Way::Tls => tcp_listener(to, Arc::clone(&seen)),
        Way::Udp | Way::Dtls => udp_listener(to, Arc::clone(&seen)),
    };
    let link = Link::connect(listener, way, &server.trust, &V4.to_string()).unwrap();
    Client::on(link, way, listener, config(V4)).allocate();
    let seen = seen.lock().unwrap();
    seen.clone()
}

type Seen = Arc<Mutex<Vec<Vec<u8>>>>;

/// Carries one connection to `server`; returns where it listens.
fn tcp_listener(server: SocketAddr, seen: Seen) -> SocketAddr {
    let listener = TcpListener::bind((V4, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let client = listener.accept().unwrap().0;
        let server = TcpStream::connect(server).unwrap();
        let (client_reader, server_writer) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || {
            carry(client_reader, server_writer, |bytes| seen.lock().unwrap().push(bytes.to_vec()))
        });
        carry(server, client, |_| {});
    });
    address
}

fn carry(mut from: TcpStream, mut to: TcpStream, look: impl Fn(&[u8])) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        look(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Both));
}

/// Carries the datagrams of one client to `server` and back; returns where it listens.
fn udp_listener(server: SocketAddr, seen: Seen) -> SocketAddr {
    let (inside, outside) = (UdpSocket::bind((V4, 0)).unwrap(), UdpSocket::bind((V4, 0)).unwrap());
    outside.connect(server).unwrap();
    let address = inside.local_addr().unwrap();
    for socket in [&inside, &outside] {
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    }
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        let (length, client) = inside.recv_from(&mut buffer).unwrap();
        let (back, answers) = (inside.try_clone().unwrap(), outside.try_clone().unwrap());
        thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok(length) = answers.recv(&mut buffer) {
                back.send_to(&buffer[..length], client).unwrap();
            }
        });
        let mut datagram = buffer[..length].to_vec();
        loop {
            seen.lock().unwrap().push(datagram.clone());
            outside.send(&datagram).unwrap();
            let Ok(length) = inside.recv(&mut buffer) else { return };
            datagram = buffer[..length].to_vec();
        }
    });
    address
}
