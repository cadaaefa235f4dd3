//! Build information, in the form of the release.

use anyhow::Result;
use symbols_fuzz::go;
use symbols_fuzz::parts::join;

use crate::program::Program;

/// Where `targets::buildinfo` puts the second part.
const STRINGS: u64 = 0x0041_0000;
const MODULES: &str = "0123456789abcdefpath\texample.test/app\nmod\texample.test\t(devel)\t\n\
dep\ta.test/b\tv1.0.0\n=>\t./b\tv0.0.0\t\nbuild\t-ldflags=\"-s -w\"\nbuild\tGOARCH=amd64\n0123456789abcdef";

pub(crate) fn cut(program: &Program<'_>) -> Result<Vec<u8>> {
    let build = program.build();
    if program.minor >= 18 {
        let blob = program.section(".go.buildinfo")?;
        return Ok(join(&[&build, blob, b""]));
    }
    let version = program.version.as_str();
    let mut blob = go::build_info("", b"");
    blob.resize(32, 0);
    let mut strings = Vec::new();
    let mut content: Vec<u8> = Vec::new();
    for (number, text) in [version, MODULES].into_iter().enumerate() {
        let at = 32 + content.len() as u64;
        strings.extend((STRINGS + at).to_le_bytes());
        strings.extend((text.len() as u64).to_le_bytes());
        content.extend(text.as_bytes());
        blob.splice(
            16 + 8 * number..24 + 8 * number,
            (STRINGS + 16 * number as u64).to_le_bytes(),
        );
    }
    blob.splice(15..16, [0]);
    strings.extend(content);
    Ok(join(&[&build, &blob, &strings]))
}
