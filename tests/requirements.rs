//! The catalogue in `tests/requirements` is sound, and every requirement that the crate names is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where requirements may be named.
const NAMED_IN: [&str; 6] = ["src", "tests", "examples", "benches", "fuzz/fuzz_targets", "CONFORMANCE.md"];

#[test]
fn every_requirement_has_an_id_of_its_own() {
    let mut ids = BTreeSet::new();
    for (document, entries) in catalogue() {
        assert_eq!(Some(entries.len()), document.count, "{}: entries and count", document.prefix);
        for id in entries {
            let prefix = format!("{}-", document.prefix);
            assert!(id.starts_with(&prefix) && is_reference(&id), "{id} is not an id of {}", document.prefix);
            assert!(ids.insert(id.clone()), "{id} appears twice");
        }
    }
    assert!(ids.len() > 800, "only {} requirements were found", ids.len());
}

#[test]
fn every_requirement_named_in_the_crate_exists() {
    let known = Known::from_catalogue();
    let mut unknown = Vec::new();
    for path in NAMED_IN.iter().flat_map(|folder| files(&root().join(folder), &["rs", "md"])) {
        let text = fs::read_to_string(&path).unwrap();
        unknown.extend(known.unknown(&text).map(|(line, id)| format!("{}:{line}: {id}", path.display())));
    }
    assert!(unknown.is_empty(), "no such requirement:\n{}", unknown.join("\n"));
}

#[test]
fn an_id_that_does_not_exist_is_found() {
    let known = Known::from_catalogue();
    // Put together here, so that the test above does not find it in this file.
    let invented = ["rfc8445", "7.3.1.1", "99"].join("-");
    let text =
        format!("// rfc8445-4-1, a well-known rule\n/// Proves: rfc8445-4-1, {invented}.\nfn f() {{}}");
    assert_eq!(known.unknown(&text).collect::<Vec<_>>(), [(2, invented)]);
    // Names of sections, vectors and documents are not ids.
    let other = "rfc8445 section 7-2, rfc8489-b1-corrected, RFC-8445, ice-4-2, lite-weight, rfc8445-";
    assert_eq!(known.unknown(other).count(), 0);
}

/// The ids of the catalogue and their prefixes.
struct Known {
    prefixes: BTreeSet<String>,
    ids: BTreeSet<String>,
}

impl Known {
    fn from_catalogue() -> Self {
        let catalogue = catalogue();
        let prefixes = catalogue.keys().map(|document| document.prefix.clone()).collect();
        Self { prefixes, ids: catalogue.into_values().flatten().collect() }
    }

    /// What looks like an id in `text` and is none, with its line.
    fn unknown(&self, text: &str) -> impl Iterator<Item = (usize, String)> {
        let words = text.lines().zip(1..).flat_map(|(line, number)| {
            let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || ".-_".contains(c)));
            words.map(move |word| (number, word.trim_end_matches(['.', '-'])))
        });
        let references = words.filter(|(_, word)| {
            is_reference(word) && word.split('-').next().is_some_and(|prefix| self.prefixes.contains(prefix))
        });
        references.filter(|(_, word)| !self.ids.contains(*word)).map(|(number, word)| (number, word.into()))
    }
}

#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Document {
    prefix: String,
    count: Option<usize>,
}

/// The documents of the catalogue and the ids of their requirements.
fn catalogue() -> BTreeMap<Document, Vec<String>> {
    let documents = files(&root().join("tests/requirements"), &["toml"]).into_iter().filter_map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        let (head, entries) = text.split_once("[[requirement]]")?; // a file of test vectors has none
        let prefix = value(head, "id").unwrap_or_else(|| panic!("{} has no id", path.display()));
        let count = value(head, "count").and_then(|count| count.parse().ok());
        let ids = entries.split("[[requirement]]").filter_map(|entry| value(entry, "id")).collect();
        Some((Document { prefix, count }, ids))
    });
    documents.collect()
}

/// The value of `key = value` at the start of a line, without quotes.
fn value(toml: &str, key: &str) -> Option<String> {
    let values = toml.lines().filter_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='));
    values.map(|value| value.trim().trim_matches('"').to_owned()).next()
}

/// Whether `word` has the form of an id: document, section, number.
fn is_reference(word: &str) -> bool {
    let mut parts = word.rsplit('-');
    let number =
        parts.next().is_some_and(|last| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()));
    number && parts.count() >= 2
}

/// The files below `path` (or `path` itself) with one of these extensions, in order.
fn files(path: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else {
        let wanted = path.is_file() && path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x));
        return if wanted { vec![path.to_owned()] } else { Vec::new() };
    };
    let mut entries: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.iter().flat_map(|entry| files(entry, extensions)).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
