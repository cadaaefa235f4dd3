//! A process that registers under load is killed again and again: nothing that was acknowledged is lost,
//! and no index goes back.
//!
//! The test binary is its own victim: started with `--victim FILE` it opens the registry and says on its
//! standard output what was acknowledged and what was answered. Each line is one write to the pipe, so a
//! kill leaves whole lines only.

mod victim;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
};

use registry::{
    Registry, Revision,
    state::{self, Store, kv},
};

/// Instances that are there before the first kill.
const POPULATION: usize = 10_000;

/// What victims said, from the first to the last.
#[derive(Default)]
struct Said {
    /// Instances whose registration was acknowledged.
    registered: BTreeSet<String>,
    /// Keys whose value was acknowledged.
    keys: BTreeSet<String>,
    /// Greatest index that was answered, by service.
    indexes: BTreeMap<String, u64>,
    revision: u64,
    /// Times from the start of a process until it answered with all instances, ms.
    ready_ms: Vec<u64>,
}

/// Runs as victim, or kills `cycles` victims. For a test binary without a harness of its own.
pub(crate) fn main(name: &str, cycles: usize) -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if let [flag, file] = arguments.as_slice()
        && flag == "--victim"
    {
        victim::run(Path::new(file));
        return ExitCode::SUCCESS;
    }
    // As cargo's own harness: options aside, an argument is a part of names of tests to run.
    let filters: Vec<_> = arguments
        .iter()
        .filter(|text| !text.starts_with("--"))
        .collect();
    let is_wanted = filters.is_empty() || filters.iter().any(|part| name.contains(*part));
    if is_wanted {
        println!("running 1 test");
        kill_often(cycles);
        println!("test {name} ... ok");
    }
    let passed = usize::from(is_wanted);
    let filtered = 1 - passed;
    println!(
        "test result: ok. {passed} passed; 0 failed; 0 ignored; 0 measured; {filtered} filtered out"
    );
    ExitCode::SUCCESS
}

fn kill_often(cycles: usize) {
    let folder = env::temp_dir().join(format!("golens-kill-{}", state::random_hex::<8>().unwrap()));
    fs::create_dir(&folder).unwrap();
    let file = folder.join("state.redb");
    let mut said = Said::default();
    for cycle in 0..cycles {
        let before = said.registered.len();
        // Another number each time, so that the kill comes at another place of a commit.
        run_one(&file, 300 + cycle * 37 % 500, &mut said);
        assert!(said.registered.len() > before);
        check(&file, &folder.join("copy.redb"), &said);
    }
    let slowest = said.ready_ms.iter().max().copied().unwrap_or_default();
    println!(
        "{cycles} kills, {} instances, {} keys, revision {}; ready after {slowest} ms at most",
        said.registered.len(),
        said.keys.len(),
        said.revision
    );
    fs::remove_dir_all(folder).unwrap();
}

/// Starts a victim and kills it when it has acknowledged `enough` under load.
fn run_one(file: &Path, enough: usize, said: &mut Said) {
    let mut victim = start(file);
    let output = victim.stdout.take().unwrap();
    let mut acknowledged = 0;
    for line in BufReader::new(output).lines() {
        let line = line.unwrap();
        let words: Vec<_> = line.split(' ').collect();
        match words.as_slice() {
            ["ready", revision, instances, ms] => {
                let revision: u64 = revision.parse().unwrap();
                assert!(
                    revision >= said.revision,
                    "went from {} to {revision}",
                    said.revision
                );
                // What was acknowledged to nobody, as the kill came first, may be there, too.
                let instances: usize = instances.parse().unwrap();
                assert!(instances >= said.registered.len());
                if said.registered.len() >= POPULATION {
                    said.ready_ms.push(ms.parse().unwrap());
                }
            }
            ["registered", id, revision] => {
                said.registered.insert((*id).to_owned());
                said.revision = said.revision.max(revision.parse().unwrap());
                acknowledged += usize::from(said.registered.len() > POPULATION);
            }
            ["key", key] => {
                said.keys.insert((*key).to_owned());
            }
            ["index", service, index] => {
                let index = index.parse().unwrap();
                let newest = said.indexes.entry((*service).to_owned()).or_default();
                assert!(index >= *newest, "{service} went from {newest} to {index}");
                *newest = index;
            }
            other => panic!("the victim said {other:?}"),
        }
        if acknowledged == enough {
            // Lines that are in the pipe by now count as well.
            victim.kill().unwrap();
        }
    }
    let status = victim.wait().unwrap();
    assert!(!status.success(), "the victim ended by itself");
}

fn start(file: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .arg("--victim")
        .arg(file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Looks at a copy of the file, so that the next victim finds it as the kill left it.
fn check(file: &Path, copy: &Path, said: &Said) {
    fs::copy(file, copy).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (registry, recovery) = Registry::open(copy, victim::options()).await.unwrap();
        assert!(recovery.is_none(), "{recovery:?}");
        compare(&registry, said);
    });
    fs::remove_file(copy).unwrap();
}

fn compare(registry: &Registry, said: &Said) {
    assert!(registry.revision() >= Revision(said.revision));
    let mut there = BTreeSet::new();
    for (service, index) in &said.indexes {
        let view = registry.service(victim::NAMESPACE, service).unwrap();
        assert!(
            view.index >= Revision(*index),
            "{service}: {} < {index}",
            view.index
        );
        there.extend(
            view.entries
                .iter()
                .map(|entry| entry.instance.key.id.to_string()),
        );
    }
    let lost: Vec<_> = said.registered.difference(&there).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let store: &Store = registry.store();
    let keys = kv::folders(&store.read().unwrap(), victim::NAMESPACE, "", "").unwrap();
    let keys: BTreeSet<_> = keys.into_iter().collect();
    let lost: Vec<_> = said.keys.difference(&keys).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}
