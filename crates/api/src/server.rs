//! Binds, serves, drains.

use actix_http::{HttpService, KeepAlive, error::DispatchError};
use actix_server::Server;
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::{
    App, HttpRequest, HttpResponse,
    dev::AppConfig,
    http::{StatusCode, header},
    middleware::from_fn,
    rt::net::TcpStream,
    web,
};
use std::{future::ready, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpSocket, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use trigrun_core::{
    crypto::seal::{KeyError, MasterKeys},
    domain::address::EgressPolicy,
    runtime::{clock::Clock, probes, tasks},
    store::{Db, StoreError, wake::Waker, workspace_keys},
    stream::StreamError,
};
use utoipa_actix_web::{AppExt, scope, service_config::ServiceConfig};

use crate::{
    Settings,
    db_watchdog::DbWatchdog,
    extract::body::LIMIT,
    middleware::{
        context::shell,
        cors::{cors, strangers},
        request_guard::manners,
    },
    openapi,
    problem::Problem,
    quotas::Quotas,
    rate_limits::Limits,
    routes::{
        audit, auth, channels, docs, executions, health, jobs, members, notifications, rules, schedules,
        secrets, tokens, workspace,
    },
    slow_client::SlowClientGuard,
    state::{ApiResult, State},
};

/// How long a client may take to send the head of a request, and how long an idle connection is kept.
const SLOWEST_HEAD: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const DRAIN_SECONDS: u64 = 10;
/// How long a connection that was ended may take to be so on the other side.
const DISCONNECT: Duration = Duration::from_secs(1);
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// Passwords hashed at once: each takes 19 MiB and a core.
const HASHES_AT_ONCE: usize = 4;

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    MasterKeys(#[from] KeyError),
    #[error(transparent)]
    Limits(#[from] StreamError),
    #[error("{0} cannot be served: {1}")]
    Bind(SocketAddr, #[source] std::io::Error),
    #[error("the server ended: {0}")]
    Server(#[source] std::io::Error),
}

/// Serves until shutdown, then finishes what it has begun. `on_bound` receives the address once requests are accepted.
pub async fn serve(
    settings: Settings,
    shutdown: CancellationToken,
    on_bound: impl FnOnce(SocketAddr),
) -> Result<(), ServeError> {
    let db = Db::new(&settings.postgres)?;
    let clock = Clock::synchronised(&db).await?;
    let master = MasterKeys::new(&settings.keys)?;
    workspace_keys::check(&mut *db.conn().await?, &master).await?;
    let state = State {
        keys: Arc::new(master),
        limits: Arc::new(Limits::new(&settings.limits, &settings.redis)?),
        quotas: Arc::new(Quotas::new(&settings.plans, &settings.redis)?),
        sign_up: settings.server.sign_up,
        origins: settings.server.origins.into(),
        hashing: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
        db: db.clone(),
        clock: clock.clone(),
        policy: EgressPolicy::new(settings.egress.allow),
        waker: Waker::default(),
        pulse: DbWatchdog::default(),
    };
    tasks::spawn("pulse", state.pulse.clone().run(settings.postgres, shutdown.clone()));
    tasks::spawn("clock", clock.run(db.clone(), shutdown.clone()));
    tasks::spawn("forget", forget(state.clone(), shutdown.clone()));
    tasks::spawn("waker", state.waker.clone().run(db.clone(), shutdown.clone()));
    let probes = settings.telemetry.probes_address;
    probes::serve(probes, db, shutdown.clone()).await.map_err(|error| ServeError::Bind(probes, error))?;

    let (server, bound) = start(settings.server.address, state, &shutdown)?;
    let handle = server.handle();
    tracing::info!(address = %bound, "api started");
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

async fn forget(state: State, shutdown: CancellationToken) {
    let pass = || async {
        state.limits.forget();
        state.quotas.forget();
        Ok::<_, std::convert::Infallible>(())
    };
    tasks::every("forget", shutdown, FORGET_EVERY, std::future::pending, pass).await;
}

fn start(
    address: SocketAddr,
    state: State,
    shutdown: &CancellationToken,
) -> Result<(Server, SocketAddr), ServeError> {
    let listener = listen(address).map_err(|error| ServeError::Bind(address, error))?;
    let bound = listener.local_addr().unwrap_or(address);
    let (state, shutdown) = (web::Data::new(state), shutdown.clone());
    let connections = move || {
        let (app, _) =
            App::new().into_utoipa_app().app_data(state.clone()).configure(routes).split_for_parts();
        let app = app
            .app_data(web::PayloadConfig::new(LIMIT))
            .default_service(web::to(nowhere))
            .wrap(from_fn(manners))
            .wrap(cors(&state.origins))
            .wrap(from_fn(strangers))
            .wrap(from_fn(shell));
        let shutdown = shutdown.clone();
        let http = HttpService::build()
            .graceful_shutdown_signal(move || shutdown.clone().cancelled_owned())
            .client_request_timeout(SLOWEST_HEAD)
            .client_disconnect_timeout(DISCONNECT)
            .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
            .local_addr(bound)
            .h1(map_config(app, |()| AppConfig::default()));
        let patient = |stream: TcpStream| {
            let _slower = stream.set_nodelay(true);
            let client = stream.peer_addr().ok();
            ready(Ok::<_, DispatchError>((SlowClientGuard::new(stream), client)))
        };
        fn_service(patient).and_then(http)
    };
    let server = Server::build()
        .disable_signals()
        .shutdown_timeout(DRAIN_SECONDS)
        .listen("api", listener, connections)
        .map_err(|error| ServeError::Bind(address, error))?;
    Ok((server.run(), bound))
}

fn listen(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Every route, for the server and for the document alike.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            scope::scope("/v1")
                .service(jobs::create_job)
                .service(jobs::import::import_jobs)
                .service(jobs::list_jobs)
                .service(jobs::get_job)
                .service(jobs::patch_job)
                .service(jobs::delete_job)
                .service(jobs::pause_job)
                .service(jobs::resume_job)
                .service(jobs::run_job_now)
                .service(jobs::ledger::get_job_ledger)
                .service(schedules::preview_schedule)
                .service(executions::list_job_executions)
                .service(executions::list_executions)
                .service(executions::get_execution)
                .service(executions::replay_execution)
                .service(executions::cancel_execution)
                .service(secrets::create_secret)
                .service(secrets::list_secrets)
                .service(secrets::get_secret)
                .service(secrets::put_secret)
                .service(secrets::delete_secret)
                .service(channels::create_channel)
                .service(channels::list_channels)
                .service(channels::get_channel)
                .service(channels::patch_channel)
                .service(channels::delete_channel)
                .service(channels::test_channel)
                .service(rules::create_rule)
                .service(rules::list_rules)
                .service(rules::delete_rule)
                .service(notifications::list_notifications)
                .service(notifications::get_notification)
                .service(workspace::get_signing_secret)
                .service(workspace::rotate_signing_secret)
                .service(workspace::list_workspaces)
                .service(workspace::create_workspace)
                .service(workspace::get_workspace)
                .service(workspace::patch_workspace)
                .service(workspace::delete_workspace)
                .service(audit::list_audit_log)
                .service(auth::sign_up)
                .service(auth::log_in)
                .service(auth::log_out)
                .service(auth::get_me)
                .service(members::list_members)
                .service(members::create_member)
                .service(members::accept_invitation)
                .service(members::list_invitations)
                .service(members::delete_invitation)
                .service(members::patch_member)
                .service(members::delete_member)
                .service(tokens::list_tokens)
                .service(tokens::create_token)
                .service(tokens::rotate_token)
                .service(tokens::delete_token),
        )
        .service(health::livez)
        .route("/livez", web::head().to(health::livez_head))
        .route("/readyz", web::head().to(health::readyz_head))
        .route("/", web::get().to(docs::lead))
        .service(health::readyz)
        .service(health::version)
        .service(health::openapi_json)
        .service(docs::docs)
        .route("/docs/start.js", web::get().to(docs::start))
        .route("/docs/swagger-ui-5.35.0.js", web::get().to(docs::script))
        .route("/docs/swagger-ui-5.35.0.css", web::get().to(docs::style));
}

/// What no route answers: an unknown path, or a method that its path does not have.
async fn nowhere(request: HttpRequest) -> ApiResult<HttpResponse> {
    let pattern = request.resource_map().match_pattern(request.path());
    Err(match pattern.and_then(|pattern| openapi::methods(&pattern)) {
        Some(allowed) => {
            let detail = format!("This path answers to {allowed}.");
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
                .with_header(header::ALLOW, allowed)
        }
        None => Problem::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path."),
    })
}
