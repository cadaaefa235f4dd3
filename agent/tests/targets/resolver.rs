//! The child that reads binaries, started for real: what it finds, and what files cannot do to it.

use std::{
    ffi::CString,
    fs::{self, File},
    io::Write as _,
    os::unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use agent_ebpf::counter::Program;
use golens::{
    probe::Feature,
    resolve::{BinaryInfo, Resolver, Sandbox, report::Attach},
    runtime::{RUNTIME_STRUCTS, RuntimeFacts},
};
use symbols::GoBinary;

use crate::support::build;

fn resolver() -> Resolver {
    Resolver::new(Sandbox::of(env!("CARGO_BIN_EXE_golens")))
}

/// A folder of this test alone.
fn folder(name: &str) -> PathBuf {
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("files-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("created");
    folder
}

fn open(path: &Path) -> File {
    File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .expect("opened")
}

/// Each fact of the answer is the one that the parser gives in this process.
fn assert_same(info: &BinaryInfo, bytes: &[u8]) {
    let binary = GoBinary::parse(bytes).expect("Go");
    assert_eq!(info.go_version, binary.go_version().to_string());
    assert_eq!(info.build_id, binary.build_id());
    assert_eq!(info.segments.len(), binary.segments().len());
    for site in &info.sites {
        let function = binary.function(&site.function).expect("there");
        let found = match site.program {
            Program::GoroutineBorn | Program::CoroutineBorn => {
                let callee = binary.function("runtime.newproc1").expect("there");
                let mut calls = binary.after_calls(&function, &callee, 1).expect("there");
                calls.remove(0).site
            }
            _ => binary.probe_site(&function).expect("there"),
        };
        assert_eq!(
            (site.address, site.file_offset, &site.instruction),
            (found.address, found.file_offset, &found.instruction)
        );
    }
    let layouts = binary.layouts(&["runtime.g", "os.file"]);
    let goid = layouts.field("runtime.g", "goid").expect("known").value;
    assert_eq!(info.offsets.g_goid, goid);
    let descriptor = layouts.field("os.file", "pfd.Sysfd").expect("known").value;
    assert_eq!(info.offsets.file_sysfd, descriptor);
    let facts = RuntimeFacts::from_symbols(&binary, &binary.layouts(&RUNTIME_STRUCTS));
    assert_eq!(info.runtime, facts.ok());
}

#[test]
fn the_child_answers_what_the_parser_finds() {
    for (name, flags) in [
        ("plain", &[][..]),
        ("pie", &["-buildmode=pie"]),
        ("no-dwarf", &["-ldflags=-w"]),
    ] {
        let path = build("runtimeload", &format!("resolver-{name}"), flags);
        let resolver = resolver();
        let info = resolver.resolve(&open(&path)).expect("Go");
        assert_eq!(
            info.features,
            [
                Feature::Log,
                Feature::Gc,
                Feature::Goroutine,
                Feature::Sched
            ]
        );
        assert_same(&info, &fs::read(&path).expect("readable"));
        fs::remove_file(path).expect("built by this test");
    }
}

/// Names and lines are those that Go's own tool prints, at addresses all over the code.
#[test]
fn lines_are_those_of_the_go_tool() {
    for (name, flags) in [("plain", &[][..]), ("stripped", &["-ldflags=-s -w"])] {
        let path = build("runtimeload", &format!("lines-{name}"), flags);
        let resolver = resolver();
        let info = resolver.resolve(&open(&path)).expect("Go");
        let code = info.segments.iter().find(|segment| segment.executable);
        let code = code.expect("has code");
        let addresses: Vec<u64> = (code.address..code.address + code.file_size)
            .step_by(331)
            .collect();
        let told = resolver.lines(&open(&path), &addresses).expect("told");
        let mut compared = 0;
        for (frames, (function, place)) in told.iter().zip(addr2line(&path, &addresses)) {
            let (Some(inner), Some(outer)) = (frames.first(), frames.last()) else {
                continue;
            };
            assert_eq!(*outer.function, *function);
            assert_eq!(format!("{}:{}", inner.file, inner.line), place);
            compared += 1;
        }
        assert!(compared * 10 > addresses.len() * 9, "{compared} compared");
        // Asked again in another order, and twice, no further child is needed.
        let again: Vec<u64> = addresses.iter().rev().chain(&addresses).copied().collect();
        let nobody = Sandbox::of("/nonexistent");
        let repeated = resolver.lines(&open(&path), &again).expect("told");
        assert!(repeated.iter().rev().skip(addresses.len()).eq(told.iter()));
        assert!(Resolver::new(nobody).lines(&open(&path), &again).is_err());
        fs::remove_file(path).expect("built by this test");
    }
}

/// What `go tool addr2line` prints: the function around each address, and its file and line.
fn addr2line(binary: &Path, addresses: &[u64]) -> Vec<(String, String)> {
    let mut tool = Command::new("go")
        .args(["tool", "addr2line"])
        .arg(binary)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the Go tool");
    let mut input = tool.stdin.take().expect("piped");
    let question: String = addresses.iter().map(|at| format!("{at:#x}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(question.as_bytes()));
    let output = tool.wait_with_output().expect("ended");
    writer.join().expect("joined").expect("written");
    let text = String::from_utf8(output.stdout).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    let pairs = lines.chunks_exact(2);
    pairs
        .map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
        .collect()
}

/// What people are told is what the agent does.
#[test]
fn the_report_tells_what_will_be_attached_and_where_that_was_read() {
    for (name, flags, whole) in [
        ("whole", &[][..], true),
        ("stripped", &["-ldflags=-s -w"], false),
    ] {
        let path = build("runtimeload", &format!("report-{name}"), flags);
        let resolver = resolver();
        let info = resolver.resolve(&open(&path)).expect("Go");
        let report = resolver.report(&open(&path)).expect("Go");
        let on = |attach| matches!(attach, Attach::Yes | Attach::InWindows | Attach::OnDemand);
        let features = report.features.iter();
        let attached: Vec<&str> = features
            .filter(|feature| on(feature.attach) && feature.feature != "runtime")
            .map(|feature| feature.feature.as_str())
            .collect();
        let expected: Vec<&str> = info.features.iter().map(|feature| feature.name()).collect();
        assert_eq!(attached, expected);
        assert_eq!(report.functions.len(), info.sites.len());
        for function in &report.functions {
            let told = function.site.as_ref().expect("has a site");
            let mut sites = info.sites.iter();
            let site = sites.find(|site| site.function == function.name);
            let site = site.unwrap_or_else(|| panic!("{} is attached", function.name));
            assert_eq!(
                (told.address, told.file_offset, &told.instruction),
                (site.address, site.file_offset, &site.instruction)
            );
            assert_eq!(function.inlined_copies, Some(0));
            assert!(function.returns.is_some_and(|returns| returns > 0));
        }
        assert_eq!(report.file.size, fs::metadata(&path).expect("there").len());
        assert_eq!(
            (report.file.symbol_table, report.file.debug_information),
            (whole, whole)
        );
        let source = if whole { "symtab" } else { "pclntab" };
        let functions = report.functions.iter();
        assert!(functions.clone().all(|found| found.provenance == source));
        let confidences = ["stated", "corroborated", "reference"];
        let told = functions.map(|fact| &fact.confidence);
        let told = told.chain(report.fields.iter().map(|fact| &fact.confidence));
        let mut told = told.chain(report.variables.iter().map(|fact| &fact.confidence));
        assert!(told.all(|confidence| confidences.contains(&confidence.as_str())));

        let text = Command::new(env!("CARGO_BIN_EXE_golens"))
            .arg("symbols")
            .arg(&path)
            .output()
            .expect("runs");
        assert!(text.status.success());
        let text = String::from_utf8(text.stdout).expect("text");
        let (_, facts) = text.split_once("\nFEATURE").expect("a list of features");
        for line in facts.lines() {
            assert!(line.chars().count() <= 120, "{line}");
        }
        fs::remove_file(path).expect("built by this test");
    }
}

/// A probe on the body would not see the calls of the copies, and count wrongly.
#[test]
fn a_function_with_inlined_copies_is_not_attached() {
    for (name, flags) in [("whole", &[][..]), ("stripped", &["-ldflags=-s -w"])] {
        let path = build("partlyinlined", &format!("partly-inlined-{name}"), flags);
        let resolver = resolver();
        let info = resolver.resolve(&open(&path)).expect("Go");
        assert!(!info.features.contains(&Feature::Grpc));
        let sites = info.sites.iter();
        assert!(
            sites
                .clone()
                .any(|site| site.function == "runtime.newproc1")
        );
        assert!(!sites.clone().any(|site| site.function.contains("grpc")));
        let report = resolver.report(&open(&path)).expect("Go");
        let mut features = report.features.iter();
        let grpc = features.find(|feature| feature.feature == "grpc");
        let grpc = grpc.expect("every feature is told of");
        assert_eq!(grpc.attach, Attach::No);
        let why = grpc.why.iter();
        let why: Vec<_> = why
            .map(|why| (why.what.as_str(), why.error_type.as_str()))
            .collect();
        let handle = "google.golang.org/grpc.(*Server).handleStream";
        assert_eq!(why, [(handle, "partly_inlined")]);
        let mut functions = report.functions.iter();
        let told = functions.find(|function| function.name == handle);
        assert_eq!(told.expect("has a body").inlined_copies, Some(1));
        fs::remove_file(path).expect("built by this test");
    }
}

#[test]
fn one_content_is_read_once_whatever_file_holds_it() {
    let folder = folder("copies");
    let path = build("runtimeload", "resolver-copies", &[]);
    let (copy, other) = (folder.join("copy"), folder.join("other"));
    fs::copy(&path, &copy).expect("copied");
    fs::copy(&path, &other).expect("copied");
    let mut changed = File::options().append(true).open(&other).expect("opened");
    changed.write_all(b"one byte more").expect("written");

    let resolver = resolver();
    let ask = |path: &Path| resolver.resolve(&open(path)).expect("Go");
    let answers = std::thread::scope(|scope| {
        [&path, &copy, &path, &copy]
            .map(|path| scope.spawn(|| ask(path)))
            .map(|thread| thread.join().expect("answers"))
    });
    assert_eq!(resolver.outcomes(), [("resolved", 1)].into());
    for answer in &answers {
        assert!(std::sync::Arc::ptr_eq(answer, &answers[0]));
    }
    let another = ask(&other);
    assert_eq!(*another, *answers[0]);
    assert_eq!(resolver.outcomes(), [("resolved", 2)].into());
    fs::remove_dir_all(folder).expect("made by this test");
    fs::remove_file(path).expect("built by this test");
}

#[test]
fn files_that_are_no_programs_have_a_reason() {
    let folder = folder("hostile");
    let file = |name: &str, bytes: &[u8], size: u64| {
        let path = folder.join(name);
        fs::write(&path, bytes).expect("written");
        if size > 0 {
            let grown = File::options().write(true).open(&path).expect("opened");
            grown.set_len(size).expect("sparse");
        }
        path
    };
    let header = fs::read("/proc/self/exe").expect("readable");
    let pipe = folder.join("pipe");
    let name = CString::new(pipe.as_os_str().as_bytes()).expect("no zero");
    // SAFETY: the name is a C string that outlives the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    for (path, expected) in [
        (file("empty", b"", 0), "not_elf"),
        (file("text", b"#!/bin/sh\nexit 0\n", 0), "not_elf"),
        (file("sparse", &header[..64], 512 << 20), "not_go"),
        (file("huge", &header[..64], 1 << 40), "too_large"),
        (file("cut", &header[..4096], 0), "truncated"),
        (PathBuf::from("/proc/self/exe"), "not_go"),
        (pipe, "not_regular"),
        (PathBuf::from("/dev/null"), "not_regular"),
        (folder.clone(), "not_regular"),
    ] {
        let error = resolver().resolve(&open(&path)).expect_err("no Go program");
        assert_eq!(error.error_type(), expected, "{path:?}: {error}");
        let error = resolver().report(&open(&path)).expect_err("no Go program");
        assert_eq!(error.error_type(), expected, "{path:?}: {error}");
    }
    fs::remove_dir_all(folder).expect("made by this test");
}

#[test]
fn a_verdict_is_remembered_and_a_failure_to_start_is_not_for_long() {
    let own = File::open("/proc/self/exe").expect("opened");
    let resolver = resolver();
    for _ in 0..3 {
        assert_eq!(
            resolver.resolve(&own).expect_err("no Go").error_type(),
            "not_go"
        );
    }
    assert_eq!(resolver.outcomes(), [("not_go", 1)].into());

    let nothing = Resolver::new(Sandbox::of("/nonexistent"));
    let error = nothing.resolve(&own).expect_err("nothing to start");
    assert_eq!((error.error_type(), error.is_transient()), ("start", true));
    // A program that is another one gives no answer, whatever it does.
    for stranger in ["/bin/true", "/bin/cat", "/bin/false"] {
        let error = Resolver::new(Sandbox::of(stranger))
            .resolve(&File::open("/etc/passwd").expect("opened"))
            .expect_err("no answer");
        assert!(
            ["bad_answer", "crashed"].contains(&error.error_type()),
            "{stranger}: {error}"
        );
    }
}
