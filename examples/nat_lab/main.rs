//! Two agents in a network of your description: what the network permits, what happens, and what comes of it.
//!
//! ```text
//! cargo run --release --features sim --example nat_lab -- -e 'alice: symmetric' -e 'bob: port-restricted' -e 'server turn'
//! cargo run --release --features sim --example nat_lab -- home.lab
//! cargo run --release --features sim --example nat_lab -- --help
//! ```
//!
//! Nothing is sent anywhere: the network is simulated (`floe::sim`), and its time is virtual. The exit status is 1 if the
//! agents come to another result than the network permits, and 2 if the description cannot be understood.

mod description;
mod lab;
mod page;
mod style;
mod timeline;

use std::error::Error;
use std::fs;
use std::io::{IsTerminal, Read, stdin, stdout};
use std::process::ExitCode;

use description::Description;
use lab::Lab;
use lexopt::prelude::*;
use style::Style;

const USAGE: &str = "\
Two agents in a network of your description: what it permits, what happens, what comes of it.

  nat_lab FILE              the description is in a file, or comes from standard input: -
  nat_lab -e LINE -e LINE   or stands here
  nat_lab                   or is an example

  --full     shows every check, what servers are asked, and the pairs of bob as well
  --trace    shows every datagram
  --plain    shows no colours

";

/// What is shown to whoever describes nothing.
const EXAMPLE: &str = "\
network carrier: symmetric
network home: behind carrier, port-restricted
alice: home, delay 20 ms
bob: restricted, delay 15 ms, loss 2 %
server stun
server turn, delay 5 ms
policy settled
";

/// What the command line says.
struct Options {
    text: String,
    full: bool,
    trace: bool,
    style: Style,
}

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("nat_lab: {error}");
        ExitCode::from(2)
    })
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let Some(options) = options()? else { return Ok(ExitCode::SUCCESS) };
    let description = Description::parse(&options.text)?;
    let mut lab = Lab::new(&description);
    let network = page::network(&lab, &description, options.style);
    lab.run(&description);
    let forecast = lab.forecast();
    let mut pages = network;
    pages += &match options.trace {
        true => format!("\n{}", lab.world.trace()),
        false => page::timeline(&lab, options.full, options.style),
    };
    for end in if options.full { 0..2 } else { 0..1 } {
        pages += &page::pairs(&lab, end, &forecast, options.style);
    }
    let (verdict, agrees) = page::verdict(&lab, &description, &forecast, options.style);
    for line in pages.lines().chain(verdict.lines()) {
        println!("{}", line.trim_end());
    }
    Ok(if agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads the command line; `None` if all has been said.
fn options() -> Result<Option<Options>, Box<dyn Error>> {
    let (mut text, mut full, mut trace, mut plain) = (String::new(), false, false, false);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => {
                print!("{USAGE}{}", description::HELP);
                return Ok(None);
            }
            Short('e') => text += &format!("{}\n", parser.value()?.string()?),
            Long("full") => full = true,
            Long("trace") => trace = true,
            Long("plain") => plain = true,
            Value(name) if name == "-" => drop(stdin().read_to_string(&mut text)?),
            Value(name) => {
                text += &fs::read_to_string(&name).map_err(|error| format!("{}: {error}", name.display()))?
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let style = Style { coloured: !plain && stdout().is_terminal() };
    if text.trim().is_empty() {
        println!("An example; --help tells how to describe another network.\n\n{EXAMPLE}");
        EXAMPLE.clone_into(&mut text);
    }
    Ok(Some(Options { text, full, trace, style }))
}
