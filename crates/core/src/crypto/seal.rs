//! Sealing: AES-256-GCM (NIST SP 800-38D) under a data key per workspace, which is wrapped by one of the operator's master keys.
//!
//! A sealed text is a random 96-bit nonce, the ciphertext and its tag. Its purpose is authenticated with it, so that a row cannot be moved to
//! another workspace, name or version.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::NoRandomness;
use crate::domain::id::WorkspaceId;

const KEY_BYTES: usize = 32;
const MAX_ID_BYTES: usize = 24;

/// The section `[keys]` of the API and the executor.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    /// `id:base64`. The first key wraps new data keys.
    pub master: Vec<SecretString>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    #[error(
        "keys.master is empty: create a key with `trigrun-api keys generate` and give the same key to the API and the executors, as TRIGRUN__KEYS__MASTER='[\"…\"]'"
    )]
    None,
    #[error("keys.master has an entry that is not in the form `id:base64`")]
    Form,
    #[error("the master key {0} does not have 32 bytes: create one with `trigrun-api keys generate`")]
    Short(String),
    #[error(
        "the master key {0} is not random, so it can be guessed: create one with `trigrun-api keys generate`"
    )]
    Guessable(String),
    #[error(
        "the master key {0} is not the one with which this database was sealed: keys.master has another key under this id. Restore the right key; a new key needs an id of its own"
    )]
    Different(String),
    #[error("the master key {0} is given twice")]
    Twice(String),
    #[error("data is sealed under the master key {0}, which is not in keys.master")]
    Unknown(String),
    #[error("the sealed data cannot be opened: it has another key or was changed")]
    Open,
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

/// The master keys; the first wraps new data keys.
pub struct MasterKeys(Vec<(String, LessSafeKey)>);

impl MasterKeys {
    pub fn new(settings: &KeySettings) -> Result<Self, KeyError> {
        let mut keys: Vec<(String, LessSafeKey)> = Vec::new();
        for entry in &settings.master {
            let (id, key) = entry.expose_secret().split_once(':').ok_or(KeyError::Form)?;
            // The id may be shown. A longer one may be the key, on the wrong side of the colon.
            let is_id = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if id.is_empty() || id.len() > MAX_ID_BYTES || !id.bytes().all(is_id) {
                return Err(KeyError::Form);
            }
            if keys.iter().any(|(known, _)| known == id) {
                return Err(KeyError::Twice(id.to_owned()));
            }
            let bytes = STANDARD.decode(key).map_err(|_| KeyError::Form)?;
            let key = key_of(&bytes).ok_or_else(|| KeyError::Short(id.to_owned()))?;
            if is_guessable(&bytes) {
                return Err(KeyError::Guessable(id.to_owned()));
            }
            keys.push((id.to_owned(), key));
        }
        if keys.is_empty() { Err(KeyError::None) } else { Ok(Self(keys)) }
    }

    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(id, _)| id.as_str())
    }

    /// The id of the key that wraps new data keys.
    pub fn newest(&self) -> &str {
        &self.0[0].0
    }

    /// What shows, with the id of each key, whether another process has the same one: nothing, sealed under it.
    pub fn check_values(&self) -> Result<Vec<(&str, Vec<u8>)>, KeyError> {
        self.0.iter().map(|(id, key)| Ok((id.as_str(), seal(key, &check_purpose(id), b"")?))).collect()
    }

    /// Whether the key with this id is the one that sealed the check value. `Ok` if there is no such key.
    pub fn verify(&self, id: &str, check_value: &[u8]) -> Result<(), KeyError> {
        let Some((_, key)) = self.0.iter().find(|(known, _)| known == id) else { return Ok(()) };
        let opened = open(key, &check_purpose(id), check_value);
        opened.map(drop).map_err(|_| KeyError::Different(id.to_owned()))
    }

    /// A new data key, wrapped for storage.
    pub fn new_data_key(&self, workspace: WorkspaceId) -> Result<Wrapped, KeyError> {
        let mut bytes = [0; KEY_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
        self.wrap(workspace, &bytes)
    }

    fn wrap(&self, workspace: WorkspaceId, data_key: &[u8]) -> Result<Wrapped, KeyError> {
        let (id, master) = &self.0[0];
        let sealed = seal(master, &purpose(workspace, "data-key", id), data_key)?;
        Ok(Wrapped { master_key: id.clone(), sealed })
    }

    pub fn unwrap(&self, workspace: WorkspaceId, wrapped: &Wrapped) -> Result<DataKey, KeyError> {
        let bytes = self.open(workspace, wrapped)?;
        key_of(&bytes).map(|key| DataKey { key, workspace }).ok_or(KeyError::Open)
    }

    /// Wraps the same data key with the newest master key.
    pub fn rewrap(&self, workspace: WorkspaceId, wrapped: &Wrapped) -> Result<Wrapped, KeyError> {
        self.wrap(workspace, &self.open(workspace, wrapped)?)
    }

    fn open(&self, workspace: WorkspaceId, wrapped: &Wrapped) -> Result<Vec<u8>, KeyError> {
        let known = self.0.iter().find(|(id, _)| *id == wrapped.master_key);
        let (id, master) = known.ok_or_else(|| KeyError::Unknown(wrapped.master_key.clone()))?;
        open(master, &purpose(workspace, "data-key", id), &wrapped.sealed)
    }
}

/// A new master key, in the format of the settings.
pub fn new_master_key() -> Result<String, NoRandomness> {
    let mut bytes = [0; KEY_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    let id: String = bytes[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(format!("{id}:{}", STANDARD.encode(bytes)))
}

/// A wrapped data key, as stored.
#[derive(Clone, Debug)]
pub struct Wrapped {
    pub master_key: String,
    pub sealed: Vec<u8>,
}

/// The key of one workspace.
pub struct DataKey {
    key: LessSafeKey,
    workspace: WorkspaceId,
}

impl DataKey {
    /// `what` and `version` name the purpose; opening needs the same.
    pub fn seal(&self, what: &str, version: i32, text: &str) -> Result<Vec<u8>, KeyError> {
        seal(&self.key, &purpose(self.workspace, what, &version.to_string()), text.as_bytes())
    }

    pub fn open(&self, what: &str, version: i32, sealed: &[u8]) -> Result<SecretString, KeyError> {
        let bytes = open(&self.key, &purpose(self.workspace, what, &version.to_string()), sealed)?;
        String::from_utf8(bytes).map(SecretString::from).map_err(|_| KeyError::Open)
    }
}

/// The parts cannot run into each other, because names contain no NUL.
fn purpose(workspace: WorkspaceId, what: &str, which: &str) -> Vec<u8> {
    [workspace.uuid().as_bytes(), what.as_bytes(), b"\0", which.as_bytes()].concat()
}

fn check_purpose(id: &str) -> Vec<u8> {
    [b"master-key\0", id.as_bytes()].concat()
}

/// Zeros, a repeated word, 0 to 31 and the like. Of 32 random bytes, 16 are practically never equal to others.
fn is_guessable(key: &[u8]) -> bool {
    let mut distinct = key.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let step = |pair: &[u8]| pair[1].wrapping_sub(pair[0]);
    let first = key.get(..2).map(step);
    distinct.len() <= key.len() / 2 || key.windows(2).all(|pair| Some(step(pair)) == first)
}

fn key_of(bytes: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, bytes).ok().map(LessSafeKey::new)
}

fn seal(key: &LessSafeKey, purpose: &[u8], text: &[u8]) -> Result<Vec<u8>, KeyError> {
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).map_err(|_| NoRandomness)?;
    let mut sealed = text.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(purpose), &mut sealed)
        .map_err(|_| KeyError::Open)?;
    Ok([&nonce[..], &sealed].concat())
}

fn open(key: &LessSafeKey, purpose: &[u8], sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
    let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or(KeyError::Open)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| KeyError::Open)?;
    let mut text = rest.to_vec();
    let opened = key.open_in_place(nonce, Aad::from(purpose), &mut text).map_err(|_| KeyError::Open)?.len();
    text.truncate(opened);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn keys(entries: &[&str]) -> Result<MasterKeys, KeyError> {
        MasterKeys::new(&KeySettings {
            master: entries.iter().map(|entry| SecretString::from(*entry)).collect(),
        })
    }

    fn workspace(number: u128) -> WorkspaceId {
        WorkspaceId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn sealed_data_opens_only_for_the_same_purpose() {
        let keys = keys(&[&new_master_key().unwrap()]).unwrap();
        let wrapped = keys.new_data_key(workspace(1)).unwrap();
        let key = keys.unwrap(workspace(1), &wrapped).unwrap();
        let sealed = key.seal("secret:a", 1, "value").unwrap();
        assert_eq!(key.open("secret:a", 1, &sealed).unwrap().expose_secret(), "value");
        assert_ne!(sealed, key.seal("secret:a", 1, "value").unwrap(), "another nonce each time");
        assert!(key.open("secret:b", 1, &sealed).is_err() && key.open("secret:a", 2, &sealed).is_err());
        assert!(keys.unwrap(workspace(2), &wrapped).is_err(), "a key belongs to its workspace");
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(key.open("secret:a", 1, &changed).is_err() && key.open("secret:a", 1, &sealed[..5]).is_err());
    }

    #[test]
    fn data_keys_are_rewrapped_with_a_new_master_key() {
        let (old, new) = (new_master_key().unwrap(), new_master_key().unwrap());
        let before = keys(&[&old]).unwrap();
        let wrapped = before.new_data_key(workspace(1)).unwrap();
        let sealed = before.unwrap(workspace(1), &wrapped).unwrap().seal("a", 1, "value").unwrap();
        let both = keys(&[&new, &old]).unwrap();
        let rewrapped = both.rewrap(workspace(1), &wrapped).unwrap();
        assert_eq!(rewrapped.master_key, both.newest());
        let after = keys(&[&new]).unwrap();
        let key = after.unwrap(workspace(1), &rewrapped).unwrap();
        assert_eq!(key.open("a", 1, &sealed).unwrap().expose_secret(), "value");
        let unknown = after.unwrap(workspace(1), &wrapped).err();
        assert_eq!(unknown, Some(KeyError::Unknown(wrapped.master_key)));
    }

    #[test]
    fn invalid_settings_are_reported() {
        let good = new_master_key().unwrap();
        assert_eq!(keys(&[]).err(), Some(KeyError::None));
        for form in ["", "nonsense", ":abcd", "a b:abcd", "id:not base64!"] {
            assert_eq!(keys(&[form]).err(), Some(KeyError::Form), "{form}");
        }
        assert_eq!(keys(&["k:c2hvcnQ="]).err(), Some(KeyError::Short("k".into())));
        let swapped = format!("{}:k", "5f".repeat(32));
        assert_eq!(keys(&[&swapped]).err(), Some(KeyError::Form), "the message must not show the key");
        let id = good.split(':').next().unwrap().to_owned();
        assert_eq!(keys(&[&good, &good]).err(), Some(KeyError::Twice(id)));
    }

    #[test]
    fn keys_that_can_be_guessed_are_refused() {
        let counting: Vec<u8> = (0..32).collect();
        let backwards: Vec<u8> = (0..32).rev().collect();
        let words = b"0123456789abcdef0123456789abcdef".to_vec();
        for bytes in
            [vec![0; 32], vec![255; 32], counting, backwards, words, b"change-me-".repeat(4)[..32].to_vec()]
        {
            let entry = format!("k:{}", STANDARD.encode(&bytes));
            assert_eq!(keys(&[&entry]).err(), Some(KeyError::Guessable("k".into())), "{bytes:?}");
        }
        for _ in 0..1000 {
            assert!(keys(&[&new_master_key().unwrap()]).is_ok());
        }
    }

    #[test]
    fn another_key_under_the_same_id_is_noticed() {
        let (one, other) = (new_master_key().unwrap(), new_master_key().unwrap());
        let id = one.split(':').next().unwrap();
        let other = format!("{id}:{}", other.split(':').nth(1).unwrap());
        let (one, other) = (keys(&[&one]).unwrap(), keys(&[&other]).unwrap());
        let values = one.check_values().unwrap();
        assert_eq!(one.verify(id, &values[0].1), Ok(()));
        assert_eq!(other.verify(id, &values[0].1), Err(KeyError::Different(id.to_owned())));
        assert_eq!(other.verify("unknown", &values[0].1), Ok(()));
    }
}
