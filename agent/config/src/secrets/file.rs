//! Sealed values within a file: sealed, opened and sealed again where they stand, so that comments, order and
//! spelling of everything else stay as they are.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::{Keys, Sealed, SecretError};
use crate::{Path, TextFile, TextFileError};

/// Why the values of a file were not changed. The file is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealedFileError {
    /// The file cannot be read, or does not have such a value.
    #[error(transparent)]
    File(#[from] TextFileError),
    /// One value cannot be sealed or opened.
    #[error("{path} cannot be sealed or opened")]
    Value {
        /// Which.
        path: Path,
        /// Why.
        source: SecretError,
    },
    /// No value can be sealed.
    #[error(transparent)]
    Keys(#[from] SecretError),
}

impl Keys {
    /// The file with the texts at `paths` sealed for `namespace`. Those that are sealed already stay.
    ///
    /// # Errors
    /// When there is no text at a path, or it cannot be sealed.
    pub async fn seal_file(
        &self,
        namespace: &str,
        file: &TextFile,
        paths: &[Path],
    ) -> Result<Zeroizing<String>, SealedFileError> {
        let mut plain = Vec::new();
        for path in paths.iter().collect::<BTreeSet<_>>() {
            let text = file.text_at(path)?;
            if !Sealed::is_meant(text) {
                plain.push((path, text));
            }
        }
        self.seal_into(namespace, file, &plain).await
    }

    /// The file with its sealed values opened: those at `paths`, or all when there are none named.
    ///
    /// # Errors
    /// The first value that does not open.
    pub async fn open_file(
        &self,
        namespace: &str,
        file: &TextFile,
        paths: &[Path],
    ) -> Result<Zeroizing<String>, SealedFileError> {
        let opened = self.opened(namespace, file, paths).await?;
        let texts: Vec<_> = opened
            .iter()
            .map(|(path, text)| (path, text.as_str()))
            .collect();
        Ok(file.with(&texts)?)
    }

    /// The file with its sealed values sealed again with the newest key, those of the seed's layout included.
    /// Returns how many these are.
    ///
    /// # Errors
    /// When a value does not open, or cannot be sealed.
    pub async fn reseal_file(
        &self,
        namespace: &str,
        file: &TextFile,
    ) -> Result<(Zeroizing<String>, usize), SealedFileError> {
        let opened = self.opened(namespace, file, &[]).await?;
        let plain: Vec<_> = opened
            .iter()
            .map(|(path, text)| (path, text.as_str()))
            .collect();
        Ok((self.seal_into(namespace, file, &plain).await?, opened.len()))
    }

    async fn seal_into(
        &self,
        namespace: &str,
        file: &TextFile,
        plain: &[(&Path, &str)],
    ) -> Result<Zeroizing<String>, SealedFileError> {
        if plain.is_empty() {
            return Ok(file.with(&[])?);
        }
        let names: Vec<_> = plain.iter().map(|(path, _)| path.to_string()).collect();
        let texts: Vec<_> = names
            .iter()
            .zip(plain)
            .map(|(name, (_, text))| (name.as_str(), *text))
            .collect();
        let sealed = self.seal_all(namespace, &texts).await?;
        let sealed: Vec<_> = sealed.iter().map(ToString::to_string).collect();
        let places = plain.iter().map(|(path, _)| *path);
        let edits: Vec<_> = places.zip(sealed.iter().map(String::as_str)).collect();
        Ok(file.with(&edits)?)
    }

    /// The sealed values at `paths`, or all, opened.
    async fn opened(
        &self,
        namespace: &str,
        file: &TextFile,
        paths: &[Path],
    ) -> Result<Vec<(Path, Zeroizing<String>)>, SealedFileError> {
        let mut found = Vec::new();
        for path in paths {
            found.push((path.clone(), file.text_at(path)?));
        }
        if paths.is_empty() {
            found = file.texts();
            found.retain(|(_, text)| Sealed::is_meant(text));
        }
        let mut opened = Vec::new();
        for (path, text) in found {
            let plain = self.open_text(namespace, &path.to_string(), text).await;
            match plain {
                Ok(plain) => opened.push((path, plain)),
                Err(source) => return Err(SealedFileError::Value { path, source }),
            }
        }
        Ok(opened)
    }
}
