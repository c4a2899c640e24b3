//! Previews: a schedule in words, its next fires, the effects of clock changes, and the difference from another schedule.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::app::App;

const PREVIEW: &str = "/v1/schedules/preview";

fn cron(expression: &str, timezone: &str) -> Value {
    json!({ "kind": "cron", "schedule": { "cron": expression, "timezone": timezone } })
}

fn with(mut body: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn preview(app: &App, body: &Value) -> Value {
    app.post(PREVIEW, body).await.expect(200)
}

fn column(preview: &Value, field: &str) -> Vec<Value> {
    preview["fires"].as_array().unwrap().iter().map(|fire| fire[field].clone()).collect()
}

/// A change at 01:00 UTC that has no effect on the schedule.
fn unaffected(date: &str, from: &str, to: &str) -> Value {
    json!({
        "at": format!("{date}T01:00:00.000Z"), "date": date, "from_offset": from, "to_offset": to, "effect": null, "note": null,
        "fires": 0,
    })
}

#[tokio::test]
async fn a_cron_schedule_is_put_in_words_and_has_fires() {
    let app = App::new().await;
    let body = with(
        cron("30 4 * * MON-FRI", "Europe/Berlin"),
        &json!({ "count": 2, "from": "2026-11-26T03:30:00Z" }),
    );
    let expected = json!({
        "schedule_in_words": "at 04:30 from Monday to Friday, Europe/Berlin time",
        "fires_per_day": 0.7143,
        "fires": [
            { "at": "2026-11-27T03:30:00.000Z", "local": "2026-11-27T04:30:00+01:00", "note": null },
            { "at": "2026-11-30T03:30:00.000Z", "local": "2026-11-30T04:30:00+01:00", "note": null },
        ],
        "clock_changes": [
            unaffected("2027-03-28", "+01:00", "+02:00"), unaffected("2027-10-31", "+02:00", "+01:00"),
            unaffected("2028-03-26", "+01:00", "+02:00"), unaffected("2028-10-29", "+02:00", "+01:00"),
        ],
        "warnings": [],
    });
    assert_eq!(preview(&app, &body).await, expected);
}

#[tokio::test]
async fn recurring_schedules_count_from_the_start() {
    let app = App::new().await;
    let recurring = json!({ "kind": "recurring", "schedule": { "every_n_minutes": 90 } });
    let body = with(recurring.clone(), &json!({ "from": "2026-03-28T23:00:00.5+01:00", "count": 3 }));
    let expected = json!({
        "schedule_in_words": "every 1 hour and 30 minutes",
        "fires_per_day": 16.0,
        "clock_changes": [],
        "fires": [
            { "at": "2026-03-28T23:30:00.500Z", "local": "2026-03-28T23:30:00+00:00", "note": null },
            { "at": "2026-03-29T01:00:00.500Z", "local": "2026-03-29T01:00:00+00:00", "note": null },
            { "at": "2026-03-29T02:30:00.500Z", "local": "2026-03-29T02:30:00+00:00", "note": null },
        ],
        "warnings": [],
    });
    assert_eq!(preview(&app, &body).await, expected);
    let before = app.db.now().await;
    let from_now = preview(&app, &recurring).await;
    let fires = column(&from_now, "at");
    assert_eq!(fires.len(), 5, "the default count");
    let first: DateTime<Utc> = fires[0].as_str().unwrap().parse().unwrap();
    // The preview counts from a moment during the request. The API's clock may differ slightly from the database's.
    let (after, tolerance) = (app.db.now().await, TimeDelta::seconds(10));
    let from = first - TimeDelta::minutes(90);
    assert!(before - tolerance <= from && from <= after + tolerance, "{first}");
}

#[tokio::test]
async fn a_single_run_is_one_fire() {
    let app = App::new().await;
    let scheduled =
        json!({ "kind": "scheduled", "schedule": { "run_at": "2999-01-01T01:00:00.1239+01:00" } });
    let expected = json!({
        "schedule_in_words": "once, at 2999-01-01 00:00:00.123 UTC",
        "fires_per_day": null,
        "clock_changes": [],
        "fires": [{ "at": "2999-01-01T00:00:00.123Z", "local": "2999-01-01T00:00:00+00:00", "note": null }],
        "warnings": [],
    });
    assert_eq!(preview(&app, &scheduled).await, expected);
    let past = with(scheduled, &json!({ "from": "2999-01-01T00:00:00.123Z" }));
    assert_eq!(preview(&app, &past).await["fires"], json!([]), "no fire is left after it");
    for body in [json!({ "kind": "one_time" }), json!({ "kind": "one_time", "schedule": null })] {
        let expected = json!({
            "schedule_in_words": "once, immediately", "fires_per_day": null, "fires": [], "clock_changes": [], "warnings": [],
        });
        assert_eq!(preview(&app, &body).await, expected);
    }
}

#[tokio::test]
async fn notes_explain_clock_changes() {
    let app = App::new().await;
    let spring = json!({ "from": "2026-03-28T00:00:00Z", "count": 3 });
    let moved = preview(&app, &with(cron("30 2 * * *", "Europe/Berlin"), &spring)).await;
    let expected = json!([
        { "at": "2026-03-28T01:30:00.000Z", "local": "2026-03-28T02:30:00+01:00", "note": null },
        {
            "at": "2026-03-29T01:00:00.000Z", "local": "2026-03-29T03:00:00+02:00",
            "note": "02:30 does not exist on 2026-03-29 in Europe/Berlin; it runs at 03:00 instead.",
        },
        { "at": "2026-03-30T00:30:00.000Z", "local": "2026-03-30T02:30:00+02:00", "note": null },
    ]);
    assert_eq!(moved["fires"], expected);
    let spring = json!({ "from": "2026-03-29T00:00:00Z", "count": 3 });
    let dropped = preview(&app, &with(cron("*/30 * * * *", "Europe/Berlin"), &spring)).await;
    let expected = json!([
        { "at": "2026-03-29T00:30:00.000Z", "local": "2026-03-29T01:30:00+01:00", "note": null },
        {
            "at": "2026-03-29T01:00:00.000Z", "local": "2026-03-29T03:00:00+02:00",
            "note": "The clock goes forward on 2026-03-29 in Europe/Berlin: 02:00 to 03:00 does not exist, and fires in it are skipped.",
        },
        { "at": "2026-03-29T01:30:00.000Z", "local": "2026-03-29T03:30:00+02:00", "note": null },
    ]);
    assert_eq!(dropped["fires"], expected);
    let autumn = json!({ "from": "2026-10-24T12:00:00Z", "count": 2 });
    let once = preview(&app, &with(cron("30 2 * * *", "Europe/Berlin"), &autumn)).await;
    let expected = json!([
        {
            "at": "2026-10-25T00:30:00.000Z", "local": "2026-10-25T02:30:00+02:00",
            "note": "02:30 occurs twice on 2026-10-25 in Europe/Berlin; it runs at the first.",
        },
        { "at": "2026-10-26T01:30:00.000Z", "local": "2026-10-26T02:30:00+01:00", "note": null },
    ]);
    assert_eq!(once["fires"], expected);
    let autumn = json!({ "from": "2026-10-25T00:00:00Z", "count": 4 });
    let doubled = preview(&app, &with(cron("*/30 * * * *", "Europe/Berlin"), &autumn)).await;
    let back = |time: &str| {
        json!(format!("The clock goes back on 2026-10-25 in Europe/Berlin: {time} occurs a second time."))
    };
    let notes = vec![Value::Null, back("02:00"), back("02:30"), Value::Null];
    assert_eq!(column(&doubled, "note"), notes);
    let locals = ["02:30:00+02:00", "02:00:00+01:00", "02:30:00+01:00", "03:00:00+01:00"];
    assert_eq!(column(&doubled, "local"), locals.map(|time| json!(format!("2026-10-25T{time}"))));
    let other = preview(&app, &with(cron("30 2 * * *", "Asia/Tokyo"), &autumn)).await;
    assert_eq!(column(&other, "note"), vec![Value::Null; 4], "a time zone without clock changes");
}

#[tokio::test]
async fn warnings_about_unintended_schedules() {
    let app = App::new().await;
    let from = json!({ "from": "2026-11-26T00:00:00Z", "count": 1 });
    let warnings = async |expression: &str| {
        preview(&app, &with(cron(expression, "UTC"), &from)).await["warnings"].clone()
    };
    assert_eq!(warnings("0 9 * * *").await, json!([]));
    let skipped = "Months without day 31 are skipped; L is the last day of every month.";
    assert_eq!(warnings("0 0 31 * *").await, json!([skipped]));
    let of_zone =
        async |zone: &str| preview(&app, &with(cron("0 9 * * *", zone), &from)).await["warnings"].clone();
    assert_eq!(
        of_zone("Etc/GMT+2").await,
        json!(["Etc/GMT+2 is UTC-2: the sign in its name is the opposite."])
    );
    assert!(of_zone("EST").await[0].as_str().unwrap().contains("America/New_York"));
    assert_eq!(of_zone("Europe/Berlin").await, json!([]));
    let rarely = warnings("0 0 29 2 *").await;
    assert_eq!(rarely[0], "Fires rarely: the next fire is on 2028-02-29, in 1 year.");
}

#[tokio::test]
async fn clock_changes_have_their_effects() {
    let app = App::new().await;
    let from = json!({ "from": "2026-03-01T00:00:00Z" });
    let changes = async |expression: &str| {
        let shown = preview(&app, &with(cron(expression, "Europe/Berlin"), &from)).await;
        let changes = shown["clock_changes"].as_array().unwrap().clone();
        assert_eq!(changes.len(), 4, "two years");
        [changes[0].clone(), changes[1].clone()]
    };
    let [spring, autumn] = changes("30 2 * * *").await;
    let expected = json!({
        "at": "2026-03-29T01:00:00.000Z", "date": "2026-03-29", "from_offset": "+01:00", "to_offset": "+02:00", "effect": "moved",
        "note": "02:30 does not exist on 2026-03-29 in Europe/Berlin; it runs at 03:00 instead.", "fires": 1,
    });
    assert_eq!((&spring, &autumn["effect"]), (&expected, &json!("once")));
    let [spring, autumn] = changes("*/15 * * * *").await;
    assert_eq!((&spring["effect"], &spring["fires"]), (&json!("dropped"), &json!(4)));
    assert_eq!((&autumn["effect"], &autumn["fires"]), (&json!("twice"), &json!(4)));
    let [spring, _] = changes("0,30 2 * * *").await;
    assert_eq!(spring["effect"], "merged");
}

#[tokio::test]
async fn a_comparison_lists_added_and_removed_fires() {
    let app = App::new().await;
    let compared = async |compare: Value| {
        let from = json!({ "from": "2026-01-01T00:00:00Z", "count": 2, "compare": compare });
        preview(&app, &with(cron("0 9 * * *", "UTC"), &from)).await["compare"].clone()
    };
    let expected = json!({
        "until": "2026-01-02T08:00:00.000Z",
        "added": ["2026-01-01T09:00:00.000Z"],
        "removed": ["2026-01-01T08:00:00.000Z", "2026-01-02T08:00:00.000Z"],
    });
    assert_eq!(compared(json!({ "schedule": { "cron": "0 8 * * *" } })).await, expected);
    let same = compared(json!({ "schedule": { "cron": "0 9 * * *" } })).await;
    assert_eq!((&same["added"], &same["removed"]), (&json!([]), &json!([])));
    // A run of the past may have been the schedule before.
    let once = json!({ "kind": "scheduled", "schedule": { "run_at": "2020-01-01T00:00:00Z" } });
    assert_eq!(compared(once).await["removed"], json!([]));
    let recurring = compared(json!({ "kind": "recurring", "schedule": { "every_n_minutes": 60 } })).await;
    assert_eq!(recurring["removed"], json!(["2026-01-01T01:00:00.000Z", "2026-01-01T02:00:00.000Z"]));
    assert_eq!(compared(Value::Null).await, Value::Null);
}

#[tokio::test]
async fn the_time_zones_are_those_that_a_schedule_accepts() {
    let app = App::new().await;
    let zones = app.get("/v1/time-zones").await.expect(200);
    let zones = zones["data"].as_array().unwrap();
    let names: Vec<&str> = zones.iter().map(|zone| zone["name"].as_str().unwrap()).collect();
    assert!(names.len() > 400 && names.is_sorted());
    let of = |name: &str| zones.iter().find(|zone| zone["name"] == name).unwrap();
    assert_eq!((&of("UTC")["offset"], &of("UTC")["next_change"]), (&json!("+00:00"), &Value::Null));
    assert_eq!(of("Asia/Kolkata")["offset"], "+05:30");
    for name in names.into_iter().step_by(60) {
        preview(&app, &cron("0 9 * * *", name)).await;
    }
    // The next change of the clock is the first one of a preview.
    let changes = preview(&app, &cron("0 9 * * *", "Europe/Berlin")).await["clock_changes"].clone();
    assert_eq!(of("Europe/Berlin")["next_change"], changes[0]["at"]);
    assert_eq!(of("Europe/Berlin")["offset"], changes[0]["from_offset"]);
    let again = app.get("/v1/time-zones").await;
    assert_eq!(again.header("content-type"), Some("application/json"));
    assert_eq!(again.expect(200)["data"].as_array().unwrap(), zones);
}

#[tokio::test]
async fn count_is_limited() {
    let app = App::new().await;
    for count in [1, 100] {
        let body = with(cron("* * * * *", "UTC"), &json!({ "count": count }));
        assert_eq!(column(&preview(&app, &body).await, "at").len(), count);
    }
}

#[tokio::test]
async fn every_error_has_its_pointer() {
    let app = App::new().await;
    let ok = || cron("0 9 * * *", "UTC");
    let cases = [
        (json!({}), "/kind", "required"),
        (json!({ "kind": "cron" }), "/schedule/cron", "required"),
        (json!({ "kind": "recurring" }), "/schedule/every_n_minutes", "required"),
        (json!({ "kind": "scheduled", "schedule": {} }), "/schedule/run_at", "required"),
        (with(ok(), &json!({ "count": 1.5 })), "/count", "wrong_type"),
        (with(ok(), &json!({ "from": "2026-01-01T00:00:00" })), "/from", "instant_invalid"),
        (with(ok(), &json!({ "form": "2026-01-01T00:00:00Z" })), "/form", "unknown_field"),
        (with(ok(), &json!({ "request": {} })), "/request", "unknown_field"),
        (with(ok(), &json!({ "compare": [] })), "/compare", "wrong_type"),
        (with(ok(), &json!({ "compare": {} })), "/compare/schedule/cron", "required"),
        (with(ok(), &json!({ "compare": { "kind": "x" } })), "/compare/kind", "not_one_of"),
        (
            with(ok(), &json!({ "compare": { "kind": "one_time", "cron": "" } })),
            "/compare/cron",
            "unknown_field",
        ),
        (json!({ "compare": { "schedule": { "cron": "0 9 * * *" } } }), "/kind", "required"),
    ];
    for (body, pointer, code) in cases {
        let errors = app.post(PREVIEW, &body).await.errors();
        assert_eq!(errors, [(pointer.to_owned(), code.to_owned())], "{body}");
    }
    let all = json!({ "kind": "cron", "schedule": { "cron": "x", "timezone": "y" }, "count": 0, "from": "z", "a": 1,
        "compare": { "schedule": { "cron": "x", "timezone": "y" } } });
    let all = app.post(PREVIEW, &all).await.errors();
    let pointers: Vec<&str> = all.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(
        pointers,
        [
            "/a",
            "/compare/schedule/cron",
            "/compare/schedule/timezone",
            "/count",
            "/from",
            "/schedule/cron",
            "/schedule/timezone",
        ]
    );
    assert_eq!(app.post_text(PREVIEW, "[]").await.problem(422), "validation_failed");
    assert_eq!(app.post_text(PREVIEW, "{").await.problem(400), "json_invalid");
}

#[tokio::test]
async fn extreme_years_are_handled() {
    let app = App::new().await;
    let recurring = json!({ "kind": "recurring", "schedule": { "every_n_minutes": 1440 } });
    let patterns = ["0 0 29 2 *", "* * * * *", "0 0 1 1 *", "30 2 29 2 */7"];
    for from in ["1970-01-01T00:00:00Z", "3000-12-31T23:59:59Z"] {
        for pattern in patterns {
            let body = with(cron(pattern, "America/New_York"), &json!({ "from": from, "count": 100 }));
            assert_eq!(column(&preview(&app, &body).await, "at").len(), 100, "{pattern} from {from}");
        }
        let body = with(recurring.clone(), &json!({ "from": from, "count": 100 }));
        assert_eq!(column(&preview(&app, &body).await, "at").len(), 100);
    }
}
