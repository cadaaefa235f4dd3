//! `/v1/txn`: several operations on keys, nodes, services and checks, all or nothing.

mod keys;
mod things;
mod verb;

use http::StatusCode;
use state::{WriteError, kv::Entry, tokens::Right};

use self::{keys::KeyOperation, things::Found};
use super::mounted;
use crate::{
    Caller, RegistryError, Transaction,
    consul::{
        error::ApiError,
        http::{Answer, Call},
        server::Server,
        types::{
            node::NodeRow,
            txn::{TxnAnswer, TxnError, TxnOp, TxnResult},
        },
    },
    model::Name,
};

/// Operations of the largest transaction.
const MOST_OPERATIONS: usize = 128;

/// One operation, understood.
enum Operation {
    Key(KeyOperation),
    Thing(things::Operation),
}

/// What an operation came to.
enum Done {
    /// Keys in the order they were read or written.
    Keys(Vec<Entry>, keys::Shows),
    Found(Found),
    Nothing,
}

/// Why nothing was done.
enum Failed {
    /// Operations by number, and why.
    Operations(Vec<(usize, String)>),
    Registry(RegistryError),
}

impl From<WriteError> for Failed {
    fn from(error: WriteError) -> Self {
        Self::Registry(error.into())
    }
}

impl From<RegistryError> for Failed {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

pub(super) async fn write(server: &Server, call: Call) -> Result<Answer, ApiError> {
    let (head, caller, operations) = call.json::<Vec<TxnOp>>().await?;
    if operations.len() > MOST_OPERATIONS {
        let count = operations.len();
        return Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("Transaction contains too many operations ({count} > {MOST_OPERATIONS})"),
        ));
    }
    let namespace = head.namespace();
    let operations = operations
        .into_iter()
        .map(|operation| understand(&namespace, operation))
        .collect::<Result<Vec<_>, _>>()?;
    for operation in &operations {
        allow(operation, &caller, &namespace)?;
        if let Operation::Key(KeyOperation { key, .. }) = operation
            && let Some(mount) = server.mount(&namespace, key)
        {
            return Err(mounted::not_here(mount, &head.method, key));
        }
    }
    let run = {
        let (namespace, actor) = (Name::clone(&namespace), Name::clone(&caller.name));
        move |transaction: &mut Transaction<'_, '_, '_>| {
            let done = run(transaction, &namespace, operations)?;
            transaction.note(&actor, "transaction", &namespace)?;
            Ok::<_, Failed>(done)
        }
    };
    let outcome = server.registry().transact(run).await;
    let index = server.registry().revision();
    let (status, answer) = match outcome {
        Ok(committed) => {
            let answer = shown(server, &namespace, &committed.value, &head.options)?;
            (StatusCode::OK, answer)
        }
        Err(Failed::Operations(errors)) => {
            let answer = Answer::render(&failed(errors), &head.options)?;
            (StatusCode::CONFLICT, answer)
        }
        Err(Failed::Registry(error)) => return Err(error.into()),
    };
    Ok(answer.at(index, &head.options).with_status(status))
}

fn understand(namespace: &Name, operation: TxnOp) -> Result<Operation, ApiError> {
    if let Some(operation) = operation.kv {
        return KeyOperation::parse(operation).map(Operation::Key);
    }
    let thing = if let Some(operation) = operation.node {
        things::Operation::node(operation)
    } else if let Some(operation) = operation.service {
        things::Operation::service(namespace, operation)
    } else if let Some(operation) = operation.check {
        things::Operation::check(namespace, operation)
    } else {
        Err(ApiError::bad_request(
            "An operation of the transaction is empty",
        ))
    };
    thing.map(Operation::Thing)
}

fn allow(operation: &Operation, caller: &Caller, namespace: &str) -> Result<(), RegistryError> {
    match operation {
        Operation::Key(key) if key.writes() => caller.require(Right::Write, namespace),
        Operation::Key(_) => caller.require(Right::Read, namespace),
        Operation::Thing(thing) => thing.allow(caller, namespace),
    }
}

/// Every operation sees what those before it did. All of them are tried, so that all failures are told.
fn run(
    transaction: &mut Transaction<'_, '_, '_>,
    namespace: &Name,
    operations: Vec<Operation>,
) -> Result<Vec<Done>, Failed> {
    let mut done = Vec::with_capacity(operations.len());
    let mut errors = Vec::new();
    for (number, operation) in operations.into_iter().enumerate() {
        let outcome = match operation {
            Operation::Key(key) => {
                let entries = key.run(transaction.state(), namespace)?;
                entries.map(|entries| Done::Keys(entries, key.shows))
            }
            Operation::Thing(thing) => {
                let found = thing.run(transaction)?;
                found.map(|found| found.map_or(Done::Nothing, Done::Found))
            }
        };
        match outcome {
            Ok(one) => done.push(one),
            Err(what) => errors.push((number, what)),
        }
    }
    if errors.is_empty() {
        Ok(done)
    } else {
        Err(Failed::Operations(errors))
    }
}

fn shown(
    server: &Server,
    namespace: &str,
    done: &[Done],
    options: &crate::consul::options::Options,
) -> Result<Answer, ApiError> {
    // Newest words of the checks that are shown, in their order.
    let outputs: Vec<String> = done
        .iter()
        .map(|done| match done {
            Done::Found(Found::Check(check)) => check.output(server.registry()),
            _ => String::new(),
        })
        .collect();
    let mut results = Vec::new();
    for (done, output) in done.iter().zip(&outputs) {
        match done {
            Done::Keys(entries, shows) => {
                let rows = entries.iter().map(|entry| shows.row(namespace, entry));
                results.extend(rows.map(TxnResult::Kv));
            }
            Done::Found(Found::Node(entry)) => results.push(TxnResult::Node(NodeRow {
                entry,
                datacenter: &server.settings().datacenter,
            })),
            Done::Found(Found::Service(instance)) => {
                results.push(TxnResult::Service(things::service_row(instance)));
            }
            Done::Found(Found::Check(check)) => results.push(TxnResult::Check(check.row(output))),
            Done::Nothing => {}
        }
    }
    let errors = Vec::new();
    Answer::render(&TxnAnswer { results, errors }, options)
}

fn failed(errors: Vec<(usize, String)>) -> TxnAnswer<'static> {
    let errors = errors.into_iter();
    let errors = errors.map(|(op_index, what)| TxnError { op_index, what });
    TxnAnswer {
        results: Vec::new(),
        errors: errors.collect(),
    }
}
