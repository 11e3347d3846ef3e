//! What went wrong, as the API says it: a status, an `ApiErrors` body at once; or an `apiErrors` notification later.

use crate::xml::Xml;

/// `ErrorType` of a body, `errorType` of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    AuthorizationFailure,
    BadRequest,
    CallOperationFailure,
    DialogNotFound,
    Forbidden,
    GenericError,
    InternalServerError,
    InvalidAuthorizationUser,
    InvalidDevice,
    InvalidInput,
    InvalidState,
    InvalidSupervisor,
    NotFound,
    ParameterMissing,
    ServiceUnavailable,
    UserNotFound,
}

impl ErrorType {
    pub fn word(self) -> &'static str {
        match self {
            ErrorType::AuthorizationFailure => "Authorization Failure",
            ErrorType::BadRequest => "Bad Request",
            ErrorType::CallOperationFailure => "Call Operation Failure",
            ErrorType::DialogNotFound => "Dialog Not Found",
            ErrorType::Forbidden => "Forbidden",
            ErrorType::GenericError => "Generic Error",
            ErrorType::InternalServerError => "Internal Server Error",
            ErrorType::InvalidAuthorizationUser => "Invalid Authorization User Specified",
            ErrorType::InvalidDevice => "Invalid Device",
            ErrorType::InvalidInput => "Invalid Input",
            ErrorType::InvalidState => "Invalid State",
            ErrorType::InvalidSupervisor => "Invalid Supervisor",
            ErrorType::NotFound => "Not Found",
            ErrorType::ParameterMissing => "Parameter Missing",
            ErrorType::ServiceUnavailable => "Service Unavailable",
            ErrorType::UserNotFound => "User Not Found",
        }
    }

    fn status(self) -> u16 {
        match self {
            ErrorType::AuthorizationFailure | ErrorType::InvalidAuthorizationUser | ErrorType::InvalidSupervisor => 401,
            ErrorType::Forbidden => 403,
            ErrorType::NotFound | ErrorType::UserNotFound | ErrorType::DialogNotFound => 404,
            ErrorType::InternalServerError => 500,
            ErrorType::ServiceUnavailable => 503,
            ErrorType::BadRequest
            | ErrorType::CallOperationFailure
            | ErrorType::GenericError
            | ErrorType::InvalidDevice
            | ErrorType::InvalidInput
            | ErrorType::InvalidState
            | ErrorType::ParameterMissing => 400,
        }
    }
}

/// An error in the API's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub status: u16,
    pub kind: ErrorType,
    /// What it is about: an id, a state, a number of the API's list.
    pub data: String,
    pub message: String,
}

impl Problem {
    pub(crate) fn new(kind: ErrorType, data: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem { status: kind.status(), kind, data: data.into(), message: message.into() }
    }

    pub(crate) fn not_logged_in() -> Problem {
        Problem::new(
            ErrorType::AuthorizationFailure,
            "UNAUTHORIZED",
            "expected HTTP Basic with an account's name and password",
        )
    }

    pub(crate) fn not_found(what: &str, id: &str) -> Problem {
        Problem::new(ErrorType::NotFound, id, format!("there is no {what} `{id}`"))
    }

    pub(crate) fn unknown_user() -> Problem {
        Problem::new(ErrorType::UserNotFound, "4023", "UNKNOWN_USER")
    }

    pub(crate) fn missing(parameter: &str) -> Problem {
        Problem::new(ErrorType::ParameterMissing, parameter, format!("expected <{parameter}> in the body"))
    }

    pub(crate) fn input(data: &str, message: impl Into<String>) -> Problem {
        Problem::new(ErrorType::InvalidInput, data, message)
    }

    pub(crate) fn state(is: &str, wanted: &str) -> Problem {
        Problem::new(ErrorType::InvalidState, is, format!("{wanted} is not possible in the state {is}"))
    }

    pub(crate) fn forbidden(message: &str) -> Problem {
        Problem::new(ErrorType::Forbidden, "Forbidden", message)
    }

    /// The node is overloaded, or has stopped.
    pub(crate) fn unavailable(message: impl Into<String>) -> Problem {
        Problem::new(ErrorType::ServiceUnavailable, "OUT_OF_SERVICE", message)
    }

    pub(crate) fn not_allowed(method: &str, path: &str) -> Problem {
        let words = format!("{method} is not done here; docs/desk.md lists what is");
        Problem { status: 405, ..Problem::new(ErrorType::BadRequest, path, words) }
    }

    /// The body of an answer.
    pub fn body(&self) -> String {
        let mut xml = Xml::default();
        xml.within("ApiErrors", |xml| {
            xml.within("ApiError", |xml| {
                xml.leaf("ErrorType", self.kind.word());
                xml.leaf("ErrorData", &self.data);
                xml.leaf("ErrorMessage", &self.message);
            });
        });
        xml.text()
    }

    /// The data of a notification.
    pub(crate) fn write_later(&self, xml: &mut Xml) {
        xml.within("apiErrors", |xml| {
            xml.within("apiError", |xml| {
                xml.leaf("errorData", &self.data);
                xml.leaf("errorMessage", &self.message);
                xml.leaf("errorType", self.kind.word());
            });
        });
    }
}
