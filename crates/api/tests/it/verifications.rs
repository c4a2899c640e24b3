//! Sign-ups with a verified address and forgotten passwords, with a real mail server: what is sent, and what others can learn.

use hyper::Method;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use trigrun_api::{DEFAULTS, Origin, Settings, SignUp, serve};
use trigrun_core::config;
use trigrun_testkit::{
    TestDb, due, keys,
    mail::{MailServer, Message},
};

use crate::app::{App, PASSWORD, Response, redis_settings};

const TIMEOUT: Duration = Duration::from_secs(60);
const NEW_PASSWORD: &str = "battery horse correct";

/// An API that sends e-mail.
struct Mailing {
    app: App,
    mail: MailServer,
}

impl Mailing {
    async fn new() -> Self {
        Self::start_with(|_| ()).await
    }

    async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let mail = MailServer::start().await.unwrap();
        let url = mail.url();
        let app = App::start_with(|settings| {
            settings.smtp.url = url.into();
            settings.smtp.from = "TrigRun <noreply@example.com>".into();
            settings.server.public_url = Some(origin());
            change(settings);
        });
        Self { app: app.await, mail }
    }

    async fn request(&self, email: &str, purpose: &str) -> Response {
        self.app.post("/v1/auth/verifications", &json!({ "email": email, "purpose": purpose })).await
    }

    async fn sign_up(&self, email: &str, verification: &str) -> Response {
        let body = json!({ "email": email, "password": PASSWORD, "verification": verification });
        self.app.post("/v1/auth/signup", &body).await
    }

    /// Requests a verification, and returns what was sent for it.
    async fn verification(&self, email: &str, purpose: &str) -> String {
        let before = self.to(email).len();
        self.request(email, purpose).await.expect(202);
        secret_of(&self.sent(email, before + 1).await).expect("a secret")
    }

    /// A new user, who has verified the address.
    async fn user(&self, email: &str) -> Value {
        let verification = self.verification(email, "sign_up").await;
        self.sign_up(email, &verification).await.expect(201)
    }

    async fn log_in(&self, email: &str, password: &str) -> Response {
        self.app.post("/v1/auth/login", &json!({ "email": email, "password": password })).await
    }

    async fn reset(&self, verification: &str, password: &str) -> Response {
        let body = json!({ "verification": verification, "password": password });
        self.app.post("/v1/auth/password", &body).await
    }

    fn to(&self, email: &str) -> Vec<Message> {
        self.mail.messages().into_iter().filter(|message| message.to == [email]).collect()
    }

    /// The last message to this address, when there are so many.
    async fn sent(&self, email: &str, count: usize) -> Message {
        let has_arrived = async || self.to(email).len() >= count;
        due::until("the e-mail arrives", TIMEOUT, has_arrived).await.unwrap();
        self.to(email).pop().expect("a message")
    }
}

fn origin() -> Origin {
    "https://trigrun.example.com".to_owned().try_into().unwrap()
}

fn text(message: &Message) -> String {
    message.lines.join("\n")
}

fn secret_of(message: &Message) -> Option<String> {
    let line = message.lines.iter().find(|line| line.starts_with("trv_"))?;
    Some(line.clone())
}

fn verification_error(response: &Response) -> String {
    let [(pointer, code)] = response.errors().try_into().expect("one error");
    assert_eq!(pointer, "/verification");
    code
}

#[tokio::test]
async fn a_user_signs_up_with_a_verified_address() {
    let it = Mailing::new().await;
    assert_eq!(it.app.get("/v1/instance").await.expect(200)["mail"], json!(true));
    let answer = it.request("Ada@Example.com", "sign_up").await.expect(202);
    assert_eq!((&answer["email"], &answer["purpose"]), (&json!("ada@example.com"), &json!("sign_up")));
    let message = it.sent("ada@example.com", 1).await;
    let verification = secret_of(&message).expect("a secret");
    let link = format!("https://trigrun.example.com/signup#{verification}");
    assert!(message.lines.contains(&link), "{message:?}");
    assert_eq!(message.header("From"), Some("TrigRun <noreply@example.com>"));
    assert_eq!(message.header("Auto-Submitted"), Some("auto-generated"));
    // It is for this address only, and is good once.
    assert_eq!(
        verification_error(&it.sign_up("grace@example.com", &verification).await),
        "verification_unknown"
    );
    let ada = it.sign_up("ADA@example.com", &verification).await.expect(201);
    assert_eq!(ada["user"]["email"], json!("ada@example.com"));
    let again = it.sign_up("ada@example.com", &verification).await;
    assert_eq!(verification_error(&again), "verification_unknown");
    // Another request does not end what was sent before; the first that is used does.
    let first = it.verification("bob@example.com", "sign_up").await;
    let second = it.verification("bob@example.com", "sign_up").await;
    it.sign_up("bob@example.com", &first).await.expect(201);
    assert_eq!(verification_error(&it.sign_up("bob@example.com", &second).await), "verification_unknown");
    let late = it.verification("carl@example.com", "sign_up").await;
    let kept = "select count(*) from email_verifications where octet_length(hash) = 32";
    assert_eq!(it.app.db.count(kept).await, 1, "the digests of the others are deleted");
    it.app.db.execute("update email_verifications set expires_at = now()").await;
    assert_eq!(verification_error(&it.sign_up("carl@example.com", &late).await), "verification_unknown");
}

#[tokio::test]
async fn nothing_shows_whether_an_address_has_an_account() {
    let it = Mailing::new().await;
    it.user("taken@example.com").await;
    // The users are looked up after the response: here it arrives although no one can read them.
    let locking = it.app.db.session().await;
    locking.batch_execute("begin; lock table users in access exclusive mode").await.unwrap();
    for purpose in ["sign_up", "password_reset"] {
        for _ in 0..2 {
            for email in ["taken@example.com", "free@example.com"] {
                let response = it.request(email, purpose).await.expect(202);
                assert_eq!((&response["email"], &response["purpose"]), (&json!(email), &json!(purpose)));
            }
        }
    }
    locking.batch_execute("rollback").await.unwrap();
    drop(locking);
    // Without a verification, a sign-up is refused before the address is looked up.
    let mut refused = BTreeSet::new();
    for email in ["taken@example.com", "free@example.com"] {
        let body = json!({ "email": email, "password": PASSWORD }).to_string();
        let id = [("x-request-id", "the-same")];
        let response = it.app.send_as("", Method::POST, "/v1/auth/signup", &id, &body).await;
        assert_eq!(verification_error(&response), "required");
        refused.insert(response.text);
    }
    assert_eq!(refused.len(), 1, "{refused:?}");
    // The owner of the address learns it: a sign-up, twice no sign-up and two resets; the other, two sign-ups.
    it.sent("taken@example.com", 5).await;
    it.sent("free@example.com", 2).await;
    let to_taken = it.to("taken@example.com");
    let known = to_taken.iter().filter(|message| text(message).contains("already has an account"));
    assert!(
        known.clone().count() == 2 && known.clone().all(|message| secret_of(message).is_none()),
        "{to_taken:#?}"
    );
    let of_reset = to_taken.iter().filter(|message| text(message).contains("/reset#trv_")).count();
    assert_eq!(of_reset, 2);
    assert!(it.to("free@example.com").iter().all(|message| text(message).contains("/signup#trv_")));
}

#[tokio::test]
async fn a_forgotten_password_is_replaced() {
    let it = Mailing::new().await;
    let ada = it.user("ada@example.com").await;
    let verification = it.verification("ada@example.com", "password_reset").await;
    // It does not sign anyone up, nor does one for a sign-up replace a password.
    assert_eq!(
        verification_error(&it.sign_up("ada@example.com", &verification).await),
        "verification_unknown"
    );
    let of_sign_up = it.verification("grace@example.com", "sign_up").await;
    assert_eq!(verification_error(&it.reset(&of_sign_up, NEW_PASSWORD).await), "verification_unknown");
    let short = it.reset(&verification, "short").await;
    assert_eq!(short.errors(), [("/password".to_owned(), "password_length".to_owned())]);
    it.reset(&verification, NEW_PASSWORD).await.expect(204);
    assert_eq!(verification_error(&it.reset(&verification, NEW_PASSWORD).await), "verification_unknown");
    let session = ada["token"].as_str().unwrap();
    let me = it.app.send_as(session, Method::GET, "/v1/me", &[], "").await;
    assert_eq!(me.problem(401), "unauthorized", "every session has ended");
    assert_eq!(it.log_in("ada@example.com", PASSWORD).await.problem(401), "credentials_wrong");
    let session = it.log_in("ada@example.com", NEW_PASSWORD).await.expect(200);
    let session = session["token"].as_str().unwrap();
    // Her sign-up, this reset, and a message about it.
    let message = it.sent("ada@example.com", 3).await;
    assert!(text(&message).contains("was changed") && secret_of(&message).is_none(), "{message:?}");
    let path = "/v1/audit-log?action=user.password_changed";
    let log = it.app.send_as(session, Method::GET, path, &[], "").await.expect(200);
    assert_eq!(log["data"][0]["details"], json!({ "by": "verification" }), "{log}");
    assert_eq!(log["data"][0]["actor"]["id"], ada["user"]["id"]);
}

#[tokio::test]
async fn a_change_of_the_password_ends_what_was_sent_to_replace_it() {
    let it = Mailing::new().await;
    let ada = it.user("ada@example.com").await;
    let verification = it.verification("ada@example.com", "password_reset").await;
    let change = json!({ "current": PASSWORD, "new": NEW_PASSWORD }).to_string();
    let session = ada["token"].as_str().unwrap();
    it.app.send_as(session, Method::POST, "/v1/me/password", &[], &change).await.expect(204);
    assert!(text(&it.sent("ada@example.com", 3).await).contains("was changed"));
    assert_eq!(verification_error(&it.reset(&verification, PASSWORD).await), "verification_unknown");
    // A user who is deleted cannot come back by it.
    let verification = it.verification("ada@example.com", "password_reset").await;
    it.app.send_as(session, Method::DELETE, "/v1/workspace", &[], "").await.expect(204);
    it.app.send_as(session, Method::DELETE, "/v1/me", &[], "").await.expect(204);
    assert_eq!(verification_error(&it.reset(&verification, PASSWORD).await), "verification_unknown");
}

#[tokio::test]
async fn one_reset_of_several_at_once_succeeds() {
    let it = Mailing::new().await;
    it.user("ada@example.com").await;
    let verification = it.verification("ada@example.com", "password_reset").await;
    let resets = (0..4).map(|n| {
        let (it, verification) = (&it, &verification);
        async move { it.reset(verification, &format!("{NEW_PASSWORD} {n}")).await.status.as_u16() }
    });
    let mut statuses = futures_util::future::join_all(resets).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 422, 422, 422]);
}

#[tokio::test]
async fn an_address_gets_five_messages_an_hour_from_one_network() {
    let it =
        Mailing::start_with(|settings| settings.limits.proxies = vec!["127.0.0.0/8".parse().unwrap()]).await;
    for _ in 0..7 {
        it.request("victim@example.com", "sign_up").await.expect(202);
    }
    // Whatever was accepted before this one has been sent, or is being sent.
    it.verification("another@example.com", "sign_up").await;
    it.sent("victim@example.com", 5).await;
    let hashes = "select count(*) from email_verifications where email = 'victim@example.com'";
    assert_eq!((it.to("victim@example.com").len(), it.app.db.count(hashes).await), (5, 5));
    // Elsewhere, its owner still can.
    let (body, elsewhere) = (json!({ "email": "victim@example.com", "purpose": "sign_up" }), "203.0.113.7");
    let elsewhere = [("x-forwarded-for", elsewhere)];
    let path = "/v1/auth/verifications";
    it.app.send_as("", Method::POST, path, &elsewhere, &body.to_string()).await.expect(202);
    it.sent("victim@example.com", 6).await;
}

#[tokio::test]
async fn requests_and_guesses_of_a_network_are_limited() {
    let number = |n| std::num::NonZeroU32::new(n).unwrap();
    let it = Mailing::start_with(|settings| {
        settings.limits.sign_ups_per_hour = number(3);
        settings.limits.failures_per_minute = number(2);
    })
    .await;
    for n in 0..3 {
        it.request(&format!("a{n}@example.com"), "sign_up").await.expect(202);
    }
    assert_eq!(it.request("b@example.com", "password_reset").await.problem(429), "rate_limited");
    let guess = |at: u8| {
        use trigrun_core::domain::access::{TokenKind, TokenSecret};
        TokenSecret::from_random(TokenKind::Verification, &[at; 128]).unwrap().reveal().to_owned()
    };
    for at in 0..2 {
        assert_eq!(verification_error(&it.reset(&guess(at), PASSWORD).await), "verification_unknown");
    }
    assert_eq!(it.reset(&guess(2), PASSWORD).await.problem(429), "rate_limited");
}

#[tokio::test]
async fn the_mode_of_sign_up_decides_who_gets_what() {
    for mode in [SignUp::Invite, SignUp::Closed] {
        let it = Mailing::start_with(|settings| settings.server.sign_up = mode).await;
        let code = if mode == SignUp::Invite { "sign_up_by_invitation" } else { "sign_up_closed" };
        assert_eq!(it.request("ada@example.com", "sign_up").await.problem(403), code);
        let member = it.app.member("member").await.parse::<trigrun_core::domain::id::UserId>().unwrap();
        let email = format!("select email from users where id = '{}'", member.uuid());
        let email = it.app.db.lines(&email).await.remove(0);
        let verification = it.verification(&email, "password_reset").await;
        it.reset(&verification, NEW_PASSWORD).await.expect(204);
        it.log_in(&email, NEW_PASSWORD).await.expect(200);
    }
}

/// Otherwise one could make an account for the address of another user, and wait for them to use it.
#[tokio::test]
async fn an_invitation_is_sent_to_its_address_and_not_shown() {
    let it = Mailing::new().await;
    let eve = it.user("eve@example.com").await;
    let invite = async |email: &str| {
        let body = json!({ "email": email }).to_string();
        it.app.send_as(eve["token"].as_str().unwrap(), Method::POST, "/v1/members", &[], &body).await
    };
    let invited = invite("ada@example.com").await.expect(201);
    assert!(invited.get("invitation").is_none(), "{invited}");
    let message = it.sent("ada@example.com", 1).await;
    assert!(text(&message).contains("eve@example.com invites you"), "{message:?}");
    let invitation = message.lines.iter().find_map(|line| line.split_once("/accept#")).expect("a link").1;
    let mut body = json!({ "email": "ada@example.com", "password": PASSWORD,
        "invitation": invitation, "verification": format!("trv_{}", "a".repeat(36)) });
    let both = it.app.post("/v1/auth/signup", &body).await;
    assert_eq!(verification_error(&both), "verification_invalid");
    body.as_object_mut().unwrap().remove("verification");
    it.app.post("/v1/auth/signup", &body).await.expect(201);
    for _ in 0..4 {
        invite("bob@example.com").await.expect(201);
    }
    assert_eq!(invite("bob@example.com").await.status, 201, "the fifth at once");
    assert_eq!(invite("bob@example.com").await.problem(429), "rate_limited");
}

#[tokio::test]
async fn without_a_mail_server_nothing_is_verified() {
    let app = App::new().await;
    assert_eq!(app.get("/v1/instance").await.expect(200)["mail"], json!(false));
    for purpose in ["sign_up", "password_reset"] {
        let body = json!({ "email": "ada@example.com", "purpose": purpose });
        assert_eq!(app.post("/v1/auth/verifications", &body).await.problem(403), "mail_disabled");
    }
    app.post("/v1/auth/signup", &json!({ "email": "ada@example.com", "password": PASSWORD }))
        .await
        .expect(201);
}

#[tokio::test]
async fn a_message_that_the_server_refuses_holds_up_no_other() {
    let it = Mailing::new().await;
    it.mail.refuse("refused", "550 no such mailbox");
    for n in 0..10 {
        it.request(&format!("refused{n}@example.com"), "sign_up").await.expect(202);
    }
    it.user("ada@example.com").await;
    assert_eq!(it.mail.messages().len(), 1);
}

#[tokio::test]
async fn links_need_to_know_where_the_server_is() {
    let db = TestDb::new().await;
    let mut settings: Settings = config::load_from(DEFAULTS, []).unwrap();
    (settings.postgres, settings.keys, settings.redis) = (db.settings(), keys::settings(), redis_settings());
    settings.smtp.url = "smtp://127.0.0.1:1".to_owned().into();
    settings.smtp.from = "noreply@example.com".into();
    let refused = serve(settings.clone(), Default::default(), |_| ()).await.unwrap_err().to_string();
    assert!(refused.contains("server.public_url"), "{refused}");
    settings.server.public_url = Some(origin());
    settings.smtp.url = "mail.example.com:secret".to_owned().into();
    let refused = serve(settings, Default::default(), |_| ()).await.unwrap_err().to_string();
    assert!(refused.contains("smtp.url") && !refused.contains("secret"), "{refused}");
}

#[tokio::test]
async fn a_user_changes_the_address() {
    let it = Mailing::new().await;
    let ada = it.user("ada@example.com").await;
    let session = ada["token"].as_str().unwrap();
    let change = async |email: &str, password: &str| {
        let body = json!({ "email": email, "password": password }).to_string();
        it.app.send_as(session, Method::POST, "/v1/me/email", &[], &body).await
    };
    let confirm = async |verification: &str| {
        it.app.post("/v1/auth/email", &json!({ "verification": verification })).await
    };
    assert_eq!(change("countess@example.com", "wrong").await.problem(401), "credentials_wrong");
    let same = change("Ada@Example.com", PASSWORD).await.errors();
    assert_eq!(same, [("/email".to_owned(), "email_unchanged".to_owned())]);
    let reset = it.verification("ada@example.com", "password_reset").await;
    let answer = change("Countess@Example.com", PASSWORD).await.expect(202);
    assert_eq!(answer["email"], json!("countess@example.com"));
    let message = it.sent("countess@example.com", 1).await;
    let verification = secret_of(&message).expect("a secret");
    assert!(
        message.lines.contains(&format!("https://trigrun.example.com/email#{verification}")),
        "{message:?}"
    );
    // It is for nothing else, and nothing changes before it is used.
    assert_eq!(verification_error(&it.reset(&verification, NEW_PASSWORD).await), "verification_unknown");
    assert_eq!(
        verification_error(&it.sign_up("countess@example.com", &verification).await),
        "verification_unknown"
    );
    assert_eq!(verification_error(&confirm(&reset).await), "verification_unknown");
    assert_eq!(it.log_in("countess@example.com", PASSWORD).await.problem(401), "credentials_wrong");
    let changed = confirm(&verification).await.expect(200);
    assert_eq!((&changed["id"], &changed["email"]), (&ada["user"]["id"], &json!("countess@example.com")));
    assert_eq!(verification_error(&confirm(&verification).await), "verification_unknown");
    assert_eq!(
        verification_error(&it.reset(&reset, NEW_PASSWORD).await),
        "verification_unknown",
        "the old address"
    );
    it.log_in("countess@example.com", PASSWORD).await.expect(200);
    assert_eq!(it.log_in("ada@example.com", PASSWORD).await.problem(401), "credentials_wrong");
    let told = it.sent("ada@example.com", 3).await;
    assert!(text(&told).contains("countess@example.com") && secret_of(&told).is_none(), "{told:?}");
    let log = it.app.send_as(session, Method::GET, "/v1/audit-log?action=user.email_changed", &[], "").await;
    let details = json!({ "previous_email": "ada@example.com", "email": "countess@example.com" });
    assert_eq!(log.expect(200)["data"][0]["details"], details, "and the session is still good");
}

#[tokio::test]
async fn an_address_that_has_an_account_is_not_taken_over() {
    let it = Mailing::new().await;
    let (ada, bob) = (it.user("ada@example.com").await, it.user("bob@example.com").await);
    let session = ada["token"].as_str().unwrap();
    let change = async |email: &str| {
        let body = json!({ "email": email, "password": PASSWORD }).to_string();
        it.app.send_as(session, Method::POST, "/v1/me/email", &[], &body).await.expect(202)
    };
    let known = change("bob@example.com").await;
    let unknown = change("grace@example.com").await;
    assert_eq!(
        known.as_object().unwrap().keys().collect::<Vec<_>>(),
        unknown.as_object().unwrap().keys().collect::<Vec<_>>()
    );
    let told = it.sent("bob@example.com", 2).await;
    assert!(text(&told).contains("already has an account") && secret_of(&told).is_none(), "{told:?}");
    // Another user takes the address before the link is used.
    let verification = secret_of(&it.sent("grace@example.com", 1).await).expect("a secret");
    it.app
        .db
        .execute(&format!(
            "update users set email = 'grace@example.com' where email = '{}'",
            bob["user"]["email"].as_str().unwrap()
        ))
        .await;
    let body = json!({ "verification": verification });
    assert_eq!(it.app.post("/v1/auth/email", &body).await.problem(409), "email_taken");
    it.log_in("ada@example.com", PASSWORD).await.expect(200);
}
