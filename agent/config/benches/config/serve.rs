//! The process that serves: documents from files, and releases to clients of Apollo.

use std::{
    io::{BufRead, stdin},
    net::Ipv4Addr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use config::{
    Definition, DocumentId, Documents, FileSource, Handle, Hooks, Schema, Watcher,
    apollo::{self, Board, Key, Release},
    caller::ByPeer,
    listen::Listener,
    roles::Policy,
};
use state::{Options, Store};
use tokio::{net::TcpListener, sync::watch};

/// Serves `file.yaml` and the ConfigMap `map` of the folder until standard input ends.
///
/// ```text
/// says    PORT                  where Apollo's clients are answered
/// says    file 1, map 1         a document and the number that is in force in it
/// hears   publish 7             releases `number: 7` in the namespace `application` of the application `shop`
/// ```
#[tokio::main(worker_threads = 2)]
pub(crate) async fn run(folder: &Path) {
    let opened = Store::open(&folder.join("state.redb"), &Options::default()).unwrap();
    let store = Arc::new(opened.store);
    let board = Arc::new(Board::open(Arc::clone(&store)).unwrap());
    let (_end, ends) = watch::channel(false);
    let server = apollo::Server::new(
        Arc::clone(&board),
        apollo::Settings::default(),
        Arc::new(ByPeer),
        Arc::new(Policy::open()),
        ends,
    );
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    tokio::spawn(Arc::new(server).serve(Listener::Tcp(listener)));
    let watcher = Watcher::new(store, Hooks::default());
    let mut handles: Vec<Handle> = Vec::new();
    for (name, source) in [("file", "file.yaml"), ("map", "map")] {
        let source = folder.join(source);
        if source.exists() {
            handles.push(watcher.watch(definition(name, &source)).await);
            let documents = Arc::clone(watcher.documents());
            tokio::spawn(tell(documents, id(name)));
        }
    }
    let (orders, mut inbox) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        for line in stdin().lock().lines() {
            orders.blocking_send(line.unwrap()).unwrap();
        }
    });
    while let Some(order) = inbox.recv().await {
        let number = order.strip_prefix("publish ").unwrap();
        let entries = [("number".to_owned(), number.to_owned())];
        let key = Key::new("shop", "default", "application").unwrap();
        let release = Release::new(number, entries.into());
        board.publish(key, release).await.unwrap();
    }
}

fn id(name: &str) -> DocumentId {
    DocumentId::new("bench", name).unwrap()
}

/// As it is in use: with a schema, and the usual times.
fn definition(name: &str, source: &Path) -> Definition {
    let source = Arc::new(FileSource::new(source));
    let mut definition = Definition::new(id(name), vec![source]);
    let schema = serde_json::json!({
        "type": "object",
        "properties": {"number": {"type": "integer"}, "servers": {"type": "array"}},
    });
    definition.schema = Some(Arc::new(Schema::new(schema).unwrap()));
    definition
}

/// Says which number is in force, whenever it is another one.
async fn tell(documents: Arc<Documents>, id: DocumentId) {
    loop {
        let index = documents.index(&id);
        if let Some(document) = documents.get(&id) {
            let json = document.value.to_json(config::Reveal::Plain);
            println!("{} {}", id.name(), json["number"]);
        }
        let deadline = Instant::now() + Duration::from_secs(3_600);
        let _news_or_late = documents.wait(&id, index, deadline).await;
    }
}
