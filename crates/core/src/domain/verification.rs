//! Verifications: that a user reads the e-mail of an address.

use chrono::TimeDelta;

use super::string_enum::string_enum;

string_enum! {
    /// What the secret of a verification, which is sent by e-mail, can be used for.
    Purpose { SignUp = "sign_up", PasswordReset = "password_reset", EmailChange = "email_change", }
}

impl Purpose {
    /// How long the secret can be used.
    pub const fn lifetime(self) -> TimeDelta {
        match self {
            Self::SignUp => TimeDelta::hours(24),
            Self::PasswordReset | Self::EmailChange => TimeDelta::hours(1),
        }
    }
}
