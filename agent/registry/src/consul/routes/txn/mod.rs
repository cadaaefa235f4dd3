//! `/v1/txn`: several operations, all or nothing.
//!
//! Operations on keys are carried out in one change of the state. Nodes, services and checks can be read
//! beside them; changing them here is refused, because it could not be undone when a later operation fails.

mod keys;
mod lookup;

use http::StatusCode;
use state::{WriteError, kv::Entry, tokens::Right};

use self::{keys::KeyOperation, lookup::Found};
use crate::{
    consul::{
        error::{ApiError, chain},
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

/// One operation, understood; a lookup is done already, since nothing in a transaction changes what it finds.
enum Operation {
    Key(KeyOperation),
    Lookup(Result<Found, String>),
}

/// Why nothing was done.
enum Failed {
    /// Operations by number, and why.
    Operations(Vec<(usize, String)>),
    State(WriteError),
}

impl From<WriteError> for Failed {
    fn from(error: WriteError) -> Self {
        Self::State(error)
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
        .map(|operation| understand(server, &namespace, operation))
        .collect::<Result<Vec<_>, _>>()?;
    let writes = |operation: &Operation| matches!(operation, Operation::Key(key) if key.writes());
    let right = if operations.iter().any(writes) {
        Right::Write
    } else {
        Right::Read
    };
    caller.require(right, &namespace)?;
    let outcome = run(server, &namespace, operations).await;
    let (status, answer) = match &outcome {
        Ok(done) => (StatusCode::OK, shown(server, &namespace, done)),
        Err(Failed::Operations(errors)) => (StatusCode::CONFLICT, failed(errors)),
        Err(Failed::State(error)) => return Err(ApiError::internal(chain(error))),
    };
    let index = server.registry().revision();
    let answer = Answer::render(&answer, &head.options)?;
    Ok(answer.at(index, &head.options).with_status(status))
}

fn understand(server: &Server, namespace: &Name, operation: TxnOp) -> Result<Operation, ApiError> {
    if let Some(operation) = operation.kv {
        return KeyOperation::parse(operation).map(Operation::Key);
    }
    let found = if let Some(operation) = operation.node {
        lookup::node(server, &operation)
    } else if let Some(operation) = operation.service {
        lookup::service(server, namespace, &operation)
    } else if let Some(operation) = operation.check {
        lookup::check(server, namespace, &operation)
    } else {
        Err(ApiError::bad_request(
            "An operation of the transaction is empty",
        ))
    };
    found.map(Operation::Lookup)
}

/// What an operation came to.
enum Done {
    /// Keys in the order they were read or written.
    Keys(Vec<Entry>, keys::Shows),
    Found(Found),
}

async fn run(
    server: &Server,
    namespace: &Name,
    operations: Vec<Operation>,
) -> Result<Vec<Done>, Failed> {
    let namespace = Name::clone(namespace);
    let committed = server.registry().store().write(move |tx| {
        let mut done = Vec::with_capacity(operations.len());
        let mut errors = Vec::new();
        for (number, operation) in operations.into_iter().enumerate() {
            match operation {
                Operation::Lookup(Ok(found)) => done.push(Done::Found(found)),
                Operation::Lookup(Err(what)) => errors.push((number, what)),
                Operation::Key(key) => match key.run(tx, &namespace)? {
                    Ok(entries) => done.push(Done::Keys(entries, key.shows)),
                    Err(what) => errors.push((number, what)),
                },
            }
        }
        if errors.is_empty() {
            Ok(done)
        } else {
            Err(Failed::Operations(errors))
        }
    });
    committed.await.map(|committed| committed.value)
}

fn shown<'a>(server: &'a Server, namespace: &'a str, done: &'a [Done]) -> TxnAnswer<'a> {
    let mut results = Vec::new();
    for done in done {
        match done {
            Done::Keys(entries, shows) => {
                results.extend(
                    entries
                        .iter()
                        .map(|entry| TxnResult::Kv(shows.row(namespace, entry))),
                );
            }
            Done::Found(Found::Node(entry)) => results.push(TxnResult::Node(NodeRow {
                entry,
                datacenter: &server.settings().datacenter,
            })),
            Done::Found(Found::Service(instance)) => {
                results.push(TxnResult::Service(lookup::service_row(instance)));
            }
            Done::Found(Found::Check(check)) => results.push(TxnResult::Check(check.row())),
        }
    }
    TxnAnswer {
        results,
        errors: Vec::new(),
    }
}

fn failed(errors: &[(usize, String)]) -> TxnAnswer<'static> {
    let errors = errors.iter().map(|(op_index, what)| TxnError {
        op_index: *op_index,
        what: what.clone(),
    });
    TxnAnswer {
        results: Vec::new(),
        errors: errors.collect(),
    }
}
