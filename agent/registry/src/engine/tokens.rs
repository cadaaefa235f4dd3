//! Tokens: issuing, listing and revoking, each change with its line in the audit log.

use state::{
    Tx,
    audit::{self, Event},
    tokens::{self, Issued, NewToken, Right, Token, TokenError},
};

use super::Registry;
use crate::{Caller, RegistryError};

impl Registry {
    /// Makes a token. Its secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// `Denied` for whoever may not administer everything, `Token`.
    pub async fn issue_token(
        &self,
        new: NewToken,
        caller: &Caller,
    ) -> Result<Issued, RegistryError> {
        caller.require(Right::Admin, "*")?;
        let actor = caller.name.to_string();
        let issue = move |tx: &mut Tx<'_>| {
            let issued = tokens::issue(tx, new)?;
            note(tx, actor, "token.issue", &issued.token)?;
            Ok::<_, TokenError>(issued)
        };
        Ok(self.inner.store.write(issue).await?.value)
    }

    /// Ends a token.
    ///
    /// # Errors
    /// `Denied` for whoever may not administer everything, `Token` when there is none with this accessor.
    pub async fn revoke_token(
        &self,
        accessor: String,
        caller: &Caller,
    ) -> Result<Token, RegistryError> {
        caller.require(Right::Admin, "*")?;
        let actor = caller.name.to_string();
        let revoke = move |tx: &mut Tx<'_>| {
            let token = tokens::revoke(tx, &accessor)?;
            note(tx, actor, "token.revoke", &token)?;
            Ok::<_, TokenError>(token)
        };
        Ok(self.inner.store.write(revoke).await?.value)
    }

    /// All tokens without their secrets, the oldest first; expired ones included.
    ///
    /// # Errors
    /// `Denied` for whoever may not administer everything, `State`.
    pub fn tokens(&self, caller: &Caller) -> Result<Vec<Token>, RegistryError> {
        caller.require(Right::Admin, "*")?;
        let reader = self.inner.store.read()?;
        let mut tokens = tokens::list(&reader)?;
        tokens.sort_by(|one, other| {
            (one.created_ms, &one.accessor).cmp(&(other.created_ms, &other.accessor))
        });
        Ok(tokens)
    }
}

fn note(tx: &mut Tx<'_>, actor: String, action: &str, token: &Token) -> Result<(), TokenError> {
    let event = Event {
        actor,
        action: action.to_owned(),
        target: token.accessor.clone(),
        outcome: "done".to_owned(),
    };
    audit::append(tx, event)?;
    Ok(())
}
