//! Every metric of the product, in one place. Labels are few and closed: never a workspace, a job or a URL.

use chrono::TimeDelta;
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram, Meter, MeterProvider},
};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Encoder, Registry, TextEncoder};
use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

struct State {
    registry: Registry,
    metrics: Metrics,
    /// Keeps the reader alive.
    _provider: SdkMeterProvider,
}

static STATE: OnceLock<State> = OnceLock::new();

/// Leases held by this process. Runs only count here; the gauge is set when metrics are rendered.
static IN_FLIGHT: AtomicU64 = AtomicU64::new(0);
/// Leases that this process may hold; 0 unless it is an executor.
static PERMITS: AtomicU64 = AtomicU64::new(0);

struct Metrics {
    build_info: Gauge<u64>,
    lateness: Histogram<f64>,
    attempts: Counter<u64>,
    executions: Counter<u64>,
    lost: Counter<u64>,
    planned: Counter<u64>,
    published: Counter<u64>,
    publish_failures: Counter<u64>,
    requeued: Counter<u64>,
    malformed: Counter<u64>,
    unreadable_keys: Counter<u64>,
    repeated_ends: Counter<u64>,
    no_capacity: Counter<u64>,
    notifications: Counter<u64>,
    failed_log_ins_dropped: Counter<u64>,
    account_mails: Counter<u64>,
    passes: Histogram<f64>,
    pass_failures: Counter<u64>,
    in_flight: Gauge<u64>,
    permits: Gauge<u64>,
    waiting: Gauge<u64>,
    oldest_waiting: Gauge<f64>,
    waiting_for_capacity: Gauge<u64>,
    schedule_errors: Gauge<u64>,
    partitions_ahead: Gauge<f64>,
    hold: Gauge<u64>,
    statistics_lag: Gauge<f64>,
    pool_connections: Gauge<u64>,
    pool_max: Gauge<u64>,
    clock_offset: Gauge<f64>,
    foreign_installations: Gauge<u64>,
    streams_usable: Gauge<u64>,
    oldest_snapshot: Gauge<f64>,
    requests: Histogram<f64>,
    loops: Counter<u64>,
}

/// For `service`, e.g. `trigrun-api`.
pub(super) fn init(service: &'static str) -> Result<(), String> {
    if STATE.get().is_some() {
        return Ok(());
    }
    let registry = Registry::new();
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .scope_info_enabled(false)
        .without_target_info()
        .build()
        .map_err(|error| error.to_string())?;
    let provider = SdkMeterProvider::builder().with_reader(exporter).build();
    let metrics = Metrics::new(&provider.meter("trigrun"));
    let process = service.strip_prefix("trigrun-").unwrap_or(service);
    let built = [KeyValue::new("process", process), KeyValue::new("version", env!("CARGO_PKG_VERSION"))];
    metrics.build_info.record(1, &built);
    let _ = STATE.set(State { registry, metrics, _provider: provider });
    Ok(())
}

/// Of what [`render`] returns. Prometheus 3 refuses a scrape without it.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// All metrics in the text format of Prometheus.
pub fn render() -> String {
    let Some(state) = STATE.get() else { return String::new() };
    let permits = PERMITS.load(Ordering::Relaxed);
    if permits > 0 {
        state.metrics.permits.record(permits, &[]);
        state.metrics.in_flight.record(IN_FLIGHT.load(Ordering::Relaxed), &[]);
    }
    let mut text = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&state.registry.gather(), &mut text) {
        tracing::warn!(%error, "metrics could not be written");
    }
    String::from_utf8_lossy(&text).into_owned()
}

impl Metrics {
    fn new(meter: &Meter) -> Self {
        let histogram = |name: &'static str, description: &'static str, bounds: &[f64]| {
            meter
                .f64_histogram(name)
                .with_unit("s")
                .with_description(description)
                .with_boundaries(bounds.to_vec())
                .build()
        };
        let counter = |name: &'static str, description: &'static str| {
            meter.u64_counter(name).with_description(description).build()
        };
        let gauge = |name: &'static str, description: &'static str| {
            meter.u64_gauge(name).with_description(description).build()
        };
        let seconds = |name: &'static str, description: &'static str| {
            meter.f64_gauge(name).with_unit("s").with_description(description).build()
        };
        let latency =
            [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
        Self {
            build_info: gauge("trigrun_build_info", "Always 1; labelled with the process and its version."),
            lateness: histogram(
                "trigrun_lateness",
                "Time from scheduled_for to the first byte of the first attempt.",
                &[
                    0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0,
                    60.0, 300.0,
                ],
            ),
            attempts: counter("trigrun_attempts", "Recorded attempts, by result."),
            executions: counter("trigrun_executions", "Executions that ended, by status."),
            lost: counter(
                "trigrun_executions_lost",
                "Executions that failed because their executors expired.",
            ),
            planned: counter("trigrun_planned", "Fires that were planned, by kind (run or skipped)."),
            published: counter("trigrun_published", "Dispatch messages published."),
            publish_failures: counter("trigrun_publish_failures", "Failed attempts to write to the streams."),
            requeued: counter(
                "trigrun_requeued",
                "Executions whose publication was requested again, by reason.",
            ),
            malformed: counter("trigrun_malformed_entries", "Stream entries that could not be parsed."),
            unreadable_keys: counter(
                "trigrun_unreadable_keys",
                "Failed attempts to open the key of a workspace, whose executions wait.",
            ),
            repeated_ends: counter(
                "trigrun_repeated_ends",
                "Results of executions that had ended before; they were discarded.",
            ),
            no_capacity: counter(
                "trigrun_connections_without_capacity",
                "Connections that the executor could not open for lack of file descriptors, ports or memory.",
            ),
            notifications: counter(
                "trigrun_notification_attempts",
                "Attempts to deliver notifications, by result and by whether they were the last.",
            ),
            failed_log_ins_dropped: counter(
                "trigrun_failed_log_ins_dropped",
                "Failed log-ins that are missing in the audit log.",
            ),
            account_mails: counter(
                "trigrun_account_mails",
                "E-mails about accounts, by result: sent, failed, or dropped because too many waited.",
            ),
            passes: histogram("trigrun_pass_duration", "Duration of a scheduler's pass.", &latency),
            pass_failures: counter("trigrun_pass_failures", "Runs of a repeated pass that failed, by pass."),
            in_flight: gauge("trigrun_in_flight", "Leases held by this executor."),
            permits: gauge("trigrun_permits", "Leases that this executor may hold."),
            waiting: gauge("trigrun_waiting", "Executions that are due and have no owner, up to 10,000."),
            oldest_waiting: seconds(
                "trigrun_oldest_waiting",
                "How long the oldest waiting execution has been due.",
            ),
            waiting_for_capacity: gauge(
                "trigrun_waiting_for_capacity",
                "Executions whose account, workspace or job has its share of the executors, up to 10,000.",
            ),
            schedule_errors: gauge(
                "trigrun_schedule_errors",
                "Active jobs whose next fire could not be computed, up to 10,000.",
            ),
            statistics_lag: seconds(
                "trigrun_statistics_lag",
                "Age of the oldest recorded execution that statistics may not count yet.",
            ),
            partitions_ahead: seconds(
                "trigrun_partitions_ahead",
                "How far after today executions have partitions.",
            ),
            hold: gauge(
                "trigrun_hold",
                "Whether an operator holds the installation, so that nothing is sent: 1 or 0.",
            ),
            pool_connections: gauge("trigrun_pool_connections", "Connections to Postgres, by state."),
            pool_max: gauge("trigrun_pool_max", "Connections to Postgres that this process may open."),
            clock_offset: seconds(
                "trigrun_clock_offset",
                "The clock of this machine minus the clock of Postgres.",
            ),
            foreign_installations: gauge(
                "trigrun_foreign_installations",
                "Other installations that use the same namespace in Redis.",
            ),
            streams_usable: gauge(
                "trigrun_streams_usable",
                "Whether the last use of the streams in Redis succeeded: 1 or 0.",
            ),
            oldest_snapshot: seconds(
                "trigrun_postgres_oldest_snapshot",
                "Age of the oldest snapshot in Postgres, which keeps it from removing old rows.",
            ),
            requests: histogram(
                "trigrun_api_request_duration",
                "Duration of API requests, by route, method and status.",
                &latency,
            ),
            loops: counter(
                "trigrun_loops_detected",
                "Requests refused because they come from a chain of too many runs.",
            ),
        }
    }
}

fn with(record: impl FnOnce(&Metrics)) {
    if let Some(state) = STATE.get() {
        record(&state.metrics);
    }
}

pub fn lateness(late: Duration) {
    with(|m| m.lateness.record(late.as_secs_f64(), &[]));
}

pub fn attempt(status: &'static str, error_class: Option<&'static str>) {
    let labels = [KeyValue::new("status", status), KeyValue::new("error_class", error_class.unwrap_or(""))];
    with(|m| m.attempts.add(1, &labels));
}

pub fn execution_ended(status: &'static str) {
    with(|m| m.executions.add(1, &[KeyValue::new("status", status)]));
}

pub fn lost(count: usize) {
    with(|m| m.lost.add(count as u64, &[]));
}

pub fn planned(kind: &'static str, count: usize) {
    with(|m| m.planned.add(count as u64, &[KeyValue::new("kind", kind)]));
}

pub fn published(count: usize) {
    with(|m| m.published.add(count as u64, &[]));
}

pub fn publish_failed() {
    with(|m| m.publish_failures.add(1, &[]));
}

pub fn requeued(reason: &'static str, count: usize) {
    with(|m| m.requeued.add(count as u64, &[KeyValue::new("reason", reason)]));
}

pub fn no_capacity() {
    with(|m| m.no_capacity.add(1, &[]));
}

pub fn malformed_entry() {
    with(|m| m.malformed.add(1, &[]));
}

pub fn repeated_ends(executions: usize) {
    with(|m| m.repeated_ends.add(executions as u64, &[]));
}

pub fn unreadable_key() {
    with(|m| m.unreadable_keys.add(1, &[]));
}

pub fn notification_attempt(status: &'static str, is_last: bool) {
    let labels = [KeyValue::new("status", status), KeyValue::new("given_up", is_last)];
    with(|m| m.notifications.add(1, &labels));
}

pub fn failed_log_in_dropped() {
    with(|m| m.failed_log_ins_dropped.add(1, &[]));
}

pub fn hold(is_active: bool) {
    with(|m| m.hold.record(is_active.into(), &[]));
}

/// `sent`, `failed` or `dropped`.
pub fn account_mail(result: &'static str) {
    with(|m| m.account_mails.add(1, &[KeyValue::new("result", result)]));
}

pub fn pass(name: &'static str, took: Duration) {
    with(|m| m.passes.record(took.as_secs_f64(), &[KeyValue::new("pass", name)]));
}

pub fn pass_failed(name: &'static str) {
    with(|m| m.pass_failures.add(1, &[KeyValue::new("pass", name)]));
}

/// Counts one lease, until the guard is dropped.
pub fn held() -> Held {
    IN_FLIGHT.fetch_add(1, Ordering::Relaxed);
    Held
}

pub struct Held;

impl Drop for Held {
    fn drop(&mut self) {
        IN_FLIGHT.fetch_sub(1, Ordering::Relaxed);
    }
}

pub fn permits(count: usize) {
    PERMITS.store(count as u64, Ordering::Relaxed);
}

pub fn waiting(count: u64, oldest: Duration) {
    with(|m| {
        m.waiting.record(count, &[]);
        m.oldest_waiting.record(oldest.as_secs_f64(), &[]);
    });
}

pub fn waiting_for_capacity(count: u64) {
    with(|m| m.waiting_for_capacity.record(count, &[]));
}

pub fn schedule_errors(count: u64) {
    with(|m| m.schedule_errors.record(count, &[]));
}

/// Negative if today has none.
/// Of what is counted: minutes or hours.
pub fn statistics_lag(counting: &'static str, lag: TimeDelta) {
    with(|m| m.statistics_lag.record(lag.as_seconds_f64().max(0.0), &[KeyValue::new("counting", counting)]));
}

pub fn partitions_ahead(ahead: TimeDelta) {
    with(|m| m.partitions_ahead.record(ahead.as_seconds_f64(), &[]));
}

pub fn pool(used: usize, idle: usize, max: usize) {
    with(|m| {
        for (state, count) in [("used", used), ("idle", idle)] {
            m.pool_connections.record(count as u64, &[KeyValue::new("state", state)]);
        }
        m.pool_max.record(max as u64, &[]);
    });
}

pub fn foreign_installations(count: usize) {
    with(|m| m.foreign_installations.record(count as u64, &[]));
}

/// In a scheduler, of the last check; in an executor, of the last read.
pub fn streams_usable(is_usable: bool) {
    with(|m| m.streams_usable.record(u64::from(is_usable), &[]));
}

pub fn oldest_snapshot(age: Duration) {
    with(|m| m.oldest_snapshot.record(age.as_secs_f64(), &[]));
}

pub fn clock_offset(seconds: f64) {
    with(|m| m.clock_offset.record(seconds, &[]));
}

pub fn api_request(route: &str, method: &'static str, status: u16, took: Duration) {
    let labels = [
        KeyValue::new("route", route.to_owned()),
        KeyValue::new("method", method),
        KeyValue::new("status", i64::from(status)),
    ];
    with(|m| m.requests.record(took.as_secs_f64(), &labels));
}

/// A request that the API refused with 508.
pub fn loop_detected() {
    with(|m| m.loops.add(1, &[]));
}
