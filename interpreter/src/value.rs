//! Values: what cells hold and expressions give.
//!
//! A value is small and cheap to clone; collections share structure. Values are totally ordered, so that sets and maps have one order
//! everywhere.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, LazyLock};

use imbl::{OrdMap, OrdSet, Vector};
use patternc_program::{RecordId, SpaceId};

/// A value of any type.
#[derive(Clone, Debug)]
pub enum Value {
    /// Absent; also the result of a handler without one.
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Time(i64),
    /// Milliseconds.
    Duration(i64),
    Space(SpaceRef),
    Ref(RecordRef),
    List(Arc<Vector<Value>>),
    Set(Arc<OrdSet<Value>>),
    Map(Arc<OrdMap<Value, Value>>),
    /// The fields of a struct, a failure (kind, message) or a saga's results, in the order of the declaration.
    Struct(Arc<[Value]>),
    /// A variant of an enum by position, and its fields.
    Variant(u32, Arc<[Value]>),
}

/// Why a value is not gone through to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    /// There is more of it.
    Weight,
    /// It is nested deeper.
    Nesting,
}

/// One space: a plain one, or one of a family.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpaceRef {
    pub space: SpaceId,
    /// The key, in a family.
    pub key: Option<Arc<Value>>,
}

/// Ids come from outside: a hash that nobody can aim at keeps chosen ids from colliding.
static KEYED: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A hash that nobody can aim at. It differs from process to process.
pub(crate) fn keyed_hash(of: &impl Hash) -> u64 {
    KEYED.hash_one(of)
}

/// The identity of a record: its type, its space, its id. Cheap to clone and hash: the hash is computed once.
#[derive(Clone)]
pub struct RecordRef(Arc<RecordKey>);

struct RecordKey {
    hash: u64,
    /// Where a state found the record last (see `store::state`): a cache, no part of the identity.
    hint: AtomicU64,
    record: RecordId,
    space: SpaceRef,
    id: Box<str>,
}

impl RecordRef {
    /// The identity of the record of this type, space and id.
    pub fn new(record: RecordId, space: SpaceRef, id: impl Into<Box<str>>) -> Self {
        let id = id.into();
        let hash = keyed_hash(&(record, &space, &id));
        RecordRef(Arc::new(RecordKey { hash, hint: AtomicU64::new(0), record, space, id }))
    }

    /// The hash of the identity. It differs from process to process.
    pub(crate) fn hash_code(&self) -> u64 {
        self.0.hash
    }

    /// Whether they are equal and share what they hold: asks for less than equality, and costs less.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// What [`RecordRef::set_hint`] left last, 0 at first.
    pub(crate) fn hint(&self) -> u64 {
        self.0.hint.load(Relaxed)
    }

    /// Leaves a note for the next look-up. Whoever reads it must be able to tell its own notes from others'.
    pub(crate) fn set_hint(&self, hint: u64) {
        self.0.hint.store(hint, Relaxed);
    }

    /// Its type.
    pub fn record(&self) -> RecordId {
        self.0.record
    }

    /// Its space.
    pub fn space(&self) -> &SpaceRef {
        &self.0.space
    }

    /// Its id, unique per type and space.
    pub fn id(&self) -> &str {
        &self.0.id
    }
}

impl PartialEq for RecordRef {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.hash == other.0.hash && self.0.record == other.0.record && self.0.id == other.0.id && self.0.space == other.0.space)
    }
}

impl Eq for RecordRef {}

impl Hash for RecordRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

impl PartialOrd for RecordRef {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By type, then id, then space: sets of records are walked in the order of ids.
impl Ord for RecordRef {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            return Ordering::Equal;
        }
        (self.0.record, &self.0.id, &self.0.space).cmp(&(other.0.record, &other.0.id, &other.0.space))
    }
}

impl std::fmt::Debug for RecordRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}/{}@{:?}", self.0.record, self.0.id, self.0.space)
    }
}

impl Value {
    /// Whether they are equal and share what they hold: asks for less than equality, and costs less.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::None, Value::None) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) | (Value::Time(a), Value::Time(b)) | (Value::Duration(a), Value::Duration(b)) => a == b,
            (Value::Text(a), Value::Text(b)) => Arc::ptr_eq(a, b),
            (Value::Ref(a), Value::Ref(b)) => a.is_same(b),
            (Value::List(a), Value::List(b)) => Arc::ptr_eq(a, b),
            (Value::Set(a), Value::Set(b)) => Arc::ptr_eq(a, b),
            (Value::Map(a), Value::Map(b)) => Arc::ptr_eq(a, b),
            (Value::Struct(a), Value::Struct(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// How many elements or entries a collection has; 0 of what is none.
    pub fn element_count(&self) -> usize {
        match self {
            Value::List(list) => list.len(),
            Value::Set(set) => set.len(),
            Value::Map(map) => map.len(),
            _ => 0,
        }
    }

    /// Whether it has neither parts nor length.
    pub(crate) fn is_small(&self) -> bool {
        !matches!(
            self,
            Value::List(_) | Value::Set(_) | Value::Map(_) | Value::Struct(_) | Value::Variant(..) | Value::Text(_) | Value::Bytes(_)
        )
    }

    /// Goes through all of it: takes one of `left` for every part, and for each 64 bytes. Structs and variants may be inside one another
    /// `nesting` times, collections not counted.
    ///
    /// The elements of one collection have one type, so the first that is there tells whether any of them has parts.
    pub(crate) fn weigh(&self, left: &mut usize, nesting: usize) -> Result<(), Excess> {
        fn spend(left: &mut usize, parts: usize) -> Result<(), Excess> {
            *left = left.checked_sub(parts).ok_or(Excess::Weight)?;
            Ok(())
        }
        fn each<'a>(mut values: impl Iterator<Item = &'a Value>, left: &mut usize, nesting: usize) -> Result<(), Excess> {
            match values.by_ref().find(|value| !matches!(value, Value::None)) {
                Some(first) if !first.is_small() => std::iter::once(first).chain(values).try_for_each(|value| value.weigh(left, nesting)),
                _ => Ok(()),
            }
        }
        match self {
            Value::Struct(fields) | Value::Variant(_, fields) => {
                let nesting = nesting.checked_sub(1).ok_or(Excess::Nesting)?;
                spend(left, fields.len())?;
                fields.iter().try_for_each(|field| field.weigh(left, nesting))
            }
            Value::List(list) => {
                spend(left, list.len())?;
                each(list.iter(), left, nesting)
            }
            Value::Set(set) => {
                spend(left, set.len())?;
                each(set.iter(), left, nesting)
            }
            Value::Map(map) => {
                spend(left, map.len())?;
                each(map.keys(), left, nesting)?;
                each(map.values(), left, nesting)
            }
            Value::Text(text) => spend(left, text.len() / 64),
            Value::Bytes(bytes) => spend(left, bytes.len() / 64),
            _ => Ok(()),
        }
    }

    /// A text.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Value::Text(text.into())
    }

    /// A list of these elements.
    pub fn list(elements: impl IntoIterator<Item = Value>) -> Self {
        Value::List(Arc::new(elements.into_iter().collect()))
    }

    /// A set of these elements.
    pub fn set(elements: impl IntoIterator<Item = Value>) -> Self {
        Value::Set(Arc::new(elements.into_iter().collect()))
    }

    /// A map of these entries; of equal keys the last stays.
    pub fn map(entries: impl IntoIterator<Item = (Value, Value)>) -> Self {
        Value::Map(Arc::new(entries.into_iter().collect()))
    }

    /// The position of its type in the order of values.
    fn rank(&self) -> u8 {
        match self {
            Value::None => 0,
            Value::Bool(_) => 1,
            Value::Int(_) => 2,
            Value::Float(_) => 3,
            Value::Text(_) => 4,
            Value::Bytes(_) => 5,
            Value::Time(_) => 6,
            Value::Duration(_) => 7,
            Value::Space(_) => 8,
            Value::Ref(_) => 9,
            Value::List(_) => 10,
            Value::Set(_) => 11,
            Value::Map(_) => 12,
            Value::Struct(_) => 13,
            Value::Variant(..) => 14,
        }
    }
}

/// Values of one type by their content (Float by `total_cmp`, with -0 equal to 0); of different types by the type.
impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Value::None, Value::None) => Ordering::Equal,
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Int(a), Value::Int(b)) | (Value::Time(a), Value::Time(b)) | (Value::Duration(a), Value::Duration(b)) => a.cmp(b),
            (Value::Float(a), Value::Float(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
            (Value::Text(a), Value::Text(b)) => a.cmp(b),
            (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
            (Value::Space(a), Value::Space(b)) => a.cmp(b),
            (Value::Ref(a), Value::Ref(b)) => a.cmp(b),
            (Value::List(a), Value::List(b)) => a.cmp(b),
            (Value::Set(a), Value::Set(b)) => a.cmp(b),
            (Value::Map(a), Value::Map(b)) => a.cmp(b),
            (Value::Struct(a), Value::Struct(b)) => a.cmp(b),
            (Value::Variant(a, x), Value::Variant(b, y)) => (a, x).cmp(&(b, y)),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(self.rank());
        match self {
            Value::None => {}
            Value::Bool(b) => b.hash(state),
            Value::Int(n) | Value::Time(n) | Value::Duration(n) => n.hash(state),
            Value::Float(x) => (x + 0.0).to_bits().hash(state),
            Value::Text(t) => t.hash(state),
            Value::Bytes(b) => b.hash(state),
            Value::Space(s) => s.hash(state),
            Value::Ref(r) => r.hash(state),
            Value::List(xs) => xs.hash(state),
            Value::Set(xs) => xs.hash(state),
            Value::Map(m) => m.hash(state),
            Value::Struct(fields) => fields.hash(state),
            Value::Variant(variant, fields) => (variant, fields).hash(state),
        }
    }
}
