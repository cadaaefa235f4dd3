//! `golens config encrypt | decrypt | rewrap`: secrets of documents. A secret is read from standard input or
//! a file, never from the command line, which other programs see.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path as File, PathBuf},
    process::ExitCode,
};

use ::config::{
    Path, TextFile,
    secrets::{Keys, Kid, SealedFileError, SecretError},
};
use clap::Args;
use zeroize::Zeroizing;

use super::{
    super::{CliError, Output},
    keys::KeyArgs,
};

/// Bytes of the longest standard input.
const MOST: u64 = 4 << 20;

const BINDING: &str = "\
A sealed value, ENC[v1,KEY,BASE64], opens in one place only: it is bound to the namespace of its document, to the
path of its value there, and to the name of its key. Moved to another path, or copied to a document of another
namespace, it is refused. So --namespace and --path must be those under which golens serves it: the file
app.yaml of the namespace prod-shop with `db: {password: ...}` has --namespace prod-shop --path db.password.";

const ENCRYPT: &str = "\
Examples:
  golens config encrypt --keyring keys.json --key-file kek --new-key --namespace prod-shop --path db.password
        Makes a first key, asks for the secret on standard input, prints ENC[...]
  golens config encrypt --config golens.yaml --namespace prod-shop app.yaml --path db.password --path tls.key --write
        Seals two values where they stand; comments and everything else stay
  vault kv get -field=password secret/db | golens config encrypt --config golens.yaml --namespace prod-shop --path db.password

A line break at the end of standard input is no part of the secret, unless --exact.";

const DECRYPT: &str = "\
Examples:
  golens config decrypt --config golens.yaml --namespace prod-shop app.yaml
        Prints the file with all sealed values opened
  echo 'ENC[v1,k1,...]' | golens config decrypt --config golens.yaml --namespace prod-shop --path db.password";

const REWRAP: &str = "\
Examples:
  golens config rewrap --config golens.yaml
        Wraps all data keys again with the newest wrapping key; sealed values stay as they are
  golens config rewrap --config golens.yaml --new-key --namespace prod-shop app.yaml other.yaml --write
        Makes a new data key and seals all values of two files again with it
  golens config rewrap --config golens.yaml --retire-before k7
        Values sealed with keys older than k7 open no more

A running golens follows the keyring by itself; no rotation needs a restart.";

/// Seals a value.
#[derive(Debug, Args)]
#[command(after_help = ENCRYPT, after_long_help = format!("{BINDING}\n\n{ENCRYPT}"))]
pub(super) struct EncryptArgs {
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    place: Place,
    /// Make a new data key first, which seals all new values from now on; older values stay readable.
    #[arg(long)]
    new_key: bool,
    /// The end of standard input is part of the secret, line break or not.
    #[arg(long)]
    exact: bool,
}

/// Opens a value.
#[derive(Debug, Args)]
#[command(after_help = DECRYPT, after_long_help = format!("{BINDING}\n\n{DECRYPT}"))]
pub(super) struct DecryptArgs {
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    place: Place,
}

/// Which value of which document.
#[derive(Debug, Args)]
struct Place {
    /// Namespace of the document that the value is for.
    #[arg(long, value_name = "NAME")]
    namespace: String,
    /// The value, such as db.password or hosts[0].key; with a file, may be repeated.
    #[arg(long, value_name = "PATH")]
    path: Vec<Path>,
    /// YAML, JSON or TOML whose values are meant; without it, one value on standard input.
    file: Option<PathBuf>,
    /// Write the file instead of printing it.
    #[arg(long, short, requires = "file")]
    write: bool,
}

/// Takes new keys into use.
#[derive(Debug, Args)]
#[command(after_help = REWRAP)]
pub(super) struct RewrapArgs {
    #[command(flatten)]
    keys: KeyArgs,
    /// Make a new data key first.
    #[arg(long)]
    new_key: bool,
    /// Namespace of the documents that the files are for.
    #[arg(long, value_name = "NAME", requires = "files")]
    namespace: Option<String>,
    /// Data keys older than this one open nothing any more; done last.
    #[arg(long, value_name = "KEY")]
    retire_before: Option<Kid>,
    /// Files whose sealed values are sealed again with the newest key; without any, the data keys are wrapped
    /// again.
    #[arg(requires = "namespace")]
    files: Vec<PathBuf>,
    /// Write the files; without it only what would be done is said.
    #[arg(long, short, requires = "files")]
    write: bool,
}

/// Seals values of a file, or one from standard input.
pub(super) async fn encrypt(args: EncryptArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    let keys = args.keys.open(args.new_key).await?;
    if args.new_key {
        keys.rotate().await.map_err(sealing)?;
    }
    let (namespace, paths) = (&args.place.namespace, &args.place.path);
    match &args.place.file {
        Some(file) => {
            if paths.is_empty() {
                return Err(unclear(
                    "name the values to be sealed, such as --path db.password",
                ));
            }
            let text = read(file)?;
            let sealed = keys.seal_file(namespace, &text, paths).await;
            args.place.put(&sealed.map_err(secret)?, output)
        }
        None => {
            let path = args.place.one()?.to_string();
            let text = standard_input("Secret", args.exact)?;
            let sealed = keys.seal(namespace, &path, &text).await;
            output.line(sealed.map_err(sealing)?)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Opens values of a file, or one from standard input.
pub(super) async fn decrypt(args: DecryptArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    let keys = args.keys.open(false).await?;
    let (namespace, paths) = (&args.place.namespace, &args.place.path);
    match &args.place.file {
        Some(file) => {
            let text = read(file)?;
            let opened = keys.open_file(namespace, &text, paths).await;
            args.place.put(&opened.map_err(secret)?, output)
        }
        None => {
            let path = args.place.one()?.to_string();
            let text = standard_input("Sealed value", false)?;
            let opened = keys.open_text(namespace, &path, text.trim()).await;
            output.line(opened.map_err(sealing)?.as_str())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Wraps data keys again, or seals values again.
pub(super) async fn rewrap(args: RewrapArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    let keys = args.keys.open(args.new_key).await?;
    if args.new_key {
        let kid = keys.rotate().await.map_err(sealing)?;
        output.line(format_args!("new key {kid}"))?;
    }
    if args.files.is_empty() && !args.new_key && args.retire_before.is_none() {
        let count = keys.rewrap().await.map_err(sealing)?;
        output.line(format_args!("{count} keys wrapped again"))?;
    }
    if let Some(namespace) = &args.namespace {
        for file in &args.files {
            again(&keys, namespace, file, args.write, output).await?;
        }
    }
    if let Some(kid) = &args.retire_before {
        keys.retire_before(kid).await.map_err(sealing)?;
        output.line(format_args!("keys older than {kid} are retired"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Seals the values of a file again.
async fn again(
    keys: &Keys,
    namespace: &str,
    file: &File,
    write: bool,
    output: &mut Output,
) -> Result<(), CliError> {
    let (text, count) = keys
        .reseal_file(namespace, &read(file)?)
        .await
        .map_err(secret)?;
    let name = file.display();
    if write {
        replace(file, &text)?;
        output.line(format_args!("{name}: {count} values sealed again"))
    } else {
        output.line(format_args!(
            "{name}: {count} values would be sealed again; --write does it"
        ))
    }
}

impl Place {
    /// The one path of a value without a file.
    fn one(&self) -> Result<&Path, CliError> {
        match &*self.path {
            [path] => Ok(path),
            _ => Err(unclear(
                "name the one value, such as --path db.password, or a file",
            )),
        }
    }

    fn put(&self, text: &str, output: &mut Output) -> Result<ExitCode, CliError> {
        match &self.file {
            Some(file) if self.write => replace(file, text)?,
            _ => output.text(text)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn read(file: &File) -> Result<TextFile, CliError> {
    let bytes = fs::read(file).map(Zeroizing::new);
    let bytes = bytes.map_err(|source| CliError::Read {
        path: file.to_owned(),
        source,
    })?;
    let text = TextFile::parse(&file.display().to_string(), &bytes);
    text.map_err(|error| secret(error.into()))
}

/// One text from standard input. At a terminal the person is asked.
fn standard_input(what: &str, exact: bool) -> Result<Zeroizing<String>, CliError> {
    use io::IsTerminal as _;
    if io::stdin().is_terminal() {
        // Who sees no question still can answer.
        drop(writeln!(io::stderr(), "{what}, ended by Ctrl-D:"));
    }
    let mut text = Zeroizing::new(String::with_capacity(64 * 1024));
    let read = io::stdin().lock().take(MOST).read_to_string(&mut text);
    read.map_err(|source| CliError::Read {
        path: "standard input".into(),
        source,
    })?;
    if !exact && text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    match text.is_empty() {
        true => Err(unclear("standard input is empty")),
        false => Ok(text),
    }
}

/// Puts a text in the place of a file, whole or not at all, with its rights and owner.
fn replace(file: &File, text: &str) -> Result<(), CliError> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
    let write = || {
        // What a link leads to is replaced, not the link.
        let file = fs::canonicalize(file)?;
        let found = fs::metadata(&file)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let beside = file.with_file_name(format!(".{name}.{}", std::process::id()));
        let mut options = fs::OpenOptions::new();
        let mut next = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        let written = next
            .write_all(text.as_bytes())
            .and_then(|()| fchown(&next, Some(found.uid()), Some(found.gid())))
            .and_then(|()| next.set_permissions(fs::Permissions::from_mode(found.mode())))
            .and_then(|()| next.sync_all())
            .and_then(|()| fs::rename(&beside, &file));
        if written.is_err() {
            // The first error is the one to tell.
            drop(fs::remove_file(&beside));
        }
        written
    };
    write().map_err(|source| CliError::Write {
        path: file.to_owned(),
        source,
    })
}

fn secret(source: SealedFileError) -> CliError {
    CliError::Secret(source)
}

pub(super) fn sealing(source: SecretError) -> CliError {
    secret(source.into())
}

fn unclear(detail: &str) -> CliError {
    CliError::Unclear {
        detail: detail.to_owned(),
    }
}
