//! Runs the type checker, a Go program of one file, over a module version and over standard libraries.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    codegen::builds::Builds,
    run::{output, run, show},
};

const PROGRAM: &str = include_str!("layouts.go");

/// One release of each minor whose standard library is compared.
const STANDARD: [&str; 11] = [
    "go1.17.13",
    "go1.18.10",
    "go1.19.13",
    "go1.20.14",
    "go1.21.13",
    "go1.22.12",
    "go1.23.12",
    "go1.24.13",
    "go1.25.14",
    "go1.26.8",
    "go1.27.4",
];

/// Packages whose types are held by value.
const PACKAGES: [&str; 7] = [
    "bytes",
    "bufio",
    "net/http",
    "sync",
    "sync/atomic",
    "time",
    "context",
];

/// A struct as the type checker printed it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) size: u64,
    /// Name, offset, and the name of the struct held by value, or nothing.
    pub(super) fields: Vec<(String, u64, String)>,
    /// Types of the standard library on whose size the layout depends.
    pub(super) values: Vec<String>,
}

/// The compiled type checker and its working folder.
pub(super) struct Source<'a> {
    builds: &'a Builds,
    directory: PathBuf,
    program: PathBuf,
}

impl<'a> Source<'a> {
    pub(super) fn new(builds: &'a Builds) -> Result<Self> {
        let directory = builds.directory().join("modules");
        let source = directory.join("layouts");
        let program = directory.join("layouts.bin");
        fs::create_dir_all(&source)?;
        let file = source.join("main.go");
        if fs::read_to_string(&file).ok().as_deref() != Some(PROGRAM) || !program.is_file() {
            fs::write(source.join("go.mod"), "module layouts\n\ngo 1.21\n")?;
            fs::write(&file, PROGRAM)?;
            // The newest reads the source of all.
            let newest = STANDARD.last().context("there is a release")?;
            let mut build = builds.go(newest)?;
            build.args(["build", "-o"]).arg(&program).arg(".");
            run(build.current_dir(&source))?;
        }
        Ok(Self {
            builds,
            directory,
            program,
        })
    }

    /// Lists the tagged versions of a module, the oldest first.
    pub(super) fn versions(&self, module: &str) -> Result<Vec<String>> {
        let mut list = self.builds.go("local")?;
        list.args(["list", "-m", "-versions", module])
            .env("GOFLAGS", "-mod=mod")
            .current_dir(self.directory.join("layouts"));
        let text = output(&mut list)?;
        Ok(text.split_whitespace().skip(1).map(str::to_owned).collect())
    }

    /// Computes the layouts of structs of a package, and of those they hold by value.
    pub(super) fn structs(
        &self,
        module: &str,
        version: &str,
        package: &str,
        names: &[&str],
    ) -> Result<BTreeMap<String, Found>> {
        let user = self.directory.join("user");
        fs::create_dir_all(&user)?;
        let wanted = format!("module user\n\ngo 1.21\n\nrequire {module} {version}\n");
        fs::write(user.join("go.mod"), wanted)?;
        // A version that needs a newer go command than the installed one gets it.
        let mut list = self.builds.go("auto")?;
        list.args(["list", "-deps", LISTED, package])
            .env("GOFLAGS", "-mod=mod")
            .env("GOTOOLCHAIN", "auto")
            .current_dir(&user);
        parse(&self.check(&mut list, names)?)
    }

    /// Lists the types of the standard library that do not have one size in all releases that have them.
    ///
    /// The answer is kept beside the reference programs.
    pub(super) fn unsteady(&self) -> Result<BTreeSet<String>> {
        let file = self.directory.join("unsteady.txt");
        if !file.is_file() {
            let mut sizes = Sizes::default();
            for release in STANDARD {
                let mut list = self.builds.go(release)?;
                list.args(["list", "-deps", LISTED])
                    .args(PACKAGES)
                    .current_dir(self.builds.directory().join("program"));
                sizes.add(&self.check(&mut list, &["-sizes"])?);
                self.builds.clean()?;
            }
            fs::write(&file, sizes.unsteady().join("\n"))?;
        }
        let text = fs::read_to_string(&file)?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Feeds a list of packages to the type checker.
    fn check(&self, list: &mut Command, arguments: &[&str]) -> Result<String> {
        let mut listing = list
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{}`", show(list)))?;
        let packages = listing.stdout.take().context("the list has a pipe")?;
        let checked = Command::new(&self.program)
            .args(arguments)
            .stdin(packages)
            .output()?;
        ensure!(listing.wait()?.success(), "`{}` failed", show(list));
        let errors = String::from_utf8_lossy(&checked.stderr);
        ensure!(
            checked.status.success(),
            "{}: {errors}",
            self.program.display()
        );
        Ok(String::from_utf8(checked.stdout)?)
    }
}

/// Releases before go1.19 cannot list single fields.
const LISTED: &str = "-json";

/// Sizes and alignments of types over releases.
#[derive(Default)]
struct Sizes(BTreeMap<String, Vec<String>>);

impl Sizes {
    fn add(&mut self, text: &str) {
        for line in text.lines() {
            if let Some((name, size)) = line
                .strip_prefix("size ")
                .and_then(|rest| rest.split_once(' '))
            {
                self.0
                    .entry(name.to_owned())
                    .or_default()
                    .push(size.to_owned());
            }
        }
    }

    /// Lists types that differ; one that came later is used by programs of later releases only.
    fn unsteady(&self) -> Vec<String> {
        let differs = |sizes: &Vec<String>| sizes.iter().any(|size| Some(size) != sizes.first());
        let names = self.0.iter().filter(|(_, sizes)| differs(sizes));
        names.map(|(name, _)| name.clone()).collect()
    }
}

/// Reads `struct NAME SIZE FIELD:OFFSET:TYPE... value=TYPE...` lines.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, Found>> {
    let mut structs = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        match words.next() {
            Some("struct") => {}
            _ => bail!("{line}"),
        }
        let name = words.next().context("no name")?;
        let mut found = Found {
            size: words.next().context("no size")?.parse()?,
            ..Found::default()
        };
        for word in words {
            if let Some(value) = word.strip_prefix("value=") {
                found.values.push(value.to_owned());
                continue;
            }
            let mut parts = word.splitn(3, ':');
            let mut part = || parts.next().context("a field has three parts");
            let (field, offset, ty) = (part()?, part()?, part()?);
            found
                .fields
                .push((field.to_owned(), offset.parse()?, ty.to_owned()));
        }
        structs.insert(name.to_owned(), found);
    }
    Ok(structs)
}
