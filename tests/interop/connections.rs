//! Connections as such: their queue, their end.

use std::io::{ErrorKind, Read};
use std::net::{TcpListener, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use floe::ice::Role;
use floe::{Agent, Config, Security, Seed, Server, Transport};

use super::coturn::{PASSWORD, REALM, USER, V4};
use super::link::{Link, PATIENCE, Way};
use crate::driver::connection::Trust;
use crate::driver::{Driver, Happening};

#[test]
fn what_was_sent_before_a_connection_is_dropped_arrives() {
    let listener = TcpListener::bind((V4, 0)).unwrap();
    let trust = Trust::new(Vec::new()).unwrap();
    let link = Link::connect(listener.local_addr().unwrap(), Way::Tcp, &trust, REALM).unwrap();
    let mut server = listener.accept().unwrap().0;
    for number in 0..50 {
        link.connection.send(&[number; 100]);
    }
    drop(link);
    let mut arrived = Vec::new();
    server.read_to_end(&mut arrived).unwrap();
    let sent: Vec<u8> = (0..50).flat_map(|number| [number; 100]).collect();
    assert_eq!(arrived, sent);
}

/// A program may end as soon as its driver has taken leave, and its threads with it.
#[test]
fn what_an_agent_has_said_has_left_when_its_driver_has_taken_leave() {
    let listener = TcpListener::bind((V4, 0)).unwrap();
    let agent = Agent::new(Config::new().loopback(true), Role::Controlling, Seed::from_os());
    let mut driver: Driver<()> = Driver::new(agent, Instant::now());
    let stream = driver.agent.add_stream(1).unwrap();
    let server = Server::turn(listener.local_addr().unwrap(), USER, PASSWORD);
    driver.agent.add_server(driver.now(), server.over(Transport::Tcp, Security::Plain)).unwrap();
    driver.open(stream.component(1), V4).unwrap();
    let mailbox = driver.mailbox();
    let server = thread::spawn(move || {
        let mut server = listener.accept().unwrap().0;
        // An Allocate: the connection is in use.
        server.read_exact(&mut [0; 20]).unwrap();
        mailbox.send(());
        server
    });
    while !matches!(driver.next(), Happening::Message(())) {}
    driver.close();
    let mut server = server.join().unwrap();
    server.set_nonblocking(true).unwrap();
    // To the end, and without waiting for it.
    server.read_to_end(&mut Vec::new()).unwrap();
}

/// It holds up nobody, either.
#[test]
fn a_server_that_does_not_read_misses_whole_frames() {
    const FRAMES: u16 = 20_000;
    let listener = TcpListener::bind((V4, 0)).unwrap();
    let trust = Trust::new(Vec::new()).unwrap();
    let link = Link::connect(listener.local_addr().unwrap(), Way::Tcp, &trust, REALM).unwrap();
    let mut server = listener.accept().unwrap().0;
    let started = Instant::now();
    for number in 0..FRAMES {
        link.connection.send(&number.to_be_bytes().repeat(600));
    }
    assert!(started.elapsed() < Duration::from_secs(1), "took {:?}", started.elapsed());
    drop(link);
    let mut arrived = Vec::new();
    server.read_to_end(&mut arrived).unwrap();
    assert!(arrived.len() < usize::from(FRAMES) * 1200, "nothing was dropped: the test shows nothing");
    for frame in arrived.chunks(1200) {
        let (number, _) = frame.split_at(2);
        assert_eq!(frame, number.repeat(600));
    }
}

#[test]
fn a_port_where_nobody_listens_is_noticed_at_once() {
    // Closed again before anybody connects.
    let tcp = TcpListener::bind((V4, 0)).unwrap().local_addr().unwrap();
    let udp = UdpSocket::bind((V4, 0)).unwrap().local_addr().unwrap();
    let trust = Trust::new(Vec::new()).unwrap();
    for (way, remote) in [(Way::Tcp, tcp), (Way::Tls, tcp), (Way::Dtls, udp)] {
        let started = Instant::now();
        let error = Link::connect(remote, way, &trust, REALM).err().expect("nobody");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{way:?}");
        assert!(started.elapsed() < PATIENCE / 4, "{way:?}");
    }
}

#[test]
fn connections_that_nobody_answers_are_given_up_in_time() {
    let trust = Trust::new(Vec::new()).unwrap();
    // Accepts in the backlog and says nothing; takes datagrams and says nothing.
    let (tcp, udp) = (TcpListener::bind((V4, 0)).unwrap(), UdpSocket::bind((V4, 0)).unwrap());
    for (way, remote) in [(Way::Tls, tcp.local_addr().unwrap()), (Way::Dtls, udp.local_addr().unwrap())] {
        // Not to be told in time is a panic there.
        assert!(
            Link::connect_within(Duration::from_millis(300), remote, way, &trust, REALM).is_err(),
            "{way:?}"
        );
    }
}
