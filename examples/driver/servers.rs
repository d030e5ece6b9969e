//! Servers, as command lines and configuration files name them.

use std::error::Error;
use std::net::ToSocketAddrs;

use floe::Server;
use floe::turn::uri::{Host, Scheme, Uri};
use lexopt::Parser;

/// The lines of a help text that say what [`Named`] understands.
pub(crate) const USAGE: &str = "\
  --stun HOST:PORT   a STUN server, which tells how this machine looks from outside
  --turn URI         a TURN server, which relays where there is no other way, as turn:HOST, turn:HOST?transport=tcp,
                     turns:HOST (TLS) or turns:HOST?transport=udp (DTLS); SSL_CERT_FILE names certificates to trust
  --user NAME        who we are to the TURN servers
  --password SECRET";

/// The servers of a command line.
#[derive(Default)]
pub(crate) struct Named {
    stun: Vec<String>,
    turn: Vec<String>,
    user: String,
    password: String,
}

impl Named {
    /// Takes the option `name` if it is about servers; whether it is.
    pub(crate) fn take(&mut self, name: &str, parser: &mut Parser) -> Result<bool, Box<dyn Error>> {
        let mut text = || parser.value()?.into_string().map_err(|_| lexopt::Error::from("not a text"));
        match name {
            "stun" => self.stun.push(text()?),
            "turn" => self.turn.push(text()?),
            "user" => self.user = text()?,
            "password" => self.password = text()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The servers at each address that their names stand for.
    pub(crate) fn resolve(&self) -> Result<Vec<Server>, Box<dyn Error>> {
        let mut servers = Vec::new();
        for name in &self.stun {
            servers.extend(
                name.to_socket_addrs().map_err(|error| format!("{name}: {error}"))?.map(Server::stun),
            );
        }
        for uri in &self.turn {
            servers.extend(turn(uri, &self.user, &self.password).map_err(|error| format!("{uri}: {error}"))?);
        }
        Ok(servers)
    }
}

/// The TURN server at each address that `uri` stands for (RFC 7065), over the first transport that it allows.
pub(crate) fn turn(uri: &str, user: &str, password: &str) -> Result<Vec<Server>, Box<dyn Error>> {
    // The servers of a laboratory have no names.
    let uri = Uri::parse_with_address(uri)?;
    if !matches!(uri.scheme(), Scheme::Turn | Scheme::Turns) {
        return Err("not the URI of a TURN server".into());
    }
    let server = |ip| Server::from_uri(&uri, ip, user, password).ok_or("an unknown transport");
    match uri.host() {
        Host::Address(ip) => Ok(vec![server(*ip)?]),
        Host::Name(name) => {
            let addresses = (name.as_str(), uri.port()).to_socket_addrs()?;
            Ok(addresses.map(|address| server(address.ip())).collect::<Result<_, _>>()?)
        }
    }
}
