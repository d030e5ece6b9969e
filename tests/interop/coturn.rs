//! A coturn of one's own.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{self, Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustls::pki_types::CertificateDer;

use crate::driver::connection::Trust;

pub(super) const USER: &str = "floe";
pub(super) const PASSWORD: &str = "a password";
pub(super) const REALM: &str = "floe.test";
pub(super) const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(super) const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// What coturn says of each address that it listens at: UDP and TCP, plain and secure, in any order.
const LISTENS: &str = "listener opened on";
const LISTENERS: usize = 4;
/// The shell that starts it ends it as soon as our end of the pipe is closed, be it because a test was killed.
const GUARD: &str = r#""$@" & server=$!; read -r _; kill "$server"; wait "$server""#;

static SERIAL: AtomicUsize = AtomicUsize::new(0);

/// A running server. Dropped, it ends.
pub(super) struct Coturn {
    child: Child,
    leash: Option<ChildStdin>,
    folder: Folder,
    /// For plain connections; the next one is for those with TLS.
    port: u16,
    options: Vec<String>,
    pub(super) trust: Arc<Trust>,
}

impl Coturn {
    /// Starts a server with one user and further `options`; `None` where coturn is not installed.
    pub(super) fn start(options: &[&str]) -> Option<Self> {
        let own = rcgen::generate_simple_self_signed([REALM, "127.0.0.1", "::1"].map(String::from)).unwrap();
        let certificate = (own.cert.pem(), own.signing_key.serialize_pem());
        Self::with_certificate(certificate, own.cert.der().clone(), options)
    }

    /// The same with a certificate (in PEM) and its key, and what clients are to trust.
    pub(super) fn with_certificate(
        (certificate, key): (String, String),
        trusted: CertificateDer<'static>,
        options: &[&str],
    ) -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let folder = Folder::new();
        fs::write(folder.0.join("certificate.pem"), certificate).unwrap();
        fs::write(folder.0.join("key.pem"), key).unwrap();
        let trust = Trust::new(vec![trusted]).unwrap();
        let options: Vec<_> = options.iter().map(ToString::to_string).collect();
        // Between the look and the server's own, another program may have taken the port.
        for _ in 0..5 {
            let port = free_ports();
            if let Some((child, leash)) = launch(&folder, port, &options) {
                return Some(Self { child, leash: Some(leash), folder, port, options, trust });
            }
        }
        panic!("coturn did not start");
    }

    /// Ends the server, which forgets every allocation, and starts it again at the same address.
    pub(super) fn restart(&mut self) {
        self.stop();
        let (child, leash) =
            launch(&self.folder, self.port, &self.options).expect("coturn did not start again");
        (self.child, self.leash) = (child, Some(leash));
    }

    pub(super) fn stop(&mut self) {
        drop(self.leash.take());
        self.child.wait().unwrap();
    }

    /// Where it takes plain UDP and TCP.
    pub(super) fn plain(&self, ip: IpAddr) -> SocketAddr {
        SocketAddr::new(ip, self.port)
    }

    /// Where it takes TLS and DTLS. It takes plain ones there as well.
    pub(super) fn secure(&self, ip: IpAddr) -> SocketAddr {
        SocketAddr::new(ip, self.port + 1)
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts coturn and waits until it listens; `None` if it ends before.
fn launch(folder: &Folder, port: u16, options: &[String]) -> Option<(Child, ChildStdin)> {
    let path = |name| folder.0.join(name).to_str().expect("a path of text").to_owned();
    let [certificate, key, database, pid] = ["certificate.pem", "key.pem", "database", "pid"].map(path);
    let (port, secure) = (port.to_string(), (port + 1).to_string());
    let credentials = format!("{USER}:{PASSWORD}");
    let mut child = Command::new("sh")
        .args(["-c", GUARD, "sh"])
        .args(["turnserver", "-n", "-v", "--log-file", "stdout", "--simple-log", "--no-cli", "-m", "1"])
        .args(addresses().flat_map(|ip| ["-L".into(), ip.to_string(), "-E".into(), ip.to_string()]))
        .args(["-p", &port, "--tls-listening-port", &secure, "--no-rfc5780"])
        .args(["--lt-cred-mech", "-u", &credentials, "-r", REALM])
        .args(["--cert", &certificate, "--pkey", &key, "--userdb", &database, "--pidfile", &pid])
        .args(["--allow-loopback-peers", "--no-multicast-peers"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let leash = child.stdin.take().unwrap();
    let mut log = BufReader::new(child.stdout.take().unwrap());
    let (mut line, mut listeners) = (String::new(), 0);
    while listeners < LISTENERS * addresses().count() {
        line.clear();
        let ended = log.read_line(&mut line).unwrap() == 0;
        listeners += line.matches(LISTENS).count();
        if ended {
            drop(leash);
            child.wait().unwrap();
            return None;
        }
    }
    // It would wait for somebody to read on.
    thread::spawn(move || log.read_to_end(&mut Vec::new()));
    Some((child, leash))
}

/// Two ports in a row that nobody uses, the first of them. Not among those that the system gives to whoever does not
/// care, and no pair twice, as other tests are starting servers.
fn free_ports() -> u16 {
    loop {
        let number = process::id() as usize * 64 + SERIAL.fetch_add(1, Ordering::Relaxed);
        let first = 10_000 + (number * 2 % 20_000) as u16;
        let free = |port: u16| {
            addresses().all(|ip| TcpListener::bind((ip, port)).is_ok() && UdpSocket::bind((ip, port)).is_ok())
        };
        if free(first) && free(first + 1) {
            return first;
        }
    }
}

/// Where servers listen: the loopback addresses of this machine, which may have none of IPv6.
pub(super) fn addresses() -> impl Iterator<Item = IpAddr> {
    [V4, V6].into_iter().filter(|ip| UdpSocket::bind((*ip, 0)).is_ok())
}

pub(super) fn has_ipv6() -> bool {
    let has_ipv6 = addresses().any(|ip| ip == V6);
    if !has_ipv6 {
        println!("skipped: this machine has no loopback address of IPv6");
    }
    has_ipv6
}

fn is_installed() -> bool {
    let present =
        Command::new("turnserver").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let present = present.is_ok();
    assert!(present || env::var_os("FLOE_REQUIRE_COTURN").is_none(), "coturn is not installed");
    if !present {
        println!("skipped: coturn (turnserver) is not installed");
    }
    present
}

/// A folder that is removed with everything in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("floe-coturn-{}-{}", process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
