//! A point of a search: a test so far, and what can happen next.

use std::sync::Arc;

use patternc_program::{Source, Test};

use super::canonical::{Canonical, Renaming};
use super::commute::Footprint;
use super::stage::Exploring;
use super::{Bounds, Kind, Violation};
use crate::engine::{CallAnswer, Session, Stage as FlightStage};
use crate::event::Outcome;
use crate::failure::FailureKind;
use crate::simulate::script::{Moved, Script};
use crate::simulate::session::{Awaited, Thread};
use crate::simulate::stage::Stage;
use crate::simulate::{Outside, Request, TestFailure};
use crate::value::{RecordRef, Value};

/// A session and whether it waits until nothing more can happen.
#[derive(Clone)]
pub(super) struct Player<'p> {
    pub thread: Thread<'p>,
    pub rests: bool,
}

/// Sessions that run side by side; the first group is the test's own session.
pub(super) struct Group<'p> {
    pub players: Vec<Arc<Player<'p>>>,
    /// Where it began.
    pub at: Source,
}

impl Clone for Group<'_> {
    fn clone(&self) -> Self {
        Group { players: self.players.clone(), at: self.at }
    }

    fn clone_from(&mut self, other: &Self) {
        self.players.clone_from(&other.players);
        self.at = other.at;
    }
}

/// One thing that can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// A transaction, or one half of it.
    Step(u16),
    /// A session does its next statement.
    Session(u16),
    Answer(u16, Reply),
    /// An event is delivered once more.
    Again(u16),
    Crash,
}

/// What the outside does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// It answers what the test says.
    Given,
    Refuses,
    /// It does as asked, and the answer is lost.
    Lost,
}

/// How often what is out of the ordinary has happened on the way to a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    pub crashes: u8,
    pub duplicates: u8,
    pub failures: u8,
}

impl Used {
    /// How much it is, of whatever kind.
    pub fn total(self) -> usize {
        usize::from(self.crashes) + usize::from(self.duplicates) + usize::from(self.failures)
    }

    /// Whether nothing happened more often than there.
    pub fn covers(self, other: Used) -> bool {
        self.crashes <= other.crashes && self.duplicates <= other.duplicates && self.failures <= other.failures
    }
}

/// Some of the first sessions of a test, by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sessions(u64);

impl Sessions {
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the session of this number is among them: the test's own is 0.
    pub fn has_number(self, number: u64) -> bool {
        self.has(Session(number))
    }

    fn add(&mut self, session: Session) {
        self.0 |= 1_u64.checked_shl(u32::try_from(session.0).unwrap_or(u32::MAX)).unwrap_or(0);
    }

    /// Those that are in neither.
    pub(super) fn others(self, more: Sessions) -> Sessions {
        Sessions(!(self.0 | more.0))
    }

    pub(super) fn with(self, more: Sessions) -> Sessions {
        Sessions(self.0 | more.0)
    }

    pub(super) fn has(self, session: Session) -> bool {
        u32::try_from(session.0).ok().and_then(|at| self.0.checked_shr(at)).is_some_and(|bits| bits & 1 == 1)
    }
}

/// See the module's documentation.
pub(super) struct Point<'p> {
    pub script: Script<'p, Exploring>,
    pub groups: Vec<Group<'p>>,
    pub used: Used,
    /// What concurrent events were answered, for those who compare; then nothing is judged on the way.
    pub answers: Option<u128>,
    /// Whether a concurrent event was answered with a failure.
    pub failed: bool,
    /// For those who compare: the sessions whose events were refused.
    pub refused: Sessions,
    /// For those who compare: the sessions that send nothing, as if what they send were refused and left nothing.
    pub left_out: Sessions,
    /// Whether all that followed on the last move is that stores took commits, and that sessions got their answers and sent what comes next.
    plain: bool,
    /// Whether also moves are taken that are known to lead where others lead.
    pub every_step: bool,
}

type Step<T> = Result<T, Box<Violation>>;

fn found(kind: Kind) -> impl Fn(TestFailure) -> Box<Violation> {
    move |failure| Box::new(Violation { kind, failure })
}

impl<'p> Point<'p> {
    /// The beginning of a test.
    pub fn new(world: Exploring, test: &'p Test) -> Self {
        let program = world.engine().program().clone();
        let frame = vec![Value::None; test.slots as usize];
        let thread = Thread::new(Session(0), None, frame, &test.body);
        let group = Group { players: vec![Arc::new(Player { thread, rests: false })], at: test.at };
        Point {
            script: Script::new(program, world),
            groups: vec![group],
            used: Used::default(),
            answers: None,
            failed: false,
            refused: Sessions::default(),
            left_out: Sessions::default(),
            plain: false,
            every_step: false,
        }
    }

    /// The same point, to go another way from it.
    pub fn fork(&self) -> Self {
        Point {
            script: self.script.in_world(self.script.world.fork()),
            groups: self.groups.clone(),
            used: self.used,
            answers: self.answers,
            failed: self.failed,
            refused: self.refused,
            left_out: self.left_out,
            plain: false,
            every_step: self.every_step,
        }
    }

    /// Becomes the same as another point of the search, in its own room.
    pub fn stand_as(&mut self, other: &Self) {
        let Point { script, groups, used, answers, failed, refused, left_out, plain: _, every_step } = other;
        self.script.world.stand_as(&script.world);
        self.script.stand_as(script);
        self.groups.clone_from(groups);
        self.used = *used;
        self.answers = *answers;
        self.failed = *failed;
        self.refused = *refused;
        self.left_out = *left_out;
        self.plain = false;
        self.every_step = *every_step;
    }

    /// The id of an event from outside that waits for an outcome.
    pub fn event_of(&self, request: Request) -> Option<&str> {
        let asked = self.script.world.asked().iter().find(|asked| asked.request == request)?;
        Some(asked.id())
    }

    /// Every record, in the order of creation within its store.
    pub fn records(&self) -> Vec<RecordRef> {
        let stores = self.script.world.engine().stores();
        let states = (0..stores.len()).map(|store| stores.get(store).in_memory().expect("explored stores are in memory"));
        states.flat_map(|state| state.records().map(|stored| stored.record.clone())).collect()
    }

    /// What can happen next.
    pub fn moves(&self, bounds: &Bounds) -> Vec<Move> {
        let mut moves: Vec<Move> = self.script.world.steps().into_iter().map(|step| Move::Step(step as u16)).collect();
        let steps = !moves.is_empty();
        self.other_moves(bounds, steps, &mut |chosen| moves.push(chosen));
        moves
    }

    /// What can happen besides steps. `steps`: whether there are any.
    pub fn other_moves(&self, bounds: &Bounds, steps: bool, say: &mut dyn FnMut(Move)) {
        let world = &self.script.world;
        let mut any = steps;
        if let Some(group) = self.groups.last().filter(|_| self.groups.len() > 1) {
            let able = |player: &Player<'_>| !player.rests && player.thread.waits.is_none() && !player.thread.is_done();
            for (at, _) in group.players.iter().enumerate().filter(|(_, player)| able(player)) {
                any = true;
                say(Move::Session(at as u16));
            }
        }
        for (at, call) in world.calls().iter().enumerate() {
            any = true;
            say(Move::Answer(at as u16, Reply::Given));
            // What was answered once is answered alike when it is asked again.
            if self.script.outside.told(&call.event).is_none() && self.used.failures < bounds.failures {
                say(Move::Answer(at as u16, Reply::Refuses));
            }
            if self.used.duplicates < bounds.duplicates {
                say(Move::Answer(at as u16, Reply::Lost));
            }
        }
        // Where nothing happens, nothing is in the way of a crash either: it was tried before.
        if !any {
            return;
        }
        // What loses nothing leads to the point itself.
        if self.used.crashes < bounds.crashes && (self.every_step || world.engine().has_to_lose()) {
            say(Move::Crash);
        }
        if self.used.duplicates < bounds.duplicates && !world.is_held() {
            let repeatable = world.engine().deliveries_under_way();
            (0..repeatable).for_each(|at| say(Move::Again(at as u16)));
        }
    }

    /// Lets it happen, and all that follows without anyone's choice.
    ///
    /// # Errors
    /// What is not as it must be.
    pub fn take(&mut self, chosen: Move) -> Step<()> {
        self.plain = matches!(chosen, Move::Step(_)) && !self.script.world.is_held();
        match chosen {
            Move::Step(at) => self.script.world.engine_mut().step_at(usize::from(at)),
            Move::Session(at) => {
                let top = self.groups.len() - 1;
                self.move_player(top, usize::from(at))?;
            }
            Move::Answer(at, reply) => self.answer(usize::from(at), reply)?,
            Move::Again(at) => {
                self.used.duplicates += 1;
                self.script.world.deliver_again(at);
            }
            Move::Crash => {
                self.used.crashes += 1;
                self.script.world.crash();
            }
        }
        self.settle()
    }

    /// The same, and what it read and changed, if the move is one that can change places with others.
    pub fn take_traced(&mut self, chosen: Move) -> Step<Option<Footprint>> {
        self.script.world.engine_mut().begin_trace();
        let taken = self.take(chosen);
        let trace = self.script.world.engine_mut().end_trace();
        taken?;
        let engine = self.script.world.engine();
        let Some(trace) = trace else { return Ok(None) };
        let apart = self.plain && !self.script.world.is_held();
        let footprint = if apart { Footprint::new(engine.program(), engine.stores(), &trace) } else { None };
        self.script.world.engine_mut().recycle(trace);
        Ok(footprint)
    }

    fn answer(&mut self, at: usize, reply: Reply) -> Step<()> {
        let call = self.script.world.calls()[at].clone();
        let of = &self.script.world.engine().program().externs[call.of.index()];
        let (name, operation) = (of.name, of.operations[call.operation as usize].name);
        let answer = match reply {
            Reply::Given => {
                let Script { world, outside, .. } = &mut self.script;
                outside.call(world.engine_mut(), &call).map_err(|message| {
                    let at = self.groups.last().expect("the test's own session is a group").at;
                    Box::new(Violation { kind: Kind::Expectation, failure: TestFailure { at, message, notes: Vec::new() } })
                })?
            }
            Reply::Refuses => {
                self.used.failures += 1;
                let answer = CallAnswer::Rejected(format!("{name}.{operation} refuses"));
                self.script.outside.answered(&call, &answer);
                answer
            }
            Reply::Lost => {
                self.used.duplicates += 1;
                CallAnswer::Unavailable("the answer was lost".to_owned())
            }
        };
        self.script.world.answer(at, answer);
        Ok(())
    }

    /// Of these moves, those that go on with what has begun; all, if nothing has.
    pub fn going_on(&self, moves: Vec<Move>) -> Vec<Move> {
        let begins: Vec<bool> = self.script.world.engine().next_steps().map(|step| step.outside && !step.commit).collect();
        let goes_on = |chosen: &Move| match chosen {
            Move::Step(at) => !begins[usize::from(*at)],
            Move::Answer(..) => true,
            Move::Session(_) | Move::Again(_) | Move::Crash => false,
        };
        if moves.iter().any(goes_on) { moves.into_iter().filter(goes_on).collect() } else { moves }
    }

    /// Does everything that leaves no choice: bookkeeping of the engine, statements whose order nobody can tell.
    pub fn settle(&mut self) -> Step<()> {
        self.script.world.settle();
        self.check()?;
        // What sessions do from here on changes nothing stored.
        while self.move_sessions()? {
            self.script.world.settle();
        }
        Ok(())
    }

    /// What must hold at every point.
    fn check(&mut self) -> Step<()> {
        if self.answers.is_some() {
            return Ok(());
        }
        let at = self.groups.last().expect("the test's own session is a group").at;
        let engine = self.script.world.engine();
        if engine.nothing_in_flight() {
            return self.script.check_eventually(at).map_err(found(Kind::Eventually));
        }
        if !engine.has_trouble() {
            return Ok(());
        }
        for flight in self.script.world.in_flight() {
            let what = || engine.describe(&flight.outgoing.event.action);
            if flight.stage == FlightStage::Parked {
                let why = engine.trouble(&flight.outgoing.event.id).unwrap_or_default();
                let message = format!("{} is parked: {why}", what());
                return Err(found(Kind::Parked)(TestFailure { at, message, notes: Vec::new() }));
            }
            if let Some(Outcome::Failed(failure)) = flight.outcome
                && failure.kind == FailureKind::Isolation
            {
                let message = format!("{} failed: {failure}", what());
                return Err(found(Kind::Isolation)(TestFailure { at, message, notes: Vec::new() }));
            }
        }
        Ok(())
    }

    /// Moves a session on where that makes no difference to others; `false` if there is none.
    fn move_sessions(&mut self) -> Step<bool> {
        let top = self.groups.len() - 1;
        let idle = self.script.world.is_idle();
        for at in 0..self.groups[top].players.len() {
            let player = &self.groups[top].players[at];
            if let Some(waits) = &player.thread.waits {
                // The test's own session goes on when all that its event caused has happened.
                if self.script.world.has_outcome(waits.request) && (top > 0 || idle) {
                    self.resume(top, at)?;
                    return Ok(true);
                }
                continue;
            }
            if player.rests {
                self.plain = false;
                if idle && (top == 0 || self.groups[top].players.iter().all(|p| p.rests || p.thread.waits.is_some() || p.thread.is_done()))
                {
                    Arc::make_mut(&mut self.groups[top].players[at]).rests = false;
                    self.script.check_late().map_err(found(Kind::Expectation))?;
                    return Ok(true);
                }
                continue;
            }
            if player.thread.is_done() {
                continue;
            }
            if top == 0 || player.thread.is_unseen() {
                if top == 0 && !idle {
                    continue;
                }
                self.move_player(top, at)?;
                return Ok(true);
            }
        }
        let group = &self.groups[top];
        if !idle || group.players.iter().any(|player| player.thread.waits.is_none() && (player.rests || !player.thread.is_done())) {
            return Ok(false);
        }
        self.plain = false;
        // Nothing more can happen, and who still waits has no answer yet.
        if let Some(at) = group.players.iter().position(|player| player.thread.waits.is_some()) {
            let player = Arc::make_mut(&mut self.groups[top].players[at]);
            let waits = player.thread.waits.take().expect("it was just found waiting");
            self.script.answer_later(waits).map_err(found(Kind::Expectation))?;
            return Ok(true);
        }
        if top > 0 {
            self.groups.pop();
            self.script.check_late().map_err(found(Kind::Expectation))?;
            return Ok(true);
        }
        if let Some(waits) = self.script.late().first() {
            let failure = TestFailure { at: waits.at, message: format!("{} was never answered", waits.what), notes: Vec::new() };
            return Err(found(Kind::Expectation)(failure));
        }
        Ok(false)
    }

    fn resume(&mut self, top: usize, at: usize) -> Step<()> {
        let player = Arc::make_mut(&mut self.groups[top].players[at]);
        let waits = player.thread.waits.take().expect("it waits for an event");
        // What is expected of a failure may be something stored.
        self.plain &= matches!(waits.then, Awaited::Result(_));
        let outcome = self.script.world.take_outcome(waits.request).expect("its outcome is known");
        if let Some(answers) = self.answers.as_mut().filter(|_| top > 0) {
            let canonical = Canonical { renaming: &Renaming::default(), loose: Some(&[]) };
            let session = player.thread.session;
            let refused = matches!(outcome, Outcome::Failed(_));
            self.failed |= refused;
            if refused {
                self.refused.add(session);
            }
            // Why makes no difference to what was done.
            *answers = answers.wrapping_add(canonical.answer(session.0, (!refused).then_some(&outcome)));
        }
        self.script.resume(&mut player.thread, &waits, outcome).map_err(found(Kind::Expectation))?;
        if top == 0 {
            self.script.check_late().map_err(found(Kind::Expectation))?;
        }
        Ok(())
    }

    fn move_player(&mut self, top: usize, at: usize) -> Step<()> {
        let player = Arc::make_mut(&mut self.groups[top].players[at]);
        match self.script.step(&mut player.thread).map_err(found(Kind::Expectation))? {
            Moved::On | Moved::Waits | Moved::Done => {}
            // Tests that reconcile are not explored.
            Moved::Rests | Moved::Reconciles(..) => {
                self.plain = false;
                player.rests = true;
            }
            Moved::Joins(threads, began) => {
                self.plain = false;
                let (out, threads): (Vec<_>, Vec<_>) = threads.into_iter().partition(|thread| self.left_out.has(thread.session));
                if let Some(answers) = &mut self.answers {
                    let canonical = Canonical { renaming: &Renaming::default(), loose: Some(&[]) };
                    let refusals = out.iter().map(|thread| canonical.answer(thread.session.0, None));
                    *answers = refusals.fold(*answers, u128::wrapping_add);
                }
                let players = threads.into_iter().map(|thread| Arc::new(Player { thread, rests: false })).collect();
                self.groups.push(Group { players, at: began });
            }
        }
        Ok(())
    }

    /// Whether an attempt has run and is to be committed.
    pub fn has_prepared(&self) -> bool {
        let engine = self.script.world.engine();
        engine.waiting().any(|waiting| waiting.prepared.is_some())
            || self.script.world.in_flight().iter().any(|flight| flight.prepared.is_some())
    }
}
