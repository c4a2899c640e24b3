//! The exporter of spans: what OpenTelemetry's variables say beyond what its library reads itself.

use opentelemetry_otlp::{
    SpanExporter, WithTonicConfig,
    tonic_types::transport::{ClientTlsConfig, Identity},
};
use std::{fs, path::Path};

use super::TelemetryError;
use crate::tls;

/// Looks up a variable of the environment.
type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// `None` if spans are not to be exported.
pub(super) fn new() -> Result<Option<SpanExporter>, TelemetryError> {
    #[allow(
        clippy::disallowed_methods,
        reason = "OpenTelemetry's own variables, which the specification fixes"
    )]
    let variable = |name: &str| std::env::var(name).ok();
    if !is_wanted(&variable)? {
        return Ok(None);
    }
    Ok(Some(SpanExporter::builder().with_tonic().with_tls_config(tls(&variable)?).build()?))
}

/// The specification: an empty value counts as unset, and only `true`, in any case, disables the SDK.
fn is_wanted(variable: Variable<'_>) -> Result<bool, TelemetryError> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let is_disabled = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let exporter = set("OTEL_TRACES_EXPORTER").unwrap_or_else(|| "otlp".to_owned());
    if is_disabled || exporter == "none" || otlp(variable, "ENDPOINT").is_none() {
        return Ok(false);
    }
    if exporter != "otlp" {
        return Err(refused("OTEL_TRACES_EXPORTER", "the values are otlp and none"));
    }
    match otlp(variable, "PROTOCOL") {
        Some((name, protocol)) if protocol != "grpc" => {
            Err(refused(&name, "TrigRun exports spans by grpc only, normally to port 4317 of the collector"))
        }
        _ => Ok(true),
    }
}

/// The authorities and the client certificate of a connection by TLS. They have no effect on an endpoint with `http`.
fn tls(variable: Variable<'_>) -> Result<ClientTlsConfig, TelemetryError> {
    let authority = otlp(variable, "CERTIFICATE");
    let roots = match &authority {
        Some((name, file)) => tls::roots(Some(Path::new(file))).map_err(|error| refused(name, error))?,
        None => tls::roots(None).map_err(|error| refused("SSL_CERT_FILE", error))?,
    };
    let tls = ClientTlsConfig::new().trust_anchors(roots.roots);
    match (otlp(variable, "CLIENT_CERTIFICATE"), otlp(variable, "CLIENT_KEY")) {
        (None, None) => Ok(tls),
        (Some(certificate), Some(key)) => {
            Ok(tls.identity(Identity::from_pem(read(&certificate)?, read(&key)?)))
        }
        (Some((name, _)), None) => Err(refused(&name, "OTEL_EXPORTER_OTLP_CLIENT_KEY is missing")),
        (None, Some((name, _))) => Err(refused(&name, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE is missing")),
    }
}

/// The variable for spans, or else the one for all signals: its name and its value.
fn otlp(variable: Variable<'_>, name: &str) -> Option<(String, String)> {
    let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{name}"), format!("OTEL_EXPORTER_OTLP_{name}")];
    names.into_iter().find_map(|name| {
        let value = variable(&name).filter(|value| !value.is_empty())?;
        Some((name, value))
    })
}

fn read((name, file): &(String, String)) -> Result<Vec<u8>, TelemetryError> {
    fs::read(file).map_err(|error| refused(name, format!("{file}: {error}")))
}

fn refused(variable: &str, why: impl std::fmt::Display) -> TelemetryError {
    TelemetryError::Variable(format!("{variable}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment<'a>(given: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| given.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4317");

    #[test]
    fn spans_are_exported_to_an_endpoint_unless_disabled() {
        for (given, expected) in [
            (vec![], false),
            (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "")], false),
            (vec![ENDPOINT], true),
            (vec![("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a:1")], true),
            (vec![ENDPOINT, ("OTEL_SDK_DISABLED", "true")], false),
            (vec![ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")], false),
            (vec![ENDPOINT, ("OTEL_SDK_DISABLED", "1")], true),
            (vec![ENDPOINT, ("OTEL_SDK_DISABLED", "")], true),
            (vec![ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")], false),
            (vec![ENDPOINT, ("OTEL_TRACES_EXPORTER", "otlp")], true),
            (vec![ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], true),
            (
                vec![ENDPOINT, ("OTEL_SDK_DISABLED", "true"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")],
                false,
            ),
        ] {
            assert_eq!(is_wanted(&environment(&given)).unwrap(), expected, "{given:?}");
        }
    }

    #[test]
    fn what_is_not_supported_is_refused_with_the_name_of_the_variable() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
        ] {
            let error = is_wanted(&environment(&[ENDPOINT, (name, value)])).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name}: ")), "{error}");
        }
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem"),
            ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/nowhere/ca.pem"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/dev/null"),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/dev/null"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/dev/null"),
        ] {
            let error = tls(&environment(&[(name, value)])).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name}: ")), "{error}");
        }
    }
}
