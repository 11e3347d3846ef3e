//! Header fields as types: each in a file of its own with what it reads, what it writes and its tests.

use std::fmt::Display;

use super::{Message, Name, ParseError};

/// A header field's value with a grammar. `read(x.to_string())` gives `x` back.
pub trait Typed: Sized + Display {
    /// The field that it stands in.
    const NAME: Name;

    /// One value (one item of a list) without its name.
    fn read(text: &str) -> Result<Self, ParseError>;
}

impl Message {
    /// The first value of this type, read now; `None` when the field is absent.
    pub fn typed<T: Typed>(&self) -> Option<Result<T, ParseError>> {
        self.all_typed().next()
    }

    /// Every value of this type in order.
    pub fn all_typed<T: Typed>(&self) -> impl Iterator<Item = Result<T, ParseError>> {
        let name = T::NAME;
        let label = T::NAME;
        self.values(&name).map(move |text| T::read(text).map_err(|error| error.inside(label.as_str())))
    }
}
