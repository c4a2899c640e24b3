//! Notifications: what each type of receiver gets, and that executions never wait for it.

use serde_json::Value;
use trigrun_core::{
    domain::{
        attempt::AttemptStatus,
        audit::Author,
        channel::Destination,
        execution::Status,
        id::{ChannelId, JobId, NotificationId, RuleId},
        job::Definition,
        notification::{Notification, NotificationStatus, Rule, RuleEvent},
        page::Page,
        workspace::shard,
    },
    store::{
        channels::{self, NewChannel},
        notifications::{self, Filter},
        rules::{self, NewRule},
        workspace_keys,
    },
};
use trigrun_testkit::{keys as master, mail::MailServer, target::Script};

use crate::bench::{Bench, DEADLINE};

impl Bench {
    async fn channel(&self, destination: Destination) -> ChannelId {
        let (mut conn, now) = (self.db.conn().await, self.db.now().await);
        let key = workspace_keys::data_key(&mut conn, self.workspace, &master::keys()).await.unwrap();
        let id = ChannelId::at(now);
        let new = NewChannel {
            id,
            name: &id.to_string(),
            destination: &destination,
            key: &key,
            by: &Author::operator(now),
        };
        channels::insert(&mut conn, self.workspace, new, None).await.unwrap().id
    }

    async fn add_rule(&self, job: JobId, channel: ChannelId, event: RuleEvent) {
        let now = self.db.now().await;
        let new = NewRule { id: RuleId::at(now), channel, rule: Rule { event, after_failures: None }, now };
        rules::insert(&mut *self.db.conn().await, self.workspace, job, &new).await.unwrap();
    }

    async fn test(&self, channel: ChannelId) -> NotificationId {
        let (mut conn, now) = (self.db.conn().await, self.db.now().await);
        notifications::insert_test(&mut conn, self.workspace, channel, now).await.unwrap()
    }

    /// Polls until the only notification satisfies the condition.
    async fn notification(&self, condition: impl Fn(&Notification) -> bool) -> Notification {
        let polled = async {
            loop {
                let (mut conn, all, page) =
                    (self.db.conn().await, Filter::default(), Page { limit: 10, before: None });
                let list = notifications::list(&mut conn, self.workspace, &all, page);
                let all = list.await.unwrap().data;
                assert!(all.len() <= 1, "{all:#?}");
                if let Some(found) = all.into_iter().find(&condition) {
                    return found;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, polled).await.expect("the condition holds in time")
    }

    async fn finished(&self) -> Notification {
        self.notification(|notification| notification.finished_at.is_some()).await
    }

    /// A job that fails at its only attempt.
    fn failing(&self) -> Definition {
        self.target.respond("/fails", Script::status(500).body("broken"));
        let mut definition = self.definition("/fails");
        definition.retry_policy.max_attempts = 1;
        definition.name = "nightly <report> & co".into();
        definition
    }

    /// The bodies of the requests to a path.
    fn bodies(&self, path: &str) -> Vec<Value> {
        let hits = self.target.hits().into_iter().filter(|hit| hit.path == path);
        hits.map(|hit| serde_json::from_slice(&hit.body).unwrap()).collect()
    }
}

#[tokio::test]
async fn a_webhook_gets_signed_details_and_is_retried_until_it_accepts() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    let hook = bench.channel(Destination::Webhook { url: bench.target.url("/hook?token=t0p") }).await;
    bench.target.respond_in_turn("/hook", [Script::status(503), Script::status(204)]);
    let job = bench.db.job(bench.workspace, &bench.failing()).await;
    bench.add_rule(job, hook, RuleEvent::OnFailure).await;
    let id = bench.run_in(job, chrono::TimeDelta::zero()).await;
    bench.publish(id).await;
    let first = bench.notification(|notification| notification.status == NotificationStatus::Retrying).await;
    assert!(first.next_attempt_at.unwrap() > first.attempts[0].started_at);
    bench.db.execute("update notifications set due_at = now()").await;
    let notification = bench.finished().await;
    assert_eq!(
        (notification.status, notification.execution, notification.attempts.len()),
        (NotificationStatus::Succeeded, Some(id), 2)
    );
    assert_eq!(
        (
            notification.attempts[0].status,
            notification.attempts[0].error_class.as_deref(),
            notification.attempts[1].status_code
        ),
        (AttemptStatus::HttpError, Some("http_5xx"), Some(204))
    );

    let hits: Vec<_> = bench.target.hits().into_iter().filter(|hit| hit.path.starts_with("/hook")).collect();
    assert_eq!((hits.len(), &hits[0].body), (2, &hits[1].body));
    let body: Value = serde_json::from_slice(&hits[1].body).unwrap();
    assert_eq!(body["type"], "execution.failed");
    assert_eq!(body["data"]["job"]["name"], "nightly <report> & co");
    assert_eq!(body["data"]["execution"]["id"], id.to_string());
    assert_eq!(body["data"]["execution"]["status_code"], 500);
    assert_eq!(body["data"]["failures_in_a_row"], 1);
    bench.verify(&hits, &notification.id.to_string()).await;
    executor.stop().await;
}

#[tokio::test]
async fn a_test_of_a_webhook_is_as_documented() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    let hook = bench.channel(Destination::Webhook { url: bench.target.url("/hook") }).await;
    let id = bench.test(hook).await;
    assert_eq!(bench.finished().await.status, NotificationStatus::Succeeded);
    assert_eq!(bench.bodies("/hook")[0]["type"], "channel.test");
    bench.verify(&bench.target.hits(), &id.to_string()).await;
    executor.stop().await;
}

#[tokio::test]
async fn a_failed_notification_causes_no_other() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    bench.target.respond("/gone", Script::status(410));
    let hook = bench.channel(Destination::Webhook { url: bench.target.url("/gone") }).await;
    let job = bench.db.job(bench.workspace, &bench.failing()).await;
    bench.add_rule(job, hook, RuleEvent::OnCompletion).await;
    let id = bench.run_in(job, chrono::TimeDelta::zero()).await;
    bench.publish(id).await;
    let notification = bench.finished().await;
    assert_eq!(
        (notification.status, notification.error_class.as_deref()),
        (NotificationStatus::Failed, Some("http_4xx"))
    );
    // A second notification would be recorded before the next execution ends.
    let next = bench.published(&bench.definition("/hook")).await;
    assert_eq!(bench.ended(next).await.status, Status::Succeeded);
    assert_eq!(bench.db.count("select count(*) from notifications").await, 1);
    executor.stop().await;
}

#[tokio::test]
async fn job_names_are_escaped_in_chat_messages() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    bench.target.respond("/discord", Script::status(204));
    let job = bench.db.job(bench.workspace, &bench.failing()).await;
    for destination in [
        Destination::Slack { url: bench.target.url("/slack") },
        Destination::Discord { url: bench.target.url("/discord") },
    ] {
        let channel = bench.channel(destination).await;
        bench.add_rule(job, channel, RuleEvent::OnFailure).await;
    }
    let id = bench.run_in(job, chrono::TimeDelta::zero()).await;
    bench.publish(id).await;
    bench.target.wait_for(3, DEADLINE).await.unwrap();
    let (slack, discord) = (bench.bodies("/slack").remove(0), bench.bodies("/discord").remove(0));
    let (slack, discord) = (slack["text"].as_str().unwrap(), discord["content"].as_str().unwrap());
    assert!(slack.starts_with("*nightly &lt;report&gt; &amp; co failed*\n"), "{slack}");
    assert!(discord.starts_with("**nightly \\<report\\> & co failed**\n"), "{discord}");
    for text in [slack, discord] {
        let plain = text.replace('\\', "");
        assert!(plain.contains("500") && plain.contains(&id.to_string()), "{text}");
    }
    executor.stop().await;
}

#[tokio::test]
async fn e_mail_is_sent_through_the_operators_server() {
    let server = MailServer::start().await.unwrap();
    let mut bench = Bench::new().await;
    bench.settings.smtp.url = server.url().into();
    bench.settings.smtp.from = "TrigRun <noreply@example.com>".into();
    let executor = bench.executor();
    let to = vec!["a@example.com".to_owned(), "b@example.com".to_owned()];
    let channel = bench.channel(Destination::Email { to: to.clone() }).await;
    let mut definition = bench.failing();
    definition.name = "nächtlich, siehe https://example.com".into();
    let job = bench.db.job(bench.workspace, &definition).await;
    bench.add_rule(job, channel, RuleEvent::OnFailure).await;
    let id = bench.run_in(job, chrono::TimeDelta::zero()).await;
    bench.publish(id).await;
    let notification = bench.finished().await;
    assert_eq!(
        (notification.status, notification.attempts[0].status_code),
        (NotificationStatus::Succeeded, Some(250))
    );
    let messages = server.messages();
    assert_eq!(messages.iter().map(|message| message.to.concat()).collect::<Vec<_>>(), to, "one each");
    let message = &messages[0];
    assert_eq!(message.header("Message-ID"), Some(format!("<{}@example.com>", notification.id).as_str()));
    assert_eq!(message.header("Auto-Submitted"), Some("auto-generated"));
    assert_eq!(message.header("Subject"), Some("TrigRun: a job failed"), "no text of the workspace");
    assert!(message.lines.iter().any(|line| line.contains("example[.]com failed")), "{message:?}");
    assert!(!message.lines.iter().any(|line| line.contains("://")), "{message:?}");
    assert!(message.lines.iter().any(|line| line.contains(&id.to_string())), "{message:?}");
    executor.stop().await;
}

#[tokio::test]
async fn refused_e_mail_is_not_retried() {
    let server = MailServer::start().await.unwrap();
    server.refuse("a@", "550 no such mailbox");
    let mut bench = Bench::new().await;
    bench.settings.smtp.url = server.url().into();
    bench.settings.smtp.from = "noreply@example.com".into();
    let executor = bench.executor();
    let channel = bench.channel(Destination::Email { to: vec!["a@example.com".into()] }).await;
    bench.test(channel).await;
    let notification = bench.finished().await;
    assert_eq!(
        (notification.status, notification.error_class.as_deref()),
        (NotificationStatus::Failed, Some("smtp_refused"))
    );
    assert_eq!(
        notification.attempts[0].error.as_deref(),
        Some("The mail server refused the message: it responded with 550.")
    );
    assert!(server.messages().is_empty());
    executor.stop().await;
}

#[tokio::test]
async fn a_notification_that_cannot_be_sent_says_why() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    for (destination, class) in [
        (Destination::Email { to: vec!["a@example.com".into()] }, "email_not_set_up"),
        // Stored while its address range was allowed, for example.
        (Destination::Webhook { url: "http://10.1.2.3/".into() }, "url_address_refused"),
    ] {
        let channel = bench.channel(destination).await;
        let id = bench.test(channel).await;
        let notification = bench.finished().await;
        assert_eq!(
            (notification.id, notification.status, notification.error_class.as_deref()),
            (id, NotificationStatus::Failed, Some(class))
        );
        assert_eq!(notification.attempts[0].status, AttemptStatus::Blocked);
        bench.db.execute("delete from notifications").await;
    }
    executor.stop().await;
}

#[tokio::test]
async fn receivers_that_never_respond_delay_no_execution() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    bench.target.respond("/unresponsive", Script::status(200).after(2 * DEADLINE));
    let hook = bench.channel(Destination::Webhook { url: bench.target.url("/unresponsive") }).await;
    for _ in 0..60 {
        bench.test(hook).await;
    }
    bench.target.wait_for(4, DEADLINE).await.expect("up to the capacity of a workspace");
    let run = bench.ended(bench.published(&bench.definition("/hook")).await).await;
    assert_eq!(run.status, Status::Succeeded);
    assert_eq!(
        bench.db.count("select count(*) from notification_attempts").await,
        0,
        "no delivery has ended yet"
    );
    let unresponsive = bench.target.hits().iter().filter(|hit| hit.path == "/unresponsive").count();
    // Three quarters of half of all.
    assert!(unresponsive <= 48, "its account has its share: {unresponsive}");
    executor.stop().await;
}

#[tokio::test]
async fn a_mail_that_one_address_refuses_reaches_the_others() {
    let server = MailServer::start().await.unwrap();
    server.refuse("gone@", "550 no such mailbox");
    let mut bench = Bench::new().await;
    bench.settings.smtp.url = server.url().into();
    bench.settings.smtp.from = "noreply@example.com".into();
    let executor = bench.executor();
    let to = vec!["gone@example.com".to_owned(), "here@example.com".to_owned()];
    let channel = bench.channel(Destination::Email { to }).await;
    bench.test(channel).await;
    let notification = bench.finished().await;
    assert_eq!(notification.status, NotificationStatus::Succeeded);
    let why = notification.attempts[0].error.as_deref().unwrap();
    assert!(why.starts_with("Not delivered to 1 of 2 addresses.") && why.contains("550"), "{why}");
    assert_eq!(server.messages().len(), 1);
    executor.stop().await;
}

#[tokio::test]
async fn e_mails_of_a_workspace_are_limited() {
    let server = MailServer::start().await.unwrap();
    let mut bench = Bench::new().await;
    bench.settings.smtp.url = server.url().into();
    bench.settings.smtp.from = "noreply@example.com".into();
    bench.settings.smtp.workspace_per_hour = 1.try_into().unwrap();
    let executor = bench.executor();
    let channel = bench.channel(Destination::Email { to: vec!["a@example.com".into()] }).await;
    bench.test(channel).await;
    bench.finished().await;
    bench.db.execute("delete from notifications").await;
    bench.test(channel).await;
    let notification =
        bench.notification(|notification| notification.status == NotificationStatus::Retrying).await;
    assert_eq!(notification.attempts[0].error_class.as_deref(), Some("email_limited"));
    let wait = notification.next_attempt_at.unwrap() - bench.db.now().await;
    assert!(wait > chrono::TimeDelta::minutes(50), "{wait}");
    assert_eq!(server.messages().len(), 1);
    executor.stop().await;
}

#[tokio::test]
async fn a_silent_receiver_delays_no_neighbour() {
    let mut bench = Bench::new().await;
    let executor = bench.executor();
    bench.target.respond("/unresponsive", Script::status(200).after(2 * DEADLINE));
    let unresponsive = bench.channel(Destination::Webhook { url: bench.target.url("/unresponsive") }).await;
    for _ in 0..20 {
        bench.test(unresponsive).await;
    }
    bench.target.wait_for(4, DEADLINE).await.unwrap();
    let of = shard(bench.workspace);
    bench.workspace = loop {
        let neighbour = bench.db.workspace("neighbour").await;
        if shard(neighbour) == of {
            break neighbour;
        }
    };
    let hook = bench.channel(Destination::Webhook { url: bench.target.url("/hook") }).await;
    bench.test(hook).await;
    assert_eq!(bench.finished().await.status, NotificationStatus::Succeeded);
    executor.stop().await;
}

#[tokio::test]
async fn a_transient_failure_of_one_address_is_retried() {
    let server = MailServer::start().await.unwrap();
    server.refuse("gone@", "550 no such mailbox");
    server.refuse("later@", "451 try again later");
    let mut bench = Bench::new().await;
    bench.settings.smtp.url = server.url().into();
    bench.settings.smtp.from = "noreply@example.com".into();
    let executor = bench.executor();
    let to = vec!["gone@example.com".to_owned(), "later@example.com".to_owned()];
    let channel = bench.channel(Destination::Email { to }).await;
    bench.test(channel).await;
    let notification =
        bench.notification(|notification| notification.status == NotificationStatus::Retrying).await;
    assert_eq!(notification.attempts[0].error_class.as_deref(), Some("smtp_busy"));
    executor.stop().await;
}
