//! What users without a session can do by e-mail: verify an address, and replace a forgotten password.

use actix_web::{HttpRequest, HttpResponse, post, web};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use trigrun_core::{
    crypto,
    domain::{
        access::TokenSecret,
        audit::Actor,
        invalid::{Checked, FieldErrors, both},
        user,
        verification::Purpose,
    },
    store::{StoreError, users, verifications},
};
use utoipa::ToSchema;

use super::sign_up::{check_sign_up_mode, verification_secret, verification_unknown};
use crate::{
    auth::author,
    enums,
    extract::body::{JsonText, MAX_UNAUTHENTICATED_BODY_BYTES, required},
    problem::{Problem, ProblemBody, ProblemCode},
    result::ApiResult,
    state::State,
    time::instant,
};

/// An address to be verified.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = VerificationInput)]
pub struct VerificationBody {
    #[schema(required, max_length = 254, example = "ada@example.com")]
    email: Option<String>,
    #[schema(required, value_type = enums::VerificationPurpose)]
    purpose: Option<String>,
}

/// What is sent to the address.
#[derive(Serialize, ToSchema)]
#[schema(as = Verification)]
pub struct VerificationView {
    email: String,
    #[schema(value_type = enums::VerificationPurpose)]
    purpose: &'static str,
    /// Until when it can be used.
    #[schema(format = DateTime)]
    expires_at: String,
}

fn check_verification(body: VerificationBody, errors: &mut FieldErrors) -> Checked<(String, Purpose)> {
    let email =
        required(errors, "/email", body.email).and_then(|email| errors.take("/email", user::email(&email)));
    let purpose = required(errors, "/purpose", body.purpose)
        .and_then(|text| errors.take("/purpose", Purpose::from_str(&text)));
    both(email, purpose)
}

/// Sends an e-mail to an address: to sign up with it, or to replace the password of its user. The response does not say whether the address
/// has an account. An address gets at most five of these e-mails at once for requests from one network, then one in twelve
/// minutes; further ones are not sent.
#[utoipa::path(
    operation_id = "create_verification", tag = "users", request_body = VerificationBody,
    responses(
        (status = 202, body = VerificationView),
        (status = 403, description = "The server sends no e-mail, or sign-up is not open.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Too many e-mails at the moment; see Retry-After.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[post("/auth/verifications")]
pub async fn create_verification(
    state: web::Data<State>,
    request: HttpRequest,
    text: JsonText<MAX_UNAUTHENTICATED_BODY_BYTES>,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let body = text.read(&mut errors).await?;
    let verification = check_verification(body, &mut errors);
    let (email, purpose) = errors.finish(verification)?;
    if !state.mail.is_configured() {
        let detail = "This server sends no e-mail. Ask its administrator.";
        return Err(Problem::new(ProblemCode::MailDisabled, detail));
    }
    if purpose == Purpose::SignUp {
        check_sign_up_mode(state.sign_up, false)?;
    }
    state.limits.sign_up(&request)?;
    let expires_at = state.clock.now() + purpose.lifetime();
    if state.limits.may_mail(&request, &email) {
        state.mail.verify(email.clone(), purpose)?;
    }
    let view = VerificationView { email, purpose: purpose.as_str(), expires_at: instant(expires_at) };
    Ok(HttpResponse::Accepted().json(view))
}

/// A new password.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = PasswordResetInput)]
pub struct PasswordResetBody {
    /// What was sent to the address, trv_…
    #[schema(required, write_only)]
    verification: Option<String>,
    #[schema(required, min_length = 10, max_length = 256, write_only)]
    password: Option<String>,
}

fn check_reset(body: PasswordResetBody, errors: &mut FieldErrors) -> Checked<(TokenSecret, String)> {
    let verification = required(errors, "/verification", body.verification)
        .and_then(|text| errors.take("/verification", verification_secret(&text)));
    let password = required(errors, "/password", body.password)
        .and_then(|text| errors.take("/password", user::password(&text)).map(|()| text));
    both(verification, password)
}

/// Replaces a forgotten password, by a verification with the purpose `password_reset`, and ends all sessions of the user. API tokens stay valid.
#[utoipa::path(
    operation_id = "reset_password", tag = "users", request_body = PasswordResetBody,
    responses(
        (status = 204),
        (status = 503, description = "Too many log-ins at the moment; see Retry-After.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[post("/auth/password")]
pub async fn reset_password(
    state: web::Data<State>,
    request: HttpRequest,
    text: JsonText<MAX_UNAUTHENTICATED_BODY_BYTES>,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let body = text.read(&mut errors).await?;
    let reset = check_reset(body, &mut errors);
    let (verification, password) = errors.finish(reset)?;
    let hash = crypto::token_hash(&verification);
    let found = verifications::of_password_reset(&mut *state.conn().await?, &hash, state.clock.now()).await;
    let user = match found {
        Err(StoreError::NotFound) => {
            state.limits.record_failure(&request)?;
            return Err(verification_unknown());
        }
        found => found?,
    };
    let password_hash = state.passwords.hash(password).await?;
    let by = author(&state, &request, Actor::User { id: user.id, email: user.email.clone() });
    let email = user.email.clone();
    let replaced = state.run(async move |state| {
        let mut conn = state.conn().await?;
        match users::reset_password(&mut conn, (&user, &hash), &password_hash, &by).await {
            // Another request was faster.
            Err(StoreError::NotFound) => Err(verification_unknown()),
            replaced => Ok(replaced?),
        }
    });
    replaced.await?;
    // Who reads the e-mail of the user is the user: guesses of others do not keep them out.
    state.limits.logged_in(&request, &email);
    state.mail.password_changed(email);
    Ok(HttpResponse::NoContent().finish())
}
