//! What holds for all of a workspace: the secret that its requests are signed with.

use actix_web::{HttpResponse, get, post, web};
use secrecy::ExposeSecret;
use serde::Serialize;
use trigrun_core::store::{
    keys,
    signing::{self, Signing},
};
use utoipa::ToSchema;

use crate::{
    auth::{Allowed, WorkspaceAdmin},
    problem::ProblemBody,
    state::{Answer, State},
    time::instant,
};

/// What every outgoing request is signed with, by the Standard Webhooks specification.
#[derive(Serialize, ToSchema)]
#[schema(as = SigningSecret)]
pub struct SigningView {
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
    /// The secret before the last rotation: it signs, too, until then.
    previous: Option<PreviousView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PreviousSigningSecret)]
pub struct PreviousView {
    secret: String,
    valid_until: String,
}

impl SigningView {
    fn new(signing: &Signing) -> Self {
        Self {
            secret: signing.newest.expose_secret().to_owned(),
            previous: signing.previous.as_ref().map(|previous| PreviousView {
                secret: previous.secret.expose_secret().to_owned(),
                valid_until: instant(previous.until),
            }),
        }
    }
}

/// The signing secret, for those who verify `webhook-signature`.
#[utoipa::path(
    operation_id = "get_signing_secret", tag = "workspace",
    responses(
        (status = 200, body = SigningView),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[get("/workspace/signing-secret")]
pub async fn get_signing_secret(
    state: web::Data<State>,
    allowed: Allowed<WorkspaceAdmin>,
) -> Answer<HttpResponse> {
    let mut conn = state.conn().await?;
    let key = keys::data_key(&mut conn, allowed.workspace, &state.keys).await?;
    let signing = signing::get(&mut conn, allowed.workspace, &key, state.clock.now()).await?;
    Ok(HttpResponse::Ok().json(SigningView::new(&signing)))
}

/// Makes a new signing secret. Old and new both sign for 24 hours.
#[utoipa::path(
    operation_id = "rotate_signing_secret", tag = "workspace",
    responses(
        (status = 200, body = SigningView),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[post("/workspace/signing-secret/rotate")]
pub async fn rotate_signing_secret(
    state: web::Data<State>,
    allowed: Allowed<WorkspaceAdmin>,
) -> Answer<HttpResponse> {
    let workspace = allowed.workspace;
    let rotated = state.run(async move |state| {
        let mut conn = state.conn().await?;
        let key = keys::data_key(&mut conn, workspace, &state.keys).await?;
        Ok(signing::rotate(&mut conn, workspace, &key, state.clock.now()).await?)
    });
    Ok(HttpResponse::Ok().json(SigningView::new(&rotated.await?)))
}
