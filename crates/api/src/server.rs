//! Binds the address, serves, drains.

use actix_http::{HttpService, KeepAlive, error::DispatchError};
use actix_server::Server;
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::{App, dev::AppConfig, middleware::from_fn, rt::net::TcpStream, web};
use std::{future::ready, net::SocketAddr, sync::Arc, time::Duration};
use tokio::net::TcpSocket;
use tokio_util::sync::CancellationToken;
use trigrun_console::Console;
use trigrun_core::{
    crypto::seal::{KeyError, MasterKeys},
    domain::address::EgressPolicy,
    runtime::{clock::Clock, hold::HoldWatch, probes, tasks},
    store::{self, StoreError, wake::Waker, workspace_keys},
    stream::StreamError,
};
use utoipa_actix_web::{AppExt, service_config::ServiceConfig};

use crate::{
    account_mail::{AccountMail, AccountMailError},
    capacity::Capacity,
    connections::Connections,
    db_watchdog::DbWatchdog,
    extract::body::MAX_BODY_BYTES,
    failed_log_ins::FailedLogIns,
    job_writer::JobWriter,
    middleware::{
        context::request_context,
        cors::{cors, ignore_unknown_origins},
        request_guard::guard_request,
        routing::route_leniently,
    },
    openapi, operator_api,
    passwords::Passwords,
    quotas::Quotas,
    rate_limits::RateLimits,
    routes::{self, health::OpenApiText, texts::JobsSchema},
    session_cookie::SessionCookie,
    settings::{Settings, SignUp},
    slow_client::SlowClientGuard,
    state::State,
    streams::Streams,
    waiting::Waiting,
};

/// How long a client may take to send the first head on a connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(75);
const DRAIN_TIMEOUT_SECONDS: u64 = 10;
/// How long the client may take to close its side of a closed connection.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Connections that wait to be accepted.
const MAX_PENDING_CONNECTIONS: u32 = 1024;

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    MasterKeys(#[from] KeyError),
    #[error(transparent)]
    Limits(#[from] StreamError),
    #[error(transparent)]
    Mail(#[from] AccountMailError),
    #[error("{0} cannot be served: {1}")]
    Bind(SocketAddr, #[source] std::io::Error),
    #[error("the server ended: {0}")]
    Server(#[source] std::io::Error),
}

/// The time limit of a request, unless a wait for a connection may take longer.
const MIN_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The addresses on which the API accepts requests.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    pub address: SocketAddr,
    /// That of the operator API, if it is served.
    pub operator: Option<SocketAddr>,
}

/// Serves until shutdown, then finishes the requests in flight. `on_bound` receives the addresses once the API accepts requests.
pub async fn serve(
    settings: Settings,
    shutdown: CancellationToken,
    on_bound: impl FnOnce(Bound),
) -> Result<(), ServeError> {
    // Requests may wait for connections that long several times.
    let request_timeout =
        MIN_REQUEST_TIMEOUT.max(2 * Duration::from_millis(settings.postgres.acquire_timeout_ms));
    let connections = Connections::new(&settings.postgres)?;
    let db = connections.unshared().clone();
    let installation = store::installation::id(&mut *db.conn().await?).await?;
    let redis = settings.redis.of_installation(installation);
    let clock = Clock::synchronised(&db).await?;
    let master = MasterKeys::new(&settings.keys)?;
    workspace_keys::register(&mut *db.conn().await?, &master).await?;
    let hold = HoldWatch::read(&db).await?;
    let console_path = settings.console.enabled.then(|| settings.console.base_path.clone());
    let mail = AccountMail::start(
        &settings.smtp,
        settings.server.public_url,
        console_path,
        (db.clone(), clock.clone(), hold.clone()),
    )?;
    if settings.server.sign_up == SignUp::Open && !mail.is_configured() {
        // Not a warning: it is what a system on a laptop does. `doctor` warns of it.
        tracing::info!("everyone can sign up, and no mail server is set: e-mail addresses are not verified");
    }
    let state = State {
        mail,
        hold: hold.clone(),
        keys: Arc::new(master),
        limits: Arc::new(RateLimits::new(&settings.limits, &redis)?),
        quotas: Arc::new(Quotas::new(settings.plans, &redis)?),
        sign_up: settings.server.sign_up,
        has_users: Arc::default(),
        session_cookie: SessionCookie { is_insecure: settings.server.insecure_cookies },
        origins: settings.server.origins.into(),
        request_timeout,
        passwords: Passwords::new(request_timeout / 3),
        failed_log_ins: FailedLogIns::start(db.clone()),
        capacity: Capacity::new(request_timeout / 2),
        job_writer: JobWriter::new(
            Duration::from_millis(settings.postgres.acquire_timeout_ms),
            request_timeout,
        ),
        connections,
        clock: clock.clone(),
        policy: EgressPolicy::new(settings.egress.allow)
            .with_ports(settings.egress.allow_ports)
            .without(settings.egress.refuse),
        waker: Waker::default(),
        db_watchdog: DbWatchdog::default(),
        waiting: Waiting::new(shutdown.clone()),
        streams: Streams::new(shutdown.clone(), routes::stream::event),
    };
    // They end after the last request.
    let _writers = state.job_writer.start(state.connections.for_new_jobs());
    tasks::spawn("db_watchdog", state.db_watchdog.clone().run(settings.postgres, shutdown.clone()));
    tasks::spawn("waiting", state.waiting.clone().run(db.clone()));
    tasks::spawn("streams", state.streams.clone().run(db.clone()));
    tasks::spawn("clock", clock.run(db.clone(), shutdown.clone()));
    tasks::spawn("waker", state.waker.clone().run(db.clone(), shutdown.clone()));
    let probes = settings.telemetry.probes_address;
    tasks::spawn("hold", hold.clone().run(db.clone(), shutdown.clone()));
    probes::serve(probes, db, hold, shutdown.clone())
        .await
        .map_err(|error| ServeError::Bind(probes, error))?;

    let console = settings.console.enabled.then(|| Console::new(settings.console.base_path));
    let addresses = (settings.server.address, settings.operator.address);
    let (server, bound) = start(addresses, state, console, &shutdown)?;
    let handle = server.handle();
    tracing::info!(address = %bound.address, "api started");
    if let Some(address) = bound.operator {
        tracing::info!(%address, "operator api started");
    }
    on_bound(bound);
    let stopping = tasks::spawn("drain", async move {
        shutdown.cancelled().await;
        handle.stop(true).await;
    });
    server.await.map_err(ServeError::Server)?;
    stopping.abort();
    tracing::info!("api stopped");
    Ok(())
}

/// Whom an address serves.
enum Served {
    Tenants(Option<Console>),
    Operators,
}

impl Served {
    /// The API, and what is beside it. The documents come from here, because they are derived from the routes.
    fn configure(&self, config: &mut ServiceConfig) {
        let (version_3_1, version_3_0) = match self {
            Self::Tenants(_) => {
                routes::register(config);
                config.app_data(web::Data::new(JobsSchema(openapi::jobs_schema())));
                (openapi::json(), openapi::json_3_0())
            }
            Self::Operators => {
                operator_api::register(config);
                (openapi::operator_json(), openapi::operator_json_3_0())
            }
        };
        config.app_data(web::Data::new(OpenApiText { version_3_1, version_3_0 }));
    }

    /// After the API, whose paths it leaves: the console, and where browsers go without one.
    fn configure_pages(&self, config: &mut web::ServiceConfig) {
        let Self::Tenants(console) = self else { return };
        console.iter().for_each(|console| console.configure(config));
        config.route("/", web::get().to(routes::docs::redirect_to_docs));
    }
}

fn start(
    (address, operator): (SocketAddr, Option<SocketAddr>),
    state: State,
    console: Option<Console>,
    shutdown: &CancellationToken,
) -> Result<(Server, Bound), ServeError> {
    let bind = |address| {
        let listener = listen(address).map_err(|error| ServeError::Bind(address, error))?;
        let bound = listener.local_addr().unwrap_or(address);
        Ok::<_, ServeError>((listener, bound))
    };
    let (listener, bound) = bind(address)?;
    let of_operators = operator.map(bind).transpose()?;
    let shutdown = shutdown.clone();
    let connections = move |served: Served, state: State, bound: SocketAddr| {
        let (served, state, shutdown) = (Arc::new(served), web::Data::new(state), shutdown.clone());
        move || {
            let app = App::new().into_utoipa_app().configure(|config| served.configure(config)).into_app();
            let app = app
                .configure(|config| served.configure_pages(config))
                .app_data(state.clone())
                .app_data(web::PayloadConfig::new(MAX_BODY_BYTES))
                .default_service(web::to(routes::no_route))
                .wrap(from_fn(route_leniently))
                .wrap(from_fn(guard_request))
                .wrap(cors(&state.origins))
                .wrap(from_fn(ignore_unknown_origins))
                .wrap(from_fn(request_context));
            let shutdown = shutdown.clone();
            let http = HttpService::build()
                .graceful_shutdown_signal(move || shutdown.clone().cancelled_owned())
                .client_request_timeout(HEAD_TIMEOUT)
                .client_disconnect_timeout(DISCONNECT_TIMEOUT)
                .keep_alive(KeepAlive::Timeout(KEEP_ALIVE_TIMEOUT))
                .local_addr(bound)
                .h1(map_config(app, |()| AppConfig::default()));
            let guarded = |stream: TcpStream| {
                let _ignored = stream.set_nodelay(true);
                let client = stream.peer_addr().ok();
                ready(Ok::<_, DispatchError>((SlowClientGuard::new(stream), client)))
            };
            fn_service(guarded).and_then(http)
        }
    };
    let failed = |address| move |error| ServeError::Bind(address, error);
    let mut server = Server::build().disable_signals().shutdown_timeout(DRAIN_TIMEOUT_SECONDS);
    // No page calls it.
    let state_of_operators = State { origins: Arc::new([]), ..state.clone() };
    server = server
        .listen("api", listener, connections(Served::Tenants(console), state, bound))
        .map_err(failed(bound))?;
    let operator = of_operators.as_ref().map(|(_, bound)| *bound);
    if let Some((listener, bound)) = of_operators {
        server = server
            .listen("operator_api", listener, connections(Served::Operators, state_of_operators, bound))
            .map_err(failed(bound))?;
    }
    Ok((server.run(), Bound { address: bound, operator }))
}

fn listen(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(MAX_PENDING_CONNECTIONS)?.into_std()
}
