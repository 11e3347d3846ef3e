//! Tokens that a call manager believes (RFC 8898): keys and what was taken back are read with the plan, and again while it
//! runs, so that a key set that changed and a token that was revoked count at once.

use anyhow::{Context, ensure};
use roles::{Kind, Plan};
use store::{DataDir, Tokens};

/// Reads what a node goes by, and puts it into its plan; `None`: it takes no tokens.
///
/// # Errors
/// As [`DataDir::tokens`].
pub(crate) fn load(plan: &mut Plan, dir: &DataDir, node: &site::Node) -> anyhow::Result<Option<Tokens>> {
    let tokens = dir.tokens(node).context("tokens for phones")?;
    if let Some(tokens) = &tokens {
        put(plan, tokens)?;
    }
    Ok(tokens)
}

/// Puts what was read into a plan that was compiled from the same site.
///
/// # Errors
/// It was not.
pub(crate) fn put(plan: &mut Plan, tokens: &Tokens) -> anyhow::Result<()> {
    let Kind::CallManager(manager) = &mut plan.kind else { return Ok(()) };
    let Some(oauth) = &mut manager.oauth else { return Ok(()) };
    ensure!(oauth.terms.len() == tokens.keys.len(), "the site's issuers changed while their keys were read: try again");
    for (terms, keys) in oauth.terms.iter_mut().zip(&tokens.keys) {
        terms.keys.clone_from(keys);
    }
    oauth.revoked.clone_from(&tokens.revoked);
    Ok(())
}
