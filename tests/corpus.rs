//! Replays messages that other programs have sent, or have choked on.

use floe::stun::Message;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Lesson: L-65
#[test]
fn what_becomes_of_each_message_has_not_changed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<_> =
        fs::read_dir(folder.join("stun")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_none_or(|extension| extension != "md"));
    files.sort();
    let mut table = String::new();
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        let verdict = match Message::parse(&bytes) {
            Ok(message) => format!(
                "{:?} {:#05x}, {} attributes, fingerprint {:?}, integrity {:?}",
                message.class(),
                message.method().as_u16(),
                message.attributes().count(),
                message.fingerprint(),
                message.integrity_kind(),
            ),
            Err(error) => error.to_string(),
        };
        writeln!(table, "{name}: {verdict}").unwrap();
    }
    let expected = fs::read_to_string(folder.join("stun.expected")).unwrap();
    for (line, expected) in table.lines().zip(expected.lines()) {
        assert_eq!(line, expected);
    }
    assert_eq!(table.lines().count(), expected.lines().count());
}
