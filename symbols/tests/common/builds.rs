//! Builds beyond the matrix: what each must show of itself, and that no answer differs from the toolchain's.

use symbols::{Build, BuildMode, GoBinary, Modules};

use super::{Built, Compared, Truth, build, compare, say};

/// A plain program, as most are.
pub(crate) const EXE: Build = Build {
    mode: BuildMode::Exe,
    is_static: true,
    cgo: false,
    race: false,
    modules: Modules::One,
};

/// A plain program with C in it.
pub(crate) const CGO: Build = Build {
    is_static: false,
    cgo: true,
    ..EXE
};

/// A build of a fixture program, and what the file must show.
pub(crate) struct Recipe<'a> {
    pub(crate) name: &'a str,
    pub(crate) program: &'a str,
    pub(crate) flags: &'a [&'a str],
    pub(crate) environment: &'a [(&'a str, &'a str)],
    pub(crate) shows: Build,
}

impl Recipe<'_> {
    /// Builds it.
    pub(crate) fn build(&self) -> Built {
        build(self.program, self.name, self.flags, self.environment)
    }

    /// Builds it with symbols, and holds every answer against the truth.
    pub(crate) fn hold(&self) {
        let built = self.build();
        let truth = Truth::of(&built);
        hold_whole(&built, &truth, self.shows);
    }
}

/// Holds a file with symbols and debugging information against the truth: nothing may stay unresolved.
pub(crate) fn hold_whole(built: &Built, truth: &Truth, shows: Build) {
    let compared = hold(built, truth, shows);
    for tally in [
        &compared.functions,
        &compared.addresses,
        &compared.structs,
        &compared.fields,
        &compared.variables,
    ] {
        assert!(tally.right > 10, "{}: {compared}", built.path());
        assert!(tally.unresolved.is_empty(), "{}: {compared}", built.path());
    }
}

/// Holds a file without symbols against the truth of its twin: only what tables cannot tell may stay unresolved.
pub(crate) fn hold_stripped(built: &Built, truth: &Truth, shows: Build) -> Compared {
    let compared = hold(built, truth, shows);
    assert!(compared.addresses.unresolved.is_empty(), "{compared}");
    for (tally, allowed) in [
        (&compared.functions, &["assembly", "ambiguous"][..]),
        (&compared.structs, &["no_descriptor", "ambiguous"]),
    ] {
        assert!(tally.right > 100, "{}: {compared}", built.path());
        let unknown = tally.unresolved.keys();
        let unexpected: Vec<_> = unknown.filter(|reason| !allowed.contains(reason)).collect();
        assert!(unexpected.is_empty(), "{}: {compared}", built.path());
    }
    compared
}

fn hold(built: &Built, truth: &Truth, shows: Build) -> Compared {
    let compared = compare(built, truth);
    say(format_args!("{}: {compared}", built.path()));
    let (path, wrong) = (built.path(), &compared.wrong);
    assert!(wrong.is_empty(), "{path}: {}", wrong.join("\n"));
    let binary = GoBinary::parse(&built.data).expect("compared");
    assert_eq!(binary.build(), Ok(shows), "{path}");
    compared
}
