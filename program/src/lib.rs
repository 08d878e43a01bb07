//! A compiled pattern project as plain data: what the compiler makes and the interpreter runs.
//!
//! Neither side knows the other; both know this. Names are resolved to dense indices, places to slots. What has to survive a new version of
//! the program (stored cells, queued arms, timers) is found again by name: every declaration keeps its own.

mod code;
mod code_render;
mod method;
mod render;
mod types;

pub use code::*;
pub use method::Method;
pub use types::{Place, Type};

/// An interned name.
pub type Name = ustr::Ustr;

/// Declares an index into one of the lists of a [`Program`].
macro_rules! index {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            /// As an index into a slice.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )* };
}

index! {
    /// Into [`Program::spaces`].
    SpaceId;
    /// Into [`Program::structs`].
    StructId;
    /// Into [`Program::enums`].
    EnumId;
    /// Into [`Program::records`].
    RecordId;
    /// Into [`Record::cells`]: stored cells only.
    CellIndex;
    /// Into [`Record::derived`].
    DerivedIndex;
    /// Into [`Program::handlers`].
    HandlerId;
    /// Into [`Program::sagas`].
    SagaId;
    /// Into [`Program::externs`].
    ExternId;
    /// Into [`Program::bodies`].
    BodyId;
    /// Into [`Program::arms`].
    ArmId;
    /// Into [`Program::files`].
    FileId;
    /// A local of a running body. Slot 0 is `self` where the body has one, then come the parameters.
    Slot;
}

/// A whole project, ready to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// Paths of the source files, for messages.
    pub files: Vec<Box<str>>,
    pub spaces: Vec<Space>,
    pub structs: Vec<Struct>,
    pub enums: Vec<Enum>,
    pub records: Vec<Record>,
    pub handlers: Vec<Handler>,
    pub sagas: Vec<Saga>,
    pub externs: Vec<Extern>,
    pub invariants: Vec<Invariant>,
    pub mirrors: Vec<Mirror>,
    pub bodies: Vec<Body>,
    pub arms: Vec<Arm>,
    pub tests: Vec<Test>,
}

/// A declared space.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    pub name: Name,
    /// The key type of a family.
    pub key: Option<Type>,
}

/// A field of a struct or variant, or a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    pub name: Name,
    pub ty: Type,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Struct {
    pub name: Name,
    pub fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Enum {
    pub name: Name,
    pub variants: Vec<Variant>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    pub name: Name,
    pub fields: Vec<Field>,
}

/// A record type.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub name: Name,
    pub home: Home,
    /// Stored cells.
    pub cells: Vec<Cell>,
    pub derived: Vec<Derived>,
    /// The `key` cell.
    pub key: Option<CellIndex>,
    /// `create { … }`: run with `self` in slot 0 after the cells are set.
    pub create: Option<BodyId>,
    pub handlers: Vec<HandlerId>,
    pub sagas: Vec<SagaId>,
    /// Invariants over this type that hold at every commit, as indices into [`Program::invariants`].
    pub invariants: Vec<u32>,
    /// Mirrors of this type, as indices into [`Program::mirrors`].
    pub mirrors: Vec<u32>,
}

/// Which spaces the instances of a record type can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Home {
    /// All of them in one plain space.
    Plain(SpaceId),
    /// Each in one space of a family.
    Family(SpaceId),
    /// Each in any space.
    Floating,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub name: Name,
    /// Places as seen from the record: `Here` is its own space.
    pub ty: Type,
    /// Run with `self` in slot 0.
    pub default: Option<BodyId>,
    /// `key` or `unique`: no two records of the type in one space have the same value. `none` is never the same.
    pub unique: bool,
    /// `key`, `unique` or `index`: the runtime keeps an index.
    pub index: bool,
    pub inverse: Option<Inverse>,
}

/// The other end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inverse {
    pub record: RecordId,
    pub cell: CellIndex,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    pub name: Name,
    pub ty: Type,
    /// Run with `self` in slot 0.
    pub body: BodyId,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Handler {
    pub name: Name,
    pub record: RecordId,
    /// Not reachable from outside.
    pub internal: bool,
    pub params: Vec<Field>,
    pub result: Option<Type>,
    /// `self` in slot 0, then the parameters.
    pub body: BodyId,
    /// Other plain spaces it may write.
    pub across: Vec<SpaceId>,
    /// Whether some of it may stay when its event fails: it answers with a send, and has changed something by then.
    pub halfway: bool,
}

/// A saga as a state machine: steps are data, nothing is replayed.
#[derive(Clone, Debug, PartialEq)]
pub struct Saga {
    pub name: Name,
    pub record: RecordId,
    pub params: Vec<Field>,
    /// `let`s and `require`s: `self` in slot 0, then the parameters. All bodies of a saga share one frame layout of `slots`.
    pub prelude: BodyId,
    pub steps: Vec<SagaStep>,
    pub slots: u32,
    /// What is kept from step to step: the parameters, what the prelude binds, the results of steps.
    pub kept: Vec<Kept>,
}

/// A slot of a saga's frame that is kept between its steps, found again by name in a new version of the program.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub slot: Slot,
    pub name: Name,
    pub ty: Type,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SagaStep {
    pub name: Option<Name>,
    pub pivot: bool,
    /// Where the result is kept.
    pub result: Option<(Slot, Type)>,
    pub action: SagaCall,
    pub undo: Option<SagaCall>,
}

/// What a step sends, or what undoes it.
#[derive(Clone, Debug, PartialEq)]
pub struct SagaCall {
    /// A body of one `Send` statement without arms, evaluated to find target and arguments.
    pub body: BodyId,
    /// The slots that it reads, but `self`.
    pub uses: Vec<Slot>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Extern {
    pub name: Name,
    pub operations: Vec<Operation>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    pub name: Name,
    pub params: Vec<Field>,
    pub result: Option<Type>,
    pub repeat: Repeat,
}

/// What repeating a call of an extern operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// Changes nothing outside.
    Readonly,
    /// Safe to repeat with the same idempotency key.
    Idempotent,
    /// Neither: tried once.
    Once,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Invariant {
    pub name: Name,
    pub record: RecordId,
    /// Must hold only when nothing is in flight.
    pub eventually: bool,
    /// The record in slot 0; gives a Bool.
    pub body: BodyId,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    pub name: Name,
    pub record: RecordId,
    pub target: ExternId,
    /// The record in slot 0.
    pub facts: BodyId,
    /// The record in slot 0.
    pub scope: BodyId,
    /// The fact in slot 0: a body of one extern `Send` without arms.
    pub add: BodyId,
    pub remove: BodyId,
    /// The scope in slot 0: the same.
    pub actual: BodyId,
    pub fact: Type,
    pub scope_ty: Type,
    /// The type of the records that say which facts there are, each in the space of the records that give it. Named
    /// `MIRROR.facts`, with four cells: [`Mirror::SCOPE`], [`Mirror::FACT`], [`Mirror::GIVEN`] and [`Mirror::THERE`].
    pub ledger: RecordId,
    /// The type of the records that say what the other side answered last, one in each space, where it answers with a Text. Named
    /// `MIRROR.tokens`, with one cell: [`Mirror::NEWEST`].
    pub tokens: Option<RecordId>,
    /// Whether a removal reaches the other side before anyone is told of what relies on it.
    pub remove_first: bool,
}

impl Mirror {
    /// Of a record of tokens: the list of those that no other is known to be newer than.
    pub const NEWEST: CellIndex = CellIndex(0);
    /// Of a ledger: the scope of the fact.
    pub const SCOPE: CellIndex = CellIndex(0);
    /// Of a ledger: the fact.
    pub const FACT: CellIndex = CellIndex(1);
    /// Of a ledger: how many records of the scope give the fact. At 0 the other side must not have it.
    pub const GIVEN: CellIndex = CellIndex(2);
    /// Of a ledger, since the other side has refused what it was told of the fact: whether it may have it. `none` where it has refused nothing
    /// since it acknowledged something: then it has what it acknowledged.
    pub const THERE: CellIndex = CellIndex(3);
}

/// A test: statements of its own kind over an own frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    pub name: Box<str>,
    pub at: Source,
    pub slots: u32,
    /// What the slots are called, where they have a name: for those who tell what happened.
    pub names: Vec<(Slot, Name)>,
    pub body: Vec<TestStmt>,
}

/// Where something stands in the source, for messages only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    pub file: FileId,
    pub start: u32,
    pub end: u32,
}

impl Program {
    /// The record type of this name.
    pub fn record_named(&self, name: &str) -> Option<RecordId> {
        self.records.iter().position(|r| r.name == name).map(|i| RecordId(i as u32))
    }

    /// The declared space of this name.
    pub fn space_named(&self, name: &str) -> Option<SpaceId> {
        self.spaces.iter().position(|s| s.name == name).map(|i| SpaceId(i as u32))
    }

    /// Whether a mirror keeps the records of this type for itself: its facts, or what the other side answered.
    pub fn is_kept_by_mirror(&self, record: RecordId) -> bool {
        self.mirrors.iter().any(|mirror| mirror.ledger == record || mirror.tokens == Some(record))
    }

    /// The mirror, by index, whose facts the records of this type keep.
    pub fn mirror_kept_by(&self, ledger: RecordId) -> Option<u32> {
        self.mirrors.iter().position(|mirror| mirror.ledger == ledger).map(|i| i as u32)
    }

    /// The record type.
    pub fn record(&self, id: RecordId) -> &Record {
        &self.records[id.index()]
    }

    /// The handler.
    pub fn handler(&self, id: HandlerId) -> &Handler {
        &self.handlers[id.index()]
    }

    /// What a step of a saga calls, or what undoes it does: "Bounty.reserve", "payments.charge", "create Note".
    pub fn called(&self, call: &SagaCall) -> String {
        let Code::Block(stmts) = &self.body(call.body).code else { return String::new() };
        let event = stmts.iter().find_map(|stmt| match stmt {
            Stmt::Send(send) => Some(&send.event),
            _ => None,
        });
        let member = |of: RecordId, name: Name| format!("{}.{name}", self.record(of).name);
        match event {
            Some(SendEvent::Handler { handler, .. }) => member(self.handler(*handler).record, self.handler(*handler).name),
            Some(SendEvent::Saga { saga, .. }) => member(self.sagas[saga.index()].record, self.sagas[saga.index()].name),
            Some(SendEvent::Extern { of, operation, .. }) => {
                let of = &self.externs[of.index()];
                format!("{}.{}", of.name, of.operations[*operation as usize].name)
            }
            Some(SendEvent::Create(create)) => format!("create {}", self.record(create.record).name),
            None => String::new(),
        }
    }

    /// The body.
    pub fn body(&self, id: BodyId) -> &Body {
        &self.bodies[id.index()]
    }
}

impl Saga {
    /// The point of no return: what comes before it is undone, what comes after it is done.
    pub fn pivot(&self) -> usize {
        self.steps.iter().position(|step| step.pivot).unwrap_or(self.steps.len().saturating_sub(1))
    }

    /// What a step is called: its name, or "step 2".
    pub fn step_name(&self, step: usize) -> String {
        match self.steps.get(step).and_then(|step| step.name) {
            Some(name) => name.to_string(),
            None => format!("step {}", step + 1),
        }
    }
}

impl Record {
    /// The stored cell of this name.
    pub fn cell_named(&self, name: &str) -> Option<CellIndex> {
        self.cells.iter().position(|c| c.name == name).map(|i| CellIndex(i as u32))
    }

    /// The derived cell of this name.
    pub fn derived_named(&self, name: &str) -> Option<DerivedIndex> {
        self.derived.iter().position(|c| c.name == name).map(|i| DerivedIndex(i as u32))
    }
}
