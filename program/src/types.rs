//! Types as the runtime needs them: to read events, to check where references point, to compare with stored data.

use crate::{EnumId, Field, RecordId, SpaceId, StructId};

/// The type of a cell, parameter or result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    Bool,
    Int,
    Float,
    Text,
    Bytes,
    Time,
    Duration,
    Space,
    Failure,
    List(Box<Type>),
    Set(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Optional(Box<Type>),
    /// The place is where the plain references inside must be.
    Struct(StructId, Place),
    Enum(EnumId, Place),
    Record(RecordId, Place),
    /// The results of a saga's steps by name: what its `ok` arm binds.
    SagaResult(Vec<Field>),
    /// Not known: the element of an empty list, the value of `none`, and whatever a program that `check` refuses leaves open. Every value
    /// fits.
    Unknown,
}

/// Where a reference must point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The space of the record that holds it or receives it.
    Here,
    /// A plain space.
    Plain(SpaceId),
    /// Any space.
    Any,
}
