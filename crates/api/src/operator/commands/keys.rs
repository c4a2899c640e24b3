//! `trigrun-api keys`

use anyhow::ensure;
use clap::Subcommand;
use trigrun_core::{
    crypto::seal::{self, MasterKeys},
    store::workspace_keys,
};

use super::connection;
use crate::settings::Settings;

/// Workspace keys wrapped in one transaction.
const REWRAP_BATCH: i64 = 500;

#[derive(Subcommand)]
pub enum KeysCommand {
    /// Prints a new key, for TRIGRUN__KEYS__MASTER
    Generate,
    /// Wraps every workspace's key with the first master key; can be interrupted and repeated at any time
    Rewrap,
}

pub fn generate() -> anyhow::Result<()> {
    println!("{}", seal::new_master_key()?);
    Ok(())
}

pub async fn rewrap(settings: &Settings) -> anyhow::Result<()> {
    let keys = MasterKeys::new(&settings.keys)?;
    let mut conn = connection::open(settings).await?;
    workspace_keys::register(&mut conn, &keys).await?;
    let (mut total, mut failed, mut after) = (0, Vec::new(), None);
    loop {
        let rewrapped = workspace_keys::rewrap(&mut conn, &keys, after, REWRAP_BATCH).await?;
        total += rewrapped.wrapped;
        failed.extend(rewrapped.failed);
        after = rewrapped.last;
        if after.is_none() {
            break;
        }
        println!("{total} keys wrapped by {}", keys.newest());
    }
    for (workspace, error) in &failed {
        println!("not wrapped: the key of {workspace}: {error}");
    }
    ensure!(
        failed.is_empty(),
        "the keys of {} workspaces are still wrapped by an older master key: keep that key until they can be opened",
        failed.len()
    );
    println!("all keys are wrapped by {}", keys.newest());
    Ok(())
}
