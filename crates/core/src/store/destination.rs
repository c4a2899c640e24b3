//! Where a channel leads, sealed under the data key of its workspace.

use crate::{
    crypto::seal::DataKey,
    domain::{channel::Destination, id::ChannelId},
    store::StoreError,
};

/// Binds the sealed value to its channel.
fn purpose(id: ChannelId) -> String {
    format!("channel:{}", id.uuid())
}

pub(super) fn seal(
    id: ChannelId,
    version: i32,
    destination: &Destination,
    key: &DataKey,
) -> Result<Vec<u8>, StoreError> {
    let text = serde_json::to_string(destination).map_err(|why| StoreError::Internal(why.to_string()))?;
    Ok(key.seal(&purpose(id), version, &text)?)
}

/// A destination as it is stored.
pub struct SealedDestination {
    pub(super) channel: ChannelId,
    pub(super) version: i32,
    pub(super) sealed: Vec<u8>,
}

impl SealedDestination {
    pub fn open(&self, key: &DataKey) -> Result<Destination, StoreError> {
        use secrecy::ExposeSecret;
        let text = key.open(&purpose(self.channel), self.version, &self.sealed)?;
        // The cause of the error would reveal the destination.
        serde_json::from_str(text.expose_secret())
            .map_err(|_| StoreError::unreadable("destination", "its form"))
    }
}
