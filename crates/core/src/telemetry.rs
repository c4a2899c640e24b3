//! Logs, traces and metrics, set up once per process.
//!
//! Logs go to stderr, pretty or as JSON. Traces go to an OTLP collector when the standard `OTEL_EXPORTER_OTLP_*` variables name
//! one. Metrics are served by the probes in Prometheus's text form.

mod exporter;
pub mod metrics;
pub mod trace;

pub use opentelemetry::{KeyValue, trace::SpanKind};

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use serde::Deserialize;
use std::net::SocketAddr;
use tracing::Level;
use tracing_subscriber::{EnvFilter, Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// The section `[telemetry]` of every process.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetrySettings {
    pub log_format: LogFormat,
    /// Directives of tracing's `EnvFilter`, e.g. `info,trigrun_executor=debug`.
    pub log_filter: String,
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub probes_address: SocketAddr,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Json,
    Pretty,
}

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("telemetry.log_filter is invalid: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    #[error("the OTLP exporter cannot be set up: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// Names the variable of the environment.
    #[error("{0}")]
    Variable(String),
    #[error("metrics cannot be set up: {0}")]
    Metrics(String),
    #[error("logging is set up already")]
    Twice,
}

/// Flushes the last spans when it is dropped; keep it until the process ends.
#[must_use]
pub struct Telemetry(Option<SdkTracerProvider>);

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take()
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last spans could not be exported");
        }
    }
}

/// Sets everything up for `service`, e.g. `trigrun-api`. Call it inside the runtime, once.
pub fn init(service: &'static str, settings: &TelemetrySettings) -> Result<Telemetry, TelemetryError> {
    // actix logs malformed client requests at level error; they are not errors of TrigRun.
    let filter = format!("{},actix_http::h1=off", settings.log_filter);
    let filter = EnvFilter::try_new(filter)?;
    let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let logs = match settings.log_format {
        LogFormat::Json => logs.json().flatten_event(true).with_span_list(false).with_filter(filter).boxed(),
        LogFormat::Pretty => logs.with_target(false).with_filter(filter).boxed(),
    };
    let provider = exporter::new()?.map(|exporter| tracer_provider(service, exporter));
    // All spans of TrigRun, regardless of the log filter, so that traces are complete.
    let ours = Targets::new()
        .with_target("trigrun", Level::INFO)
        .with_target("trigrun_executor::attempt", Level::DEBUG);
    let spans = provider.as_ref().map(|provider| {
        trace::init(provider.tracer(service));
        tracing_opentelemetry::layer().with_tracer(provider.tracer(service)).with_filter(ours)
    });
    tracing_subscriber::registry().with(spans).with(logs).try_init().map_err(|_| TelemetryError::Twice)?;
    metrics::init(service).map_err(TelemetryError::Metrics)?;
    Ok(Telemetry(provider))
}

fn tracer_provider(service: &'static str, exporter: SpanExporter) -> SdkTracerProvider {
    let resource = Resource::builder().with_service_name(service).build();
    opentelemetry::global::set_text_map_propagator(
        opentelemetry_sdk::propagation::TraceContextPropagator::new(),
    );
    SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build()
}
