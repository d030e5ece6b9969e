//! The layers of the crate, drawn as a table and held against `src`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each module and the modules that it may import. A layer knows only the layers above it in this table.
const LAYERS: [(&str, &[&str]); 12] = [
    ("list", &[]),
    ("time", &[]),
    ("entropy", &[]),
    ("net", &[]),
    ("stun", &["time", "entropy", "net"]),
    ("framing", &["net"]),
    ("turn", &["stun", "time", "entropy", "net"]),
    ("ice", &["stun", "time", "entropy", "net", "list"]),
    ("sdp", &["ice", "net"]),
    ("gather", &["ice", "turn", "stun", "time", "entropy", "net", "list"]),
    ("agent", &["gather", "sdp", "ice", "turn", "framing", "stun", "time", "entropy", "net", "list"]),
    // Built on the public interface, as a user would: see `Crate::faults`.
    ("sim", &["agent", "sdp", "framing", "turn", "ice", "stun", "time", "entropy", "net"]),
];

/// What a sans-IO core never does: ask for the time, read its surroundings, print, iterate in random order.
const BANNED: [&str; 7] =
    ["Instant::now", "SystemTime::now", "env::var", "thread::spawn", "HashMap", "HashSet", "println!"];

const LINES_MAX: usize = 600;

#[test]
fn modules_import_only_from_the_layers_above_them() {
    let (src, mut faults) = (PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src"), Vec::new());
    let root = Crate::parse(&fs::read_to_string(src.join("lib.rs")).unwrap());
    let files = rust_files(&src);
    assert!(files.len() > 3, "found {files:?}");
    for file in files {
        let name = file.strip_prefix(&src).unwrap().to_string_lossy().into_owned();
        faults.extend(root.faults(&name, &fs::read_to_string(&file).unwrap()));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_table_has_no_cycle() {
    for (row, (name, allowed)) in LAYERS.iter().enumerate() {
        let above = &LAYERS[..row];
        assert!(allowed.iter().all(|module| above.iter().any(|(other, _)| other == module)), "{name}");
    }
}

#[test]
fn a_layer_that_looks_down_is_found() {
    let root = Crate::parse(
        "mod agent;\npub mod stun;\nmod time;\npub use agent::{\n    Agent, Output,\n};\npub use time::Timestamp;",
    );
    let faults = |file: &str, text: &str| root.faults(file, text).join("; ");
    assert_eq!(faults("stun/key.rs", "use crate::{Timestamp, net::Path};\n// crate::agent, HashMap"), "");
    assert_eq!(
        faults("stun/key.rs", "use crate::{\n    Timestamp, ice::pair::{Pair, Id},\n};"),
        "stun/key.rs imports ice"
    );
    assert_eq!(faults("time.rs", "fn f(_: &crate::Agent) {}"), "time.rs imports agent");
    assert_eq!(faults("turn/mod.rs", "use super::ice;"), "turn/mod.rs imports ice");
    assert_eq!(faults("sim/mod.rs", "use crate::{Agent, stun};"), "");
    assert_eq!(
        faults("sim/mod.rs", "use crate::agent::Pacer;"),
        "sim/mod.rs uses agent, which is not public"
    );
    assert_eq!(faults("utils.rs", ""), "utils.rs is in no layer");
    assert_eq!(faults("net.rs", "let t = std::time::Instant::now(); /* soon */"), "net.rs: Instant::now");
    assert_eq!(faults("net.rs", &"\n".repeat(601)), "net.rs has 601 lines, more than 600");
}

/// What `lib.rs` says: where its names come from and which of its modules are public.
struct Crate {
    reexports: BTreeMap<String, String>,
    public: BTreeSet<String>,
}

impl Crate {
    fn parse(lib: &str) -> Self {
        let (code, mut reexports, mut public) = (code(lib), BTreeMap::new(), BTreeSet::new());
        for item in code.split(';').map(str::trim) {
            // An attribute may precede the item.
            if let Some((_, module)) = item.rsplit_once("pub mod ") {
                public.insert(module.to_owned());
            } else if let Some((module, names)) =
                item.rsplit_once("pub use ").and_then(|(_, path)| path.split_once("::"))
            {
                reexports.extend(heads(names).into_iter().map(|name| (name, module.to_owned())));
            }
        }
        Self { reexports, public }
    }

    /// Everything that is wrong with one file of `src`.
    fn faults(&self, file: &str, text: &str) -> Vec<String> {
        let (lines, code, mut faults) = (text.lines().count(), code(text), Vec::new());
        if lines > LINES_MAX {
            faults.push(format!("{file} has {lines} lines, more than {LINES_MAX}"));
        }
        // A world that fails says on standard error by which number it can be made again.
        let code = if file == "sim/world.rs" { code.replace("eprintln!", "") } else { code };
        faults
            .extend(BANNED.iter().filter(|word| code.contains(*word)).map(|word| format!("{file}: {word}")));
        let layer = file.split(['/', '.']).next().unwrap_or_default();
        if layer == "lib" {
            return faults; // the facade names every layer
        }
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
            return vec![format!("{file} is in no layer")];
        };
        for name in imports(&code) {
            let reexported = self.reexports.get(&name);
            let module = reexported.unwrap_or(&name);
            if module != layer && !allowed.contains(&module.as_str()) {
                faults.push(format!("{file} imports {module}"));
            } else if layer == "sim"
                && module != layer
                && reexported.is_none()
                && !self.public.contains(module)
            {
                faults.push(format!("{file} uses {module}, which is not public"));
            }
        }
        faults
    }
}

/// The first name of every path that begins with `crate::`, and of those with `super::` that name a layer.
fn imports(code: &str) -> BTreeSet<String> {
    let absolute = code.split("crate::").skip(1).flat_map(heads);
    let relative = code.split("super::").skip(1).flat_map(heads);
    absolute.chain(relative.filter(|name| LAYERS.iter().any(|(layer, _)| layer == name))).collect()
}

/// The first names of a path or of a braced list of paths: `{a::b, c::{d, e}}` gives `a` and `c`.
fn heads(path: &str) -> Vec<String> {
    let Some(list) = path.strip_prefix('{') else {
        return vec![path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()];
    };
    let (mut depth, mut names, mut start) = (0_i32, Vec::new(), 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                names.extend(heads(list[start..at].trim()).into_iter().filter(|name| !name.is_empty()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names
}

/// `text` without comments that run to the end of a line.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let files = entries.iter().flat_map(|e| if e.is_dir() { rust_files(e) } else { vec![e.clone()] });
    files.filter(|file| file.extension().is_some_and(|e| e == "rs")).collect()
}
