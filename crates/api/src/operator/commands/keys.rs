//! `trigrun-api keys`

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
    let mut total = 0;
    loop {
        match workspace_keys::rewrap(&mut conn, &keys, REWRAP_BATCH).await? {
            0 => break,
            count => total += count,
        }
        println!("{total} keys wrapped by {}", keys.newest());
    }
    println!("all keys are wrapped by {}", keys.newest());
    Ok(())
}
