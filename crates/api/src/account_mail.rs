//! Sends the e-mail of accounts, apart from the responses: what a client gets, and when, does not depend on whether an address has an account.
//!
//! Clients without an account decide how much is asked for, so few requests wait. What is lost with the process is asked for again.

use backon::{ExponentialBuilder, Retryable};
use secrecy::SecretString;
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc::{self, error::TrySendError};
use trigrun_console::BasePath;
use trigrun_core::{
    crypto,
    domain::{
        access::{TokenKind, TokenSecret},
        id::UserId,
        verification::Purpose,
    },
    mail::{MailError, MailServer, MailSettingsError, PlainMail},
    runtime::{clock::Clock, hold::HoldWatch, tasks},
    store::{
        Db, StoreError, users,
        verifications::{self, NewVerification},
    },
    telemetry::metrics,
};
use uuid::Uuid;

mod texts;

use crate::{origin::Origin, problem::Problem, result::ApiResult};
use texts::{Links, Text};

/// What waits to be sent in each queue, up to 600 bytes each.
const MAX_WAITING: usize = 256;
/// Of each queue.
const MAX_CONCURRENT: usize = 2;
/// The limit of each exchange with the mail server.
const SERVER_TIMEOUT: Duration = Duration::from_secs(10);
/// After a second, then after two and four.
const RETRIES: ExponentialBuilder =
    ExponentialBuilder::new().with_min_delay(Duration::from_secs(1)).with_max_times(3).with_jitter();

/// The section `[smtp]`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    pub url: SecretString,
    pub from: String,
}

#[derive(Debug, thiserror::Error)]
pub enum AccountMailError {
    #[error(transparent)]
    Settings(#[from] MailSettingsError),
    #[error("server.public_url must be set when smtp.url is set: the links in e-mails lead there")]
    NoPublicUrl,
}

/// Cheap to clone. The last clone ends the task that sends.
#[derive(Clone)]
pub struct AccountMail(Option<Queues>);

/// Sign-ups have their own, so that they cannot keep users from replacing their passwords.
#[derive(Clone)]
struct Queues {
    sign_ups: mpsc::Sender<Request>,
    others: mpsc::Sender<Request>,
}

enum Request {
    /// The owner of the address may sign up with it, replace the password, or give the address to this user.
    Verify { email: String, purpose: Purpose, user: Option<UserId> },
    /// The owner of the address may become a member.
    Invite { email: String, by: String, secret: TokenSecret },
    /// For information.
    PasswordChanged { email: String },
    /// For information of the previous address.
    EmailChanged { previous: String, email: String },
}

impl AccountMail {
    /// Sends nothing if no mail server is configured. Must be called within a runtime.
    pub fn start(
        settings: &MailSettings,
        public_url: Option<Origin>,
        console: Option<BasePath>,
        (db, clock, hold): (Db, Clock, HoldWatch),
    ) -> Result<Self, AccountMailError> {
        let Some(server) = MailServer::new(&settings.url, &settings.from, SERVER_TIMEOUT)? else {
            return Ok(Self(None));
        };
        let links = Links { origin: public_url.ok_or(AccountMailError::NoPublicUrl)?, console };
        let worker = Arc::new(Worker { server, links, db, clock, hold });
        let start = || {
            let (sender, waiting) = mpsc::channel(MAX_WAITING);
            let waiting = Arc::new(tokio::sync::Mutex::new(waiting));
            for _ in 0..MAX_CONCURRENT {
                tasks::spawn("account_mail", worker.clone().send_each(waiting.clone()));
            }
            sender
        };
        Ok(Self(Some(Queues { sign_ups: start(), others: start() })))
    }

    /// Whether addresses can be verified.
    pub const fn is_configured(&self) -> bool {
        self.0.is_some()
    }

    /// Sends what the owner of the address needs to go on. Never waits; 503 while too many wait.
    pub fn verify(&self, email: String, purpose: Purpose) -> ApiResult<()> {
        let busy = || Problem::busy("Too many e-mails are waiting to be sent. Try again in a minute.");
        if self.enqueue(Request::Verify { email, purpose, user: None }) { Ok(()) } else { Err(busy()) }
    }

    /// Sends what the user needs to change to this address. Never waits; 503 while too many wait.
    pub fn verify_change(&self, user: UserId, email: String) -> ApiResult<()> {
        let request = Request::Verify { email, purpose: Purpose::EmailChange, user: Some(user) };
        let busy = || Problem::busy("Too many e-mails are waiting to be sent. Try again in a minute.");
        if self.enqueue(request) { Ok(()) } else { Err(busy()) }
    }

    /// Sends an invitation, in the name of the user with the address `by`, or of the operator. 503 while too many wait.
    pub fn invite(&self, email: String, by: String, secret: TokenSecret) -> ApiResult<()> {
        let busy = || Problem::busy("Too many e-mails are waiting to be sent. Invite again in a minute.");
        if self.enqueue(Request::Invite { email, by, secret }) { Ok(()) } else { Err(busy()) }
    }

    /// Informs a user that the password was replaced, if e-mail can be sent.
    pub fn password_changed(&self, email: String) {
        self.enqueue(Request::PasswordChanged { email });
    }

    /// Informs the previous address of a user that there is another one.
    pub fn email_changed(&self, previous: String, email: String) {
        self.enqueue(Request::EmailChanged { previous, email });
    }

    /// False if too many wait.
    fn enqueue(&self, request: Request) -> bool {
        let Some(Queues { sign_ups, others }) = &self.0 else { return true };
        let queue = match request {
            Request::Verify { purpose: Purpose::SignUp, .. } => sign_ups,
            _ => others,
        };
        let is_full = matches!(queue.try_send(request), Err(TrySendError::Full(_)));
        if is_full {
            metrics::account_mail("dropped");
        }
        !is_full
    }
}

#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Mail(#[from] MailError),
    #[error("no random bytes")]
    Random,
}

impl SendError {
    /// Without the reply of the mail server, which may repeat the address.
    fn for_log(&self) -> String {
        match self {
            Self::Mail(MailError::Server(error)) => match error.status() {
                Some(code) => format!("the mail server replied with {code}"),
                None => "the mail server cannot be reached".to_owned(),
            },
            error => error.to_string(),
        }
    }
}

struct Worker {
    server: MailServer,
    links: Links,
    db: Db,
    clock: Clock,
    hold: HoldWatch,
}

impl Worker {
    async fn send_each(self: Arc<Self>, waiting: Arc<tokio::sync::Mutex<mpsc::Receiver<Request>>>) {
        loop {
            let Some(request) = waiting.lock().await.recv().await else { return };
            self.hold.released().await;
            // Each attempt has a new secret: nothing keeps the one of the attempt before.
            match (|| self.send(&request)).retry(RETRIES).when(may_pass).await {
                Ok(()) => {}
                Err(error) => {
                    metrics::account_mail("failed");
                    tracing::warn!(error = error.for_log(), "cannot send an e-mail about an account");
                }
            }
        }
    }

    async fn send(&self, request: &Request) -> Result<(), SendError> {
        let (to, text) = match request {
            Request::Verify { email, purpose, user } => {
                (email, self.verification(email, *purpose, *user).await?)
            }
            Request::Invite { email, by, secret } => (email, Some(self.links.invitation(by, secret))),
            Request::PasswordChanged { email } => {
                (email, Some(self.links.password_changed(email, self.clock.now())))
            }
            Request::EmailChanged { previous, email } => {
                (previous, Some(self.links.email_changed(email, self.clock.now())))
            }
        };
        let Some(Text { subject, text }) = text else { return Ok(()) };
        let id = Uuid::new_v4().to_string();
        self.server.send(PlainMail { id: &id, to, subject, text }).await?;
        metrics::account_mail("sent");
        Ok(())
    }

    /// `None` if there is nothing to say to this address.
    async fn verification(
        &self,
        email: &str,
        purpose: Purpose,
        user: Option<UserId>,
    ) -> Result<Option<Text>, SendError> {
        let mut conn = self.db.conn().await?;
        let owner = users::find_by_email(&mut conn, email).await?.map(|(owner, _)| owner.id);
        match (purpose, owner) {
            (Purpose::SignUp, Some(_)) => return Ok(Some(self.links.has_account())),
            (Purpose::EmailChange, Some(_)) => return Ok(Some(self.links.is_in_use())),
            (Purpose::PasswordReset, None) => return Ok(None),
            (Purpose::SignUp | Purpose::EmailChange, None) | (Purpose::PasswordReset, Some(_)) => {}
        }
        let secret: TokenSecret =
            crypto::new_token(TokenKind::Verification).map_err(|_| SendError::Random)?;
        let new = NewVerification {
            email,
            purpose,
            user: owner.or(user),
            hash: &crypto::token_hash(&secret),
            at: self.clock.now(),
        };
        verifications::create(&mut conn, new).await?;
        Ok(Some(self.links.verification(purpose, email, &secret)))
    }
}

/// Whether another attempt may succeed.
fn may_pass(error: &SendError) -> bool {
    match error {
        SendError::Mail(MailError::Address) => false,
        SendError::Mail(MailError::Server(error)) => !error.is_permanent(),
        SendError::Store(_) | SendError::Random => true,
    }
}
