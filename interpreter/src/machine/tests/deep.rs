//! What nests deeply does not run out of stack.

use std::sync::Arc;

use patternc_program::*;

use crate::attempt::Env;
use crate::failure::FailureKind;
use crate::limits::Limits;
use crate::machine::Execution;
use crate::store::Stores;
use crate::store::memory::Memory;
use crate::store::state::Schema;
use crate::value::Value;

const AT: Source = Source { file: FileId(0), start: 0, end: 0 };

fn evaluate(program: &Program, limits: &Limits, expr: &Expr) -> Result<Value, FailureKind> {
    let stores = Stores::single(Box::new(Memory::new(Arc::new(Schema::new(program)), limits)));
    let env = Env { program, stores: &stores, limits, answers: None, now: 0, ids: 0, caller: None };
    Execution::new().evaluate(&env, None, &mut Vec::new(), expr).expect("memory answers").map_err(|failure| failure.kind)
}

/// Functions that call the next, each inside a hundred operators, as deep as a pattern can nest them.
fn chain(length: u32) -> Program {
    let body = |n: u32| {
        let inner = if n + 1 < length { Expr::CallFn { body: BodyId(n + 1), args: vec![] } } else { Expr::Bool(true) };
        let value = (0..100).fold(inner, |inner, _| Expr::Not(Box::new(inner)));
        Body { name: format!("f{n}").into(), params: 0, slots: 0, code: Code::Expr(value), at: AT }
    };
    Program { bodies: (0..length).map(body).collect(), ..Program::default() }
}

#[test]
fn long_chains_of_calls_have_stack_enough() {
    let run = || evaluate(&chain(1000), &Limits::default(), &Expr::CallFn { body: BodyId(0), args: vec![] });
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(run).expect("a thread starts");
    assert_eq!(thread.join().expect("it does not run out of stack"), Ok(Value::Bool(true)));
}

#[test]
fn values_nest_up_to_the_limit() {
    let nested = |depth: u32| {
        let fields = |inner| Expr::Struct { of: StructId(0), fields: vec![inner] };
        (0..depth).fold(Expr::List(vec![]), |inner, _| fields(Expr::List(vec![Expr::None, inner])))
    };
    let limits = Limits { value_nesting: 10, ..Limits::default() };
    assert!(evaluate(&Program::default(), &limits, &nested(10)).is_ok());
    assert_eq!(evaluate(&Program::default(), &limits, &nested(11)), Err(FailureKind::Overflow));
}
