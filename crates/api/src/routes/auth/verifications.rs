//! What users without a session can do by e-mail: verify an address, and replace a forgotten password.

use actix_web::{HttpRequest, HttpResponse, post, web};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use trigrun_core::{
    crypto,
    domain::{
        access::TokenSecret,
        audit::Actor,
        invalid::{Checked, FieldErrors, Invalid, both},
        user::{self, User},
        verification::Purpose,
    },
    store::{StoreError, users, verifications},
};
use utoipa::ToSchema;

use super::{
    UserView,
    sign_up::{check_sign_up_mode, verification_secret, verification_unknown},
};
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

fn purpose_without_session(text: &str) -> Result<Purpose, Invalid> {
    let purpose = Purpose::from_str(text).ok().filter(|purpose| *purpose != Purpose::EmailChange);
    purpose.ok_or_else(|| Invalid::not_one_of(text, &["sign_up", "password_reset"]))
}

fn check_verification(body: VerificationBody, errors: &mut FieldErrors) -> Checked<(String, Purpose)> {
    let email =
        required(errors, "/email", body.email).and_then(|email| errors.take("/email", user::email(&email)));
    let purpose = required(errors, "/purpose", body.purpose)
        .and_then(|text| errors.take("/purpose", purpose_without_session(&text)));
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

/// The user of a verification, and the address to which it was sent. An unknown one counts against the network.
async fn find_user(
    state: &State,
    request: &HttpRequest,
    purpose: Purpose,
    hash: &[u8],
) -> ApiResult<(User, String)> {
    match verifications::of_user(&mut *state.conn().await?, purpose, hash, state.clock.now()).await {
        Err(StoreError::NotFound) => {
            state.limits.record_failure(request)?;
            Err(verification_unknown())
        }
        found => Ok(found?),
    }
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
    let (user, _) = find_user(&state, &request, Purpose::PasswordReset, &hash).await?;
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

/// What was sent to a new address.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = EmailConfirmationInput)]
pub struct EmailConfirmationBody {
    /// trv_…
    #[schema(required, write_only)]
    verification: Option<String>,
}

/// Gives an account the address to which the verification was sent: see POST /v1/me/email. The previous address is told. Sessions and API
/// tokens stay valid.
#[utoipa::path(
    operation_id = "confirm_email", tag = "users", request_body = EmailConfirmationBody,
    responses(
        (status = 200, body = UserView),
        (status = 409, description = "Another account has the address.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[post("/auth/email")]
pub async fn confirm_email(
    state: web::Data<State>,
    request: HttpRequest,
    text: JsonText<MAX_UNAUTHENTICATED_BODY_BYTES>,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let EmailConfirmationBody { verification } = text.read(&mut errors).await?;
    let verification = required(&mut errors, "/verification", verification)
        .and_then(|text| errors.take("/verification", verification_secret(&text)));
    let hash = crypto::token_hash(&errors.finish(verification)?);
    let (user, email) = find_user(&state, &request, Purpose::EmailChange, &hash).await?;
    let by = author(&state, &request, Actor::User { id: user.id, email: user.email.clone() });
    let changed = state.run(async move |state| {
        let mut conn = state.conn().await?;
        match users::change_email(&mut conn, (&user, &hash), &email, &by).await {
            // Another request was faster.
            Err(StoreError::NotFound) => Err(verification_unknown()),
            Err(error) if error.is_conflict("users_email") => Err(Problem::new(
                ProblemCode::EmailTaken,
                "Another account has this address. Delete that account first, or use another address.",
            )),
            changed => {
                changed?;
                Ok((user.email, User { email, ..user }))
            }
        }
    });
    let (previous, user) = changed.await?;
    state.mail.email_changed(previous, user.email.clone());
    Ok(HttpResponse::Ok().json(UserView::new(&user)))
}
