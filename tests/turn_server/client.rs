//! A client that says what it is told to, and the server it speaks to.

use core::net::SocketAddr;
use core::time::Duration;

use floe::sim::{Mechanism, Node, Output, TurnServer};
use floe::stun::{
    Attribute, AttributeType, Builder, Class, ErrorCode, Integrity, Key, Message, Method, Nonce,
    PasswordAlgorithm, Realm, TransactionId, Userhash, Username, userhash,
};
use floe::turn::{RequestedTransport, XorPeerAddress, XorRelayedAddress};
use floe::{Path, Timestamp};

pub const CLIENT: &str = "203.0.113.9:50000";
pub const PEER: &str = "192.0.2.77:6000";
pub const REALM: &str = "example.org";

pub fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A server with a user, on one address of each family.
pub fn server() -> TurnServer {
    TurnServer::new(REALM)
        .user("alice", "secret")
        .user("bob", "hidden")
        .at(&[socket("198.51.100.1:3478"), socket("[2001:db8::1]:3478")])
}

/// One client, and its server.
pub struct Dialogue {
    pub server: TurnServer,
    pub now: Timestamp,
    pub path: Path,
    pub username: &'static str,
    pub password: &'static str,
    pub mechanism: Mechanism,
    pub nonce: Vec<u8>,
    serial: u64,
}

/// An answer, owned.
pub struct Answer {
    pub bytes: Vec<u8>,
    pub from: SocketAddr,
}

impl Answer {
    pub fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).expect("an answer is a STUN message")
    }

    /// The error code, or `None` for a success.
    pub fn code(&self) -> Option<u16> {
        let message = self.message();
        match message.class() {
            Class::Success => None,
            _ => Some(message.get::<ErrorCode<'_>>().unwrap().unwrap().code()),
        }
    }

    pub fn get<'a, A: Attribute<'a>>(&'a self) -> Option<A> {
        self.message().get::<A>().map(Result::unwrap)
    }

    pub fn relayed(&self) -> Vec<SocketAddr> {
        self.message().all::<XorRelayedAddress>().map(|relayed| relayed.unwrap().0).collect()
    }
}

impl Dialogue {
    /// Speaks with `server`, which wants credentials of this kind.
    pub fn new(server: TurnServer, mechanism: Mechanism) -> Self {
        let path = Path::udp(socket("198.51.100.1:3478"), socket(CLIENT));
        Self {
            server: server.mechanism(mechanism),
            now: Timestamp::ZERO,
            path,
            username: "alice",
            password: "secret",
            mechanism,
            nonce: Vec::new(),
            serial: 0,
        }
    }

    /// Has spoken with `server` of the old kind, and has an allocation.
    pub fn allocated(server: TurnServer) -> Self {
        let mut dialogue = Self::challenged(server);
        assert_eq!(dialogue.allocate(|builder| builder).code(), None);
        dialogue
    }

    /// Has spoken with `server` of the old kind, and has a nonce.
    pub fn challenged(server: TurnServer) -> Self {
        let mut dialogue = Self::new(server, Mechanism::Rfc5389);
        dialogue.take_challenge();
        dialogue
    }

    pub fn take_challenge(&mut self) {
        let challenge = self.bare(Method::ALLOCATE).expect("a challenge");
        assert_eq!(challenge.code(), Some(401));
        self.nonce = challenge.get::<Nonce<'_>>().unwrap().as_bytes().to_vec();
    }

    pub fn id(&mut self) -> TransactionId {
        self.serial += 1;
        let mut id = [0; 12];
        id[4..].copy_from_slice(&self.serial.to_be_bytes());
        TransactionId::from(id)
    }

    pub fn key(&self) -> Key {
        let (username, password) = (self.username.as_bytes(), self.password.as_bytes());
        match self.mechanism {
            Mechanism::Sha256 | Mechanism::Anonymous => {
                Key::long_term_sha256(username, REALM.as_bytes(), password)
            }
            _ => Key::long_term_md5(username, REALM.as_bytes(), password),
        }
    }

    /// A request without credentials.
    pub fn bare(&mut self, method: Method) -> Option<Answer> {
        let mut out = Vec::new();
        Builder::request(&mut out, method, self.id()).attribute(&RequestedTransport::UDP).fingerprint();
        self.exchange(&out)
    }

    /// A request with credentials, as bytes.
    pub fn request(&mut self, method: Method, content: impl FnOnce(Builder<'_>) -> Builder<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        let builder = content(Builder::request(&mut out, method, self.id()));
        let builder = match self.mechanism {
            Mechanism::Anonymous => {
                let hash: Userhash = userhash(self.username.as_bytes(), REALM.as_bytes());
                builder.attribute(&hash)
            }
            _ => builder.attribute(&Username::new(self.username).unwrap()),
        };
        let builder = builder.attribute(&Realm::new(REALM).unwrap()).raw(AttributeType::NONCE, &self.nonce);
        let (key, algorithms) = (self.key(), AttributeType::PASSWORD_ALGORITHMS);
        match self.mechanism {
            Mechanism::Sha256 | Mechanism::Anonymous => builder
                .raw(algorithms, &[0, 2, 0, 0, 0, 1, 0, 0])
                .attribute(&PasswordAlgorithm::SHA256)
                .integrity(&key, Integrity::Sha256)
                .fingerprint(),
            Mechanism::Md5 => builder
                .raw(algorithms, &[0, 1, 0, 0])
                .attribute(&PasswordAlgorithm::MD5)
                .integrity(&key, Integrity::Sha256)
                .fingerprint(),
            // What a client sends that does not know how old the server is.
            _ => builder.both_integrities(&key).fingerprint(),
        }
        out
    }

    /// Sends a request with credentials and takes the answer, which is authentic.
    pub fn ask(&mut self, method: Method, content: impl FnOnce(Builder<'_>) -> Builder<'_>) -> Answer {
        let request = self.request(method, content);
        let answer = self.exchange(&request).expect("an answer");
        if !matches!(answer.code(), Some(400 | 401)) {
            assert!(answer.message().verify(&self.key()).is_ok(), "{:?}", answer.message());
        }
        answer
    }

    pub fn allocate(&mut self, content: impl FnOnce(Builder<'_>) -> Builder<'_>) -> Answer {
        self.ask(Method::ALLOCATE, |builder| content(builder.attribute(&RequestedTransport::UDP)))
    }

    pub fn permit(&mut self, peer: &str) -> Answer {
        self.ask(Method::CREATE_PERMISSION, |builder| builder.attribute(&XorPeerAddress(socket(peer))))
    }

    /// Hands the server a datagram and takes the next thing that it sends.
    pub fn exchange(&mut self, datagram: &[u8]) -> Option<Answer> {
        self.server.handle_datagram(self.now, self.path, datagram);
        self.next()
    }

    /// The next thing that the server sends to the client, now.
    pub fn next(&mut self) -> Option<Answer> {
        match self.server.poll_output()? {
            Output::Transmit(path, bytes) => {
                assert_eq!(path.remote(), self.path.remote());
                Some(Answer { bytes: bytes.to_vec(), from: path.local() })
            }
            other => panic!("{other:?}"),
        }
    }

    /// The next thing that the server sends to a peer, now.
    pub fn next_to_peer(&mut self) -> Option<(Path, Vec<u8>)> {
        match self.server.poll_output()? {
            Output::Transmit(path, bytes) => Some((path, bytes.to_vec())),
            other => panic!("{other:?}"),
        }
    }

    /// Lets time pass, as a world would.
    pub fn pass(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(at) = self.server.deadline().filter(|at| *at <= until) {
            self.server.handle_timeout(at);
            assert!(
                self.server.deadline().is_none_or(|next| next > at) || self.server.poll_output().is_some()
            );
        }
        self.server.handle_timeout(until);
        self.now = until;
    }
}
